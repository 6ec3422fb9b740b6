"""Pages of events that can be turned both ways, and polled without missing one.

A page of a bounded question is one by (time, id). Whoever polls (oldest first, without an end) gets
one sequence of two parts, told apart by ``since``, the oldest transaction that was running when the
question was first asked: first all events stored by earlier transactions, by (time, id), which is
a set that no longer grows; then, in the order of their transactions, those that came since. The
second part is read only below the oldest transaction that is still running, so an event that
commits late, under whatever time, is behind every place that was ever given out.
"""

from typing import Any

import msgspec

from edge.store.filters import Conditions, Filter
from edge.store.pool import Connection
from edge.store.search import CommitCursor, Found, TimeCursor, found_in, horizon
from edge.store.sql import queries

_q = queries("search")
_TRANSACTION = "{}::bigint::text::xid8"

Cursor = TimeCursor | CommitCursor | None
"""An event of the sequence; None is the place before the first, or backwards behind the last."""


class Question(msgspec.Struct, frozen=True):
    """What is asked for, in which order. ``since`` only for a poll, as given by :func:`begin`."""

    wanted: Filter
    ascending: bool
    limit: int
    since: int | None = None


class Place(msgspec.Struct, frozen=True):
    """Where a page starts: after the cursor or (``back``) before it; ``inclusive``: at it."""

    cursor: Cursor = None
    back: bool = False
    inclusive: bool = False


class Page(msgspec.Struct, frozen=True):
    """Events in order, and the places of the pages around."""

    found: list[Found]
    following: Place
    previous: Place


async def begin(conn: Connection) -> int:
    """What a poll that starts now keeps as its ``since``."""
    return (await horizon(conn)).xid


async def turn(conn: Connection, asked: Question, place: Place) -> Page:
    """The page at a place."""
    if place.back:
        return await _backward(conn, asked, place)
    return await _forward(conn, asked, place)


async def _forward(conn: Connection, asked: Question, place: Place) -> Page:
    found: list[Found] = []
    cursor, inclusive = place.cursor, place.inclusive
    behind = cursor
    if not isinstance(cursor, CommitCursor):
        found = await _by_time(conn, asked, cursor, inclusive=inclusive)
        if asked.since is not None and len(found) < asked.limit:
            behind = cursor = CommitCursor(asked.since)
            inclusive = False
    if isinstance(cursor, CommitCursor):
        below = await begin(conn)
        missing = asked.limit - len(found)
        found += await _by_commit(conn, asked, (cursor, inclusive), below, missing)
        if len(found) < asked.limit:
            # All below has been read: the next look need not go through it again.
            behind = max(cursor, CommitCursor(below), key=lambda one: one.xid)
            return _page(asked, found, place, behind)
    return _page(asked, found, place, _cursor(asked, found[-1]) if found else behind)


def _page(asked: Question, found: list[Found], place: Place, behind: Cursor) -> Page:
    following = Place(behind, inclusive=place.inclusive and behind == place.cursor)
    if found:
        return Page(found, following, Place(_cursor(asked, found[0]), back=True))
    if behind is None:
        return Page(found, following, Place())
    return Page(found, following, Place(behind, back=True, inclusive=True))


async def _backward(conn: Connection, asked: Question, place: Place) -> Page:
    found: list[Found] = []
    cursor, inclusive = place.cursor, place.inclusive
    if asked.since is not None and not isinstance(cursor, TimeCursor):
        below = await begin(conn)
        upper = cursor or CommitCursor(below)
        found = await _by_commit(
            conn, asked, (upper, inclusive), below, asked.limit, backwards=True
        )
        cursor, inclusive = None, False
    if len(found) < asked.limit and not isinstance(cursor, CommitCursor):
        missing = asked.limit - len(found)
        found += await _by_time(
            conn, asked, cursor, inclusive=inclusive, backwards=True, limit=missing
        )
    found.reverse()
    if found:
        following = Place(_cursor(asked, found[-1]))
        return Page(found, following, Place(_cursor(asked, found[0]), back=True))
    return Page(found, Place(place.cursor, inclusive=place.cursor is not None), place)


def _cursor(asked: Question, one: Found) -> Cursor:
    if asked.since is None or one.xid < asked.since:
        return TimeCursor(one.event.at, one.event.id)
    return CommitCursor(one.xid, one.event.domain, one.event.id)


async def _by_time(
    conn: Connection,
    asked: Question,
    cursor: TimeCursor | None,
    *,
    inclusive: bool,
    backwards: bool = False,
    limit: int | None = None,
) -> list[Found]:
    """Events after the cursor, in the question's order or against it."""
    upwards = asked.ascending is not backwards
    conditions = Conditions(asked.wanted)
    if cursor is not None:
        sign = (">" if upwards else "<") + ("=" if inclusive else "")
        conditions.add(f"(e.at, e.id) {sign} ({{}}, {{}}::bytea)", cursor.at, cursor.id)
        # Follows from the first, but only this tells which days need not be looked at.
        conditions.add(f"e.at {sign[0]}= {{}}", cursor.at)
    if asked.since is not None:
        conditions.add(f"e.xid < {_TRANSACTION}", asked.since)
    way = "ASC" if upwards else "DESC"
    size = asked.limit if limit is None else limit
    return await _fetch(conn, conditions, f"e.at {way}, e.id {way}", size)


async def _by_commit(
    conn: Connection,
    asked: Question,
    start: tuple[CommitCursor, bool],
    below: int,
    limit: int,
    *,
    backwards: bool = False,
) -> list[Found]:
    """Events of the second part that lie after (before) the start; it may be included."""
    cursor, inclusive = start
    conditions = Conditions(asked.wanted)
    sign = ("<" if backwards else ">") + ("=" if inclusive else "")
    conditions.add(
        f"(e.xid, e.domain, e.id) {sign} ({_TRANSACTION}, {{}}::integer, {{}}::bytea)",
        *(cursor.xid, cursor.domain, cursor.id),
    )
    conditions.add(f"e.xid >= {_TRANSACTION}", asked.since)
    conditions.add(f"e.xid < {_TRANSACTION}", below)
    way = "DESC" if backwards else "ASC"
    return await _fetch(conn, conditions, f"e.xid {way}, e.domain {way}, e.id {way}", limit)


async def _fetch(conn: Connection, conditions: Conditions, order: str, limit: int) -> list[Found]:
    values: list[Any] = conditions.values
    rows = await conn.fetch(
        f"{_q['select']} WHERE {conditions} ORDER BY {order} LIMIT {int(limit)}", *values
    )
    return [found_in(row) for row in rows]
