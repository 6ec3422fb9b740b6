"""One request on the aiohttp way, reduced to what the hot way sees of its own."""

from urllib.parse import urlsplit

from aiohttp import web

from edge.tracking.judge import host_key


class TrackingRequest:
    """Method, target, host, peer and head of a request that aiohttp parsed.

    ``head`` is the request line and headers again as received, but for white space around values,
    which HTTP does not count (RFC 9110 section 5.5). An absolute-form target replaces Host
    (RFC 9112 section 3.2.2).
    """

    __slots__ = ("headers", "host", "key", "method", "path", "peer", "raw", "tls")

    def __init__(self, raw: web.BaseRequest, peer: str, tls: bool) -> None:
        self.raw = raw
        self.peer = peer
        self.tls = tls
        self.method = raw.method
        self.headers = raw.headers
        target = raw.raw_path
        host = raw.headers.get("Host", "")
        if target.startswith(("http://", "https://")):
            parts = urlsplit(target)
            target, host = parts.path or "/", parts.netloc
        path = target.partition("?")[0]
        self.path = path.encode("utf-8", "surrogateescape")
        self.host = host_key(host.encode("utf-8", "surrogateescape"))
        self.key = self.path if self.method == "GET" else self.method.encode() + self.path

    @property
    def token(self) -> bytes:
        """What follows the path's first segment."""
        return self.path[3:]

    @property
    def head(self) -> bytes:
        """The head as the spool keeps it."""
        raw = self.raw
        target = raw.raw_path.encode("utf-8", "surrogateescape")
        version = f" HTTP/{raw.version.major}.{raw.version.minor}\r\n".encode()
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in raw.raw_headers)
        return raw.method.encode() + b" " + target + version + lines + b"\r\n"
