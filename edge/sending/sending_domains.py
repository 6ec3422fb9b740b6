"""Our domains by name and number, read again at most every few seconds."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

from edge.clock import Clock
from edge.model.domain import Domain, host_name
from edge.model.errors import CallerError
from edge.store import domains
from edge.store.pool import Connection

FRESH: Final = 5.0
"""Seconds: so much later at most a removed domain sends no more."""

MISS: Final = 0.5
"""Seconds between two readings for names that are not there."""

Connect = Callable[[], AbstractAsyncContextManager[Connection]]
"""A connection to Postgres; entering raises PeerError, TimeoutError or an error of
:data:`edge.store.pool.UNAVAILABLE` where there is none."""


class SendingDomains:
    """The domains that are not removed. Every question may raise what :data:`Connect` does."""

    def __init__(self, connect: Connect, clock: Clock) -> None:
        self._connect = connect
        self._clock = clock
        self._by_name: dict[str, Domain] = {}
        self._by_number: dict[int, Domain] = {}
        self._read_at = float("-inf")

    async def _refresh(self, older_than: float) -> None:
        if self._clock.monotonic() - self._read_at < older_than:
            return
        async with self._connect() as conn:
            found = await domains.list_domains(conn)
        self._by_name = {domain.name: domain for domain in found}
        self._by_number = {domain.number: domain for domain in found}
        self._read_at = self._clock.monotonic()

    async def of_host(self, host: str) -> Domain | None:
        """The domain that a host name is, or is below of; the longest name wins."""
        try:
            name = host_name(host)
        except CallerError:
            return None
        await self._refresh(FRESH)
        found = self._longest(name)
        if found is None:  # perhaps it was added a moment ago
            await self._refresh(MISS)
            found = self._longest(name)
        return found

    def _longest(self, name: str) -> Domain | None:
        while name:
            if (found := self._by_name.get(name)) is not None:
                return found
            name = name.partition(".")[2]
        return None

    async def of_number(self, number: int) -> Domain | None:
        """The domain of a number."""
        await self._refresh(FRESH)
        if number not in self._by_number:
            await self._refresh(MISS)
        return self._by_number.get(number)
