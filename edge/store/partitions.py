"""Partitions of the events: by retention class, then by day (UTC), made ahead.

Each class ``N`` (days) is a table ``events_rN`` with one table a day, ``events_rN_YYYYMMDD``, and
a DEFAULT that should stay empty: rows there mean that days were not made in time, and
:func:`ensure` moves them out. A day is dropped whole, which is what makes retention cheap.
"""

import time
from calendar import timegm
from typing import Final

from edge.store.pool import Connection
from edge.store.sql import queries

DAY_US: Final = 86_400_000_000
DAYS_AHEAD: Final = 7
DAYS_BACK: Final = 2
"""Days made before today when a class is new: what a spool may still hold."""

_LOCK: Final = 0x65646770
_q = queries("partitions")


def day_name(day: int) -> str:
    """``YYYYMMDD`` of a day given as days since the epoch."""
    return time.strftime("%Y%m%d", time.gmtime(day * 86_400))


def day_of(name: str) -> int:
    """Inverse of :func:`day_name`."""
    return timegm(time.strptime(name, "%Y%m%d")) // 86_400


async def days(conn: Connection, retention: int) -> list[int]:
    """The days (since the epoch) that a class has partitions for, in order."""
    prefix = f"events_r{retention}_"
    rows = await conn.fetch(_q["children"], prefix.removesuffix("_"))
    names = [row["name"].removeprefix(prefix) for row in rows]
    return [day_of(name) for name in names if name.isdigit()]


async def ensure(conn: Connection, *, now_us: int) -> int:
    """Make every partition from the oldest kept day to a week ahead; how many were made.

    Cheap when there is nothing to do; safe to run in several places at once. Runs in a transaction
    of its own unless the caller holds one. Waits at most 5 s for readers of the tables concerned.
    """
    made = 0
    async with conn.transaction():
        await conn.execute("SET LOCAL lock_timeout = '5s'")
        await conn.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        if await conn.fetch("SELECT 1 FROM ONLY events_default LIMIT 1"):
            await conn.execute(_q["adopt_strays"])
        for row in await conn.fetch(_q["classes"]):
            made += await _ensure_class(conn, row["retention_days"], now_us // DAY_US)
        await conn.execute("SET LOCAL lock_timeout = 0")
    return made


async def _ensure_class(conn: Connection, retention: int, today: int) -> int:
    table = f"events_r{retention}"
    if not await conn.fetchval("SELECT to_regclass($1) IS NOT NULL", table):
        await conn.execute(
            f"CREATE TABLE {table} PARTITION OF events FOR VALUES IN ({retention}) "
            "PARTITION BY RANGE (at)"
        )
        await conn.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")
    have = set(await days(conn, retention))
    first = min(have, default=today - DAYS_BACK)
    want = set(range(max(first, today - 400), today + DAYS_AHEAD + 1)) - have
    strays = await conn.fetch(
        f"SELECT DISTINCT date_trunc('day', at, 'UTC') AS day FROM {table}_default"  # noqa: S608 - a name made of a number
    )
    for day in sorted(want | {row["day"] // DAY_US for row in strays} - have):
        await _make_day(conn, table, day)
        have.add(day)
    await conn.execute(
        _q["record_days"], retention, _contiguous(have, today) * DAY_US, (max(have) + 1) * DAY_US
    )
    return len(want)


def _contiguous(have: set[int], today: int) -> int:
    """The first day from which every day up to today exists."""
    first = today
    while first - 1 in have:
        first -= 1
    return first


async def _make_day(conn: Connection, table: str, day: int) -> None:
    """One day's table: filled from the DEFAULT if that caught rows, then attached.

    Attaching locks the parent far less than ``CREATE TABLE … PARTITION OF`` does (PostgreSQL,
    "Partition Maintenance").
    """
    name = f"{table}_{day_name(day)}"
    low, high = (f"'{day_name(d)} 00:00:00+00'" for d in (day, day + 1))
    within = f"at >= {low} AND at < {high}"
    await conn.execute(f"CREATE TABLE {name} (LIKE events INCLUDING DEFAULTS)")
    if await conn.fetch(f"SELECT 1 FROM {table}_default WHERE {within} LIMIT 1"):  # noqa: S608 - names made of numbers
        await conn.execute(f"LOCK TABLE {table}_default IN ACCESS EXCLUSIVE MODE")
        await conn.execute(f"INSERT INTO {name} SELECT * FROM {table}_default WHERE {within}")  # noqa: S608 - as above
        await conn.execute(f"DELETE FROM {table}_default WHERE {within}")  # noqa: S608 - as above
    await conn.execute(
        f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({low}) TO ({high})"
    )


async def alarms(conn: Connection) -> int:
    """Rows in DEFAULT partitions: above 0, days were not made in time."""
    count: int = await conn.fetchval(_q["alarms"])
    return count
