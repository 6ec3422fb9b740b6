"""From an authentic request to its record, and from the record to its answer.

Both ways of serving call the same :class:`Recorder`. Within one tick of the event loop it collects
records and the answers that wait for them; at the end of the tick everything collected goes to the
kernel in one write, and only then are the answers sent. With ``durability=fsync`` the answers wait
for the disk as well.
"""

import asyncio
import os
from array import array
from typing import Final, Protocol

import structlog
from msgspec import structs

from edge import crash
from edge.clock import Clock
from edge.model.capture import Act, Hit, Repeat
from edge.spool.writer import SYNC_DELAY, SpoolWriter

log = structlog.get_logger()

_SLOTS: Final = 1 << 16
_MAX_REPEATED: Final = 4096


class Receiver(Protocol):
    """Who gets an answer."""

    def send(self, data: bytes) -> None:
        """Called once everything recorded before is as durable as it must be."""
        ...


class _Repeated:
    """A token above the limit: where its full hit lies, and how many more came in this tick."""

    __slots__ = ("base", "generation", "hit", "waiting")

    def __init__(self) -> None:
        self.hit: Hit | None = None
        self.base = -1
        self.generation = -1
        self.waiting = 0


class RepeatLimit:
    """Counts requests per token and minute in fixed memory.

    A table of counters indexed by hash says whether a token *may* be above the limit; only then is
    it looked at by itself. A collision costs nothing but that look: what is collapsed is always
    collapsed by its own token.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._counts = array("I", bytes(4 * _SLOTS))
        self._repeated: dict[bytes, _Repeated] = {}

    def above(self, key: bytes) -> _Repeated | None:
        """The state of a token that is above the limit, else None."""
        slot = hash(key) & (_SLOTS - 1)
        count = self._counts[slot] + 1
        self._counts[slot] = count
        if count <= self._limit or not self._limit:
            return None
        state = self._repeated.get(key)
        if state is None and len(self._repeated) < _MAX_REPEATED:
            state = self._repeated[key] = _Repeated()
        return state

    def new_minute(self) -> None:
        """Start counting anew."""
        self._counts = array("I", bytes(4 * _SLOTS))
        self._repeated.clear()


class Recorder:
    """Writes records and releases answers; one per tracking process."""

    def __init__(self, spool: SpoolWriter, clock: Clock, *, fsync: bool, repeat_limit: int) -> None:
        self._spool = spool
        self._clock = clock
        self._now_us = clock.now_us
        self._fsync = fsync
        self._limit = RepeatLimit(repeat_limit)
        self._above = self._limit.above
        self._append = spool.append
        self._answers: list[tuple[Receiver, bytes]] = []
        self._waiting: list[_Repeated] = []
        self._scheduled = False
        self._loop = asyncio.get_running_loop()
        self._prefix = int.from_bytes(os.urandom(5)) << 32
        self._counter = 0
        self._sync_timer: asyncio.TimerHandle | None = None
        self.recorded = [0] * (max(Act) + 1)
        """Requests recorded, by the number of their act."""
        self.collapsed = 0

    def new_id(self, at: int) -> bytes:
        """16 bytes: microseconds (7), this process (5), a counter (4); grows with time."""
        self._counter = counter = (self._counter + 1) & 0xFFFFFFFF
        return (at << 72 | self._prefix | counter).to_bytes(16, "big")

    def hit(self, act: Act, peer: str, tls: bool, target: bytes, head: bytes) -> Hit:
        """The record of a request seen now."""
        at = self._now_us()
        return Hit(self.new_id(at), at, act, peer, tls, target, head)

    def record(
        self, key: bytes, act: Act, peer: str, tls: bool, target: bytes, head: bytes
    ) -> None:
        """Collect the record of one request; ``key`` is its method and path.

        It is written at the end of the tick in which the answer goes through :meth:`answer`, or
        :meth:`settled` is waited for; one of them must follow at once.
        """
        self.recorded[act] += 1
        state = self._above(key)
        if state is None:
            at = self._now_us()
            self._append(Hit(self.new_id(at), at, act, peer, tls, target, head))
        elif state.base >= 0 and state.generation == self._spool.generation:
            self.collapsed += 1
            if not state.waiting:
                self._waiting.append(state)
            state.waiting += 1
        else:
            self._write_base(state, self.hit(act, peer, tls, target, head))

    def _write_base(self, state: _Repeated, hit: Hit) -> None:
        state.hit = hit
        state.base = self._spool.append(hit)
        state.generation = self._spool.generation

    def _write_repeats(self) -> None:
        for state in self._waiting:
            count, state.waiting = state.waiting, 0
            now = self._now_us()
            if state.generation != self._spool.generation and state.hit is not None:
                # The segment with the base was sealed since: write the hit anew in this one.
                self._write_base(state, structs.replace(state.hit, id=self.new_id(now), at=now))
                count -= 1
            if count:
                self._spool.append_repeat(Repeat(now, state.base, count))
        self._waiting.clear()

    def answer(self, receiver: Receiver, data: bytes) -> None:
        """Send ``data`` once everything recorded so far is as durable as it must be."""
        self._answers.append((receiver, data))
        if not self._scheduled:
            self._schedule()

    def _schedule(self) -> None:
        self._scheduled = True
        self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        spool = self._spool
        if self._waiting:
            self._write_repeats()
        spool.commit()
        crash.point("frame-written-before-reply")
        answers, self._answers = self._answers, []
        if self._fsync:
            synced = spool.synced()
            synced.add_done_callback(lambda _: _send(answers))
            return
        if self._sync_timer is None:
            self._sync_timer = self._loop.call_later(SYNC_DELAY, self._sync)
        _send(answers)

    def _sync(self) -> None:
        self._sync_timer = None
        self._spool.sync_soon()

    async def settled(self) -> None:
        """Wait until everything recorded so far is as durable as it must be."""
        done: asyncio.Future[None] = self._loop.create_future()

        self.answer(_Settled(done), b"")
        await done

    async def unsubscribe(
        self, key: bytes, act: Act, peer: str, tls: bool, target: bytes, head: bytes
    ) -> bool:
        """Record an unsubscribe or its undoing on disk; False when that is impossible now.

        Above the repeat limit the record is a repeat: with its own time, as which one came last
        decides, but without a head, so that one link cannot fill the disk.
        """
        state = self._above(key + bytes((act,)))
        spool = self._spool
        record: Hit | Repeat = self.hit(act, peer, tls, target, head)
        if state is not None:
            spool.commit()
            if state.base >= 0 and state.generation == spool.generation:
                self.collapsed += 1
                record = Repeat(record.at, state.base, 1)
            else:
                state.base, state.generation = spool.end, spool.generation
        stored = await spool.append_durable(record)
        if stored:
            self.recorded[act] += 1
            crash.point("frame-written-before-reply")
        return stored

    def new_minute(self) -> None:
        """Start the repeat limit's next minute."""
        if self._waiting:
            self._flush()
        self._limit.new_minute()


class _Settled:
    """Wakes one task; its answer is no bytes."""

    __slots__ = ("_done",)

    def __init__(self, done: asyncio.Future[None]) -> None:
        self._done = done

    def send(self, data: bytes) -> None:
        """Wake the task, if it still waits."""
        if not self._done.done():
            self._done.set_result(None)


def _send(answers: list[tuple[Receiver, bytes]]) -> None:
    for receiver, data in answers:
        receiver.send(data)
    crash.point("reply-sent")
