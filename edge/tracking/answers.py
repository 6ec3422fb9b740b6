"""The answers of tracking hostnames, as data both ways of serving share.

The pixel is a valid 1x1 transparent PNG (RFC 2083: gray with alpha, one zero pixel). It must never
be cached, or a second open would not be seen; a redirect must not be stored, leak the recipient's
page, or be indexed.
"""

import struct
import time
from typing import Final
from zlib import compress, crc32

PIXEL_HEADERS: Final = (
    ("Content-Type", "image/png"),
    ("Cache-Control", "no-store, no-cache, must-revalidate, private, max-age=0"),
    ("Pragma", "no-cache"),
    ("Expires", "0"),
    ("X-Content-Type-Options", "nosniff"),
)
REDIRECT_HEADERS: Final = (
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Robots-Tag", "noindex, nofollow"),
)
NOT_FOUND_HEADERS: Final = (
    ("Content-Type", "text/plain; charset=utf-8"),
    ("Cache-Control", "no-store"),
    ("X-Robots-Tag", "noindex, nofollow"),
)
NOT_FOUND_BODY: Final = b"Not found.\n"
SERVER: Final = "edge"
HSTS: Final = "Strict-Transport-Security"


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc32(kind + data))


PIXEL: Final = (
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 4, 0, 0, 0))
    + _chunk(b"IDAT", compress(b"\x00\x00\x00", 9))
    + _chunk(b"IEND", b"")
)


class Answers:
    """Ready-made bytes for the hot protocol; :meth:`tick` renews them once a second.

    RFC 9110 section 6.6.1 wants a ``Date`` from a server with a clock; making it once a second
    keeps it off the request. ``hsts`` is a max-age in seconds, for answers over TLS of hosts that
    have one (RFC 6797).
    """

    def __init__(self, hsts: int | None = None) -> None:
        self._secure = "" if hsts is None else _lines(((HSTS, f"max-age={hsts}"),))
        self.tick(0.0)

    def tick(self, now: float) -> None:
        """Renew the ``Date`` header; ``now`` in seconds since the epoch."""
        stamp = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(now))
        common = f"Date: {stamp}\r\nServer: {SERVER}\r\n{self._secure}"
        pixel = _lines(PIXEL_HEADERS) + f"Content-Length: {len(PIXEL)}\r\n" + common
        self.pixel_head = f"HTTP/1.1 200 OK\r\n{pixel}\r\n".encode()
        self.pixel = self.pixel_head + PIXEL
        missing = _lines(NOT_FOUND_HEADERS) + f"Content-Length: {len(NOT_FOUND_BODY)}\r\n" + common
        self.not_found_head = f"HTTP/1.1 404 Not Found\r\n{missing}\r\n".encode()
        self.not_found = self.not_found_head + NOT_FOUND_BODY
        self._redirect_start = b"HTTP/1.1 302 Found\r\nLocation: "
        redirect = _lines(REDIRECT_HEADERS) + "Content-Length: 0\r\n" + common
        self._redirect_end = f"\r\n{redirect}\r\n".encode()

    def redirect(self, url: str) -> bytes:
        """A redirect with exactly these bytes in ``Location``."""
        return self._redirect_start + url.encode("ascii") + self._redirect_end


class SecureAnswers:
    """The answers over TLS of the hosts that have HSTS, by host key in ``hosts``.

    Hosts with the same max-age share theirs, and there are few of those.
    """

    def __init__(self) -> None:
        self._by_age: dict[int, Answers] = {}
        self.hosts: dict[bytes, Answers] = {}

    def take(self, hsts: dict[bytes, int], now: float) -> None:
        """Serve these hosts with these max-ages (seconds) from now on."""
        ages = set(hsts.values())
        self._by_age = {age: self._by_age.get(age) or Answers(age) for age in ages}
        self.tick(now)
        self.hosts = {host: self._by_age[age] for host, age in hsts.items()}

    def tick(self, now: float) -> None:
        """Renew the ``Date`` header; ``now`` in seconds since the epoch."""
        for one in self._by_age.values():
            one.tick(now)


def closing(answer: bytes) -> bytes:
    """The same answer, announcing that the connection ends."""
    head, _, body = answer.partition(b"\r\n\r\n")
    return head + b"\r\nConnection: close\r\n\r\n" + body


def _lines(headers: tuple[tuple[str, str], ...]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in headers)
