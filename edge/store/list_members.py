"""Members of mailing lists.

``changed_at`` of a member is when it was last said whether it is subscribed: by an API call or by
the recipient's own unsubscribe, whichever is later (:mod:`edge.store.unsubscribes`). A call that
does not say ``subscribed`` leaves both alone, so that uploading a whole customer base again never
resubscribes those who left.

``address`` of a list here is as :func:`edge.store.lists.find` gives it. Who changes members does so
in a transaction in which ``find`` was called ``for_change``.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from edge.model.addresses import address_of
from edge.model.errors import CallerError, NotFound
from edge.store.lists import variables
from edge.store.pool import Connection
from edge.store.sql import queries

_q = queries("list_members")


class Member(msgspec.Struct, frozen=True):
    """One member of a list."""

    address: str
    name: str
    vars: dict[str, Any]
    subscribed: bool


class Entry(msgspec.Struct, frozen=True):
    """What is said of one address, in its stored spelling; None is not said."""

    address: str
    name: str | None = None
    vars: dict[str, Any] | None = None
    subscribed: bool | None = None


def _member(row: Any) -> Member:
    return Member(row["address"], row["name"], variables(row["vars"]), row["subscribed"])


def _not_found(list_: str, address: str) -> NotFound:
    return NotFound(f"Member {address} of mailing list {list_} not found")


def _spelled(list_: str, address: str) -> str:
    try:
        return address_of(address)
    except CallerError:
        raise _not_found(list_, address) from None


def merged(entries: Iterable[Entry], *, upsert: bool) -> dict[str, Entry]:
    """One entry for each address, as if each had been put after the other."""
    found: dict[str, Entry] = {}
    for entry in entries:
        have = found.get(entry.address)
        if have is None:
            found[entry.address] = entry
        elif upsert:
            said = {k: v for k, v in msgspec.structs.asdict(entry).items() if v is not None}
            found[entry.address] = msgspec.structs.replace(have, **said)
    return found


async def put(
    conn: Connection, list_: str, entries: Iterable[Entry], *, upsert: bool, now_us: int
) -> int:
    """Add members in one statement; how many are new.

    Those who are there are changed in what is said of them with ``upsert``, else left alone.
    """
    given = merged(entries, upsert=upsert).values()
    made: int = await conn.fetchval(
        _q["put"],
        list_,
        [one.address for one in given],
        [one.name for one in given],
        [None if one.vars is None else msgspec.json.encode(one.vars).decode() for one in given],
        [one.subscribed for one in given],
        now_us,
        upsert,
    )
    return made


async def get(conn: Connection, list_: str, address: str) -> Member:
    """One member; raises NotFound."""
    row = await conn.fetchrow(_q["get"], list_, _spelled(list_, address))
    if row is None:
        raise _not_found(list_, address)
    return _member(row)


async def add(conn: Connection, list_: str, entry: Entry, *, upsert: bool, now_us: int) -> Member:
    """Add one member; raises CallerError if it is there, unless ``upsert`` is to change it."""
    if not await put(conn, list_, [entry], upsert=upsert, now_us=now_us) and not upsert:
        raise CallerError(f"Address already exists '{entry.address}'")
    return await get(conn, list_, entry.address)


async def list_members(
    conn: Connection,
    list_: str,
    *,
    subscribed: bool | None,
    address: str | None = None,
    limit: int,
    skip: int = 0,
) -> tuple[int, list[Member]]:
    """How many members there are, and some of them by address; or the one with that address."""
    total: int = await conn.fetchval(_q["count"], list_, subscribed, address)
    rows = await conn.fetch(_q["list"], list_, subscribed, address, None, limit, skip)
    return total, [_member(row) for row in rows]


async def page(
    conn: Connection,
    list_: str,
    *,
    subscribed: bool | None,
    pivot: str | None,
    backwards: bool,
    limit: int,
) -> list[Member]:
    """Members by address: those after ``pivot``, or the last before it; None is either end."""
    if backwards:
        rows = await conn.fetch(_q["list_backwards"], list_, subscribed, pivot, limit)
        rows.reverse()
    else:
        rows = await conn.fetch(_q["list"], list_, subscribed, None, pivot, limit, 0)
    return [_member(row) for row in rows]


async def change(conn: Connection, list_: str, address: str, said: Entry, *, now_us: int) -> Member:
    """Change what is said of a member, its address too unless that is empty; raises NotFound.

    CallerError if the new address is another member's.
    """
    old = (await get(conn, list_, address)).address
    new = said.address or old
    if new != old and await conn.fetchrow(_q["get"], list_, new) is not None:
        raise CallerError(f"Address already exists '{new}'")
    told = None if said.vars is None else msgspec.json.encode(said.vars).decode()
    row = await conn.fetchrow(
        _q["change"], list_, old, new, said.name, told, said.subscribed, now_us
    )
    return _member(row)


async def remove(conn: Connection, list_: str, address: str) -> str:
    """Remove a member; its address. Raises NotFound."""
    gone: str | None = await conn.fetchval(_q["remove"], list_, _spelled(list_, address))
    if gone is None:
        raise _not_found(list_, address)
    return gone
