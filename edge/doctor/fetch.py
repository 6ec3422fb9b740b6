"""One bounded GET to an address that was chosen beforehand; reading the answer is pure.

No redirect is followed, no name is looked up, nothing but status, headers and the first bytes of
the body is kept. What comes back is a stranger's: every bound is ours.
"""

import asyncio
import errno
import ssl
from collections.abc import Mapping
from typing import Final

import msgspec

MOST_BYTES: Final = 65_536
"""Bytes of an answer that are read."""

NO_ROUTE: Final = frozenset({errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""This machine has no address of that family, or no way to that network."""


class Response(msgspec.Struct, frozen=True):
    """An answer; header names in lower case, of several equal ones the first (RFC 6797 § 8.1)."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def get(
    address: str,
    port: int,
    host: str,
    path: str,
    *,
    timeout: float,
    context: ssl.SSLContext | None = None,
) -> Response:
    """GET ``path`` of ``host`` from ``address``; ``timeout`` is seconds for all of it.

    Raises OSError (a TimeoutError too), and ValueError for what is no HTTP. An answer that is
    longer than :data:`MOST_BYTES`, or not over by the deadline, is judged by what has come.
    """
    received = bytearray()
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(
                address,
                port,
                ssl=context,
                server_hostname=host if context else None,
                limit=MOST_BYTES,
            )
            name = host if port in {80, 443} else f"{host}:{port}"
            writer.write(
                f"GET {path} HTTP/1.1\r\nHost: {name}\r\nUser-Agent: edge-doctor\r\n"
                "Accept: */*\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n".encode()
            )
            await writer.drain()
            while len(received) < MOST_BYTES and not is_whole(received):
                chunk = await reader.read(MOST_BYTES - len(received))
                if not chunk:
                    break
                received += chunk
    except TimeoutError:
        if b"\r\n\r\n" not in received:
            raise
    finally:
        if writer is not None:
            writer.transport.abort()  # a polite end would wait for the stranger
    return parse(bytes(received))


def is_whole(received: bytes | bytearray) -> bool:
    """Whether an answer of a known length has come; others end with the connection."""
    head, separator, body = bytes(received).partition(b"\r\n\r\n")
    if not separator:
        return False
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        text = value.strip()
        if name.strip().lower() == b"content-length" and text.isdigit():
            return len(text) < 10 and len(body) >= int(text)
    return False


def parse(received: bytes) -> Response:
    """Status, headers and body; ValueError for what is no HTTP/1 answer."""
    head, separator, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    status = words[1] if len(words) > 1 else ""
    good = len(status) == 3 and status.isascii() and status.isdecimal()
    if not separator or not words[0].startswith("HTTP/1.") or not good:
        raise ValueError("no HTTP answer")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            headers.setdefault(name.strip().lower(), value.strip())
    return Response(int(status), headers, body)
