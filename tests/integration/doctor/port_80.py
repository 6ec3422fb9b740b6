"""What may stand on port 80: the edge itself, or something else; and an https site above it."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from edge.model.probe import nonce_of, probe_answer

SECRET = b"the installation's own secret"
Answers = Callable[[str, str], bytes]
"""From host and path to the bytes of an answer."""


def page(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """A whole answer."""
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers)
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def edge_of(secret: bytes) -> Answers:
    """As the tracking server of an installation answers."""

    def answer(host: str, path: str) -> bytes:
        nonce = nonce_of(path)
        if nonce is None:
            return page(b"", "404 Not Found")
        return page(probe_answer(secret, nonce).encode())

    return answer


edge = edge_of(SECRET)


def stranger(host: str, path: str) -> bytes:
    """Another program that echoes all it gets."""
    return page(path.encode() + host.encode())


def other_installation(host: str, path: str) -> bytes:
    """An edge with another master key."""
    return page(probe_answer(b"other", nonce_of(path) or "").encode())


def redirecting(host: str, path: str) -> bytes:
    """A proxy that wants https."""
    return page(b"", "301 Moved Permanently", f"Location: https://{host}{path}")


def endless(host: str, path: str) -> bytes:
    """More than anybody reads, of no declared length."""
    return b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_000_000


def garbage(host: str, path: str) -> bytes:
    """No HTTP at all."""
    return b"220 mx.example.com ESMTP\r\n"


def chunked(host: str, path: str) -> bytes:
    """A proxy that passes our answer on in chunks, with a status of its own."""
    body = probe_answer(SECRET, nonce_of(path) or "").encode()
    return b"HTTP/1.1 203 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n" + body + b"\r\n0\r\n\r\n"


@asynccontextmanager
async def listening(
    answers: Answers,
    address: str = "127.0.0.1",
    context: ssl.SSLContext | None = None,
    port: int = 0,
) -> AsyncIterator[tuple[int, list[str]]]:
    """A server; its port, and the Host of every request."""
    hosts: list[str] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            path = head[0].split(" ")[1]
            host = next(line[6:] for line in head if line.startswith("Host: "))
            hosts.append(host.partition(":")[0])
            writer.write(answers(host.partition(":")[0], path))
            await writer.drain()
        writer.transport.abort() if context else writer.close()

    server = await asyncio.start_server(talk, address, port, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1], hosts
