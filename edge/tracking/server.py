"""A tracking worker: its listeners, its connections, and what it does once a second."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from certs.sni import Certificates
from edge.clock import Clock
from edge.lifecycle import Tasks
from edge.model.errors import OperatorError
from edge.model.vault import Vault
from edge.roster.snapshot import RosterFile
from edge.spool.writer import SpoolWriter
from edge.tracking.acceptor import ProxyAcceptor
from edge.tracking.answers import Answers, SecureAnswers
from edge.tracking.counters import Counters
from edge.tracking.handshakes import Handshakes
from edge.tracking.known_heads import KnownHeads
from edge.tracking.other_way import OtherWay
from edge.tracking.protocol import HotProtocol
from edge.tracking.recorder import Recorder
from edge.tracking.routes import Routes
from edge.tracking.upgrades import Upgrades
from edge.tracking.well_known import Prober

log = structlog.get_logger()

IDLE_SECONDS: Final = 15
"""A connection without a whole request for this long is closed; also the deadline of a head."""
HANDSHAKE_SECONDS: Final = 10
CLOSE_SECONDS: Final = 5
LINGER_SECONDS: Final = 0.25
"""How long a stopping worker still takes requests on connections it has: one that was accepted a
moment ago has not sent its request yet, and closing it would be an error to who reads the mail."""
BACKLOG: Final = 1024


class TrackingServer:
    """Serves tracking hostnames on inherited sockets until drained.

    ``certificates`` are needed to serve https, ``https_port`` is its port in URLs, and ``prober``
    answers the doctor's probes. Implements :class:`edge.tracking.protocol.Shared`. Must be made
    inside the running loop.
    """

    def __init__(
        self,
        *,
        roster_path: Path,
        vault: Vault,
        spool: SpoolWriter,
        clock: Clock,
        fsync: bool,
        repeat_limit: int,
        max_connections: int,
        trusted: Callable[[str], bool] | None = None,
        hot: bool = True,
        idle: float = IDLE_SECONDS,
        certificates: Certificates | None = None,
        https_port: int = 443,
        prober: Prober | None = None,
    ) -> None:
        self._clock = clock
        self._spool = spool
        self._max_connections = max_connections
        self._trusted = trusted
        self._hot = hot
        self._idle = idle
        self.roster = RosterFile(roster_path, vault)
        self.recorder = Recorder(spool, clock, fsync=fsync, repeat_limit=repeat_limit)
        self.answers = Answers()
        self.answers.tick(clock.now())
        self.secure = SecureAnswers()
        self.secure.take(self.roster.current.hsts, clock.now())
        self._handshakes = Handshakes(certificates) if certificates is not None else None
        self.connections: set[HotProtocol] = set()
        self.known = KnownHeads()
        self.second = int(clock.monotonic())
        self.foreign = 0
        self.refused = 0
        upgrades = Upgrades(certificates, https_port)
        self.routes = Routes(self.roster, self.recorder, clock, upgrades, prober)
        self._other = OtherWay(self.routes, idle)
        self._counters = Counters(self.recorder, spool)
        self._servers: list[asyncio.Server | ProxyAcceptor] = []
        self._seconds = 0

    def admit(self) -> bool:
        """Whether one more connection may stay."""
        if self.open_connections < self._max_connections:
            return True
        self.refused += 1
        return False

    @property
    def open_connections(self) -> int:
        """Connections on both ways."""
        return len(self.connections) + len(self._other.connections)

    def other_way(self, peer: str, tls: bool) -> asyncio.Protocol:
        """A new aiohttp protocol to hand a connection over to."""
        return self._other.adopt(peer, tls)

    def _protocol(self, tls: bool, peer: str | None = None) -> asyncio.Protocol:
        if self._hot:
            return HotProtocol(self, tls, peer)
        return self._other.adopt(peer or "", tls)

    async def start(
        self, http: list[socket.socket], https: list[socket.socket], tasks: Tasks
    ) -> None:
        """Begin to accept on sockets that are bound already."""
        for listener in http:
            await self._listen(listener, None, tasks)
        if self._handshakes is not None:
            await self._handshakes.tend()  # what changed since the fork
            for listener in https:
                await self._listen(listener, self._handshakes.certificates.listener, tasks)
            work = self._handshakes.tend
            tasks.spawn("certificates", tasks.every(1.0, work, "certificates"))
        tasks.spawn("tick", tasks.every(1.0, self.tick, "tick"))

    async def _listen(
        self, listener: socket.socket, context: ssl.SSLContext | None, tasks: Tasks
    ) -> None:
        tls = context is not None
        if listener.family in {socket.AF_INET, socket.AF_INET6}:
            # Inherited by what is accepted: a client that does not read its answers is cut off by
            # the kernel. Closing would wait for ever for what is still to be sent.
            unread = round(2 * self._idle * 1000)
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, unread)
        if self._trusted is not None:
            acceptor = ProxyAcceptor(
                listener, context, self._trusted, lambda peer: self._protocol(tls, peer)
            )
            self._servers.append(acceptor)
            tasks.spawn("accept", acceptor.run(tasks))
            return
        server = await asyncio.get_running_loop().create_server(
            lambda: self._protocol(tls),
            sock=listener,
            ssl=context,
            backlog=BACKLOG,
            ssl_handshake_timeout=HANDSHAKE_SECONDS if tls else None,
            ssl_shutdown_timeout=CLOSE_SECONDS if tls else None,
        )
        self._servers.append(server)

    async def tick(self) -> None:
        """Once a second: dates, roster, idle connections, spool, and the metrics.

        Each minute the repeat limit begins anew.
        """
        self._seconds += 1
        self.second = int(self._clock.monotonic())
        self.answers.tick(self._clock.now())
        self.secure.tick(self._clock.now())
        try:
            if self.roster.refresh():
                self.secure.take(self.roster.current.hsts, self._clock.now())
                log.info("roster loaded", version=self.roster.current.version)
        except OperatorError as error:
            log.error("roster not usable, keeping the last one", error=str(error))
        for connection in list(self.connections):
            if self.second - connection.active > self._idle:
                connection.expire()
        self._spool.tend()
        self._publish()
        if self._seconds % 60 == 0:
            self.recorder.new_minute()

    def _publish(self) -> None:
        self._counters.publish(
            foreign=self.foreign + self.routes.foreign,
            refused=self.refused,
            connections=self.open_connections,
        )
        if self._handshakes is not None:
            self._handshakes.publish()

    async def drain(self, grace: float = 8.0) -> None:
        """Stop accepting, answer what was asked, close, and seal the spool."""
        for server in self._servers:
            server.close()
        if self.open_connections:
            await asyncio.sleep(LINGER_SECONDS)
        for connection in list(self.connections):
            connection.drain()
        self._other.pre_shutdown()
        await self._other.shutdown(grace)
        await self.recorder.settled()
        self._spool.close()
        self._publish()
