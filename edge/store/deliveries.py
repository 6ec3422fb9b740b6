"""The queue of sending: one row for each copy of a message, leased, settled, kept.

A delivery is queued while its ``due`` is set. Whoever takes it becomes its holder and moves ``due``
behind the lease: should that process die, the row falls due again by itself. What became of it is
written only while the holder still is the holder, so a delivery has one story.
"""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from edge.store.pool import Connection
from edge.store.sql import queries

_q = queries("deliveries")


class NewDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """A row to be queued; ``variables`` as JSON or None, times in µs."""

    id: int
    message: int
    domain: int
    recipient: str
    name: str
    variables: str | None
    accepted_at: int
    due: int
    expires_at: int


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A leased row. ``attempts`` counts those already made; times in µs."""

    id: int
    message: int
    domain: int
    recipient: str
    name: str
    variables: str | None
    accepted_at: int
    expires_at: int
    attempts: int


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a leased row: tried again at ``due`` (µs), or finished where that is None."""

    id: int
    due: int | None
    attempts: int
    outcome: str | None
    at: int


async def add(conn: Connection, rows: Sequence[NewDelivery]) -> None:
    """Queue deliveries in the caller's transaction."""
    await conn.execute(
        _q["add"],
        [row.id for row in rows],
        [row.message for row in rows],
        [row.domain for row in rows],
        [row.recipient for row in rows],
        [row.name for row in rows],
        [row.variables for row in rows],
        [row.accepted_at for row in rows],
        [row.due for row in rows],
        [row.expires_at for row in rows],
    )


async def waiting(conn: Connection, now_us: int) -> list[int]:
    """Numbers of the domains that have a delivery due."""
    return [row["domain"] for row in await conn.fetch(_q["waiting"], now_us)]


async def lease(
    conn: Connection, rooms: Mapping[int, int], *, holder: str, now_us: int, until: int
) -> list[Delivery]:
    """Take up to so many due deliveries of each domain, the longest due first."""
    rows = await conn.fetch(_q["lease"], list(rooms), list(rooms.values()), now_us, holder, until)
    return [Delivery(**dict(row)) for row in rows]


async def renew(conn: Connection, ids: Sequence[int], *, holder: str, until: int) -> None:
    """Keep what is held until then."""
    await conn.execute(_q["renew"], sorted(ids), holder, until)


async def reclaim(conn: Connection, holder: str, now_us: int, *, but: Collection[int] = ()) -> int:
    """Free what a holder has and nobody is at work on, all ``but`` these; how many."""
    return _count(await conn.execute(_q["reclaim"], holder, now_us, list(but)))


async def release(conn: Connection, ids: Sequence[int], *, holder: str, due: int) -> None:
    """Give back what was not tried after all."""
    await conn.execute(_q["release"], sorted(ids), holder, due)


async def settle(conn: Connection, holder: str, rows: Sequence[Settled]) -> set[int]:
    """Write what became of leased rows; the ids of those that were still the holder's."""
    ordered = sorted(rows, key=lambda row: row.id)
    found = await conn.fetch(
        _q["settle"],
        holder,
        [row.id for row in ordered],
        [row.due for row in ordered],
        [row.attempts for row in ordered],
        [row.outcome for row in ordered],
        [row.at for row in ordered],
    )
    return {row["id"] for row in found}


async def queued(conn: Connection, limit: int) -> int:
    """How many deliveries are queued, counted up to ``limit``."""
    found: int = await conn.fetchval(_q["queued"], limit)
    return found


class Backlog(msgspec.Struct, frozen=True):
    """What waits of one domain: how many, of them being sent and tried before; times in µs."""

    domain: str
    queued: int
    held: int
    retried: int
    oldest: int
    next: int


async def backlog(conn: Connection) -> list[Backlog]:
    """What waits, by domain."""
    return [Backlog(*row) for row in await conn.fetch(_q["backlog"])]


async def hurry(conn: Connection, domain: int, now_us: int) -> int:
    """Make what was tried before due now; how many."""
    return _count(await conn.execute(_q["hurry"], domain, now_us))


async def purge(conn: Connection, domain: int, now_us: int) -> int:
    """Drop what is queued of a domain, but for what is being sent; how many."""
    return _count(await conn.execute(_q["purge"], domain, now_us))


def _count(status: str) -> int:
    return int(status.split()[-1])
