"""aiohttp's side of a tracking listener: connections that the hot protocol handed over."""

import asyncio
import logging
from typing import Any, Final, cast

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from edge.tracking import answers
from edge.tracking.handshakes import name_of
from edge.tracking.routes import Routes

log = structlog.get_logger()

MAX_BODY: Final = 64 * 1024


class Connection(RequestHandler):
    """One connection on aiohttp; ``peer`` and ``tls`` say where it came from, ``name`` for whom."""

    peer = ""
    tls = False
    name = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection; its peer is the socket's, unless a PROXY header named another."""
        if not self.peer:
            address = transport.get_extra_info("peername")
            self.peer = str(address[0]) if address else ""
        if self.tls:
            self.name = name_of(transport)
        super().connection_made(transport)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Refuse what is not HTTP: one line in the log, no traceback, nothing echoed.

        What a handler of ours raised is another matter: aiohttp logs that with its traceback.
        """
        if status >= 500 or request.writer.output_size > 0:
            return super().handle_error(request, status, exc, message)
        log.info("malformed request", peer=self.peer, error=(message or "").split(":")[0])
        response = web.Response(status=status, text="This is not HTTP as it is spoken here.\n")
        response.headers["Server"] = answers.SERVER
        response.force_close()
        return response


class OtherWay(web.Server):
    """aiohttp's low-level server with the routes of tracking hostnames."""

    def __init__(self, routes: Routes, idle: float) -> None:
        self._options: dict[str, Any] = {
            "keepalive_timeout": idle,
            "access_log": None,
            "auto_decompress": False,
            "logger": logging.getLogger("edge.tracking.http"),
        }
        super().__init__(self._handle, request_factory=self._request, **self._options)
        self._routes = routes

    def adopt(self, peer: str, tls: bool) -> Connection:
        """A protocol for a connection from this peer; empty for the socket's own."""
        connection = Connection(self, loop=asyncio.get_running_loop(), **self._options)
        connection.peer = peer
        connection.tls = tls
        return connection

    def _request(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> Any:
        loop = asyncio.get_running_loop()
        return web.BaseRequest(
            message, payload, protocol, writer, task, loop, client_max_size=MAX_BODY
        )

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = cast(Connection, request.protocol)
        return await self._routes.answer(
            request, connection.peer, tls=connection.tls, name=connection.name
        )
