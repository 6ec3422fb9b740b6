"""Reading all segments of this machine in order of time, some seconds ahead of what is shipped.

Each segment is a queue: its records leave it in the order they were written, so that what was
shipped of it is always a prefix and one offset says how much. Across segments the oldest record
goes first. A record is ready when everything within the settle window after it has been read: by
then the message's other records are known, and its label can take them into account.

Records are read when they are about to be needed, so that little is held at a time, and what is
held is still in the processor's caches when its turn comes. Whatever was shipped already is read
once more after a start, as context only. When reading ahead would hold more than :data:`MAX_AHEAD`
records, the oldest are let go with what is known.
"""

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from edge.clock import Clock
from edge.model.capture import Capture, Facts, Hit, Record, Repeat, capture_of
from edge.model.errors import InvalidToken
from edge.spool.reader import Entry, SegmentReader, created_at, list_segments, repeat_id

log = structlog.get_logger()

MAX_AHEAD: Final = 50_000
MAX_OPEN: Final = 400
"""Segments read at a time, oldest first: after a long outage there may be thousands."""
MAX_SEEN: Final = 64
"""Records of one message and recipient that hindsight looks at; more say nothing new."""
_FUTURE_US: Final = 60_000_000
"""A record dated further ahead than this was written under a wrong clock: it does not wait."""

Key = tuple[int, Any, str]


class Item(msgspec.Struct, gc=False):
    """A record on its way; ``capture`` is None for facts and for what cannot be read."""

    source: "Source"
    start: int
    end: int
    at: int
    capture: Capture | None
    facts: Facts | None


class Source:
    """One segment: its reader, what was read and not shipped, and how far it was shipped."""

    __slots__ = ("bases", "last_at", "queue", "reader", "shipped", "taken")

    def __init__(self, reader: SegmentReader, shipped: int) -> None:
        self.reader = reader
        self.shipped = shipped
        """The offset in Postgres."""
        self.taken = shipped
        """The end of the last record handed out for shipping."""
        self.queue: deque[Item] = deque()
        self.last_at = created_at(reader.name)
        """Time of the newest record read; before the first, no record is older than the segment."""
        self.bases: dict[int, Hit] = {}

    @property
    def finished(self) -> bool:
        """Whether everything in it is shipped and nothing can follow."""
        return self.reader.exhausted and not self.queue and self.shipped >= self.taken


def key_of(capture: Capture) -> Key:
    """What hindsight groups by: one message to one recipient."""
    target = capture.target
    return target.domain, target.message_id, target.recipient


class Lookahead:
    """The segments of a directory as one stream of items with their context."""

    def __init__(
        self,
        directory: Path,
        *,
        settle: float,
        trusted: Callable[[str], bool],
        clock: Clock,
        max_ahead: int = MAX_AHEAD,
        max_open: int = MAX_OPEN,
    ) -> None:
        self._directory = directory
        self._quarantine = directory / "quarantine"
        self._settle = round(settle * 1_000_000)
        self._trusted = trusted
        self._clock = clock
        self._max_ahead = max_ahead
        self._max_open = max_open
        self.sources: dict[str, Source] = {}
        self._seen: dict[Key, list[Capture]] = {}
        self._seen_order: deque[tuple[int, Key]] = deque()
        self._waiting = 0
        self._read_at = 0
        self._behind: list[Source] = []
        self.cut = 0
        """Items let go before their window was whole, because reading ahead reached its limit."""

    def unknown(self) -> list[Path]:
        """The oldest segments in the directory that are not open yet and can be opened."""
        new = [p for p in list_segments(self._directory) if p.stem not in self.sources]
        return new[: max(0, self._max_open - len(self.sources))]

    def open(self, paths: list[Path], offsets: dict[str, int]) -> None:
        """Begin to read segments; ``offsets`` tells what of them is in Postgres already."""
        for path in paths:
            try:
                reader = SegmentReader(path, self._quarantine)
            except FileNotFoundError:
                continue
            self.sources[path.stem] = Source(reader, offsets.get(path.stem, 0))

    def reset(self) -> None:
        """Forget everything; the segments will be opened anew."""
        for source in self.sources.values():
            source.reader.close()
        self.sources.clear()
        self._seen.clear()
        self._seen_order.clear()
        self._behind = []
        self._waiting = 0

    def begin_round(self) -> None:
        """What is written from now on is left to the next round."""
        self._read_at = self._clock.now_us()
        self._behind = [s for s in self.sources.values() if not s.reader.exhausted]

    def _read_on(self) -> bool:
        """Read some more of the segment that is furthest behind.

        False when nothing came of it: neither records nor the knowledge that a segment has no more,
        which makes what was read of it ready.
        """
        found_end = False
        while self._behind and self._waiting < self._max_ahead:
            source = min(self._behind, key=_last_at)
            entries = source.reader.read()
            if entries:
                for entry in entries:
                    self._hold(source, entry)
                return True
            self._behind.remove(source)
            found_end = True
        return found_end

    def _hold(self, source: Source, entry: Entry) -> None:
        record = entry.record
        source.last_at = max(source.last_at, record.at)
        shipped = entry.end <= source.shipped
        if shipped and not (self._settle and isinstance(record, Hit)):
            return
        item = Item(source, entry.start, entry.end, record.at, None, None)
        if isinstance(record, Facts):
            item.facts = record
        else:
            item.capture = self._capture(source, entry, record)
        if item.capture is not None and not isinstance(record, Repeat) and self._settle:
            self._remember(item.capture)
        if not shipped:
            source.queue.append(item)
            self._waiting += 1

    def _capture(self, source: Source, entry: Entry, record: Record) -> Capture | None:
        hit: Hit | None = None
        if isinstance(record, Hit):
            hit = record
        elif isinstance(record, Repeat):
            hit = source.bases.get(record.base) or source.reader.base_of(record)
            if hit is not None:
                if len(source.bases) > 1000:
                    source.bases.clear()
                source.bases[record.base] = hit
        if hit is None:
            log.error("spool repeat without its hit", segment=source.reader.name, at=entry.start)
            return None
        try:
            capture = capture_of(hit, self._trusted)
        except InvalidToken as error:
            log.error("spool record not readable", segment=source.reader.name, error=str(error))
            return None
        if isinstance(record, Repeat):
            own = repeat_id(source.reader.name, entry.start)
            return msgspec.structs.replace(capture, id=own, at=record.at, repeat=record.count)
        return capture

    def _remember(self, capture: Capture) -> None:
        key = key_of(capture)
        known = self._seen.setdefault(key, [])
        known.append(capture)
        if len(known) > MAX_SEEN:
            del known[0]
        self._seen_order.append((min(capture.at, self._read_at), key))

    def around(self, capture: Capture) -> list[Capture]:
        """The message's records within the window on either side of this one, itself included."""
        known = self._seen.get(key_of(capture))
        if known is None:
            return [capture]
        if len(known) == 1:
            return known
        first, last = capture.at - self._settle, capture.at + self._settle
        return [seen for seen in known if first <= seen.at <= last]

    def take(self, limit: int) -> list[Item]:
        """The next ready items, oldest first, at most ``limit``; each is handed out once.

        Reads on until there are some; empty when this round has no more.
        """
        items = self._ready(limit)
        while not items and self._read_on():
            items = self._ready(limit)
        return items

    def _ready(self, limit: int) -> list[Item]:
        items: list[Item] = []
        horizon = self._horizon()
        future = self._read_at + _FUTURE_US
        heads = [source for source in self.sources.values() if source.queue]
        for source in heads:
            self._let_go(source, future, limit, items)
        heads = [source for source in heads if source.queue]
        while heads and len(items) < limit:
            source = min(heads, key=_head_at) if len(heads) > 1 else heads[0]
            stop = min((_head_at(s) for s in heads if s is not source), default=None)
            queue = source.queue
            while queue and len(items) < limit and (stop is None or queue[0].at <= stop):
                at = queue[0].at
                if horizon < at < future:
                    break
                items.append(queue.popleft())
            else:
                if not queue:
                    heads.remove(source)
                continue
            break
        for item in items:
            item.source.taken = item.end
        self._waiting -= len(items)
        return items

    def _let_go(self, source: Source, future: int, limit: int, items: list[Item]) -> None:
        """Take from the front what a wrong clock dated into the future.

        In order of time it would come last, and hold up everything behind it in its segment.
        """
        queue = source.queue
        while queue and queue[0].at >= future and len(items) < limit:
            items.append(queue.popleft())

    def _horizon(self) -> int:
        """The time up to which records are ready."""
        frontier = min([self._read_at, *map(_last_at, self._behind)]) - self._settle
        oldest = self.oldest
        full = self._waiting >= self._max_ahead  # else the next read goes further
        if full and oldest is not None and oldest > frontier:
            self.cut += 1
            return oldest + self._settle // 2
        return frontier

    def forget_old(self) -> None:
        """Drop context that no record still waiting can need."""
        waiting = [s.queue[0].at for s in self.sources.values() if s.queue]
        keep = min([*waiting, self._read_at]) - 2 * self._settle
        future = self._read_at + _FUTURE_US
        order = self._seen_order
        while order and order[0][0] < keep:
            _, key = order.popleft()
            known = self._seen.get(key)
            if known is None:
                continue
            if len(known) == 1 and known[0].at < keep:
                del self._seen[key]
            else:
                known[:] = [seen for seen in known if keep <= seen.at < future]
                if not known:
                    del self._seen[key]

    def finished(self) -> list[Source]:
        """Segments that are shipped, and too old to be anybody's context."""
        now = self._clock.now_us()
        young, future = now - 2 * self._settle, now + _FUTURE_US
        return [s for s in self.sources.values() if s.finished and not young <= s.last_at < future]

    def close(self, source: Source) -> None:
        """Stop reading a segment whose file is gone."""
        self.sources.pop(source.reader.name, None)

    @property
    def remembered(self) -> int:
        """Records kept as context of others."""
        return len(self._seen_order)

    @property
    def oldest(self) -> int | None:
        """Time of the oldest record that waits, µs; None when none does."""
        return min((s.queue[0].at for s in self.sources.values() if s.queue), default=None)


def _last_at(source: Source) -> int:
    return source.last_at


def _head_at(source: Source) -> int:
    return source.queue[0].at
