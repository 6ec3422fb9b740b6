"""What became of each attempt, and writing it down: row, event and suppression in one transaction.

Attempts end one by one, and are written together: while one transaction commits, the next ones
gather. An outcome is only written for a delivery that is still this process's; if the lease has
gone to another, it is that one's story to tell.
"""

import asyncio
import random
from collections.abc import Sequence
from typing import Final

import msgspec
import structlog

from edge import crash
from edge.clock import Clock
from edge.lifecycle import Tasks, backoff
from edge.model.errors import PeerError
from edge.model.event import Event, SuppressionChange
from edge.observe import metrics
from edge.returns.reasons import Reason
from edge.sending import events as told
from edge.sending import retry
from edge.sending.reading import SECOND_US
from edge.sending.relay import Accepted, Failed
from edge.sending.replies import unanswered
from edge.store import deliveries, events, outbox
from edge.store.deliveries import Delivery, Settled
from edge.store.outbox import Finished
from edge.store.pool import REFUSED, UNAVAILABLE, Pool
from edge.store.suppressions import Block

log = structlog.get_logger()

MOST: Final = 500
"""Outcomes written in one transaction."""

LONGEST_PAUSE: Final = 1.0
"""Seconds between two tries to write; short beside the seconds that a stop leaves for it."""

DELIVERED: Final = "delivered"
SANDBOXED: Final = "sandboxed"
DEFERRED: Final = "deferred"
FAILED: Final = "failed"

_AWAY: Final[tuple[type[Exception], ...]] = (PeerError, *UNAVAILABLE)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be written of one attempt; ``finished`` is a copy for the outbox."""

    settled: Settled
    event: Event
    name: str
    suppression: SuppressionChange | None = None
    finished: Finished | None = None


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that has ended at ``at`` (µs) after ``seconds``."""

    delivery: Delivery
    told: told.Told
    result: Accepted | Failed
    at: int
    seconds: float
    ends_at: int


def outcome_of(tried: Tried) -> Outcome:
    """Delivered, tried again later, or failed for good."""
    delivery, result = tried.delivery, tried.result
    number = delivery.attempts + 1
    if isinstance(result, Accepted):
        attempt = told.Attempt(
            number=number,
            host=result.host,
            tls=result.tls,
            verified=result.verified,
            seconds=tried.seconds,
        )
        reply = result.reply
        event = told.delivered(
            tried.told,
            delivery.recipient,
            tried.at,
            attempt,
            code=reply.code,
            enhanced=reply.enhanced,
            text=reply.text,
        )
        return Outcome(settled=_finished(tried, DELIVERED), event=event, name=DELIVERED)
    return _failure(tried, result, number)


def suppressed_outcome(tried: Tried, block: Block) -> Outcome:
    """Not tried: the recipient has come to be suppressed."""
    event = told.suppressed(tried.told, tried.delivery.recipient, tried.at, block)
    return Outcome(settled=_finished(tried, FAILED), event=event, name=FAILED)


def given_up(tried: Tried, why: str) -> Outcome:
    """Not tried, and never will be: nothing of it can be sent."""
    attempt = told.Attempt(
        number=tried.delivery.attempts + 1, host="", tls=False, verified=False, seconds=0.0
    )
    verdict = unanswered(Reason.SYSTEM, "not-sendable", why)
    event = told.failed(
        tried.told,
        tried.delivery.recipient,
        tried.at,
        attempt,
        verdict,
        retry_seconds=None,
        too_old=False,
    )
    return Outcome(settled=_finished(tried, FAILED), event=event, name=FAILED)


def _failure(tried: Tried, result: Failed, number: int) -> Outcome:
    delivery, verdict = tried.delivery, result.verdict
    due = None if verdict.hard else _next(tried, number)
    attempt = told.Attempt(
        number=number, host=result.host, tls=result.tls, verified=False, seconds=tried.seconds
    )
    event = told.failed(
        tried.told,
        delivery.recipient,
        tried.at,
        attempt,
        verdict,
        retry_seconds=None if due is None else max(0, (due - tried.at) // SECOND_US),
        duplicate=result.possible_duplicate,
    )
    if due is not None:
        settled = Settled(id=delivery.id, due=due, attempts=number, outcome=None, at=tried.at)
        return Outcome(settled=settled, event=event, name=DEFERRED)
    suppression = None
    if verdict.hard:
        suppression = SuppressionChange(
            domain=delivery.domain,
            recipient=delivery.recipient,
            kind="bounce",
            at=tried.at,
            active=True,
            code=str(verdict.code or 550),
            error=verdict.text[:1000],
            event_id=event.id,
            message_id=tried.told.message_id,
        )
    return Outcome(
        settled=_finished(tried, FAILED), event=event, name=FAILED, suppression=suppression
    )


def _next(tried: Tried, number: int) -> int | None:
    """When to try again (µs), None at the end of the message's life."""
    accepted = tried.delivery.accepted_at
    due = retry.next_attempt(
        number,
        accepted / SECOND_US,
        tried.at / SECOND_US,
        random.random(),  # noqa: S311 - jitter, not a secret
        life=(tried.ends_at - accepted) / SECOND_US,
    )
    return None if due is None else round(due * SECOND_US)


def _finished(tried: Tried, outcome: str) -> Settled:
    return Settled(
        id=tried.delivery.id,
        due=None,
        attempts=tried.delivery.attempts + 1,
        outcome=outcome,
        at=tried.at,
    )


class Ledger:
    """Writes outcomes down; one per process. ``holder`` is who holds the leases."""

    def __init__(self, pool: Pool, clock: Clock, holder: str) -> None:
        self._pool = pool
        self._clock = clock
        self._holder = holder
        self._waiting: list[tuple[Outcome, asyncio.Future[None]]] = []
        self._unwritten: set[int] = set()
        self._wake = asyncio.Event()

    async def write(self, outcome: Outcome) -> None:
        """Returns when the outcome is committed, however long the database is away."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((outcome, future))
        self._unwritten.add(outcome.settled.id)
        self._wake.set()
        await future

    def has(self, delivery: int) -> bool:
        """Whether the outcome of this delivery is known and not yet written."""
        return delivery in self._unwritten

    async def run(self, tasks: Tasks, idle: asyncio.Event) -> None:
        """Write what comes in, until ``idle``: nothing is in flight any more, and nothing comes."""
        stop = tasks.spawn("ledger stop", idle.wait())
        stop.add_done_callback(lambda _: self._wake.set())
        while not idle.is_set() or self._waiting:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch = self._waiting[:MOST]
                del self._waiting[:MOST]
                await self._settle([outcome for outcome, _ in batch])
                for outcome, future in batch:
                    self._unwritten.discard(outcome.settled.id)
                    if not future.cancelled():
                        future.set_result(None)

    async def _settle(self, batch: list[Outcome]) -> None:
        """Write a batch, trying again while the database is away.

        An event that Postgres will never take is left out: its message must not go out for ever.
        """
        failures, with_events = 0, True
        while True:
            try:
                await self._write(batch, with_events=with_events)
            except REFUSED as error:
                if len(batch) > 1:
                    for one in batch:
                        await self._settle([one])
                    return
                if not with_events:
                    raise
                with_events = False
                number = batch[0].settled.id
                log.error("an outcome's event was refused", delivery=number, error=repr(error))
            except _AWAY as error:
                log.warning("outcomes are waiting for the database", error=repr(error))
                await asyncio.sleep(backoff(0.1, LONGEST_PAUSE, failures))
                failures += 1
            else:
                return

    async def _write(self, batch: Sequence[Outcome], *, with_events: bool) -> None:
        async with self._pool.acquire() as conn, conn.transaction():
            settled = [one.settled for one in batch]
            ours = await deliveries.settle(conn, self._holder, settled)
            kept = [one for one in batch if one.settled.id in ours]
            finished = [one.finished for one in kept if one.finished is not None]
            if finished:
                await outbox.add(conn, finished)
            if kept and with_events:
                found = events.Batch(
                    events=[one.event for one in kept],
                    suppressions=[one.suppression for one in kept if one.suppression is not None],
                )
                prepared = events.prepare(found, now_us=self._clock.now_us())
                await events.add(conn, prepared)
        crash.point("settled")
        if len(kept) < len(batch):
            metrics.DELIVERIES_FENCED.inc(len(batch) - len(kept))
        for one in kept:
            metrics.DELIVERIES.labels(one.name).inc()
