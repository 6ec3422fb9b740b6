"""Events and facts of a small world, for the tests of the store."""

import itertools
import time
from typing import Any

from edge.model.capture import Facts
from edge.model.domain import Domain
from edge.model.event import Event, Verdict
from edge.store import domains, events, partitions
from edge.store.pool import Connection

HOUR = 3_600_000_000
DAY = 24 * HOUR
NOW = time.time_ns() // 1000 // DAY * DAY + 15 * HOUR + 400_000_001
"""Fifteen o'clock and some minutes UTC of today, where every database has partitions; in µs."""

_ids = itertools.count(1)


def event(**fields: Any) -> Event:
    """An open of one message, but for what is given."""
    at = fields.get("at", NOW)
    values: dict[str, Any] = {
        "id": abs(at).to_bytes(8, "big")[-7:] + next(_ids).to_bytes(9, "big"),
        "event": "opened",
        "at": at,
        "domain": 1,
        "recipient": "ann@example.net",
        "message_id": "m1@mg.example.com",
        "method": "GET",
        "verdict": Verdict("", (), "1"),
    }
    return Event(**(values | fields))


def facts(*tags: str, message_id: str = "m1@mg.example.com", at: int = NOW, **more: Any) -> Facts:
    """Facts of one message of domain 1."""
    return Facts(at, 1, message_id, list(tags), **more)


async def domain(conn: Connection, name: str = "mg.example.com", **switches: Any) -> Domain:
    """A domain, with partitions around NOW."""
    await partitions.ensure(conn, now_us=NOW)
    return await domains.add(conn, Domain(number=0, name=name, **switches), now_us=NOW)


async def store(conn: Connection, *stored: Event, now: int = NOW, **more: Any) -> None:
    """One batch in one transaction."""
    prepared = events.prepare(events.Batch(events=list(stored), **more), now_us=now)
    async with conn.transaction():
        await events.add(conn, prepared)
