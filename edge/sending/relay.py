"""The SMTP client: one copy of a message to one recipient, over connections that are reused.

``deliver`` always returns a result and never raises for what a peer does. Until a server has taken
MAIL, the next server of the list may be tried; from then on its answer is the answer. An idle
connection that turns out to be dead before it answered MAIL costs a new one, not an attempt.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import msgspec

from edge.clock import Clock
from edge.returns.reasons import Phase, Reason
from edge.sending.replies import Reply, Verdict, unanswered
from edge.sending.resolve import Exchanger, Exchangers, Undeliverable
from edge.sending.routes import DirectToMx, Route, Smarthost, Tls
from edge.sending.session import Deadlines, Peer, Session, SessionFailure, TlsFailure, open_session

RESOLVED_SECONDS: Final = 10.0
"""How long a smarthost's addresses are remembered."""


class Limits(msgspec.Struct, frozen=True):
    """Connections per server and in total, seconds one may idle, messages before it is closed.

    ``wait``: seconds a delivery waits for a free connection before it fails for now.
    """

    per_host: int = 10
    total: int = 200
    idle: float = 20.0
    messages: int = 100
    wait: float = 60.0


class Accepted(msgspec.Struct, frozen=True):
    """A server took the message. ``verified``: its certificate was checked for ``host``."""

    reply: Reply
    host: str
    tls: bool
    verified: bool


class Failed(msgspec.Struct, frozen=True):
    """Nobody took it. ``possible_duplicate``: the final dot got no answer, so a server may have."""

    verdict: Verdict
    host: str = ""
    tls: bool = False
    possible_duplicate: bool = False


class Relay:
    """Delivers messages; one per process. ``ca_file`` replaces the system's authorities."""

    def __init__(
        self,
        clock: Clock,
        exchangers: Exchangers,
        *,
        helo: str,
        deadlines: Deadlines | None = None,
        limits: Limits | None = None,
        ca_file: str | None = None,
    ) -> None:
        self._clock = clock
        self._exchangers = exchangers
        self._helo = helo
        self._deadlines = deadlines or Deadlines()
        self._limits = limits or Limits()
        self._verifying = ssl.create_default_context(cafile=ca_file)
        # RFC 7435: opportunistic TLS hides mail from listeners and proves nothing about the peer.
        self._lenient = ssl.create_default_context()
        self._lenient.check_hostname = False
        self._lenient.verify_mode = ssl.CERT_NONE
        self._resolved: dict[tuple[str, int], tuple[float, tuple[str, ...]]] = {}
        self._idle: dict[Peer, deque[Session]] = {}
        self._hosts: dict[Peer, int] = {}
        self._open = 0
        self._freed = asyncio.Condition()

    async def deliver(
        self, route: Route, sender: str, recipient: str, message: bytes
    ) -> Accepted | Failed:
        """Send ``message`` (CRLF line endings) from ``sender`` ("" for none) to ``recipient``."""
        try:
            peers = await self._peers(route, recipient)
        except Undeliverable as error:
            return Failed(error.verdict)
        failed = Failed(unanswered(Reason.NETWORK, "no-server", "no server to speak to"))
        for peer in peers:
            try:
                return await self._through(peer, sender, recipient, message)
            except SessionFailure as error:
                failed = Failed(error.verdict, peer.host, possible_duplicate=error.unknown)
                before_mail = error.phase in (Phase.CONNECT, Phase.HELO)
                if error.verdict.hard or not before_mail:
                    break
        return failed

    async def _peers(self, route: Route, recipient: str) -> list[Peer]:
        if isinstance(route, Smarthost):
            found = [Exchanger(route.host, await self._of_system(route.host, route.port))]
        else:
            found = await self._exchangers.of(recipient.rpartition("@")[2])
        return [
            _peer(route, server.host, address)
            for server in found
            for address in server.addresses[:2]
        ]

    async def _of_system(self, host: str, port: int) -> tuple[str, ...]:
        """A smarthost's addresses as the system resolves them: /etc/hosts counts for it.

        They are remembered for a while: asking costs a thread, and every message of a domain asks.
        """
        until, known = self._resolved.get((host, port), (0.0, ()))
        now = self._clock.monotonic()
        if until > now:
            return known
        try:
            async with asyncio.timeout(self._deadlines.connect):
                found = await asyncio.get_running_loop().getaddrinfo(host, port)
        except (OSError, UnicodeError) as error:
            raise Undeliverable(Reason.NETWORK, "dns-failure", f"{host}: {error}") from error
        addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
        self._resolved[host, port] = (now + RESOLVED_SECONDS, addresses)
        return addresses

    async def _through(
        self, peer: Peer, sender: str, recipient: str, message: bytes
    ) -> Accepted | Failed:
        """One delivery through one server, on a new connection if the idle one was dead."""
        for fresh in (False, True):
            async with self._session(peer, fresh=fresh) as session:
                reused = session.used > 0
                tls = session.tls
                try:
                    reply = await session.send(sender, recipient, message)
                except SessionFailure as error:
                    if error.broken or not await session.reset():
                        session.close()
                    if reused and error.broken and error.phase is Phase.MAIL:
                        continue
                    return Failed(
                        error.verdict, peer.host, tls=tls, possible_duplicate=error.unknown
                    )
                return Accepted(reply, peer.host, tls, tls and peer.tls is Tls.REQUIRED)
        raise AssertionError("a new connection is never reused")

    @asynccontextmanager
    async def _session(self, peer: Peer, *, fresh: bool) -> AsyncIterator[Session]:
        """A connection of one's own; kept for the next delivery if it still stands after."""
        await self._slot(peer)
        session = None
        try:
            session = (None if fresh else self._kept(peer)) or await self._opened(peer)
            yield session
        except BaseException:
            if session is not None:
                session.close()
            raise
        finally:
            if session is not None and session.usable:
                if session.used < self._limits.messages:
                    session.idle_since = self._clock.monotonic()
                    self._idle.setdefault(peer, deque()).append(session)
                else:
                    await session.quit()
            await self._release(peer)

    async def _slot(self, peer: Peer) -> None:
        """Wait for room under both caps; idle connections give way to deliveries."""
        limits = self._limits

        def room() -> bool:
            return self._open < limits.total and self._hosts.get(peer, 0) < limits.per_host

        try:
            async with asyncio.timeout(limits.wait), self._freed:
                await self._freed.wait_for(room)
                self._open += 1
                self._hosts[peer] = self._hosts.get(peer, 0) + 1
        except TimeoutError:
            verdict = unanswered(Reason.NETWORK, "no-free-connection", "every connection is in use")
            raise SessionFailure(Phase.MAIL, verdict, broken=False) from None
        self._give_way()

    async def _release(self, peer: Peer) -> None:
        async with self._freed:
            self._open -= 1
            self._hosts[peer] -= 1
            if not self._hosts[peer]:
                del self._hosts[peer]
            self._freed.notify_all()

    def _kept(self, peer: Peer) -> Session | None:
        """The idle connection used last, if one is fresh enough."""
        self.sweep()
        waiting = self._idle.get(peer)
        return waiting.pop() if waiting else None

    async def _opened(self, peer: Peer) -> Session:
        """A new connection; plain where opportunistic TLS fails (RFC 7435 § 3)."""
        context = {
            Tls.REQUIRED: self._verifying,
            Tls.ENCRYPTED: self._lenient,
            Tls.OPPORTUNISTIC: self._lenient,
        }.get(peer.tls)
        try:
            return await open_session(peer, self._helo, context, self._deadlines)
        except TlsFailure:
            if peer.tls is not Tls.OPPORTUNISTIC or peer.user or peer.implicit:
                raise
            return await open_session(peer, self._helo, None, self._deadlines)

    def sweep(self) -> None:
        """Close what has idled too long or was closed by its server; call it now and then."""
        oldest = self._clock.monotonic() - self._limits.idle
        for peer, waiting in list(self._idle.items()):
            kept = deque(s for s in waiting if s.usable and s.idle_since > oldest)
            for session in waiting:
                if session not in kept:
                    session.close()
            if kept:
                self._idle[peer] = kept
            else:
                del self._idle[peer]

    def _give_way(self) -> None:
        """Idle connections and those in use are together at most ``total``: the oldest go."""
        while sum(map(len, self._idle.values())) + self._open > self._limits.total and self._idle:
            peer = min(self._idle, key=lambda each: self._idle[each][0].idle_since)
            self._idle[peer].popleft().close()
            if not self._idle[peer]:
                del self._idle[peer]

    async def close(self) -> None:
        """QUIT on every idle connection; those in use end with their deliveries."""
        idle = [session for waiting in self._idle.values() for session in waiting]
        self._idle.clear()
        await asyncio.gather(*(session.quit() for session in idle))


def _peer(route: Route, host: str, address: str) -> Peer:
    if isinstance(route, DirectToMx):
        return Peer(host, address, route.port, route.tls)
    return Peer(host, address, route.port, route.tls, route.implicit, route.user, route.password)
