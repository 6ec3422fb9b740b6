"""Mailing lists: addresses of our domains that stand for their members.

A list lives with its domain: while that is removed the list is not there, and added again it is.
Addresses are kept and compared in lower case (:mod:`edge.model.addresses`). ``only`` is the number
of the one domain that may be seen, None for all.
"""

from collections.abc import Sequence
from typing import Any, Final

import asyncpg
import msgspec

from edge.model.addresses import address_of
from edge.model.errors import CallerError, NotFound
from edge.store.pool import Connection
from edge.store.sql import queries

ACCESS_LEVELS: Final = ("readonly", "members", "everyone")
REPLY_PREFERENCES: Final = ("list", "sender")

_q = queries("lists")


class MailingList(msgspec.Struct, frozen=True, kw_only=True):
    """One list; ``domain`` is its domain's number, ``created_at`` in µs since the epoch."""

    address: str
    domain: int
    name: str = ""
    description: str = ""
    access_level: str = "readonly"
    reply_preference: str = "list"
    created_at: int
    members_count: int = 0


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a list; None is not said."""

    address: str | None = None
    name: str | None = None
    description: str | None = None
    access_level: str | None = None
    reply_preference: str | None = None


class Expansion(msgspec.Struct, frozen=True):
    """A list that a message is for; ``members`` are the subscribed: address, name, variables."""

    address: str
    name: str
    reply_preference: str
    members: list[tuple[str, str, dict[str, Any]]]


def _not_found(address: str) -> NotFound:
    return NotFound(f"Mailing list '{address}' not found")


def _spelled(address: str) -> str:
    """The stored spelling; NotFound for what is no address at all."""
    try:
        return address_of(address)
    except CallerError:
        raise _not_found(address) from None


async def _domain(conn: Connection, address: str, only: int | None) -> int:
    """The number of an address's domain; CallerError unless it is one that may be used."""
    host = address.rpartition("@")[2]
    number: int | None = await conn.fetchval(_q["domain"], host, only)
    if number is None:
        raise CallerError(
            f"A mailing list needs an address at one of your sending domains; {host} is none"
        )
    return number


def _duplicate(address: str) -> CallerError:
    return CallerError(f"Duplicate object: mailing list '{address}' exists already")


async def add(
    conn: Connection, address: str, said: Changes, *, only: int | None, now_us: int
) -> MailingList:
    """Add a list; raises CallerError for an address of no domain of ours, or one that is taken."""
    fields = {name: value for name, value in msgspec.structs.asdict(said).items() if value}
    fields["address"] = address_of(address)
    domain = await _domain(conn, fields["address"], only)
    made = MailingList(**fields, domain=domain, created_at=now_us)
    if await conn.fetchval(_q["add"], *msgspec.structs.astuple(made)[:-1]) is None:
        raise _duplicate(made.address)
    return made


async def get(conn: Connection, address: str, *, only: int | None) -> MailingList:
    """One list with its number of members; raises NotFound."""
    row = await conn.fetchrow(_q["get"], _spelled(address), only)
    if row is None:
        raise _not_found(address)
    return MailingList(**dict(row))


async def find(
    conn: Connection, address: str, *, only: int | None, for_change: bool = False
) -> str:
    """A list's address as stored; raises NotFound.

    ``for_change``: for whoever adds, changes or removes members; others who do wait until the end
    of the caller's transaction.
    """
    query = _q["lock" if for_change else "find"]
    found: str | None = await conn.fetchval(query, _spelled(address), only)
    if found is None:
        raise _not_found(address)
    return found


async def list_lists(
    conn: Connection, *, only: int | None, address: str | None = None, limit: int, skip: int = 0
) -> tuple[int, list[MailingList]]:
    """How many lists there are, and some of them by address; or the one with that address."""
    total: int = await conn.fetchval(_q["count"], only, address)
    rows = await conn.fetch(_q["list"], only, address, None, limit, skip)
    return total, [MailingList(**dict(row)) for row in rows]


async def page(
    conn: Connection, *, only: int | None, pivot: str | None, backwards: bool, limit: int
) -> list[MailingList]:
    """Lists by address: those after ``pivot``, or the last ones before it; None is either end."""
    if backwards:
        rows = await conn.fetch(_q["list_backwards"], only, pivot, limit)
    else:
        rows = await conn.fetch(_q["list"], only, None, pivot, limit, 0)
    return [MailingList(**dict(row)) for row in rows]


async def change(conn: Connection, address: str, said: Changes, *, only: int | None) -> MailingList:
    """Change what is said of a list, in a transaction of its own; its members follow its address.

    Raises NotFound, and CallerError for an address of no domain of ours, or one that is taken.
    """
    async with conn.transaction():
        old = await find(conn, address, only=only, for_change=True)
        new = old if said.address is None else address_of(said.address)
        domain = await _domain(conn, new, only)
        try:
            await conn.execute(
                _q["change"],
                old,
                new,
                domain,
                said.name,
                said.description,
                said.access_level,
                said.reply_preference,
            )
        except asyncpg.UniqueViolationError:
            raise _duplicate(new) from None
        return await get(conn, new, only=only)


async def remove(conn: Connection, address: str, *, only: int | None) -> str:
    """Remove a list and its members; its address. Raises NotFound."""
    async with conn.transaction():
        found = await find(conn, address, only=only, for_change=True)
        await conn.execute(_q["remove"], found)
    return found


async def expand(
    conn: Connection, wanted: Sequence[tuple[int, str]]
) -> dict[tuple[int, str], Expansion]:
    """Which of these are lists, and whom each stands for.

    A wanted pair is a domain's number and an address in lower case; what is no list is not in the
    answer. One statement when none is, else two, whatever their number.
    """
    if not wanted:
        return {}
    domains, addresses = zip(*wanted, strict=True)
    rows = await conn.fetch(_q["wanted"], domains, addresses)
    if not rows:
        return {}
    found = {
        (row["domain"], row["address"]): Expansion(
            row["address"], row["name"], row["reply_preference"], []
        )
        for row in rows
    }
    by_address = {one.address: one.members for one in found.values()}
    for list_, address, name, text in await conn.fetch(_q["subscribed"], list(by_address)):
        by_address[list_].append((address, name, variables(text)))
    return found


def variables(text: str) -> dict[str, Any]:
    """A member's variables as Postgres gives them."""
    if text == "{}":
        return {}
    found: dict[str, Any] = msgspec.json.decode(text)
    return found
