"""A proxy in front of Pebble that adds what this Pebble lacks, and breaks what should break.

It adds renewal information (RFC 9773), the rules for ``replaces`` and profiles to an authority
that has none, and injects rate limits, server errors, delays and dropped connections. The Host
header passes through, since Pebble builds its addresses and checks signatures by it.
"""

import asyncio
import base64
import contextlib
import datetime
import http.client
import http.server
import json
import random
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.integration.certs.pebble import Pebble
from tests.ports import free_port

URN = "urn:ietf:params:acme:error:"


Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Faults:
    """Shares of requests that fail, each way; ``seed`` makes a run repeatable."""

    drop_before: float = 0.0
    drop_after: float = 0.0
    server_error: float = 0.0
    delay: float = 0.0
    rate_limit: float = 0.0
    seed: int = 1


@dataclass
class Proxy:
    """The running proxy. ``orders`` are the payloads of new orders that Pebble accepted.

    ``answers`` are fixed ones by the start of the path. ``rewrite`` (of JSON objects, by path) and
    ``certificate`` (of PEM) change what Pebble said, ``without`` drops headers. ``exchanged`` is
    called with every path, before Pebble gets the request (False) and after it answered (True); an
    error of its cuts the connection. ``windows`` are renewal windows by renewal id, of others it is
    ``window``; ``limit`` gives the seconds for which a new order is refused; while it is ``down``
    every answer is 503.
    """

    ca: Pebble
    faults: Faults
    port: int = field(default_factory=free_port)
    orders: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    answers: dict[str, tuple[int, dict[str, Any], dict[str, str]]] = field(default_factory=dict)
    window: tuple[float, float] = (0.0, 0.0)
    windows: dict[str, tuple[float, float]] = field(default_factory=dict)
    limit: Callable[[dict[str, Any]], float] = lambda order: 0.0
    down: Callable[[], bool] = lambda: False
    profiles: tuple[str, ...] = ("classic", "shortlived")
    replaced: set[str] = field(default_factory=set)
    foreign: set[str] = field(default_factory=set)
    rewrite: Callable[[str, dict[str, Any]], None] | None = None
    certificate: Callable[[str], str] | None = None
    without: frozenset[str] = frozenset()
    exchanged: Callable[[str, bool], None] = lambda path, done: None

    def __post_init__(self) -> None:
        self._chance = random.Random(self.faults.seed)

    @property
    def directory(self) -> str:
        """The address of the directory through the proxy."""
        return f"https://localhost:{self.port}/dir"

    def _happens(self, share: float) -> bool:
        return self._chance.random() < share

    def handle(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer | None:
        """The answer to one request, or None: cut the connection."""
        self.paths.append(path)
        if self.down():
            return _problem(503, {"type": URN + "serverInternal", "detail": "down"}, {})
        for start, fixed in self.answers.items():
            if path.startswith(start):
                return _problem(*fixed)
        if path.startswith("/ari/"):
            return self._renewal_info(path.removeprefix("/ari/"))
        if self._happens(self.faults.delay):
            time.sleep(0.05)
        if self._happens(self.faults.server_error):
            return 500, {}, b"oops"
        if self._happens(self.faults.drop_before):
            return None
        payload = _payload(body) if method == "POST" else {}
        if path == "/order-plz" and (refusal := self._refuse(payload)):
            return refusal
        self.exchanged(path, False)
        answer = self._pass(method, path, headers, body)
        if path == "/order-plz" and answer[0] == 201:
            self.orders.append(payload)
            if "replaces" in payload:
                self.replaced.add(payload["replaces"])
        self.exchanged(path, True)
        return None if self._happens(self.faults.drop_after) else answer

    def _refuse(self, payload: dict[str, Any]) -> Answer | None:
        if payload.get("replaces") in self.foreign:
            return _problem(400, {"type": URN + "malformed", "detail": "another account's"}, {})
        if payload.get("replaces") in self.replaced:
            return _problem(409, {"type": URN + "alreadyReplaced", "detail": "succeeded"}, {})
        if wait := self.limit(payload):
            problem = {"type": URN + "rateLimited", "detail": "above a published limit"}
            return _problem(429, problem, {"Retry-After": f"{wait:.0f}"})
        if self._happens(self.faults.rate_limit):
            problem = {"type": URN + "rateLimited", "detail": "too many new orders"}
            return _problem(429, problem, {"Retry-After": "1"})
        return None

    def _renewal_info(self, renewal_id: str) -> Answer:
        start, end = (
            datetime.datetime.fromtimestamp(t, datetime.UTC).isoformat()
            for t in self.windows.get(renewal_id, self.window)
        )
        body = {"suggestedWindow": {"start": start, "end": end}}
        return 200, {"Retry-After": "21600"}, json.dumps(body).encode()

    def _pass(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        context = ssl.create_default_context(cafile=self.ca.ca_file)
        connection = http.client.HTTPSConnection(
            "localhost", self.ca.port, context=context, timeout=20
        )
        with contextlib.closing(connection):
            kept = ("Host", "Content-Type", "User-Agent")
            sent = {key: headers[key] for key in kept if key in headers}
            connection.request(method, path, body or None, sent)
            answer = connection.getresponse()
            content = answer.read()
            kept_back = ("Replay-Nonce", "Location", "Retry-After", "Content-Type", "Link")
            back = {key: value for key, value in answer.getheaders() if key in kept_back}
            back = {key: value for key, value in back.items() if key not in self.without}
        if path == "/dir":
            content = self._directory(content)
        if self.rewrite is not None and answer.status < 300 and content.startswith(b"{"):
            value = json.loads(content)
            self.rewrite(path, value)
            content = json.dumps(value).encode()
        if self.certificate is not None and path.startswith("/certZ/") and answer.status == 200:
            content = self.certificate(content.decode()).encode()
        return answer.status, back, content

    def _directory(self, body: bytes) -> bytes:
        value = json.loads(body)
        value["renewalInfo"] = f"https://localhost:{self.port}/ari"
        value["meta"]["profiles"] = dict.fromkeys(self.profiles, "a profile")
        return json.dumps(value).encode()


def _problem(status: int, body: dict[str, Any], headers: dict[str, str]) -> Answer:
    return (
        status,
        {"Content-Type": "application/problem+json", **headers},
        json.dumps(body).encode(),
    )


def _payload(body: bytes) -> dict[str, Any]:
    part = json.loads(body)["payload"]
    value = json.loads(base64.urlsafe_b64decode(part + "==") or b"{}")
    return value if isinstance(value, dict) else {}


class _Server(http.server.ThreadingHTTPServer):
    """Speaks TLS in the connection's own thread."""

    daemon_threads = False

    def __init__(self, proxy: Proxy) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 5
            wbufsize = 65_536  # an answer is one write, which no delayed acknowledgement holds up

            def setup(self) -> None:
                self.request = context.wrap_socket(self.request, server_side=True)
                connections.add(self.request)
                super().setup()

            def finish(self) -> None:
                try:
                    super().finish()  # fails where the client is gone with an answer half sent
                finally:
                    connections.discard(self.request)
                    self.request.close()

            def one(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                answer = proxy.handle(self.command, self.path, dict(self.headers.items()), body)
                if answer is None:
                    self.close_connection = True
                    return
                status, headers, content = answer
                self.send_response(status)
                for key, value in headers.items():
                    self.send_header(key, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            do_GET = do_POST = do_HEAD = one  # noqa: N815 - the base class looks for these names

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
                pass

        self.connections = connections = set[ssl.SSLSocket]()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(proxy.ca.ca_file, str(proxy.ca.place / "key.pem"))
        super().__init__(("127.0.0.1", proxy.port), Handler)

    def hang_up(self) -> None:
        """End connections that clients keep open, and with them their threads."""
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


@contextlib.asynccontextmanager
async def faulty(ca: Pebble, faults: Faults | None = None) -> AsyncIterator[Proxy]:
    """The proxy in front of a Pebble."""
    proxy = Proxy(ca, faults or Faults())
    with _Server(proxy) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield proxy
        finally:
            await asyncio.to_thread(server.shutdown)
            server.hang_up()
            thread.join()
