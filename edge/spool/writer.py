"""The writing end of the spool: one open segment per process, appended to before any answer.

How to think about it: :meth:`SpoolWriter.append` only collects frames; :meth:`SpoolWriter.commit`
hands everything collected in this tick of the event loop to the kernel in one ``write``. An answer
may be sent after the commit, never before. From then on a ``kill -9`` of any process loses nothing;
a power failure loses at most what the next ``fdatasync`` (50 ms at most) had not reached, or
nothing with ``durability=fsync`` and for unsubscribes.

When the disk is full or broken, opens and clicks are answered all the same and counted as dropped,
exactly; whole frames that did reach the file stay. The segment is sealed, so that it can be shipped
and deleted: it may be what fills the disk. An unsubscribe reports failure to its caller.
A failed ``fdatasync`` seals the segment: the kernel may have thrown the pages away, so trying
again would prove nothing.

A segment is created under a temporary name, locked, given its header and then renamed: a reader
never sees one without its lock. The lock tells readers that it may still grow, and the kernel
releases it however the process ends.
"""

import asyncio
import errno
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
import structlog

from edge import crash
from edge.clock import Clock
from edge.model.capture import Record, Repeat
from edge.model.errors import OperatorError
from edge.spool.segment import FLAG_HEADER, Header, frame

log = structlog.get_logger()

SEGMENT_BYTES: Final = 16 * 2**20
IDLE_SECONDS: Final = 10.0
SYNC_DELAY: Final = 0.05
OPEN_AGAIN: Final = 0.5
"""Seconds between attempts to open a segment on a disk that refused one: not at every request."""

_encode = msgspec.msgpack.Encoder().encode


class OpenSegment:
    """One locked segment file; ``size`` is the end of its last complete frame."""

    def __init__(self, directory: Path, edge: str, clock: Clock) -> None:
        self.name = f"{clock.now_us():016x}-{uuid.uuid4().hex}"
        self.path = directory / f"{self.name}.seg"
        temporary = directory / f"{self.name}.tmp"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self.fd = os.open(temporary, flags, 0o600)
        try:
            crash.point("seg-created")
            _give_to_owner(self.fd, directory)
            fcntl.flock(self.fd, fcntl.LOCK_EX)
            header = Header(segment=self.name, edge=edge, created=clock.now_us())
            first = frame(_encode(header), FLAG_HEADER)
            if os.write(self.fd, first) != len(first):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self.fd)
            crash.point("header-written")
            temporary.rename(self.path)
            sync_directory(directory)
        except OSError:
            os.close(self.fd)
            temporary.unlink(missing_ok=True)
            raise
        self.size = len(first)
        self.first = len(first)

    def write(self, frames: list[bytes]) -> int:
        """Append whole frames; how many reached the file. The rest is cut off again.

        After a shortfall write no more: what could not be cut off may lie at the end.
        """
        batch = b"".join(frames)
        if crash.armed("mid-frame"):
            os.write(self.fd, batch[: len(batch) - len(frames[-1]) // 2])
            crash.point("mid-frame")
            os.ftruncate(self.fd, self.size)
        try:
            written = os.write(self.fd, batch)
        except OSError as error:
            log.error("spool write failed", segment=self.name, error=error.strerror)
            written = 0
        if written == len(batch):
            self.size += written
            return len(frames)
        stored, end = 0, 0
        for one in frames:
            if end + len(one) > written:
                break
            stored, end = stored + 1, end + len(one)
        try:
            os.ftruncate(self.fd, self.size + end)
        except OSError as error:
            log.error("spool segment cannot be cut", segment=self.name, error=error.strerror)
        self.size += end
        return stored

    def seal(self) -> None:
        """Close; the lock goes with it, and readers know that nothing will follow."""
        crash.point("rotate-before-seal")
        os.close(self.fd)


class SpoolWriter:
    """The spool of one process. Not thread-safe: call it from the event loop only.

    ``dropped`` counts requests that were answered but could not be stored, because the disk refused
    them; ``shed`` those above the size limit. ``generation`` grows whenever offsets returned by
    :meth:`append` lose their meaning.
    """

    def __init__(
        self,
        directory: Path,
        *,
        edge: str,
        clock: Clock,
        max_bytes: int,
        segment_bytes: int = SEGMENT_BYTES,
        idle: float = IDLE_SECONDS,
    ) -> None:
        self._directory = directory
        self._edge = edge
        self._clock = clock
        self._max_bytes = max_bytes
        self._segment_bytes = segment_bytes
        self._idle = idle
        self._segment: OpenSegment | None = None
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._repeats: list[tuple[int, int]] = []
        self._open_at = clock.monotonic()
        self._last_write = clock.monotonic()
        self._dirty = False
        self._syncing = False
        self._sync_waiters: list[asyncio.Future[bool]] = []
        self._sync_failures = 0
        self.dropped = 0
        self.shed = 0
        self.written = 0
        self.generation = 0
        self.full = False
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    def append(self, record: Record) -> int:
        """Collect a record for the next commit; its frame's offset in the segment.

        Over the size limit nothing is collected but unsubscribes (see :meth:`append_durable`): the
        record counts as shed, and the offset is -1.
        """
        if self.full:
            self.shed += 1
            return -1
        segment = self._segment
        if segment is None:
            return self._collect(frame(_encode(record)))
        framed = frame(_encode(record))
        offset = segment.size + self._pending_bytes
        self._pending.append(framed)
        self._pending_bytes += len(framed)
        return offset

    def append_repeat(self, repeat: Repeat) -> None:
        """Collect a repeat, which stands for ``count`` requests whatever becomes of it."""
        if self.full:
            self.shed += repeat.count
        elif repeat.base < 0:
            self.dropped += repeat.count
        elif self.append(repeat) >= 0:
            self._repeats.append((len(self._pending) - 1, repeat.count - 1))
        else:
            self.dropped += repeat.count - 1

    def _collect(self, framed: bytes, *, patient: bool = True) -> int:
        segment = self._segment or self._open(patient=patient)
        if segment is None:
            self.dropped += 1
            return -1
        offset = segment.size + self._pending_bytes
        self._pending.append(framed)
        self._pending_bytes += len(framed)
        return offset

    def _open(self, *, patient: bool) -> OpenSegment | None:
        now = self._clock.monotonic()
        if patient and now < self._open_at:
            return None
        try:
            self._segment = OpenSegment(self._directory, self._edge, self._clock)
        except OSError as error:
            self._open_at = now + OPEN_AGAIN
            log.error("spool cannot open a segment", error=error.strerror)
            return None
        return self._segment

    def commit(self) -> bool:
        """Hand the collected frames to the kernel; False when any of them had to be dropped."""
        frames = self._pending
        if not frames:
            return True
        repeats, self._repeats = self._repeats, []
        self._pending, self._pending_bytes = [], 0
        segment = self._segment
        assert segment is not None, "frames are only collected for an open segment"
        stored = segment.write(frames)
        self.written += stored
        self._last_write = self._clock.monotonic()
        self._dirty = True
        if stored < len(frames):
            self.dropped += len(frames) - stored + sum(n for at, n in repeats if at >= stored)
            self._open_at = self._last_write + OPEN_AGAIN
        if segment.size >= self._segment_bytes or stored < len(frames):
            self.rotate()
        return stored == len(frames)

    @property
    def end(self) -> int:
        """Where the next frame will lie in the open segment; -1 when none is open."""
        return -1 if self._segment is None else self._segment.size + self._pending_bytes

    async def append_durable(self, record: Record) -> bool:
        """Store one record on disk before returning; False when that failed.

        Used for unsubscribes, which are never dropped silently; they may exceed the size limit.
        """
        framed = frame(_encode(record))
        if self._pending:
            self.commit()
        before = self.dropped
        failures = self._sync_failures
        stored = self._collect(framed, patient=False) >= 0 and self.commit()
        self.dropped = before  # what is refused with an error was not dropped
        return stored and await self.synced() and failures == self._sync_failures

    def synced(self) -> asyncio.Future[bool]:
        """Done with an ``fdatasync`` that starts after this call; False if it failed."""
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._sync_waiters.append(waiter)
        if not self._syncing:
            self._start_sync()
        return waiter

    def sync_soon(self) -> None:
        """Called every :data:`SYNC_DELAY` seconds: sync what was written since the last time."""
        if self._dirty and not self._syncing:
            self._start_sync()

    def _start_sync(self) -> None:
        waiters, self._sync_waiters = self._sync_waiters, []
        segment = self._segment
        self._dirty = False
        if segment is None:
            for waiter in waiters:
                waiter.set_result(True)
            return
        self._syncing = True
        fd = os.dup(segment.fd)
        done = asyncio.get_running_loop().run_in_executor(None, _sync_and_close, fd)
        done.add_done_callback(lambda result: self._sync_done(segment, waiters, result))

    def _sync_done(
        self,
        segment: OpenSegment,
        waiters: list[asyncio.Future[bool]],
        result: "asyncio.Future[OSError | None]",
    ) -> None:
        self._syncing = False
        error = result.result()
        if error is not None:
            self._sync_failures += 1
            log.error("spool fdatasync failed", segment=segment.name, error=error.strerror)
            if segment is self._segment:
                self.commit()
                self.rotate()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(error is None)
        if self._sync_waiters:
            self._start_sync()

    def rotate(self) -> None:
        """Seal the segment; the next append opens another."""
        segment, self._segment = self._segment, None
        if segment is not None:
            self.generation += 1
            try:
                os.fdatasync(segment.fd)
            except OSError as error:
                self._sync_failures += 1
                log.error("spool fdatasync failed", segment=segment.name, error=error.strerror)
            segment.seal()
            crash.point("sealed-not-shipped")

    def tend(self) -> None:
        """Once a second: check room; seal an idle segment, so that it can be deleted."""
        idle = self._clock.monotonic() - self._last_write >= self._idle
        segment = self._segment
        if segment is not None and idle and segment.size > segment.first and not self._pending:
            self.rotate()
        self.full = spool_bytes(self._directory) > self._max_bytes

    def close(self) -> None:
        """Write what is collected and seal."""
        self.commit()
        self.rotate()


def _sync_and_close(fd: int) -> OSError | None:
    try:
        os.fdatasync(fd)
    except OSError as error:
        return error
    finally:
        os.close(fd)
    return None


def _give_to_owner(fd: int, directory: Path) -> None:
    """A segment made by root belongs to whoever owns the spool, else ingest could not read it."""
    if os.geteuid() == 0:
        owner = directory.stat()
        os.fchown(fd, owner.st_uid, owner.st_gid)


def sync_directory(directory: Path) -> None:
    """Make renames and removals in a directory durable."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def spool_bytes(directory: Path) -> int:
    """Bytes in segments; files that vanish meanwhile count as nothing."""
    total = 0
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.endswith(".seg"):
                try:
                    total += entry.stat().st_size
                except FileNotFoundError:
                    continue
    return total


def append_once(directory: Path, records: Iterable[Record], *, edge: str, clock: Clock) -> None:
    """Write records as one sealed segment, on disk before returning. Synchronous, for commands.

    Raises OperatorError when the spool cannot take them; then none of them counts as stored.
    """
    frames = [frame(_encode(record)) for record in records]
    if not frames:
        return
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        segment = OpenSegment(directory, edge, clock)
    except OSError as error:
        raise OperatorError(f"cannot write to the spool {directory}: {error}") from None
    try:
        for start in range(0, len(frames), 1000):
            part = frames[start : start + 1000]
            if segment.write(part) != len(part):
                free = shutil.disk_usage(directory).free
                segment.path.unlink()
                raise OperatorError(f"the disk of {directory} is full ({free} bytes free)")
        os.fdatasync(segment.fd)
    finally:
        segment.seal()
