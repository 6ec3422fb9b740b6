"""The one door into the database for events.

:func:`add` stores a batch in the caller's transaction: facts, rows, uniques, webhook deliveries,
suppressions and counters together, or none of them. The caller commits, with whatever else must be
true at the same time (the drain: its offsets). :func:`prepare` comes before it, outside of any
transaction: all work on a batch that needs no database, so that nobody waits for it while locks are
held.

Everything is set-based: a fixed number of statements for a batch, rows of shared tables in key
order, the counters, which everybody writes, last, so that they are locked shortest.
"""

import datetime
from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgspec

from edge.model.capture import Facts
from edge.model.event import COUNTED_ONCE, Event, SuppressionChange, UnsubscribeChange
from edge.store import facts, suppressions, uniques, unsubscribes, webhook_queue
from edge.store.event_rows import COLUMNS, HEADER, TRAILER, RowWriter, head, read_array
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
    suppressions: list[SuppressionChange] = []
    facts: list[Facts] = []


class Prepared(msgspec.Struct, frozen=True):
    """A batch ready for :func:`add`: its events in order of time, and what follows from each."""

    now_us: int
    batch: Batch
    events: list[Event]
    bodies: list[bytes]
    rows: RowWriter
    keys: list[int | None]
    """What each event is unique by; None for a kind without unique figures."""
    messages: list[tuple[int, str]]
    message_of: list[int]
    """For each event its message's place in ``messages``."""


def prepare(batch: Batch, *, now_us: int) -> Prepared:
    """Make a batch ready; ``now_us`` is the time of receipt. Raises UnicodeEncodeError or
    struct.error (see :data:`edge.store.pool.REFUSED`) for what no row can hold.
    """
    events = sorted(map(_tamed, batch.events), key=_moment)
    messages = sorted({(event.domain, event.message_id) for event in events})
    places = {message: place for place, message in enumerate(messages)}
    rows = RowWriter(now_us)
    return Prepared(
        now_us=now_us,
        batch=batch,
        events=events,
        bodies=[rows.body(event) for event in events],
        rows=rows,
        keys=[
            uniques.unique_key(event) if event.event in COUNTED_ONCE else None for event in events
        ],
        messages=messages,
        message_of=[places[event.domain, event.message_id] for event in events],
    )


class _Home(msgspec.Struct, frozen=True, gc=False):
    """Where a domain's events are filed: ``first`` <= at < ``ending`` have partitions."""

    account: int
    retention: int
    first: int
    ending: int


async def add(conn: Connection, prepared: Prepared) -> None:
    """Store a batch in the caller's transaction.

    Raises what Postgres raises: see :data:`edge.store.pool.UNAVAILABLE` (try again) and
    :data:`edge.store.pool.REFUSED` (one of the rows will never be taken).
    """
    batch = prepared.batch
    if batch.facts:
        await facts.add(conn, batch.facts)
    counted: _Counted = {}
    if batch.events:
        counted = await _add_rows(conn, prepared)
    if batch.unsubscribes:
        await unsubscribes.apply(conn, batch.unsubscribes)
    if batch.suppressions:
        await suppressions.apply(conn, batch.suppressions)
    if counted:
        await _count(conn, counted, prepared.now_us)


_Counted = dict[tuple[int, bytes | None, str, str, int], list[int]]
"""(domain, tags as stored, event, bot, hour) to total and unique ones."""


async def _add_rows(conn: Connection, prepared: Prepared) -> _Counted:
    events, rows, now_us = prepared.events, prepared.rows, prepared.now_us
    homes = await _homes(conn, {event.domain for event in events})
    oldest = now_us - LATE_US
    times = []
    for event in events:
        at, home = event.at, homes[event.domain]
        times.append(at if home.first <= at < home.ending and at >= oldest else now_us)
    tags = await facts.find_tags(conn, prepared.messages)
    flags = await _unique(conn, prepared.keys, times)
    blobs = [HEADER]
    counted: _Counted = {}
    for event, body, at, message, unique in zip(
        events, prepared.bodies, times, prepared.message_of, flags, strict=True
    ):
        domain = event.domain
        home, known = homes[domain], tags[message]
        blobs += (
            head(domain, at=at, own=event.at, retention=home.retention, account=home.account),
            body,
            rows.tail(known, unique),
        )
        key = (domain, known, _counted_as(event), event.verdict.bot, at // HOUR_US)
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
    await _tell(conn, events, times, homes, now_us)
    return counted


async def _tell(
    conn: Connection,
    events: Sequence[Event],
    times: Sequence[int],
    homes: dict[int, _Home],
    now_us: int,
) -> None:
    """Queue the events' webhook deliveries where there are webhooks."""
    found = await webhook_queue.targets(conn, homes)
    if found is not None:
        filed = [
            webhook_queue.Filed(
                event, homes[event.domain].account, homes[event.domain].retention, at
            )
            for event, at in zip(events, times, strict=True)
        ]
        await webhook_queue.add(conn, found, filed, now_us=now_us)


async def _unique(
    conn: Connection, keys_of: Sequence[int | None], times: Sequence[int]
) -> list[bool]:
    """Whether each event counts as unique; never for a kind that has no key."""
    flags = [False] * len(keys_of)
    places = [place for place, key in enumerate(keys_of) if key is not None]
    if places:
        keys = [key for key in keys_of if key is not None]
        marked = await uniques.mark(conn, keys, [times[place] for place in places])
        for place, flag in zip(places, marked, strict=True):
            flags[place] = flag
    return flags


def _counted_as(event: Event) -> str:
    """As the SQL function of this name."""
    if event.severity:
        return f"{event.event}/{event.severity}/{event.reason}"
    return f"{event.event}/{event.reason}" if event.reason else event.event


def _moment(event: Event) -> tuple[int, bytes]:
    return event.at, event.id


def _tamed(event: Event) -> Event:
    if 0 <= event.at < _LATEST_US:
        return event
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
