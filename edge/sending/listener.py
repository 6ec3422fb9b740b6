"""A server of SMTP on inherited sockets: connections, their caps, memory for messages, the end.

What is said on a connection is :mod:`edge.sending.dialogue`'s; who may say what, and what becomes
of a message, is that of the servers made of this: submission, and mail that comes back.
"""

import asyncio
import socket
import ssl
from collections import Counter
from typing import Final

import structlog

from edge.lifecycle import Tasks
from edge.model.domain import Domain
from edge.sending.conversation import Conversation, Submission
from edge.sending.dialogue import Dialogue
from edge.throttle import network_of

log = structlog.get_logger()

HANDSHAKE_SECONDS: Final = 30.0
CLOSE_SECONDS: Final = 5.0
UNREAD_MS: Final = 60_000
"""The kernel cuts off a client that does not take our replies for so long."""

BACKLOG: Final = 1024
MEMORY: Final = 256 * 2**20
"""Octets of messages that may be in memory at once; each costs about three times its size."""


class Listener:
    """Serves SMTP until drained. Implements :class:`edge.sending.conversation.Shared`.

    ``hostname`` is what it calls itself; ``most`` and ``most_each`` cap connections, in total and
    for each network; ``memory`` is what messages may take.
    """

    dialogue: type[Dialogue] = Dialogue
    what = "smtp"

    def __init__(self, hostname: str, *, most: int, most_each: int, memory: int) -> None:
        self.hostname = hostname
        self.context: ssl.SSLContext | None = None
        self.draining = False
        self._most = most
        self._most_each = most_each
        self._memory = memory
        self._connections: dict[Conversation, str] = {}
        self._each: Counter[str] = Counter()
        self._idle = asyncio.Event()
        self._servers: list[asyncio.Server] = []

    def open_connections(self, count: int) -> None:
        """Tell how many connections are open."""
        raise NotImplementedError

    async def login(self, user: str, password: str, ip: str) -> Domain | str:
        """The domain of a login, or the reply that refuses it."""
        raise NotImplementedError

    async def take(self, submission: Submission) -> str:
        """Take a message; the reply."""
        raise NotImplementedError

    async def start(
        self,
        sockets: list[socket.socket],
        tls_context: ssl.SSLContext | None,
        tasks: Tasks,
        implicit: list[socket.socket] | None = None,
    ) -> None:
        """Begin to accept connections on bound sockets.

        ``tls_context`` serves STARTTLS on ``sockets`` and TLS from the first byte on ``implicit``.
        """
        self.context = tls_context
        for listener in sockets:
            await self._listen(listener, None)
        for listener in implicit or []:
            if tls_context is not None:
                await self._listen(listener, tls_context)
        tasks.spawn(self.what, tasks.every(1.0, self._publish, self.what))

    async def _listen(self, listener: socket.socket, implicit: ssl.SSLContext | None) -> None:
        if listener.family in {socket.AF_INET, socket.AF_INET6}:
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MS)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: self.dialogue(self, implicit=implicit is not None, loop=loop),
            sock=listener,
            ssl=implicit,
            backlog=BACKLOG,
            ssl_handshake_timeout=HANDSHAKE_SECONDS if implicit else None,
            ssl_shutdown_timeout=CLOSE_SECONDS if implicit else None,
        )
        self._servers.append(server)

    async def _publish(self) -> None:
        self.open_connections(len(self._connections))

    async def drain(self, grace: float = 8.0) -> None:
        """Stop accepting connections, let messages that are coming in be answered, close the rest.

        A client that waits for nothing is told 421 and sends the rest elsewhere or later
        (RFC 5321 § 3.8). What is not done after ``grace`` seconds is cut off, unanswered.
        """
        self.draining = True
        for server in self._servers:
            server.close()
        for conversation in list(self._connections):
            if conversation.waiting:
                conversation.hang_up(f"421 4.3.2 {self.hostname} is closing down; try again")
        try:
            async with asyncio.timeout(grace):
                while self._connections:
                    self._idle.clear()
                    await self._idle.wait()
        except TimeoutError:
            log.warning("SMTP connections cut off", connections=len(self._connections))
        for conversation in list(self._connections):
            conversation.cut()
        await self._publish()

    # --- what connections share -----------------------------------------------------------------

    def admit(self, conversation: Conversation) -> str:
        """A reply that refuses the connection, or nothing."""
        network = network_of(conversation.ip)
        if len(self._connections) >= self._most or self._each[network] >= self._most_each:
            self.refused("connections")
            return f"421 4.7.0 {self.hostname} has too many connections; try again later"
        self._connections[conversation] = network
        self._each[network] += 1
        return ""

    def gone(self, conversation: Conversation) -> None:
        """The connection has ended."""
        network = self._connections.pop(conversation, None)
        if network is not None:
            self._each[network] -= 1
            if not self._each[network]:
                del self._each[network]
        if not self._connections:
            self._idle.set()

    def trusts(self, ip: str) -> bool:
        """Whether an address may send without AUTH."""
        raise NotImplementedError

    def hold(self, octets: int) -> bool:
        """Take octets from the budget of messages in memory, or give them back."""
        if octets > self._memory:
            return False
        self._memory -= octets
        return True

    def refused(self, reason: str) -> None:
        """Count one refusal."""
        raise NotImplementedError
