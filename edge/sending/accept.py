"""The one way in for messages, whichever door they come through.

A message is accepted when its row, its deliveries, its facts and its events are committed, all in
one transaction; only then :meth:`Acceptor.accept` returns. Messages that come at the same time
share a transaction: what a commit costs is paid once for all of them, and the one that is being
written is the time in which the next ones gather.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final, TypeVar

import msgspec
import structlog

from edge import crash
from edge.clock import Clock
from edge.lifecycle import Tasks
from edge.model.errors import PeerError
from edge.observe import metrics
from edge.sending import events as told
from edge.sending.entry import Entry, Piece, entry_of, pieces_of
from edge.sending.message import Accepted, Message, QueueFull
from edge.sending.reading import Read, Rejected, read
from edge.store import deliveries, events, lists, messages, suppressions, tags
from edge.store.pool import REFUSED, UNAVAILABLE, Connection, Pool

log = structlog.get_logger()

T = TypeVar("T")

BATCH_MESSAGES: Final = 200
BATCH_RECIPIENTS: Final = 2_000
BATCH_BYTES: Final = 32 * 2**20
"""What one transaction holds at most; a single message may be larger than any of them."""

LARGE: Final = 256 * 1024
"""Octets from which a message is read in a thread, so that others need not wait for it."""

MANY: Final = 5_000
"""Recipients from which their rows and events are made in a thread."""

_AWAY: Final[tuple[type[Exception], ...]] = (PeerError, *UNAVAILABLE)

COUNT_SECONDS: Final = 2.0
"""How often the length of the queue is asked for."""


class _Waiting(msgspec.Struct, eq=False):
    """A message on its way into a transaction, and who waits for it."""

    read: Read
    done: "asyncio.Future[Accepted]"


class Acceptor:
    """Accepts messages; one per process. ``database`` is None until Postgres was reached.

    ``public_url`` is the base of storage URLs. ``queue_limit`` is how many deliveries may be
    queued in the whole installation, ``most_tags`` how many tags a domain may have.
    """

    def __init__(self, clock: Clock, *, public_url: str, queue_limit: int, most_tags: int) -> None:
        self.database: Pool | None = None
        self._clock = clock
        self._public_url = public_url
        self._queue_limit = queue_limit
        self.most_tags = most_tags
        self._numbers = messages.Numbers()
        self._waiting: list[_Waiting] = []
        self._wake = asyncio.Event()
        self._queued = 0
        self._closed = False

    async def accept(self, message: Message) -> Accepted:
        """Accept a message; returns when it is committed, and so on disk.

        Raises CallerError for a message or call that is wrong (nothing is accepted then, not even
        for the good recipients), QueueFull, and PeerError or one of ``pool.UNAVAILABLE`` while
        there is no database.
        """
        self._check_open()
        if self._queued >= self._queue_limit:
            raise QueueFull(f"The queue is full: {self._queue_limit} messages are waiting")
        now_us = self._clock.now_us()
        try:
            if len(message.source) > LARGE:
                found = await asyncio.to_thread(read, message, now_us)
            else:
                found = read(message, now_us)
        except Rejected as error:
            await self._tell_rejected(message, now_us, str(error))
            raise
        self._check_open()  # reading a large one took its time
        waiting = _Waiting(found, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._wake.set()
        return await waiting.done

    def _check_open(self) -> None:
        if self.database is None or self._closed:
            raise PeerError("Postgres is not reached, or this process is stopping")

    async def run(self, tasks: Tasks) -> None:
        """Commit what comes in until the child stops; what is still waiting then is refused."""
        tasks.spawn("queue length", tasks.every(COUNT_SECONDS, self._count, "queue length"))
        stop = tasks.spawn("accept stop", tasks.stopping.wait())
        stop.add_done_callback(lambda _: self._wake.set())
        try:
            while not tasks.stopping.is_set() or self._waiting:
                await self._wake.wait()
                self._wake.clear()
                while batch := self._next_batch():
                    await self._settle(batch)
        finally:
            self._closed = True
            self._fail(self._waiting, PeerError("this process is stopping"))

    def _next_batch(self) -> list[_Waiting]:
        """What fits into one transaction, oldest first, without those nobody waits for any more."""
        batch: list[_Waiting] = []
        size = recipients = taken = 0
        for one in self._waiting:
            size += len(one.read.source)
            recipients += len(one.read.recipients)
            full = size > BATCH_BYTES or recipients > BATCH_RECIPIENTS
            if batch and (full or len(batch) == BATCH_MESSAGES):
                break
            taken += 1
            if not one.done.cancelled():
                batch.append(one)
        del self._waiting[:taken]
        return batch

    async def _settle(self, batch: list[_Waiting]) -> None:
        """Commit a batch and tell everybody; where Postgres refuses a row, each on its own."""
        try:
            accepted = await self._commit([one.read for one in batch])
        except REFUSED as error:
            if len(batch) > 1:
                for one in batch:
                    await self._settle([one])
                return
            log.warning("message refused by the database", error=repr(error))
            self._fail(batch, Rejected("A value of this message cannot be stored"))
        except _AWAY as error:
            log.warning("messages not accepted: the database is away", error=repr(error))
            self._fail(batch, error)
        except BaseException as error:
            self._fail(batch, PeerError(f"The message could not be accepted: {error!r}"))
            raise
        else:
            for one, result in zip(batch, accepted, strict=True):
                if not one.done.cancelled():
                    one.done.set_result(result)

    @staticmethod
    def _fail(batch: list[_Waiting], error: Exception) -> None:
        for one in batch:
            if not one.done.cancelled():
                one.done.set_exception(error)

    async def _commit(self, batch: Sequence[Read]) -> list[Accepted]:
        if self.database is None:
            raise PeerError("Postgres is not reached")
        async with self.database.acquire() as conn:
            expanded = await lists.expand(conn, _possible_lists(batch))
            pieces = [piece for one in batch for piece in pieces_of(one, expanded)]
            async with conn.transaction():
                await conn.execute("SET LOCAL synchronous_commit = on")
                entry = await self._entry(conn, pieces)
                await messages.add(conn, entry.messages)
                if entry.deliveries:
                    await deliveries.add(conn, entry.deliveries)
                now_us = self._clock.now_us()
                prepare = partial(events.prepare, entry.batch, now_us=now_us)
                await events.add(conn, await _worked(len(entry.batch.events), prepare))
        crash.point("accept-committed")
        self._queued += len(entry.deliveries)
        metrics.MESSAGES_ACCEPTED.inc(len(entry.messages))
        first: dict[int, Accepted] = {}
        for piece, stored in zip(pieces, entry.messages, strict=True):
            first.setdefault(id(piece.read), Accepted(stored.message_id, stored.key))
        return [first[id(one)] for one in batch]

    async def _entry(self, conn: Connection, pieces: Sequence[Piece]) -> Entry:
        """The rows and events of these pieces: who is blocked, which tags there is room for."""
        admitted = await tags.admit(
            conn,
            ((piece.domain, tag) for piece in pieces for tag in piece.options.tags),
            most=self.most_tags,
            now_us=self._clock.now_us(),
        )
        kept = [piece.with_tags(admitted) for piece in pieces]
        dropped = sum(len(piece.options.tags) + piece.read.tags_dropped for piece in pieces)
        dropped -= sum(len(piece.options.tags) for piece in kept)
        if dropped:
            metrics.TAGS_DROPPED.inc(dropped)
        wanted = [
            suppressions.Wanted(piece.domain, one.address, piece.options.tags)
            for piece in kept
            for one in piece.recipients
        ]
        blocks = await suppressions.blocking(conn, wanted)
        count = len(kept) + len(wanted)
        numbers = await self._numbers.take(conn, count)
        work = partial(entry_of, kept, blocks, numbers, self._public_url)
        return await _worked(count, work)

    async def _tell_rejected(self, message: Message, now_us: int, why: str) -> None:
        """Keep a ``rejected`` event; while the database is away the caller's error must do."""
        if self.database is None:
            return
        event = told.rejected(_nothing_told(message), message.origin, now_us, why)
        prepared = events.prepare(events.Batch(events=[event]), now_us=now_us)
        try:
            async with self.database.acquire() as conn, conn.transaction():
                await events.add(conn, prepared)
        except UNAVAILABLE as error:
            log.warning("a rejected message was not recorded", error=repr(error))

    async def _count(self) -> None:
        if self.database is not None:
            async with self.database.acquire() as conn:
                self._queued = await deliveries.queued(conn, self._queue_limit)
            metrics.QUEUE_LENGTH.set(self._queued)


async def _worked(recipients: int, work: Callable[[], T]) -> T:
    """What ``work`` returns; done in a thread where a mailing list makes it long."""
    return await asyncio.to_thread(work) if recipients > MANY else work()


def _possible_lists(batch: Iterable[Read]) -> list[tuple[int, str]]:
    """Recipients in the sending domain itself: only those can be its lists."""
    found = []
    for one in batch:
        domain = one.message.domain
        suffix = f"@{domain.name}"
        found += [
            (domain.number, recipient.address.lower())
            for recipient in one.recipients
            if recipient.address.endswith(suffix)
        ]
    return found


def _nothing_told(message: Message) -> told.Told:
    return told.Told(
        domain=message.domain.number,
        message_id="",
        sender=message.sender,
        key="",
        url="",
        test_mode=message.options.test_mode,
        authenticated=message.origin.authenticated,
    )
