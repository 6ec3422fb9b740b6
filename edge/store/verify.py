"""Counting again: are the counters, the roll-ups and the uniques what the retained events say?

Counters are compared for the hours and closed days of which every event is still kept, months for
as long as their days are kept, other dimensions for every rolled day whose events are still there.
Uniques are checked by what must hold whatever the order in which several drains stored the events:
two counted ones of a key are seven days apart, and one that did not count has a counted one that
covers it.
"""

import datetime
from collections.abc import Callable, Iterable
from typing import Final

import asyncpg
import msgspec

from edge.model.mailgun_json import event_id
from edge.store.metric_sources import State, date_of, state
from edge.store.partitions import DAY_US
from edge.store.pool import Connection
from edge.store.retention import DAILY_DAYS, HOURLY_DAYS
from edge.store.sql import queries

_q = queries("stats")
_PATIENCE: Final = 3600
"""Seconds that one statement may take."""


class Difference(msgspec.Struct, frozen=True):
    """One figure that is not what the events say."""

    domain: int
    what: str
    stored: int
    counted: int


async def verify(
    conn: Connection, *, now_us: int, domain: int | None = None, limit: int = 1000
) -> list[Difference]:
    """All differences, at most ``limit`` of each sort; of one moment, beside a running drain."""
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        await conn.execute("SET LOCAL statement_timeout = 0")
        now = await state(conn, now_us=now_us)
        since = now_us - (HOURLY_DAYS - 1) * DAY_US
        hours = await _differing(conn, "verify_counters", domain, since, limit)
        found = _differences(hours, lambda row: _time(row["hour"]))
        days = await _differing(conn, "verify_daily", domain, date_of(now.closed), limit)
        found += _differences(days, lambda row: f"{row['day']}")
        whole = date_of(now.today - DAILY_DAYS + 33).replace(day=1)
        months = await _differing(conn, "verify_monthly", domain, whole, limit)
        found += _differences(months, lambda row: f"{row['day']:%Y-%m}")
        found += await _dimensions(conn, now, domain, limit)
        for row in await _differing(conn, "verify_uniques", domain, limit):
            where = f"is_unique {row['event']} {event_id(row['id'])} {_time(row['at'])}"
            is_unique = int(row["is_unique"])
            found.append(Difference(row["domain"], where, 1 - is_unique, is_unique))
        return found


async def _differing(conn: Connection, name: str, *given: object) -> list[asyncpg.Record]:
    return await conn.fetch(_q[name], *given, timeout=_PATIENCE)


async def _dimensions(
    conn: Connection, now: State, domain: int | None, limit: int
) -> list[Difference]:
    """Rolled days whose events are still there."""
    found: list[Difference] = []
    for retention, first in sorted(now.first.items()):
        for day in range(first, now.today - 1):
            if day in now.open[retention] or len(found) >= limit:
                continue
            found += await _dimensions_of(conn, retention, date_of(day), domain, limit)
    return found[:limit]


async def _dimensions_of(
    conn: Connection, retention: int, date: datetime.date, domain: int | None, limit: int
) -> list[Difference]:
    rows = await _differing(conn, "verify_dimensions", domain, retention, date, limit)
    return _differences(rows, lambda row: f"{date} {row['dimension']}={row['value']!r}")


def _differences(
    rows: Iterable[asyncpg.Record], when: Callable[[asyncpg.Record], str]
) -> list[Difference]:
    found = []
    for row in rows:
        where = f"{row['event']} {when(row)} bot={row['bot']!r} tag={row['tag']!r}"
        for kind in ("total", "uniq"):
            stored, counted = row[f"stored_{kind}"], row[f"counted_{kind}"]
            if stored != counted:
                found.append(Difference(row["domain"], f"{kind} {where}", stored, counted))
    return found


def _time(at: int) -> str:
    moment = datetime.datetime.fromtimestamp(at / 1e6, datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
