"""Tags that a domain's messages have used, and how many it may have.

A tag is known when a message with it is accepted, or when the roll-ups find it counted. A deleted
one keeps its row, hidden, until it is seen again: its counters are still there, and would bring it
back at once otherwise.
"""

from collections.abc import Iterable, Sequence

import msgspec

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


class Known(msgspec.Struct, frozen=True):
    """A tag; times in µs, ``last_seen`` to the hour."""

    tag: str
    description: str
    first_seen: int
    last_seen: int


async def get(conn: Connection, domain: int, tag: str) -> Known | None:
    """One tag of a domain."""
    row = await conn.fetchrow(_q["get"], domain, tag.lower())
    return None if row is None else Known(*row)


async def page(
    conn: Connection, domain: int, *, prefix: str, pivot: str | None, backwards: bool, limit: int
) -> list[Known]:
    """The tags after ``pivot`` in order of their names, or (``backwards``) the last before it."""
    name = "page_back" if backwards else "page"
    rows = await conn.fetch(_q[name], domain, prefix.lower(), pivot, limit)
    found = [Known(*row) for row in rows]
    return found[::-1] if backwards else found


async def listed(
    conn: Connection,
    domains: Sequence[int],
    *,
    prefix: str,
    sort: str,
    down: bool,
    limit: int,
    skip: int,
) -> list[Known]:
    """Tags of all these domains, each once; by ``lastseen``, ``firstseen`` or ``tag``."""
    rows = await conn.fetch(_q["listed"], list(domains), prefix.lower(), sort, down, limit, skip)
    return [Known(*row) for row in rows]


async def count(conn: Connection, domains: Sequence[int], *, prefix: str = "") -> int:
    """How many different tags these domains have, of those that begin with ``prefix``."""
    number: int = await conn.fetchval(_q["count"], list(domains), prefix.lower())
    return number


async def describe(conn: Connection, domain: int, tag: str, text: str, *, now_us: int) -> None:
    """Set a tag's description; makes the tag where there is none, as Mailgun does."""
    await conn.execute(_q["describe"], [domain], tag.lower(), text, now_us)


async def describe_known(conn: Connection, domains: Sequence[int], tag: str, text: str) -> bool:
    """Set the description of a tag in all domains that have it; whether one has."""
    done = await conn.execute(_q["describe_known"], list(domains), tag.lower(), text)
    return done != "UPDATE 0"


async def delete(conn: Connection, domains: Sequence[int], tag: str, *, now_us: int) -> bool:
    """Hide a tag until it is seen again; whether it was there. Its figures stay."""
    done = await conn.execute(_q["delete"], list(domains), tag.lower(), now_us)
    return done != "UPDATE 0"
