"""Framing of a segment: pure functions from bytes to frames and back.

A frame is ``magic (2) version (1) flags (1) length (4) crc32 (4) payload``, big-endian; the
checksum covers flags and length (as the start value of the sum) and the payload. A segment is a
header frame followed by record frames, only ever appended to. Three things can be wrong with its
bytes, and they mean different things:

- an incomplete frame at the end was never acknowledged: it is dropped once the writer is gone;
- a complete frame with a bad checksum was damaged after it was written: it is quarantined, and
  reading goes on at the next frame whose checksum holds;
- bytes that are no frame at all are damage too.

This module never touches files, clocks or logs.
"""

from collections.abc import Iterator
from struct import Struct
from typing import Final
from zlib import crc32

import msgspec

MAGIC: Final = b"\xed\x9e"
VERSION: Final = 1
FLAG_HEADER: Final = 1
MAX_PAYLOAD: Final = 1 << 20
"""Bytes; a longer length field is damage, whatever follows."""

_HEAD = Struct(">2sBBII")
_pack = _HEAD.pack
HEAD_BYTES: Final = _HEAD.size


class Header(msgspec.Struct, frozen=True):
    """First frame of a segment: whose it is. ``created`` is in microseconds since the epoch."""

    segment: str
    edge: str
    created: int


class Frame(msgspec.Struct, frozen=True, gc=False):
    """A good frame; it lies in the segment's bytes ``start`` to ``end``."""

    start: int
    end: int
    flags: int
    payload: bytes


class Damage(msgspec.Struct, frozen=True, gc=False):
    """Bytes ``start`` to ``end`` of the segment that are no good frame."""

    start: int
    end: int


def frame(payload: bytes, flags: int = 0) -> bytes:
    """The frame around a payload; ValueError for one that no reader would accept."""
    length = len(payload)
    if length > MAX_PAYLOAD:
        raise ValueError(f"a payload has {length} bytes; at most {MAX_PAYLOAD} fit into a frame")
    checksum = crc32(payload, flags << 24 | length)
    return _pack(MAGIC, VERSION, flags, length, checksum) + payload


def scan(buffer: bytes, base: int, *, sealed: bool) -> Iterator[Frame | Damage]:
    """Frames and damage in ``buffer``, whose first byte is byte ``base`` of its segment.

    Ends before an incomplete frame. While the segment is being written (not ``sealed``) what looks
    like the beginning of a frame is waited for, and any other bytes after the last good frame may
    still become one, so damage is reported only when a good frame follows it. The caller continues
    from the end of the last item.
    """
    position, size = 0, len(buffer)
    while position < size:
        found = _frame_at(buffer, position, size)
        if found is not None:
            flags, end = found
            payload = buffer[position + HEAD_BYTES : end]
            yield Frame(base + position, base + end, flags, payload)
            position = end
            continue
        if not sealed and _may_be_torn(buffer, position, size):
            return  # the rest will come, and what looks like a frame inside it is its payload
        following = _resync(buffer, position + 1, size)
        if following is None:
            if sealed and not _may_be_torn(buffer, position, size):
                yield Damage(base + position, base + size)
            return
        yield Damage(base + position, base + following)
        position = following


def _frame_at(buffer: bytes, position: int, size: int) -> tuple[int, int] | None:
    """Flags and end of the good frame at ``position``, or None."""
    if size - position < HEAD_BYTES:
        return None
    magic, version, flags, length, checksum = _HEAD.unpack_from(buffer, position)
    end = position + HEAD_BYTES + length
    if magic != MAGIC or version != VERSION or length > MAX_PAYLOAD or end > size:
        return None
    if crc32(buffer[position + HEAD_BYTES : end], flags << 24 | length) != checksum:
        return None
    return flags, end


def _resync(buffer: bytes, position: int, size: int) -> int | None:
    while (position := buffer.find(MAGIC, position)) >= 0:
        if _frame_at(buffer, position, size) is not None:
            return position
        position += 1
    return None


def next_start(buffer: bytes) -> int:
    """Where to read on behind damage at byte 0, when no whole frame follows it in ``buffer``.

    The first place where a frame may start that reaches beyond the end of ``buffer``.
    """
    size = len(buffer)
    position = 0
    while (position := buffer.find(MAGIC, position + 1)) >= 0:
        if _may_be_torn(buffer, position, size):
            return position
    return max(1, size - HEAD_BYTES)


def _may_be_torn(buffer: bytes, position: int, size: int) -> bool:
    """Whether the rest looks like a frame cut short, rather than one that was damaged."""
    rest = buffer[position : position + HEAD_BYTES]
    if len(rest) < HEAD_BYTES:
        return MAGIC.startswith(rest[:2])
    magic, version, _, length, _ = _HEAD.unpack_from(rest)
    return bool(
        magic == MAGIC
        and version == VERSION
        and length <= MAX_PAYLOAD
        and position + HEAD_BYTES + length > size
    )
