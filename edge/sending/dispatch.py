"""The queue's worker: leases deliveries, makes the copies, hands them over, tells what became.

A domain takes at most half of the free places at a time, so that a slow one leaves room for the
others, and at most half of all. What a process holds is renewed while it lives; when it dies its
successor frees it at once, and any other process after the lease.
"""

import asyncio
import random
from collections import Counter
from typing import Final

import structlog

from edge.clock import Clock
from edge.lifecycle import Tasks, backoff
from edge.model.errors import PeerError
from edge.observe import metrics
from edge.sending.attempts import Attempts
from edge.sending.copies import Letter
from edge.sending.homes import Homes
from edge.sending.message import Options
from edge.sending.outcomes import Ledger
from edge.sending.reading import SECOND_US
from edge.sending.relay import Relay
from edge.store import deliveries, messages, suppressions
from edge.store.deliveries import Delivery
from edge.store.pool import UNAVAILABLE, Connection, Pool
from edge.store.suppressions import Block

log = structlog.get_logger()

LEASE_US: Final = 120 * SECOND_US
RENEW_SECONDS: Final = 30.0
IDLE_SECONDS: Final = 0.2
"""How often an empty queue is looked at."""

ASK_AGAIN_US: Final = 30 * SECOND_US
"""A copy older than this is checked for suppressions once more: the recipient may have left."""

KNOWN: Final = 64
"""Messages that are remembered between two rounds."""

LANDING: Final = 6.0
"""Seconds that deliveries under way have to end when the child stops."""

AWAY: Final[tuple[type[Exception], ...]] = (PeerError, *UNAVAILABLE)


class Dispatcher:
    """Sends what is queued; one per process.

    ``holder`` names this process in the leases: no other living one has it. ``most`` is how many
    copies are under way at a time.
    """

    def __init__(
        self,
        *,
        pool: Pool,
        clock: Clock,
        tasks: Tasks,
        homes: Homes,
        relay: Relay,
        holder: str,
        public_url: str,
        most: int,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._tasks = tasks
        self._homes = homes
        self._relay = relay
        self._holder = holder
        self._most = most
        self._attempts = Attempts(pool, clock, homes, relay, public_url)
        self._ledger = Ledger(pool, clock, holder)
        self._flying: dict[int, asyncio.Task[None]] = {}
        self._of_domain: Counter[int] = Counter()
        self._known: dict[int, Letter] = {}
        self._astray = False
        self._awaited = 0
        self._freed = asyncio.Event()
        self._idle = asyncio.Event()

    async def run(self) -> None:
        """Work until the child stops, then let what is under way end."""
        tasks = self._tasks
        ledger = tasks.spawn("ledger", self._ledger.run(tasks, self._idle))
        await self._reclaim()
        tasks.spawn("leases", tasks.every(RENEW_SECONDS, self._renew, "leases"))
        tasks.spawn("connections", tasks.every(5.0, self._tidy, "connections"))
        failures = 0
        while not tasks.stopping.is_set():
            try:
                more = await self._round()
            except AWAY as error:
                log.warning("the queue is not reached", error=repr(error))
                self._astray = True
                await tasks.pause(backoff(0.1, 5.0, failures))
                failures += 1
                continue
            failures = 0
            await self._wait(more)
        await self._land()
        self._idle.set()
        await ledger
        await self._relay.close()

    async def _wait(self, more: bool) -> None:
        """Where more is due, until some deliveries have ended, whoever's; else for a moment.

        Not for each single one: a round costs four statements, however little it takes.
        """
        if not more:
            await self._tasks.pause(IDLE_SECONDS)
            return
        self._awaited = min(self._most // 4, len(self._flying))
        self._freed.clear()
        if self._awaited and not self._tasks.stopping.is_set():
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    await self._freed.wait()
            except TimeoutError:
                return

    async def _reclaim(self) -> None:
        """Free what the process before this one held when it died."""
        failures = 0
        while not self._tasks.stopping.is_set():
            try:
                async with self._pool.acquire() as conn:
                    left = await deliveries.reclaim(conn, self._holder, self._clock.now_us())
            except AWAY as error:
                log.warning("the queue is not reached", error=repr(error))
                await self._tasks.pause(backoff(0.1, 5.0, failures))
                failures += 1
                continue
            if left:
                metrics.DELIVERIES_RECLAIMED.inc(left)
                log.warning("deliveries were left behind; each may go out twice", count=left)
            return

    async def _renew(self) -> None:
        if self._flying:
            async with self._pool.acquire() as conn:
                until = self._clock.now_us() + LEASE_US
                await deliveries.renew(conn, list(self._flying), holder=self._holder, until=until)

    async def _tidy(self) -> None:
        self._relay.sweep()

    def _rooms(self, waiting: list[int]) -> dict[int, int]:
        """How many copies each domain may take now."""
        free, most = self._most - len(self._flying), max(1, self._most // 2)
        rooms: dict[int, int] = {}
        random.shuffle(waiting)  # nobody is always served last
        for domain in waiting:
            room = min(most - self._of_domain[domain], -(-free // 2))
            if room > 0:
                rooms[domain] = room
                free -= room
        return rooms

    async def _round(self) -> bool:
        """Take what there is room for and set it going; whether more is due than was looked at."""
        now_us = self._clock.now_us()
        async with self._pool.acquire() as conn:
            if self._astray:  # what the round that failed had leased was never set going
                await deliveries.reclaim(conn, self._holder, now_us, but=self._flying)
                self._astray = False
            await self._homes.refresh(conn)
            waiting = await deliveries.waiting(conn, now_us)
            if any(self._homes.get(domain) is None for domain in waiting):
                # One that was added a moment ago has mail already, or one that was removed.
                await self._homes.refresh(conn, at_once=True)
            waiting = [domain for domain in waiting if domain not in self._homes.held]
            rooms = self._rooms(waiting)
            if not rooms:
                return bool(waiting)
            leased = await deliveries.lease(
                conn, rooms, holder=self._holder, now_us=now_us, until=now_us + LEASE_US
            )
            # After an outage longer than the lease, what is still under way here was leased again.
            new = [one for one in leased if one.id not in self._flying]
            await self._load(conn, {one.message for one in new})
            blocks = await self._blocks(conn, new, now_us)
        for one in new:
            self._launch(one, blocks.get(one.id))
        return bool(leased)

    async def _load(self, conn: Connection, numbers: set[int]) -> None:
        """The messages of these deliveries, but for large sources, into what is known."""
        missing = [number for number in numbers if number not in self._known]
        if missing:
            for number, stored in (await messages.load(conn, missing)).items():
                self._known[number] = Letter.of(stored)
        keep = max(KNOWN, len(numbers))
        while len(self._known) > keep:
            oldest = next(number for number in self._known if number not in numbers)
            del self._known[oldest]

    async def _blocks(
        self, conn: Connection, leased: list[Delivery], now_us: int
    ) -> dict[int, Block]:
        """Who has come to be suppressed since the message was accepted."""
        asked = [one for one in leased if now_us - one.accepted_at > ASK_AGAIN_US]
        if not asked:
            return {}
        wanted = [self._wanted(one) for one in asked]
        found = await suppressions.blocking(conn, wanted)
        return {one.id: block for one, block in zip(asked, found, strict=True) if block is not None}

    def _wanted(self, delivery: Delivery) -> suppressions.Wanted:
        letter = self._known.get(delivery.message)
        options = letter.options if letter else Options()
        return suppressions.Wanted(
            delivery.domain, delivery.recipient, options.tags, options.mailing_list
        )

    def _launch(self, delivery: Delivery, block: Block | None) -> None:
        letter = self._known.get(delivery.message)
        work = self._deliver(delivery, letter, block)
        self._flying[delivery.id] = self._tasks.owned(f"delivery {delivery.id}", work)
        self._of_domain[delivery.domain] += 1
        metrics.SENDING_IN_FLIGHT.set(len(self._flying))

    async def _deliver(
        self, delivery: Delivery, letter: Letter | None, block: Block | None
    ) -> None:
        """One delivery from its lease to its written outcome."""
        try:
            try:
                outcome = await self._attempts.make(delivery, letter, block)
            except Exception as error:
                number, said = delivery.id, repr(error)
                log.error("delivery failed", delivery=number, error=said, exc_info=error)
                outcome = self._attempts.broken(delivery, letter)
            await self._ledger.write(outcome)
        finally:
            del self._flying[delivery.id]
            self._of_domain[delivery.domain] -= 1
            metrics.SENDING_IN_FLIGHT.set(len(self._flying))
            self._awaited -= 1
            if self._awaited <= 0:
                self._freed.set()

    async def _land(self) -> None:
        """Let what is under way end; after :data:`LANDING` seconds give the rest back.

        What has an outcome is not given back, or it would go out again: if there is still no
        database to write it to, it stays held until the next process has one.
        """
        if self._flying:
            await asyncio.wait(set(self._flying.values()), timeout=LANDING)
        left = {one: task for one, task in self._flying.items() if not self._ledger.has(one)}
        for task in left.values():
            task.cancel()
        if left:
            await asyncio.wait(set(left.values()), timeout=1.0)
            try:
                async with asyncio.timeout(2.0), self._pool.acquire() as conn:
                    now_us = self._clock.now_us()
                    await deliveries.release(conn, list(left), holder=self._holder, due=now_us)
            except AWAY as error:
                log.warning("deliveries were not given back", error=repr(error), count=len(left))
