"""Roll-ups: hourly counters to days and months; other dimensions of a day, before it is dropped.

Every roll-up is recomputed from what it sums up, so running it twice, or late, is harmless. Days
of today, yesterday and the day before, and those since the last run, are redone on every run; for
an older day that gets an event after all, the door leaves a note in ``late_days``. So the daily
counters of all days before the day before the last run are right, but for those noted.
"""

import datetime
from collections.abc import Iterable
from typing import Final

from edge.store import partitions
from edge.store.partitions import DAY_US
from edge.store.pool import Connection
from edge.store.sql import queries

PATIENCE: Final = 3600
"""Seconds that one statement may take: more than the pool allows, whose other work is short."""

SLACK_US: Final = 3_600_000_000
"""A batch that was made ready before midnight does not note yesterday's yesterday as late."""

_EPOCH = datetime.date(1970, 1, 1)
_q = queries("rollups")


def date_of(day: int) -> datetime.date:
    """The UTC date of a day given as days since the epoch."""
    return _EPOCH + datetime.timedelta(day)


async def run(conn: Connection, *, now_us: int) -> None:
    """Bring days, months and the dimensions of closed days up to date.

    For the holder of a lease; about a second per million events of a day. Each step is a
    transaction of its own.
    """
    today = now_us // DAY_US
    async with conn.transaction():
        await conn.execute("SET LOCAL statement_timeout = 0")
        await conn.execute("SET LOCAL work_mem = '64MB'")
        # Taken and recomputed in one transaction: a batch that notes the same day again waits for
        # it and leaves a new note, so nothing that commits meanwhile is missed.
        late = [row["day"] for row in await conn.fetch(_q["take_late_days"])]
        if late:
            await conn.execute(_q["unroll_day"], late)
        last = await conn.fetchval(_q["last_run"])
        first = (today if last is None else min(today, (last - _EPOCH).days)) - 2
        await roll_days(conn, {*late, *(date_of(day) for day in range(first, today + 1))})
        await conn.execute(_q["see_tags"], 0 if last is None else first * DAY_US, timeout=PATIENCE)
        await conn.execute(_q["note_run"], date_of(today))
    closed = (now_us - SLACK_US) // DAY_US - 1
    for row in await conn.fetch("SELECT retention FROM event_days ORDER BY retention"):
        for day in await partitions.days(conn, row["retention"]):
            if day < closed:
                await roll_dimensions(conn, row["retention"], day)


async def roll_days(conn: Connection, dates: Iterable[datetime.date]) -> None:
    """Recompute these days from their hours, and the months they are in from their days."""
    ordered = sorted(dates)
    for date in ordered:
        await conn.execute(_q["clear_day"], date, timeout=PATIENCE)
        await conn.execute(_q["roll_day"], date, timeout=PATIENCE)
    for month in sorted({date.replace(day=1) for date in ordered}):
        await conn.execute(_q["roll_month"], month, timeout=PATIENCE)


async def roll_dimensions(conn: Connection, retention: int, day: int) -> None:
    """Roll one class's day up by country, device, client, provider and link, unless it is done."""
    date = date_of(day)
    if await conn.fetchval(_q["is_rolled"], retention, date):
        return
    async with conn.transaction():
        await conn.execute("SET LOCAL statement_timeout = 0")
        await conn.execute("SET LOCAL work_mem = '64MB'")
        await conn.execute(_q["clear_dimensions"], retention, date, timeout=PATIENCE)
        await conn.execute(_q["roll_dimensions"], retention, date, timeout=PATIENCE)
        await conn.execute(_q["mark_rolled"], retention, date)
