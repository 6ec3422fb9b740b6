"""Figures from the counters.

``total`` is every request; ``people`` those without a bot label; ``unique`` as
:mod:`edge.store.uniques` says. All of them are sums over the same rows.
"""

from typing import Final

import msgspec

from edge.store.partitions import DAY_US
from edge.store.pool import Connection
from edge.store.retention import HOURLY_DAYS
from edge.store.sql import queries

RESOLUTIONS: Final = ("hour", "day", "month")
_q = queries("stats")


class Total(msgspec.Struct, frozen=True):
    """One kind of event in one hour, day or month that starts at ``time`` (µs)."""

    time: int
    event: str
    total: int
    unique: int
    people: int
    unique_people: int


async def totals(
    conn: Connection,
    domain: int,
    *,
    begin: int,
    end: int,
    resolution: str,
    now_us: int,
    tag: str = "",
) -> list[Total]:
    """Figures of a domain, or of one of its tags, for ``begin`` <= time < ``end`` (µs).

    Hours exist for 60 days, days for a year; days and months are sums of what exists.
    """
    split = (now_us // DAY_US - HOURLY_DAYS + 1) * DAY_US
    rows = await conn.fetch(_q["totals"], domain, tag.lower(), begin, end, resolution, split)
    return [Total(*row) for row in rows]
