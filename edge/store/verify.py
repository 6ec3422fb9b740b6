"""Counting again: are the counters and the uniques what the retained events say?

Counters are compared for the hours of which every event is still kept. Uniques are checked by what
must hold whatever the order in which several drains stored the events: two counted ones of a key
are seven days apart, and one that did not count has a counted one that covers it.
"""

import datetime

import msgspec

from edge.model.mailgun_json import event_id
from edge.store.partitions import DAY_US
from edge.store.pool import Connection
from edge.store.retention import HOURLY_DAYS
from edge.store.sql import queries

_q = queries("stats")


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
        since = now_us - (HOURLY_DAYS - 1) * DAY_US
        found = []
        for row in await conn.fetch(_q["verify_counters"], domain, since, limit, timeout=3600):
            hour = _time(row["hour"])
            where = f"{row['event']} {hour} bot={row['bot']!r} tag={row['tag']!r}"
            for kind in ("total", "uniq"):
                stored, counted = row[f"stored_{kind}"], row[f"counted_{kind}"]
                if stored != counted:
                    found.append(Difference(row["domain"], f"{kind} {where}", stored, counted))
        for row in await conn.fetch(_q["verify_uniques"], domain, limit, timeout=3600):
            where = f"is_unique {row['event']} {event_id(row['id'])} {_time(row['at'])}"
            is_unique = int(row["is_unique"])
            found.append(Difference(row["domain"], where, 1 - is_unique, is_unique))
        return found


def _time(at: int) -> str:
    moment = datetime.datetime.fromtimestamp(at / 1e6, datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
