"""Figures by kind of event: ``edge stats show``, from the same query layer as everything else.

``total`` is every request; ``people`` those without a bot label; ``unique`` as
:mod:`edge.store.uniques` says. All of them are sums over the same rows.
"""

from typing import Final

import msgspec

from edge.model.conditions import EQUAL, Condition
from edge.model.periods import ceiling, floor
from edge.store import metrics
from edge.store.pool import Connection

RESOLUTIONS: Final = ("hour", "day", "month")


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
    """Figures of a domain, or of one of its tags, for the hours, days or months that
    ``begin`` <= time < ``end`` (µs) touches.

    Hours exist for 60 days, days for a year, months for ever.
    """
    asked = metrics.Question(
        domains=(domain,),
        begin=floor(begin, resolution),
        end=ceiling(end, resolution),
        resolution=resolution,
        metrics=(),
        dimensions=("time", "bot"),
        conditions=(Condition("tag", EQUAL, (tag,)),) if tag else (),
    )
    found: dict[tuple[int, str], list[int]] = {}
    for one in await metrics.counted(conn, asked, now_us=now_us):
        at, bot = one.values
        sums = found.setdefault((at, one.key), [0, 0, 0, 0])
        counts = (one.total, one.unique, 0, 0) if bot else (one.total, one.unique) * 2
        found[at, one.key] = [have + more for have, more in zip(sums, counts, strict=True)]
    return [Total(at, key, *found[at, key]) for at, key in sorted(found)]
