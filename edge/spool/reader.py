"""The reading end: segments of this machine, their frames, and what is wrong with them.

A segment whose lock can be had is sealed: its writer closed it or died. The lock is only tried,
on a descriptor of our own, and given back at once.
"""

import fcntl
import hashlib
import os
from pathlib import Path
from typing import Final

import msgspec
import structlog

from edge.clock import Clock
from edge.model.capture import Facts, Hit, Record, Repeat
from edge.model.errors import OperatorError
from edge.spool.segment import (
    FLAG_HEADER,
    HEAD_BYTES,
    MAX_PAYLOAD,
    Damage,
    Frame,
    Header,
    frame,
    next_start,
    scan,
)
from edge.spool.writer import OpenSegment, sync_directory

log = structlog.get_logger()

CHUNK: Final = 1 << 17
"""Bytes of one read: a few hundred ordinary records, which fit into a processor's cache."""
LARGE_CHUNK: Final = MAX_PAYLOAD + (1 << 16)
"""Bytes of a read that must hold a whole frame, whatever its size."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Hit | Repeat | Facts).decode
_decode_header = msgspec.msgpack.Decoder(Header).decode


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A record and where its frame lies; ``end`` is the offset to store once it is shipped."""

    record: Record
    start: int
    end: int


class SegmentReader:
    """Reads one segment from the front; ``position`` is the end of what was read."""

    def __init__(self, path: Path, quarantine: Path, *, keep_damage: bool = True) -> None:
        self.path = path
        self.name = path.stem
        self.position = 0
        self.sealed = False
        self.exhausted = False
        self.damaged = 0
        self._quarantine = quarantine
        self._keep_damage = keep_damage
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self) -> list[Entry]:
        """The next few hundred records; empty when there are none for now.

        Damage is copied to the quarantine and passed over. After an empty result ``exhausted``
        tells whether more can ever come.
        """
        while True:
            before = self.position
            entries, more = self._read_chunk(CHUNK)
            if more and self.position == before:
                entries, more = self._read_chunk(LARGE_CHUNK)
            if entries or self.exhausted or self.position == before:
                return entries

    def _read_chunk(self, size: int) -> tuple[list[Entry], bool]:
        """Records of the next ``size`` bytes, and whether the segment has bytes after those."""
        if not self.sealed:
            self.sealed = _is_free(self._fd)
        buffer = os.pread(self._fd, size, self.position)
        last = self.position + len(buffer) >= os.fstat(self._fd).st_size
        entries: list[Entry] = []
        before = self.position
        for item in scan(buffer, self.position, sealed=self.sealed and last):
            self.position = item.end
            if isinstance(item, Damage):
                self._set_aside(item)
            elif not item.flags & FLAG_HEADER:
                self._take(item, entries)
        if self.sealed and not last and self.position == before and size == LARGE_CHUNK:
            self.position += next_start(buffer)
            self._set_aside(Damage(before, self.position))
        self.exhausted = self.sealed and last and not entries
        return entries, not last

    def _take(self, item: Frame, entries: list[Entry]) -> None:
        try:
            entries.append(Entry(_decode(item.payload), item.start, item.end))
        except msgspec.DecodeError as error:
            log.error(
                "spool record not readable", segment=self.name, at=item.start, error=str(error)
            )
            self._write_aside(frame(item.payload, item.flags), item.start)

    def _set_aside(self, damage: Damage) -> None:
        log.error("spool damage", segment=self.name, start=damage.start, end=damage.end)
        self._write_aside(self.bytes_of(damage.start, damage.end), damage.start)

    def _write_aside(self, data: bytes, start: int) -> None:
        self.damaged += 1
        if not self._keep_damage:
            return
        set_aside(self._quarantine, f"{self.name}-{start}.damaged", data)

    def movable(self, start: int, end: int) -> bytes:
        """The frame from ``start`` to ``end`` in a form that means the same in any segment.

        A repeat refers to a hit by its place: it becomes a hit with its own id and time, and a
        repeat of that one for what it counted more. See :func:`replay` for the way back.
        """
        data = self.bytes_of(start, end)
        try:
            record = _decode(data[HEAD_BYTES:])
        except msgspec.DecodeError:
            return data
        base = self.base_of(record) if isinstance(record, Repeat) else None
        if not isinstance(record, Repeat) or base is None:
            return data
        own = msgspec.structs.replace(base, id=repeat_id(self.name, start), at=record.at)
        frames = frame(_encode(own))
        if record.count > 1:
            frames += frame(_encode(Repeat(record.at, 0, record.count - 1)))
        return frames

    def bytes_of(self, start: int, end: int) -> bytes:
        """The segment's bytes from ``start`` to ``end``."""
        return os.pread(self._fd, end - start, start)

    def base_of(self, repeat: Repeat) -> Hit | None:
        """The hit that a repeat frame refers to, or None when it is damaged."""
        if repeat.base < 0:
            return None
        buffer = os.pread(self._fd, LARGE_CHUNK, repeat.base)
        for item in scan(buffer, repeat.base, sealed=False):
            if not isinstance(item, Frame) or item.flags & FLAG_HEADER:
                break
            try:
                record = _decode(item.payload)
            except msgspec.DecodeError:
                break
            return record if isinstance(record, Hit) else None
        return None

    def header(self) -> Header | None:
        """Who wrote it; None when the header is damaged."""
        for item in scan(os.pread(self._fd, 4096, 0), 0, sealed=False):
            if isinstance(item, Frame) and item.flags & FLAG_HEADER:
                return _decode_header(item.payload)
            break
        return None

    def delete(self) -> None:
        """Remove the file; call only for what is sealed, shipped and settled."""
        self.path.unlink(missing_ok=True)
        sync_directory(self.path.parent)
        self.close()

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._fd)


def created_at(segment: str) -> int:
    """When a segment of this name was made, µs since the epoch; 0 for a name that does not tell."""
    try:
        return int(segment.partition("-")[0], 16)
    except ValueError:
        return 0


def repeat_id(segment: str, start: int) -> bytes:
    """The event id of a repeat, which carries none: 16 bytes, of its place."""
    return hashlib.blake2b(f"{segment}:{start}".encode(), digest_size=16).digest()


def _is_free(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(fd, fcntl.LOCK_UN)
    return True


def set_aside(quarantine: Path, name: str, data: bytes) -> None:
    """Keep bytes that could not be used; on disk before returning, same name same file."""
    quarantine.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(quarantine / name, "wb", opener=lambda p, f: os.open(p, f, 0o600)) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def list_segments(directory: Path) -> list[Path]:
    """Segments, oldest first; temporary files of writers that died are removed."""
    if not directory.is_dir():
        return []
    for temporary in directory.glob("*.tmp"):
        try:
            fd = os.open(temporary, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            if _is_free(fd) and os.fstat(fd).st_mtime + 60 < os.stat(directory).st_mtime:
                temporary.unlink(missing_ok=True)
        finally:
            os.close(fd)
    return sorted(directory.glob("*.seg"))


def replay(directory: Path, files: list[Path], *, edge: str, clock: Clock) -> tuple[int, int]:
    """Put quarantined records back as one new sealed segment; (records, files still damaged).

    Only whole files go back, and are removed then: what is good in a damaged one would come back
    with every further replay.
    """
    kept: list[list[bytes]] = []
    damaged, done = 0, []
    for path in files:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise OperatorError(f"cannot read {path}: {error}") from None
        items = list(scan(data, 0, sealed=True))
        good = [item for item in items if isinstance(item, Frame)]
        if not good or good[-1].end < len(data) or len(good) < len(items):
            damaged += 1
            continue
        kept.append([item.payload for item in good if not item.flags])
        done.append(path)
    records: list[bytes] = []
    if any(kept):
        segment = OpenSegment(directory, edge, clock)
        records = _placed(kept, segment.size)
        if segment.write(records) != len(records):
            segment.path.unlink()
            segment.seal()
            raise OperatorError(f"the disk of {directory} is full; nothing was replayed")
        os.fdatasync(segment.fd)
        segment.seal()
    for path in done:
        path.unlink()
    return len(records), damaged


def _placed(files: list[list[bytes]], offset: int) -> list[bytes]:
    """Frames of these payloads for a segment of this size; a repeat is of the hit before it."""
    frames: list[bytes] = []
    for payloads in files:
        base = -1
        for payload in payloads:
            framed = frame(payload)
            try:
                record = _decode(payload)
            except msgspec.DecodeError:
                base = -1
            else:
                if isinstance(record, Hit):
                    base = offset
                elif isinstance(record, Repeat):
                    framed = frame(_encode(msgspec.structs.replace(record, base=base)))
            frames.append(framed)
            offset += len(framed)
    return frames
