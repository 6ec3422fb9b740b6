"""What the owner of a domain says of its suppressions and its allowlist, and asks of them.

One table object for each of Mailgun's four lists, all of one shape (:class:`Table`). What is said
here has the last word over whatever stands in the table at that moment; an event from before it,
replayed or late, changes nothing any more (:mod:`edge.store.suppressions`,
:mod:`edge.store.unsubscribes`). Removing leaves a tombstone, but really deletes from the allowlist.

An entry says since when it holds. That is also its place in the order of events, and so never lies
in the future, and never before what it replaces.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Protocol

import msgspec

from edge.model.tokens import Level
from edge.store.pool import Connection
from edge.store.sql import queries
from edge.store.unsubscribes import EVERYTHING

AT_ONCE: Final = 10_000
"""Entries of one statement."""

_LAST = "\U0010ffff"
"""Above every character that an address may hold."""

_q = queries("suppressed")


class Kind(StrEnum):
    """The four lists, as they are called in Mailgun's paths."""

    BOUNCES = "bounces"
    UNSUBSCRIBES = "unsubscribes"
    COMPLAINTS = "complaints"
    WHITELISTS = "whitelists"


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One address, or domain of the allowlist, in lower case; since when, in µs, if that is said.

    ``code`` and ``error`` are a bounce's, ``tags`` an unsubscribe's (``*`` is everything), ``type``
    and ``reason`` the allowlist's.
    """

    value: str
    created_at: int | None = None
    code: str = ""
    error: str = ""
    tags: tuple[str, ...] = ()
    type: str = "address"
    reason: str = ""


class Table(Protocol):
    """One of the four lists in the database; ``domain`` is a domain's number."""

    async def page(
        self,
        conn: Connection,
        domain: int,
        *,
        term: str = "",
        pivot: str | None = None,
        backwards: bool = False,
        limit: int,
    ) -> list[Entry]:
        """Entries by value that begin with ``term``: after ``pivot``, or the last before it."""

    async def get(self, conn: Connection, domain: int, value: str) -> Entry | None:
        """One entry, if it is there."""

    async def put(
        self, conn: Connection, domain: int, entries: Iterable[Entry], *, now_us: int
    ) -> int:
        """Add entries, all or none; how many there are, without those that the allowlist bars.

        Of several with the same value the last stays; tags add up.
        """

    async def remove(
        self,
        conn: Connection,
        domain: int,
        value: str | None,
        *,
        tag: str | None = None,
        now_us: int,
    ) -> int:
        """Remove one entry, or one tag of it, or all (None); how many were there."""


def _bounds(term: str, pivot: str | None, backwards: bool) -> tuple[str, str, str]:
    """Where what begins with a term starts and ends, and the pivot of a page."""
    return term, term + _LAST, pivot or (_LAST if backwards else "")


def _whole(value: str | None) -> tuple[str, str]:
    """The bounds of one value, or of all."""
    return ("", _LAST) if value is None else (value, value)


def _in_order(entries: Iterable[Entry], now_us: int) -> Iterable[tuple[Sequence[Entry], list[int]]]:
    """One entry for each value, by value as the tables' keys compare, and the times of each.

    Everybody who writes locks in that order, so none waits for another in a circle.
    """
    latest = {one.value: one for one in entries}
    ordered = sorted(latest.values(), key=lambda one: one.value.encode())
    for start in range(0, len(ordered), AT_ONCE):
        part = ordered[start : start + AT_ONCE]
        yield part, [_at(one, now_us) for one in part]


def _at(entry: Entry, now_us: int) -> int:
    return now_us if entry.created_at is None else min(entry.created_at, now_us)


class _Suppressions:
    """Bounces or complaints."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    async def page(
        self,
        conn: Connection,
        domain: int,
        *,
        term: str = "",
        pivot: str | None = None,
        backwards: bool = False,
        limit: int,
    ) -> list[Entry]:
        query = _q["suppressions_page_backwards" if backwards else "suppressions_page"]
        rows = await conn.fetch(query, domain, self._kind, *_bounds(term, pivot, backwards), limit)
        return [Entry(**dict(row)) for row in (reversed(rows) if backwards else rows)]

    async def get(self, conn: Connection, domain: int, value: str) -> Entry | None:
        row = await conn.fetchrow(_q["suppressions_get"], domain, self._kind, value)
        return None if row is None else Entry(**dict(row))

    async def put(
        self, conn: Connection, domain: int, entries: Iterable[Entry], *, now_us: int
    ) -> int:
        added = 0
        async with conn.transaction():
            for part, times in _in_order(entries, now_us):
                added += await conn.fetchval(
                    _q["suppressions_put"],
                    domain,
                    self._kind,
                    [one.value for one in part],
                    times,
                    [one.code for one in part],
                    [one.error for one in part],
                )
        return added

    async def remove(
        self,
        conn: Connection,
        domain: int,
        value: str | None,
        *,
        tag: str | None = None,
        now_us: int,
    ) -> int:
        gone: int = await conn.fetchval(
            _q["suppressions_remove"], domain, self._kind, *_whole(value), now_us
        )
        return gone


class _Unsubscribes:
    """Unsubscribes from the domain and from tags; those from lists are the lists' members."""

    async def page(
        self,
        conn: Connection,
        domain: int,
        *,
        term: str = "",
        pivot: str | None = None,
        backwards: bool = False,
        limit: int,
    ) -> list[Entry]:
        query = _q["unsubscribes_page_backwards" if backwards else "unsubscribes_page"]
        rows = await conn.fetch(query, domain, *_bounds(term, pivot, backwards), limit)
        return [_unsubscribe(row) for row in (reversed(rows) if backwards else rows)]

    async def get(self, conn: Connection, domain: int, value: str) -> Entry | None:
        row = await conn.fetchrow(_q["unsubscribes_get"], domain, value)
        return None if row is None else _unsubscribe(row)

    async def put(
        self, conn: Connection, domain: int, entries: Iterable[Entry], *, now_us: int
    ) -> int:
        rows: dict[tuple[bytes, int, bytes], tuple[str, int, str, int]] = {}
        values = set()
        for one in entries:
            values.add(one.value)
            for name in one.tags or (EVERYTHING,):
                level = int(Level.DOMAIN if name == EVERYTHING else Level.TAG)
                key = one.value.encode(), level, name.encode()
                rows[key] = one.value, level, name, _at(one, now_us)
        ordered = [rows[key] for key in sorted(rows)]
        async with conn.transaction():
            for start in range(0, len(ordered), AT_ONCE):
                columns = zip(*ordered[start : start + AT_ONCE], strict=True)
                await conn.execute(_q["unsubscribes_put"], domain, *map(list, columns))
        return len(values)

    async def remove(
        self,
        conn: Connection,
        domain: int,
        value: str | None,
        *,
        tag: str | None = None,
        now_us: int,
    ) -> int:
        gone: int = await conn.fetchval(
            _q["unsubscribes_remove"], domain, *_whole(value), tag, now_us
        )
        return gone


def _unsubscribe(row: Any) -> Entry:
    return Entry(row["value"], row["created_at"], tags=tuple(sorted(row["tags"])))


class _Allowlist:
    """What may not be put on the bounce list."""

    async def page(
        self,
        conn: Connection,
        domain: int,
        *,
        term: str = "",
        pivot: str | None = None,
        backwards: bool = False,
        limit: int,
    ) -> list[Entry]:
        query = _q["allowlist_page_backwards" if backwards else "allowlist_page"]
        rows = await conn.fetch(query, domain, *_bounds(term, pivot, backwards), limit)
        return [Entry(**dict(row)) for row in (reversed(rows) if backwards else rows)]

    async def get(self, conn: Connection, domain: int, value: str) -> Entry | None:
        row = await conn.fetchrow(_q["allowlist_get"], domain, value)
        return None if row is None else Entry(**dict(row))

    async def put(
        self, conn: Connection, domain: int, entries: Iterable[Entry], *, now_us: int
    ) -> int:
        added = 0
        async with conn.transaction():
            for part, times in _in_order(entries, now_us):
                added += len(part)
                await conn.execute(
                    _q["allowlist_put"],
                    domain,
                    [one.value for one in part],
                    [one.type for one in part],
                    [one.reason for one in part],
                    times,
                )
        return added

    async def remove(
        self,
        conn: Connection,
        domain: int,
        value: str | None,
        *,
        tag: str | None = None,
        now_us: int,
    ) -> int:
        gone: int = await conn.fetchval(_q["allowlist_remove"], domain, *_whole(value))
        return gone


TABLES: Final[Mapping[Kind, Table]] = MappingProxyType(
    {
        Kind.BOUNCES: _Suppressions("bounce"),
        Kind.UNSUBSCRIBES: _Unsubscribes(),
        Kind.COMPLAINTS: _Suppressions("complaint"),
        Kind.WHITELISTS: _Allowlist(),
    }
)
