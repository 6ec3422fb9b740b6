"""Writes down what became of deliveries, many at a time, however long the database is away."""

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec
import structlog

from edge import crash
from edge.clock import Clock
from edge.lifecycle import Tasks, backoff
from edge.observe import metrics
from edge.store import webhook_queue
from edge.store.pool import REFUSED, UNAVAILABLE, Pool
from edge.store.webhook_queue import Settled

log = structlog.get_logger()

MOST: Final = 500
LONGEST_PAUSE: Final = 2.0


class Ledger:
    """One per process. ``holder`` is who holds the leases."""

    def __init__(self, pool: Pool, clock: Clock, holder: str) -> None:
        self._pool = pool
        self._clock = clock
        self._holder = holder
        self._waiting: list[tuple[Settled, asyncio.Future[None]]] = []
        self._unwritten: set[int] = set()
        self._broken: dict[int, int | None] = {}
        self._wake = asyncio.Event()

    async def write(self, settled: Settled) -> None:
        """Returns when it is committed."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((settled, future))
        self._unwritten.add(settled.id)
        self._wake.set()
        await future

    def breaker(self, endpoint: int, until: int | None) -> None:
        """Note with the next write until when (µs) an endpoint's breaker is open."""
        self._broken[endpoint] = until
        self._wake.set()

    def has(self, delivery: int) -> bool:
        """Whether what became of this delivery is known and not yet written."""
        return delivery in self._unwritten

    async def run(self, tasks: Tasks, idle: asyncio.Event) -> None:
        """Write what comes in, until ``idle``: nothing is in flight any more, and nothing comes."""
        stop = tasks.spawn("ledger stop", idle.wait())
        stop.add_done_callback(lambda _: self._wake.set())
        while not idle.is_set() or self._waiting:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting or self._broken:
                batch = self._waiting[:MOST]
                del self._waiting[:MOST]
                broken, self._broken = self._broken, {}
                await self._settle([settled for settled, _ in batch], broken)
                for settled, future in batch:
                    self._unwritten.discard(settled.id)
                    if not future.cancelled():
                        future.set_result(None)

    async def _settle(self, batch: Sequence[Settled], broken: dict[int, int | None]) -> None:
        failures = 0
        while True:
            try:
                await self._write(batch, broken)
            except UNAVAILABLE as error:
                log.warning("webhook outcomes wait for the database", error=repr(error))
                await asyncio.sleep(backoff(0.1, LONGEST_PAUSE, failures))
                failures += 1
            except REFUSED as error:
                if not any(one.answer or one.error for one in batch):
                    raise
                # What an endpoint said must not keep what became of the others from being written.
                log.error("what endpoints answered cannot be kept", error=repr(error))
                batch = [msgspec.structs.replace(one, answer="", error="") for one in batch]
            else:
                return

    async def _write(self, batch: Sequence[Settled], broken: dict[int, int | None]) -> None:
        async with self._pool.acquire() as conn, conn.transaction():
            ours = await webhook_queue.settle(conn, self._holder, batch) if batch else set()
            for endpoint, until in sorted(broken.items()):
                now_us = self._clock.now_us()
                await webhook_queue.set_broken(conn, endpoint, until, now_us=now_us)
        crash.point("webhook-settled")
        if len(ours) < len(batch):
            metrics.WEBHOOKS_FENCED.inc(len(batch) - len(ours))
