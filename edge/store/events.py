"""The one door into the database for events.

:func:`add` stores a batch in the caller's transaction: facts, rows, uniques, suppressions and
counters together, or none of them. The caller commits, with whatever else must be true at the same
time (the drain: its offsets).

Everything is set-based: a fixed number of statements for a batch, rows of shared tables in key
order, the counters, which everybody writes, last, so that they are locked shortest.
"""

import datetime
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from edge.model.capture import Facts
from edge.model.event import Event, UnsubscribeChange
from edge.store import facts, uniques, unsubscribes
from edge.store.event_rows import COLUMNS, HEADER, TRAILER, RowWriter, read_array
from edge.store.partitions import DAY_US
from edge.store.pool import Connection
from edge.store.sql import array_text, queries

HOUR_US: Final = 3_600_000_000
LATE_US: Final = 30 * DAY_US
"""An event older than this is filed under its time of receipt: its hour's counters may be gone."""
_LATEST_US: Final = 4_102_444_800_000_000
"""2100-01-01: a clock beyond it is kept as this, so that no row can be out of Postgres' range."""

_q = queries("events")


class Batch(msgspec.Struct):
    """What is stored together. An unsubscribe that made an event has both: change and event."""

    events: list[Event] = []
    unsubscribes: list[UnsubscribeChange] = []
    facts: list[Facts] = []


class _Home(msgspec.Struct, frozen=True, gc=False):
    """Where a domain's events are filed: ``first`` <= at < ``ending`` have partitions."""

    account: int
    retention: int
    first: int
    ending: int


async def add(conn: Connection, batch: Batch, *, now_us: int) -> None:
    """Store a batch in the caller's transaction; ``now_us`` is the time of receipt.

    Raises what Postgres raises: see :data:`edge.store.pool.UNAVAILABLE` (try again) and
    :data:`edge.store.pool.REFUSED` (one of the rows will never be taken).
    """
    if batch.facts:
        await facts.add(conn, batch.facts)
    counted: _Counted = {}
    if batch.events:
        counted = await _add_rows(conn, batch.events, now_us)
    if batch.unsubscribes:
        await unsubscribes.apply(conn, batch.unsubscribes)
    if counted:
        await _count(conn, counted, now_us)


_Counted = dict[tuple[int, bytes | None, str, str, int], list[int]]
"""(domain, tags as stored, event, bot, hour) to total and unique ones."""


async def _add_rows(conn: Connection, unordered: list[Event], now_us: int) -> _Counted:
    events = sorted(unordered, key=_moment)
    homes = await _homes(conn, {event.domain for event in events})
    oldest = now_us - LATE_US
    times = []
    for event in events:
        at, home = event.at, homes[event.domain]
        times.append(at if home.first <= at < home.ending and at >= oldest else now_us)
    tags = await facts.find_tags(conn, {(event.domain, event.message_id) for event in events})
    flags = await uniques.mark(conn, events, times)
    rows = RowWriter(now_us)
    blobs = [HEADER]
    counted: _Counted = {}
    for event, at, unique in zip(events, times, flags, strict=True):
        home, domain = homes[event.domain], event.domain
        known = tags.get((domain, event.message_id))
        blobs.append(
            rows.row(
                event if 0 <= event.at < _LATEST_US else _tamed(event),
                at=at,
                retention=home.retention,
                account=home.account,
                tags=known,
                unique=unique,
            )
        )
        key = (domain, known, event.event, event.verdict.bot, at // HOUR_US)
        count = counted.get(key)
        if count is None:
            counted[key] = [event.repeat, unique]
        else:
            count[0] += event.repeat
            count[1] += unique
    blobs.append(TRAILER)
    await conn.copy_to_table(
        "events", source=_once(b"".join(blobs)), columns=COLUMNS, format="binary"
    )
    return counted


def _moment(event: Event) -> tuple[int, bytes]:
    return event.at, event.id


def _tamed(event: Event) -> Event:
    return msgspec.structs.replace(event, at=max(0, min(event.at, _LATEST_US)))


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _homes(conn: Connection, numbers: set[int]) -> dict[int, _Home]:
    rows = await conn.fetch(_q["homes"], list(numbers))
    return {row[0]: _Home(row[1] or 1, row[2], row[3], row[4]) for row in rows}


async def _count(conn: Connection, counted: _Counted, now_us: int) -> None:
    """Add to the hourly counters: under the empty tag for the domain, and under each tag."""
    names: dict[bytes | None, list[str]] = {None: [""]}
    sums: dict[tuple[int, str, str, str, int], list[int]] = {}
    for (domain, tags, event, bot, hour), (total, unique) in counted.items():
        if tags not in names:
            names[tags] = ["", *read_array(tags or b"")]
        for tag in names[tags]:
            have = sums.setdefault((domain, tag, event, bot, hour), [0, 0])
            have[0] += total
            have[1] += unique
    keys = sorted(sums)
    numbers, tagged, kinds, bots, hours = zip(*keys, strict=True)
    totals, uniq = zip(*(sums[key] for key in keys), strict=True)
    yesterday = now_us // DAY_US - 1
    late = sorted({hour // 24 for hour in set(hours) if hour // 24 < yesterday})
    if late:
        dates = [_EPOCH + datetime.timedelta(day) for day in late]
        await conn.execute(_q["touch_late_days"], dates)
    await conn.execute(
        _q["add_hourly"],
        array_text(numbers),
        *("\n".join(column) + "\n" for column in (tagged, kinds, bots)),
        *(array_text(counts) for counts in (hours, totals, uniq)),
    )


_EPOCH = datetime.date(1970, 1, 1)
