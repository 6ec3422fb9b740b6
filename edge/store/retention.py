"""Retention: old days of events are dropped whole, old counters and facts deleted in pieces.

Events by their class; hourly counters 60 days; daily ones and their dimensions one year; monthly
ones and unsubscribes for ever; message facts and what is known of deliveries as set, stored
messages as set; webhook deliveries that were taken one day, others as set; the state of uniques
until its end; receivers of webhooks until theirs; the panel's audit log a year and a month.
"""

from typing import Final

import msgspec

from edge.store import panel_audit, partitions, rollups
from edge.store.partitions import DAY_US
from edge.store.pool import Connection
from edge.store.sql import queries

HOURLY_DAYS: Final = 60
DAILY_DAYS: Final = 366
OFFSET_DAYS: Final = 400
"""Rows of segments that no drain cleaned up after: their edge is gone for good by then."""
_PIECE: Final = 10_000
_q = queries("retention")


class Days(msgspec.Struct, frozen=True):
    """What is kept as long as the settings say: facts, stored messages, the log of webhooks."""

    facts: int = 90
    messages: int = 7
    webhooks: int = 7


class Removed(msgspec.Struct):
    """What one run removed: partitions dropped, rows deleted by table."""

    partitions: list[str] = []
    rows: dict[str, int] = {}


async def run(conn: Connection, *, now_us: int, days: Days | None = None) -> Removed:
    """Remove what is past its time. For the holder of a lease, outside of a transaction.

    A day's partition is dropped when all of it is older than the class allows, and only after its
    dimensions are rolled up. Raises asyncpg's LockNotAvailableError (one of
    ``pool.UNAVAILABLE``) when a long query keeps a partition for over 5 s: run again later.
    """
    days = days or Days()
    removed = Removed()
    for row in await conn.fetch(_q["classes"]):
        await _drop_days(conn, row["retention"], now_us // DAY_US, removed)
        if not row["used"] and row["retention"] != 30:
            await _drop_class(conn, row["retention"], removed)
    pieces = {
        "hourly": (_q["expire_hourly"], HOURLY_DAYS),
        "daily": (_q["expire_daily"], DAILY_DAYS),
        "daily_dimensions": (_q["expire_dimensions"], DAILY_DAYS),
        "message_facts": (queries("facts")["expire"], days.facts),
        "message_sources": (queries("messages")["expire_sources"], days.messages),
        "outbox": (queries("outbox")["expire"], days.messages),
        "deliveries": (queries("deliveries")["expire"], days.facts),
        "messages": (queries("messages")["expire"], days.facts),
        "webhooks_taken": (queries("webhook_queue")["expire_taken"], min(1, days.webhooks)),
        "webhook_deliveries": (queries("webhook_queue")["expire"], days.webhooks),
        "tags": (queries("tags")["forget"], DAILY_DAYS),
        "returns": (queries("returns")["expire"], days.facts),
        "uniques": (_q["expire_uniques"], 0),
        "receivers": (queries("receivers")["expire"], 0),
        "panel_audit": (queries("panel_audit")["expire"], panel_audit.KEPT_DAYS),
        "spool_offsets": (_q["expire_offsets"], OFFSET_DAYS),
    }
    for table, (statement, age) in pieces.items():
        removed.rows[table] = await _expire(conn, statement, now_us - age * DAY_US)
    await conn.execute(_q["expire_rolled_days"], now_us - 2 * DAILY_DAYS * DAY_US)
    return removed


async def _drop_days(conn: Connection, retention: int, today: int, removed: Removed) -> None:
    for day in await partitions.days(conn, retention):
        if day + 1 + retention > today:
            return
        name = f"events_r{retention}_{partitions.day_name(day)}"
        await rollups.roll_dimensions(conn, retention, day)
        async with conn.transaction():
            await conn.execute("SET LOCAL lock_timeout = '5s'")
            # No batch may file an event under this day any more; then the day goes.
            await conn.execute(_q["narrow"], retention, (day + 1) * DAY_US)
            await conn.execute(f"DROP TABLE {name}")
        removed.partitions.append(name)


async def _drop_class(conn: Connection, retention: int, removed: Removed) -> None:
    """Drop the tables of a class that no domain uses, once nothing is left in them."""
    name = f"events_r{retention}"
    async with conn.transaction():
        await conn.execute("SET LOCAL lock_timeout = '5s'")
        if await conn.fetch(f"SELECT 1 FROM {name} LIMIT 1"):  # noqa: S608 - a name made of a number
            return
        await conn.execute(f"DROP TABLE {name}")
        await conn.execute(_q["forget_class"], retention)
    removed.partitions.append(name)


async def _expire(conn: Connection, statement: str, before_us: int) -> int:
    total = 0
    while True:
        deleted = int((await conn.execute(statement, before_us, _PIECE)).split()[-1])
        total += deleted
        if deleted < _PIECE:
            return total
