"""Pages of events that can be turned both ways, and polled without missing one.

A page of a bounded question is one by (time, id). Whoever polls (oldest first, without an end) gets
one sequence of two parts, told apart by ``since``, the oldest transaction that was running when the
question was first asked: first all events stored by earlier transactions, by (time, id), which is
a set that no longer grows; then, in the order of their transactions, those that came since. The
second part is read only below the oldest transaction that is still running, so an event that
commits late, under whatever time, is behind every place that was ever given out.
"""

import itertools
from typing import Final

import msgspec

from edge.store.expressions import needed_tags
from edge.store.filters import Conditions, Filter
from edge.store.partitions import DAY_US
from edge.store.pool import Connection, in_time
from edge.store.search import CommitCursor, Found, TimeCursor, found_in, horizon
from edge.store.sql import CUSTOM_PLANS, queries

_q = queries("search")
_TRANSACTION = "{}::bigint::text::xid8"
_OLD = "(e.xid < {} OR e.xid >= pg_snapshot_xmax(pg_current_snapshot()))"
"""What no running transaction wrote: a number that is still to come was brought by a backup."""

STRETCHES: Final = (1, 8)
"""Days from the start of a page up to which it is looked for first, and then."""

_NEVER_US: Final = 1 << 62

_FACTS = "LEFT JOIN message_facts f ON f.domain = e.domain AND f.message_id = e.message_id"

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


async def count(conn: Connection, wanted: Filter) -> int:
    """How many events match."""
    conditions = Conditions(wanted)
    if wanted.domains is not None:
        conditions.add("e.domain = ANY ({}::integer[])", list(wanted.domains))
    statement = _q["count_joined" if conditions.needs_facts else "count"]
    with in_time():
        number: int = await conn.fetchval(f"{statement} WHERE {conditions}", *conditions.values)
    return number


async def begin(conn: Connection) -> int:
    """What a poll that starts now keeps as its ``since``."""
    return (await horizon(conn)).xid


async def turn(conn: Connection, asked: Question, place: Place) -> Page:
    """The page at a place."""
    with in_time():
        async with conn.transaction():
            await conn.execute(CUSTOM_PLANS)
            if place.back:
                return await _backward(conn, asked, place)
            return await _forward(conn, asked, place)


async def _forward(conn: Connection, asked: Question, place: Place) -> Page:
    old: list[Found] = []
    new: list[Found] = []
    cursor, inclusive = place.cursor, place.inclusive
    behind = cursor
    if not isinstance(cursor, CommitCursor):
        old = await _by_time(conn, asked, cursor, asked.limit, inclusive=inclusive)
        if asked.since is not None and len(old) < asked.limit:
            behind, inclusive = CommitCursor(asked.since), False
    if isinstance(behind, CommitCursor):
        below = await begin(conn)
        missing = asked.limit - len(old)
        new = await _by_commit(conn, asked, (behind, inclusive), below, missing)
        if len(new) < missing:
            # All below has been read: the next look need not go through it again.
            behind = max(behind, CommitCursor(below), key=lambda one: one.xid)
            return _page(old, new, behind)
    return _page(old, new, None if old or new else behind)


async def _backward(conn: Connection, asked: Question, place: Place) -> Page:
    old: list[Found] = []
    new: list[Found] = []
    cursor, inclusive = place.cursor, place.inclusive
    if asked.since is not None and not isinstance(cursor, TimeCursor):
        below = await begin(conn)
        start = (cursor or CommitCursor(below), inclusive)
        new = await _by_commit(conn, asked, start, below, asked.limit, backwards=True)
        cursor, inclusive = None, False
    if len(new) < asked.limit and not isinstance(cursor, CommitCursor):
        missing = asked.limit - len(new)
        old = await _by_time(conn, asked, cursor, missing, inclusive=inclusive, backwards=True)
    if old or new:
        return _page(old[::-1], new[::-1], None)
    return Page([], Place(place.cursor, inclusive=place.cursor is not None), place)


def _page(old: list[Found], new: list[Found], behind: Cursor) -> Page:
    """Of the first part and the second; ``behind`` is where it goes on, else behind the last."""
    if not old and not new:
        before = Place(behind, back=True, inclusive=True) if behind else Place()
        return Page([], Place(behind), before)
    first: Cursor = _by_its_time(old[0]) if old else _by_its_commit(new[0])
    last: Cursor = _by_its_commit(new[-1]) if new else _by_its_time(old[-1])
    return Page(old + new, Place(behind or last), Place(first, back=True))


def _by_its_time(one: Found) -> TimeCursor:
    return TimeCursor(one.event.at, one.event.id)


def _by_its_commit(one: Found) -> CommitCursor:
    return CommitCursor(one.xid, one.event.domain, one.event.id)


async def _by_time(
    conn: Connection,
    asked: Question,
    cursor: TimeCursor | None,
    limit: int,
    *,
    inclusive: bool,
    backwards: bool = False,
) -> list[Found]:
    """Events after the cursor, in the question's order or against it."""
    wanted = await _narrowed(conn, asked.wanted)
    if wanted is None:
        return []
    upwards = asked.ascending is not backwards
    way = "ASC" if upwards else "DESC"
    found: list[Found] = []
    for part in await _stretches(conn, wanted, cursor, upwards=upwards):
        conditions = Conditions(part)
        if cursor is not None:
            sign = (">" if upwards else "<") + ("=" if inclusive else "")
            conditions.add(f"(e.at, e.id) {sign} ({{}}, {{}}::bytea)", cursor.at, cursor.id)
            # Follows from the first, but only this tells which days need not be looked at.
            conditions.add(f"e.at {sign[0]}= {{}}", cursor.at)
        if asked.since is not None:
            conditions.add(_OLD.format(_TRANSACTION), asked.since)
        missing = limit - len(found)
        found += await _fetch(conn, conditions, f"e.at {way}, e.id {way}", asked, missing)
        if len(found) >= limit:
            break
    return found


async def _stretches(
    conn: Connection, wanted: Filter, cursor: TimeCursor | None, *, upwards: bool
) -> list[Filter]:
    """The question for a day, for a week behind it, and for the rest, in the page's order.

    Postgres merges the days' partitions, for which it has to find the first match in each of them:
    most pages are full long before that is needed.
    """
    start = cursor.at if cursor else wanted.begin if upwards else wanted.end
    if start is None:
        if upwards:
            return [wanted]
        start = await conn.fetchval("SELECT now()")
    sign = 1 if upwards else -1
    borders = [start + sign * days * DAY_US for days in STRETCHES]
    ends = [wanted.begin, *borders, wanted.end] if upwards else [wanted.end, *borders, wanted.begin]
    parts = []
    for near, far in itertools.pairwise(ends):
        begin_us, end_us = (near, far) if upwards else (far, near)
        begin_us = max(begin_us or 0, wanted.begin or 0)
        end_us = min(end_us or _NEVER_US, wanted.end or _NEVER_US)
        if begin_us < end_us:
            parts.append(
                msgspec.structs.replace(
                    wanted,
                    begin=begin_us or None,
                    end=None if end_us == _NEVER_US else end_us,
                )
            )
    return parts


async def _narrowed(conn: Connection, wanted: Filter) -> Filter | None:
    """The same question for the hours in which its tags and kinds were counted; None for none.

    There is no index by tag or kind. Without this, a page of a rare one would read all events of
    its domain. Counters are kept for 60 days, so what is older stays in the question. Not for the
    second part of a poll: what is committed between two statements must not be passed over.
    """
    spans = [
        await conn.fetchrow(_q["span"], wanted.domain, sorted(tags), None)
        for tags in needed_tags(wanted.fields)
    ]
    if wanted.events and wanted.domain is not None:
        kinds = list(wanted.events)
        spans.append(await conn.fetchrow(_q["span"], wanted.domain, [""], kinds))
    for row in spans:
        first, ending, counted = row or (None, None, 0)
        begin_us = wanted.begin or 0
        if begin_us >= counted:
            if first is None:
                return None
            begin_us = max(first, begin_us)
        end_us: int = ending or counted
        if wanted.end is not None:
            end_us = min(end_us, wanted.end)
        wanted = msgspec.structs.replace(wanted, begin=begin_us, end=end_us)
    return wanted


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
    order = f"e.xid {way}, e.domain {way}, e.id {way}"
    return await _fetch(conn, conditions, order, asked, limit)


async def _fetch(
    conn: Connection, conditions: Conditions, order: str, asked: Question, limit: int
) -> list[Found]:
    """The first events of one domain, or the first of the first of each of several.

    Message facts are joined to the page, not to the events that it is chosen from: a plan that
    hashes the facts of months would cost more than the page.
    """
    page = f"WHERE {conditions} ORDER BY {order} LIMIT {int(limit)}"
    found = "SELECT e.* FROM events e"
    if conditions.needs_facts:
        found = f"{found} {_FACTS}"
    if asked.wanted.domains is None:
        found = f"{found} {page}"
    else:
        numbers = conditions.bind(list(asked.wanted.domains))
        each = f"{found} {page.replace('WHERE ', 'WHERE e.domain = d.number AND ', 1)}"
        found = (
            f"SELECT e.* FROM unnest({numbers}::integer[]) AS d (number) "  # noqa: S608 - numbers are a parameter
            f"CROSS JOIN LATERAL ({each}) AS e ORDER BY {order} LIMIT {int(limit)}"
        )
    text = _q["select"].replace("FROM events e", f"FROM ({found}) AS e")
    rows = await conn.fetch(f"{text} ORDER BY {order}", *conditions.values)
    return [found_in(row) for row in rows]
