"""Who may send: SMTP logins, tried at a pace that makes guessing hopeless.

A password costs a scrypt (about 0.2 s of a core and 16 MiB), in a thread and at most
:data:`AT_ONCE` together; a right one is remembered for :data:`REMEMBERED` seconds, because clients
open a connection for each message. So much later at most a removed login sends no more. Failures
are counted for each network and each login; above the limit nobody is asked, except for those who
are remembered: failing on purpose must not lock the owner out of a running conversation.
"""

import asyncio
import hmac
import secrets
from typing import Final

from edge.clock import Clock
from edge.model.errors import CallerError, PeerError
from edge.sending.sending_domains import Connect
from edge.store import credentials
from edge.throttle import Bucket, network_of

AT_ONCE: Final = 2
MOST_WAITING: Final = 50
REMEMBERED: Final = 30.0
MOST_REMEMBERED: Final = 1_000
LONGEST: Final = 512
"""Characters of a login."""


class TooManyFailures(CallerError):
    """This network or login has failed too often in the last minute."""


class Logins:
    """``failures`` is how many a minute each network and each login may have; 0 is no limit."""

    def __init__(self, connect: Connect, clock: Clock, failures: int) -> None:
        self._connect = connect
        self._clock = clock
        self._networks = Bucket(failures, clock)
        self._logins = Bucket(failures, clock)
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._key = secrets.token_bytes(32)
        self._known: dict[bytes, tuple[float, int]] = {}

    async def check(self, login: str, password: str, ip: str) -> int | None:
        """The number of the domain whose login and password these are; None for any mistake.

        Raises TooManyFailures, PeerError where too many wait or Postgres is away, and what
        :data:`~edge.sending.sending_domains.Connect` raises.
        """
        name = login.strip().lower()[:LONGEST]
        known = hmac.digest(self._key, f"{name}\0{password}".encode(), "sha256")
        until, number = self._known.get(known, (float("-inf"), 0))
        if until > self._clock.monotonic():
            return number
        self._known.pop(known, None)
        network = network_of(ip)
        if self._networks.wait(network) or self._logins.wait(name):
            raise TooManyFailures("too many failed attempts; try again in a minute")
        found = await self._looked_up(login, password)
        if found is None:
            self._networks.take(network)
            self._logins.take(name)
            return None
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        self._known[known] = (self._clock.monotonic() + REMEMBERED, found)
        return found

    async def _looked_up(self, login: str, password: str) -> int | None:
        if self._waiting >= MOST_WAITING:
            raise PeerError("too many logins are being checked")
        self._waiting += 1
        try:
            async with self._turn, self._connect() as conn:
                return await credentials.verify(conn, login, password)
        finally:
            self._waiting -= 1
