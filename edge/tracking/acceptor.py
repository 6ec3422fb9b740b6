"""Accepting behind a proxy: the PROXY header is read off the socket before HTTP or TLS begins.

Used only when trusted networks are configured. The header is looked at without taking it
(``MSG_PEEK``), then exactly its bytes are taken, so whatever follows, a ClientHello included,
reaches the protocol untouched. Connections from anywhere else go straight on: what they claim is
data.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Final

import structlog

from edge.lifecycle import Tasks
from edge.tracking.proxy_header import MAX_HEADER, MalformedHeader, ProxyHeader, read_header

log = structlog.get_logger()

HEADER_SECONDS: Final = 5.0
HANDSHAKE_SECONDS: Final = 10
CLOSE_SECONDS: Final = 5
ACCEPT_AT_ONCE: Final = 100
ACCEPT_AGAIN: Final = 0.1
MAX_WAITING: Final = 2_000
"""Connections without a whole PROXY header or TLS handshake yet; more are closed at once."""
_PEEK_PAUSE: Final = 0.02


class ProxyAcceptor:
    """Accepts on one inherited socket."""

    def __init__(
        self,
        listener: socket.socket,
        context: ssl.SSLContext | None,
        trusted: Callable[[str], bool],
        protocol: Callable[[str], asyncio.Protocol],
    ) -> None:
        self._listener = listener
        self._listener.setblocking(False)
        self._context = context
        self._trusted = trusted
        self._protocol = protocol
        self._closed = asyncio.Event()
        self._waiting = 0

    def close(self) -> None:
        """Accept no more."""
        self._closed.set()

    async def run(self, tasks: Tasks) -> None:
        """Accept until :meth:`close`, which the end of the worker calls."""
        self._listen(tasks)
        try:
            await self._closed.wait()
        finally:
            self._closed.set()
            asyncio.get_running_loop().remove_reader(self._listener)

    def _listen(self, tasks: Tasks) -> None:
        if not self._closed.is_set():
            asyncio.get_running_loop().add_reader(self._listener, self._accept, tasks)

    def _accept(self, tasks: Tasks) -> None:
        """Take what waits; other workers take from the same socket, so nothing may be left."""
        for _ in range(ACCEPT_AT_ONCE):
            try:
                connection, address = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                # Out of descriptors, most likely: the socket stays readable, so wait a little.
                log.warning("accept failed", error=error.strerror)
                loop = asyncio.get_running_loop()
                loop.remove_reader(self._listener)
                loop.call_later(ACCEPT_AGAIN, self._listen, tasks)
                return
            connection.setblocking(False)
            peer = str(address[0])
            if self._waiting >= MAX_WAITING:
                connection.close()
                continue
            self._waiting += 1
            if self._trusted(peer):
                work = self._proxied(connection, peer)
            else:
                work = self._serve(connection, peer)
            tasks.spawn("connection", work).add_done_callback(self._begun)

    def _begun(self, _: object) -> None:
        self._waiting -= 1

    async def _proxied(self, connection: socket.socket, peer: str) -> None:
        try:
            async with asyncio.timeout(HEADER_SECONDS):
                header = await self._header(connection)
        except (TimeoutError, OSError, MalformedHeader) as error:
            log.info("PROXY header refused", peer=peer, error=str(error))
            connection.close()
            return
        await self._serve(connection, header.ip or peer)

    async def _header(self, connection: socket.socket) -> ProxyHeader:
        loop = asyncio.get_running_loop()
        while True:
            readable = asyncio.Event()
            loop.add_reader(connection, readable.set)
            try:
                await readable.wait()
            finally:
                loop.remove_reader(connection)
            data = connection.recv(MAX_HEADER, socket.MSG_PEEK)
            if not data:
                raise ConnectionResetError("closed before its first byte")
            header = read_header(data)
            if header is not None:
                if header.length:
                    connection.recv(header.length)
                return header
            await asyncio.sleep(_PEEK_PAUSE)  # peeked bytes keep the socket readable

    async def _serve(self, connection: socket.socket, peer: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            if self._context is None:
                await loop.connect_accepted_socket(lambda: self._protocol(peer), connection)
            else:
                await loop.connect_accepted_socket(
                    lambda: self._protocol(peer),
                    connection,
                    ssl=self._context,
                    ssl_handshake_timeout=HANDSHAKE_SECONDS,
                    ssl_shutdown_timeout=CLOSE_SECONDS,
                )
        except OSError as error:  # ssl.SSLError and TimeoutError among them
            connection.close()
            log.debug("connection lost before it began", peer=peer, error=str(error))
