"""A domain with webhooks, a receiver for them, and the dispatcher between, on a clock by hand."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

import asyncpg

from edge.clock import ManualClock
from edge.lifecycle import Tasks
from edge.model.domain import Domain
from edge.model.event import Event
from edge.model.vault import Vault
from edge.model.webhook import TYPES, sealed
from edge.store import webhooks
from edge.store.pool import Pool
from edge.webhooks.delivery import Poster
from edge.webhooks.dispatch import Dispatcher
from tests.integration.store.worlds import NOW, domain, store
from tests.integration.webhooks.receivers import KEY, Receiver, receiving

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
ACCOUNT = 1


@dataclass
class World:
    """See the module's text."""

    pool: Pool
    clock: ManualClock
    vault: Vault
    receiver: Receiver
    domain: Domain

    async def listen(self, *paths: str, types: Sequence[str] = TYPES) -> None:
        """Make the domain's webhooks these paths of the receiver, for these types."""
        await self.set(dict.fromkeys(paths, types))

    async def set(self, wanted: Mapping[str, Sequence[str]]) -> None:
        """Make the domain's webhooks these: types by path, or by whole URL."""
        urls = {
            sealed(self.vault, path if "://" in path else self.receiver.url + path): types
            for path, types in wanted.items()
        }
        now_us = self.clock.now_us()
        async with self.pool.acquire() as conn, conn.transaction():
            await webhooks.set_domain(conn, ACCOUNT, self.domain.number, urls, now_us=now_us)

    async def listen_account(self, path: str, types: Sequence[str] = TYPES) -> None:
        """One more webhook of the whole account."""
        address = sealed(self.vault, self.receiver.url + path)
        now_us = self.clock.now_us()
        async with self.pool.acquire() as conn:
            await webhooks.add_account(
                conn, ACCOUNT, address, types, key=f"wh_{path}", description="", now_us=now_us
            )

    async def happen(self, *happened: Event) -> None:
        """Store events."""
        async with self.pool.acquire() as conn:
            await store(conn, *happened, now=self.clock.now_us())

    async def rows(self) -> list[asyncpg.Record]:
        """All deliveries, oldest first."""
        return await self.pool.fetch("SELECT * FROM webhook_deliveries ORDER BY id")

    async def settled(self, count: int = 1, *, attempts: int = 0) -> list[asyncpg.Record]:
        """The rows once so many have ended, or (``attempts``) were tried so often and freed."""
        async with asyncio.timeout(20):
            while True:
                rows = await self.rows()
                done = [
                    row
                    for row in rows
                    if not row["holder"]
                    and (row["attempts"] >= attempts if attempts else row["due"] is None)
                ]
                if len(done) >= count:
                    return rows
                await asyncio.sleep(0.01)

    def poster(self, **settings: Any) -> Poster:
        """What may call the receiver."""
        return Poster(self.clock, **({"allowed": LOOPBACK} | settings))

    @asynccontextmanager
    async def dispatching(
        self, *, holder: str = "one", settings: dict[str, Any] | None = None, **more: Any
    ) -> AsyncIterator[Dispatcher]:
        """A dispatcher at work for the length of a block; ``settings`` are the poster's."""
        tasks = Tasks(grace=10.0)
        options = {"most": 50, "each": 10, "queue_limit": 1000} | more
        async with self.poster(**(settings or {})) as poster:
            dispatcher = Dispatcher(
                pool=self.pool,
                clock=self.clock,
                tasks=tasks,
                vault=self.vault,
                poster=poster,
                holder=holder,
                **options,
            )
            work = tasks.spawn("dispatch", dispatcher.run())
            try:
                yield dispatcher
                assert not work.done(), "the dispatcher ended"
            finally:
                await tasks.close()


@asynccontextmanager
async def hooked(pool: Pool) -> AsyncIterator[World]:
    """A domain without webhooks yet, and a receiver."""
    clock, vault = ManualClock(NOW / 1e6), Vault(bytes(32))
    async with receiving() as receiver:
        async with pool.acquire() as conn:
            made = await domain(conn)
            await webhooks.set_key(conn, vault, ACCOUNT, KEY, now_us=NOW, until=None)
        yield World(pool, clock, vault, receiver, made)
