"""The drain: ships records to Postgres, each exactly once, whatever is killed and whenever.

One transaction holds the rows and the compare-and-set of every segment's offset. If it commits,
both happened; if not, neither; and if another drain was there first, the offset does not match and
everything is rolled back. There is no in-between to repair: after any doubt (a connection lost
during the commit) the offsets are read again, and they say what happened.

While Postgres works on one batch the next is being labelled. A row that Postgres refuses is found
by halving the batch and set aside in the quarantine; nothing waits for it. Postgres being away
delays everything and loses nothing: the spool grows.
"""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

import msgspec
import structlog

from edge import crash
from edge.clock import Clock
from edge.enrich.pipeline import Enricher
from edge.ingest.events import change_of, event_of
from edge.ingest.lookahead import Item, Lookahead
from edge.lifecycle import Tasks, backoff
from edge.model.capture import Act
from edge.model.errors import PeerError
from edge.model.event import Event, UnsubscribeChange
from edge.observe import metrics
from edge.spool.reader import set_aside
from edge.store import events as store_events
from edge.store import offsets
from edge.store.events import Batch
from edge.store.pool import REFUSED, UNAVAILABLE, Connection, Pool

log = structlog.get_logger()

BATCH: Final = 10_000
SLICE: Final = 100
"""Records labelled before the event loop gets its turn, so that Postgres never waits for long."""
IDLE_SECONDS: Final = 0.2
ACQUIRE_SECONDS: Final = 20.0
SHIP_SECONDS: Final = 120.0
PASSING: Final[tuple[type[Exception], ...]] = (offsets.Fenced, *UNAVAILABLE)
UNKNOWN_DOMAIN: Final = "unknown-domain"
FORGET_AFTER: Final = 600.0
"""Seconds that a deleted segment's offset row stays, so that a late drain is still fenced."""


class Row(msgspec.Struct, gc=False):
    """What one item stores; ``unusable`` says why it cannot be stored at all."""

    item: Item
    event: Event | None = None
    change: UnsubscribeChange | None = None
    unusable: str = ""


class Names(Protocol):
    """Domain names by number; the keeper has them."""

    def name(self, number: int) -> str | None:
        """The domain's name, or None when it is not known yet."""
        ...

    async def refresh(self) -> None:
        """Ask Postgres again."""
        ...


class Drain:
    """Ships one machine's spool."""

    def __init__(
        self,
        *,
        pool: Pool,
        spool: Path,
        edge_id: str,
        enricher: Enricher,
        settle: float,
        trusted: Callable[[str], bool],
        names: "Names",
        clock: Clock,
        tasks: Tasks,
    ) -> None:
        self._pool = pool
        self._spool = spool
        self._edge_id = edge_id
        self._enricher = enricher
        self._clock = clock
        self._tasks = tasks
        self._names = names
        self._lookahead = Lookahead(spool, settle=settle, trusted=trusted, clock=clock)
        self._shipping: asyncio.Task[None] | None = None
        self._damaged = 0
        self._shipped_until = clock.now()
        """Seconds since the epoch: everything recorded before is in Postgres."""

    async def run(self) -> None:
        """Ship until the group stops; then finish the batch that is under way."""
        failures = 0
        while not self._tasks.stopping.is_set():
            try:
                busy = await self._cycle()
                failures = 0
            except offsets.Fenced as error:
                metrics.DRAIN_FENCED.inc()
                log.warning("drain fenced, reading the offsets again", error=str(error))
                await self._start_over()
                busy = False
            except UNAVAILABLE as error:
                failures += 1
                log.warning("drain waits for Postgres", error=repr(error))
                self._tell_age()
                await self._start_over()
                delay = backoff(0.1, 5.0, failures)
                await self._tasks.pause(delay * random.uniform(0.8, 1.2))  # noqa: S311 - jitter, not a secret
                continue
            if not busy:
                await self._tasks.pause(IDLE_SECONDS)
        await self._start_over()

    async def _start_over(self) -> None:
        """Let the batch under way end, however it ends, then forget what was read."""
        try:
            await self._finish()
        except PASSING as error:
            log.warning("batch not shipped, it stays in the spool", error=repr(error))
        self._lookahead.reset()

    async def _finish(self) -> None:
        shipping, self._shipping = self._shipping, None
        if shipping is None:
            return
        done, _ = await asyncio.wait({shipping}, timeout=SHIP_SECONDS)
        if not done:
            # Every statement has its own, shorter timeout. One that outlives it is a connection
            # whose client lost its thread when the server died: only a new process is sure to help.
            shipping.cancel()
            raise PeerError(f"a batch has hung for {SHIP_SECONDS} s; ingest starts anew")
        await shipping

    async def _cycle(self) -> bool:
        """One round; whether there was anything to ship."""
        lookahead = self._lookahead
        await self._open_segments()
        lookahead.begin_round()
        rows: list[Row] = []
        while len(rows) < BATCH:
            items = lookahead.take(SLICE)
            if not items:
                break
            rows += [self._label(item) for item in items]
            await asyncio.sleep(0)
        if any(row.unusable == UNKNOWN_DOMAIN for row in rows):
            await self._names.refresh()
            rows = [self._label(row.item) if row.unusable else row for row in rows]
        self._count_damage()
        prepared = self._prepared(rows)
        await self._finish()
        self._delete_finished()
        if rows:
            self._shipping = self._tasks.owned("ship", self._ship(rows, prepared))
            await asyncio.sleep(0)
        lookahead.forget_old()
        oldest = lookahead.oldest
        self._shipped_until = self._clock.now() if oldest is None else oldest / 1_000_000
        self._tell_age()
        return bool(rows)

    async def _open_segments(self) -> None:
        paths = self._lookahead.unknown()
        if paths:
            async with self._pool.acquire(timeout=ACQUIRE_SECONDS) as conn:
                known = await offsets.load(conn, [path.stem for path in paths])
            self._lookahead.open(paths, known)

    def _label(self, item: Item) -> Row:
        capture = item.capture
        if capture is None:
            return Row(item, unusable="" if item.facts else "unreadable")
        name = self._names.name(capture.target.domain)
        if name is None:
            return Row(item, unusable=UNKNOWN_DOMAIN)
        labelled = self._enricher.label(capture, self._lookahead.around(capture))
        event = event_of(capture, labelled, name)
        if event is None and capture.act is Act.UNSUBSCRIBE_BY_GET:
            metrics.UNSUBSCRIBES_IGNORED.labels("bot").inc()
        return Row(item, event, change_of(capture, event, name))

    def _prepared(self, rows: list[Row]) -> store_events.Prepared | None:
        """All of storing that needs no database; None when a row cannot be encoded."""
        try:
            return self._prepare([row for row in rows if not row.unusable])
        except REFUSED:
            return None

    def _prepare(self, rows: list[Row]) -> store_events.Prepared:
        return store_events.prepare(_batch(rows), now_us=self._clock.now_us())

    async def _ship(self, rows: list[Row], prepared: store_events.Prepared | None) -> None:
        """Store one batch; returns when it is committed."""
        moves = _moves(rows)
        for row in rows:
            if row.unusable:
                self._quarantine(row, row.unusable)
        good = [row for row in rows if not row.unusable]
        try:
            await self._store(prepared or self._prepare(good), moves)
        except REFUSED as error:
            async with self._pool.acquire(timeout=ACQUIRE_SECONDS) as conn:
                await offsets.check(conn, moves)
            good = await self._store_accepted(good, moves, error)
        for row in rows:
            row.item.source.shipped = row.item.end
        self._count(good)

    async def _store(self, prepared: store_events.Prepared, moves: list[offsets.Move]) -> None:
        async with self._pool.acquire(timeout=ACQUIRE_SECONDS) as conn, conn.transaction():
            await store_events.add(conn, prepared)
            crash.point("copy-done-before-cas")
            await offsets.advance(conn, self._edge_id, moves)
            crash.point("cas-done-before-commit")

    async def _store_accepted(
        self, rows: list[Row], moves: list[offsets.Move], error: Exception
    ) -> list[Row]:
        """Store the rows that Postgres takes and set the others aside; those stored.

        The refused ones are in the quarantine before the offset passes them.
        """
        async with self._pool.acquire(timeout=ACQUIRE_SECONDS) as conn, conn.transaction():
            bad = await self._refused(conn, rows)
            log.error("rows refused by Postgres", error=repr(error), rows=len(bad))
            for row in bad:
                row.unusable = "refused"
                self._quarantine(row, row.unusable)
            await offsets.advance(conn, self._edge_id, moves)
        return [row for row in rows if not row.unusable]

    async def _refused(self, conn: Connection, rows: list[Row]) -> list[Row]:
        """Add the rows by halves in savepoints; the rows left out, each refused by itself.

        What was accepted stays while the rest is tried: two records that only Postgres cannot have
        both of (the same record twice) are told apart as well.
        """
        try:
            async with conn.transaction():
                await store_events.add(conn, self._prepare(rows))
        except REFUSED:
            if len(rows) == 1:
                return rows
        else:
            return []
        middle = len(rows) // 2
        left = await self._refused(conn, rows[:middle])
        return left + await self._refused(conn, rows[middle:])

    def _quarantine(self, row: Row, reason: str) -> None:
        reader, start = row.item.source.reader, row.item.start
        data = reader.movable(start, row.item.end)
        set_aside(self._spool / "quarantine", f"{reader.name}-{start}.{reason}", data)
        metrics.QUARANTINED.labels(reason).inc()

    def _delete_finished(self) -> None:
        for source in self._lookahead.finished():
            crash.point("committed-before-unlink")
            source.reader.delete()
            self._lookahead.close(source)
            crash.point("unlinked-before-row-gc")

    async def forget_deleted(self) -> None:
        """Remove offset rows of segments that are long gone."""
        on_disk = {path.stem for path in self._spool.glob("*.seg")}
        async with self._pool.acquire(timeout=ACQUIRE_SECONDS) as conn:
            await offsets.forget_missing(conn, self._edge_id, on_disk, older_than=FORGET_AFTER)

    def _count(self, rows: list[Row]) -> None:
        metrics.DRAIN_BATCHES.inc()
        kinds: dict[tuple[str, str], int] = {}
        newest = 0
        for row in rows:
            newest = max(newest, row.item.at)
            if row.event is not None:
                kind = (row.event.event, row.event.verdict.bot)
                kinds[kind] = kinds.get(kind, 0) + 1
        metrics.DRAIN_EVENTS.inc(sum(kinds.values()))
        for (event, bot), count in kinds.items():
            metrics.EVENTS.labels(event, bot or "none").inc(count)
        metrics.DRAIN_LAG.set(max(0.0, (self._clock.now_us() - newest) / 1_000_000))

    def _tell_age(self) -> None:
        metrics.SPOOL_OLDEST.set(max(0.0, self._clock.now() - self._shipped_until))

    def _count_damage(self) -> None:
        damaged = sum(s.reader.damaged for s in self._lookahead.sources.values())
        if damaged > self._damaged:
            metrics.QUARANTINED.labels("damaged").inc(damaged - self._damaged)
        self._damaged = damaged


def _batch(rows: list[Row]) -> Batch:
    return Batch(
        events=[row.event for row in rows if row.event is not None],
        unsubscribes=[row.change for row in rows if row.change is not None],
        facts=[row.item.facts for row in rows if row.item.facts is not None],
    )


def _moves(rows: list[Row]) -> list[offsets.Move]:
    """How far each segment gets with this batch."""
    ends: dict[str, int] = {}
    starts: dict[str, int] = {}
    for row in rows:
        item = row.item
        name = item.source.reader.name
        starts.setdefault(name, item.source.shipped)
        ends[name] = item.end
    return [offsets.Move(name, starts[name], end) for name, end in ends.items()]
