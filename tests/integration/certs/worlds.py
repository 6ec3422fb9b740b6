"""What most tests of issuing need: a storage, an account at Pebble, a manager, a fast policy."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from certs.authority import Authority, Terms
from certs.budgets import Budgets, Limit, Limits
from certs.clock import SystemClock
from certs.decisions import Policy
from certs.host import Host
from certs.issued import Certificate
from certs.manager import Manager, Options
from certs.memory_storage import MemoryStorage
from certs.storage import Gate, open_gate
from tests.integration.certs.pebble import Pebble

FAST = Policy(retries=(0.1, 0.2, 0.4), daily=1.0, outage=0.1, operator=0.2)
PLENTY = Budgets(
    Limits(
        orders=Limit(100_000, 3600),
        domain=Limit(100_000, 3600),
        names=Limit(100_000, 3600),
        failures=Limit(100_000, 3600),
        pace=Limit(100_000, 10),
        tenant=Limit(100_000, 3600),
    )
)
OPTIONS = Options(policy=FAST, budgets=PLENTY, deadline=20, idle=0.02, workers=4)
SHORT_LEASES = replace(OPTIONS, lease=1.0)


@dataclass
class MovedClock:
    """The machine's clocks, with the wall clock off by ``offset`` seconds."""

    offset: float = 0.0
    _system: SystemClock = field(default_factory=SystemClock)

    def now(self) -> float:
        """Seconds since the epoch, shifted."""
        return self._system.now() + self.offset

    def monotonic(self) -> float:
        """The machine's monotonic clock."""
        return self._system.monotonic()


def terms(ca: Pebble, **changes: Any) -> Terms:
    """Terms agreed with a Pebble."""
    base = Terms(ca.directory, agree_terms=True, ca_file=ca.ca_file)
    return replace(base, **changes)


@dataclass
class World:
    """One process's objects."""

    ca: Pebble
    storage: MemoryStorage
    authority: Authority
    manager: Manager
    clock: MovedClock

    async def work(self, until: Callable[[], bool], limit: int = 400) -> None:
        """Step the manager until something is so."""
        for _ in range(limit):
            if until():
                return
            if not await self.manager.step():
                await asyncio.sleep(0.02)
        raise AssertionError(f"never so; rows: {self.storage.hosts}")

    async def issue(self, name: str) -> Certificate:
        """Have a certificate issued for one host."""
        await self.storage.add(name)
        await self.work(lambda: name in self.storage.certificates)
        return self.storage.certificates[name]

    def host(self, name: str) -> Host:
        """A host's row."""
        return self.storage.hosts[name]


@asynccontextmanager
async def world(
    ca: Pebble,
    *,
    storage: MemoryStorage | None = None,
    options: Options = OPTIONS,
    gate: Gate = open_gate,
    staging: Pebble | None = None,
    **changes: Any,
) -> AsyncIterator[World]:
    """A manager at a Pebble, whose responder answers for its account."""
    storage = storage or MemoryStorage()
    clock = MovedClock()
    authority = Authority(terms(ca, **changes), storage, clock)
    rehearsal = (
        Authority(terms(staging), storage, clock, same_key_as=authority) if staging else None
    )
    manager = Manager(
        storage, authority, clock, "test", gate=gate, staging=rehearsal, options=options
    )
    try:
        ca.responder.thumbprint = await authority.thumbprint()
        if staging:
            staging.responder.thumbprint = ca.responder.thumbprint
        yield World(ca, storage, authority, manager, clock)
    finally:
        authority.close()
        if rehearsal:
            rehearsal.close()
