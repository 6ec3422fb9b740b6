"""Tags that a domain's messages have used, and how many it may have."""

from collections.abc import Iterable

from edge.store.pool import Connection
from edge.store.sql import queries

Tag = tuple[int, str]
"""A domain's number and a tag in its stored spelling."""

_q = queries("tags")


async def admit(conn: Connection, wanted: Iterable[Tag], *, most: int, now_us: int) -> set[Tag]:
    """Make tags known that are not, while their domain has room; those that may be used.

    In the caller's transaction. Two transactions at the same time may each fill the last place: the
    limit is one of order, not of safety.
    """
    asked = sorted(set(wanted))
    if not asked:
        return set()
    numbers, names = [tag[0] for tag in asked], [tag[1] for tag in asked]
    admitted = {
        (row["domain"], row["tag"]) for row in await conn.fetch(_q["known"], numbers, names)
    }
    new = [tag for tag in asked if tag not in admitted]
    if not new:
        return admitted
    counts = await conn.fetch(_q["counts"], sorted({tag[0] for tag in new}), most)
    room = {row["domain"]: most - row["count"] for row in counts}
    fitting = []
    for tag in new:
        if room[tag[0]] > 0:
            room[tag[0]] -= 1
            fitting.append(tag)
    if fitting:
        await conn.execute(
            _q["add"], [tag[0] for tag in fitting], [tag[1] for tag in fitting], now_us
        )
    return admitted | set(fitting)
