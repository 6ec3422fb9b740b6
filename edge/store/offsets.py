"""How far each spool segment has been stored: the fence that makes replay harmless.

An offset moves by compare-and-set in the transaction that stores what lies before it. A drain that
finds another value than it read was overtaken by another drain, and rolls back.
"""

import datetime
from collections.abc import Collection, Sequence

import msgspec

from edge.model.errors import PeerError
from edge.store.pool import Connection
from edge.store.sql import queries

_q = queries("offsets")


class Fenced(PeerError):
    """Another drain moved one of these offsets: roll back and read the offsets again."""


class Move(msgspec.Struct, frozen=True):
    """One segment's offset: bytes from its start, from ``old`` to ``new``."""

    segment: str
    old: int
    new: int


async def load(conn: Connection, segments: Sequence[str]) -> dict[str, int]:
    """The stored offsets; a segment without a row is at 0 and not in the result."""
    rows = await conn.fetch(_q["load"], list(segments))
    return {row["segment"]: row["off"] for row in rows}


async def advance(conn: Connection, edge_id: str, moves: Sequence[Move]) -> None:
    """Move offsets in the caller's transaction, in key order.

    Raises :class:`Fenced` if any of them is not where its move starts; the caller must roll back.
    """
    ordered = sorted(moves, key=lambda move: move.segment)
    first = [move for move in ordered if move.old == 0]
    rest = [move for move in ordered if move.old != 0]
    done = 0
    if first:
        done += len(await _begin(conn, edge_id, first))
    if rest:
        names = [move.segment for move in rest]
        if len(rest) > 1:
            await conn.execute(_q["lock"], names)
        done += len(await _set(conn, edge_id, rest))
    if done != len(ordered):
        raise Fenced("another drain moved the offset of one of these segments")


async def _begin(conn: Connection, edge_id: str, moves: list[Move]) -> list[str]:
    """Segments without a row get one; a row at 0 is moved like any other."""
    rows = await conn.fetch(
        _q["begin"], edge_id, [move.segment for move in moves], [move.new for move in moves]
    )
    begun = {row["segment"] for row in rows}
    left = [move for move in moves if move.segment not in begun]
    moved = await _set(conn, edge_id, left) if left else []
    return [*begun, *moved]


async def _set(conn: Connection, edge_id: str, moves: list[Move]) -> list[str]:
    rows = await conn.fetch(
        _q["advance"],
        edge_id,
        [move.segment for move in moves],
        [move.old for move in moves],
        [move.new for move in moves],
    )
    return [row["segment"] for row in rows]


async def check(conn: Connection, moves: Sequence[Move]) -> None:
    """Raise :class:`Fenced` if another drain has moved one of these offsets already.

    An overtaken drain stores events that are there, and Postgres refuses those rows as duplicates:
    asked before a refused row is blamed.
    """
    stored = await load(conn, [move.segment for move in moves])
    if any(stored.get(move.segment, 0) != move.old for move in moves):
        raise Fenced("another drain moved the offset of one of these segments")


async def forget_missing(
    conn: Connection, edge_id: str, present: Collection[str], *, older_than: float
) -> None:
    """Delete this edge's rows whose files are gone and that have not moved for ``older_than`` s."""
    age = datetime.timedelta(seconds=older_than)
    await conn.execute(_q["forget_missing"], edge_id, list(present), age)
