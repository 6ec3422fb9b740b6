"""The log of webhook deliveries as people look at it: by page, by event, and one once more."""

from collections.abc import Collection
from enum import StrEnum
from typing import Final

import msgspec

from edge.model.webhook import Address
from edge.store.pool import Connection
from edge.store.sql import queries
from edge.store.webhook_queue import Line

LOOKED_THROUGH: Final = 300_000
"""Of the newest deliveries of the installation, among which a page looks for its own."""

MOST_COUNTED: Final = 10_000
OF_EVENT: Final = 50

_q = queries("webhook_log")


class Result(StrEnum):
    """What may be asked for: how a delivery ended, or stands."""

    UNTAKEN = "untaken"
    TAKEN = "taken"
    DEFERRED = "deferred"
    WAITING = "waiting"
    REJECTED = "rejected"
    FAILED = "failed"
    EXPIRED = "expired"
    REMOVED = "removed"
    GONE = "gone"


class Standing(msgspec.Struct, frozen=True):
    """What waits for an endpoint, counted up to a bound, the first due time; down since (µs)."""

    waiting: int = 0
    due: int | None = None
    broken_at: int | None = None


class Trouble(msgspec.Struct, frozen=True):
    """Why an endpoint is down, by its last failure."""

    tried_at: int
    status: int | None
    error: str
    answer: str


async def page(
    conn: Connection,
    endpoints: Collection[int],
    *,
    domain: int | None = None,
    kind: str | None = None,
    result: Result | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[Line]:
    """The newest deliveries first, below the id ``before``."""
    rows = await conn.fetch(
        _q["page"],
        list(endpoints),
        domain,
        kind,
        result.value if result else "",
        LOOKED_THROUGH,
        before,
        limit,
    )
    return [Line(**dict(row)) for row in rows]


async def of_event(conn: Connection, event: bytes, domain: int) -> list[Line]:
    """What became of the webhooks of one event, oldest first."""
    return [Line(**dict(row)) for row in await conn.fetch(_q["of_event"], event, domain, OF_EVENT)]


async def one(conn: Connection, delivery: int) -> Line | None:
    """One delivery."""
    row = await conn.fetchrow(_q["one"], delivery)
    return Line(**dict(row)) if row else None


async def addresses(conn: Connection, endpoints: Collection[int]) -> dict[int, Address]:
    """The URLs of endpoints, also of those that no webhook names any more."""
    rows = await conn.fetch(_q["urls"], list(endpoints))
    return {row["id"]: Address(row["url"], row["userinfo"]) for row in rows}


async def standing(conn: Connection, endpoints: Collection[int]) -> dict[int, Standing]:
    """How endpoints fare."""
    rows = await conn.fetch(_q["waiting"], list(endpoints), MOST_COUNTED + 1)
    return {row["id"]: Standing(row["count"], row["due"], row["broken_at"]) for row in rows}


async def trouble(conn: Connection, endpoint: int) -> Trouble | None:
    """The last failure of an endpoint among what waits for it."""
    row = await conn.fetchrow(_q["trouble"], endpoint)
    return Trouble(**dict(row)) if row else None


async def again(conn: Connection, delivery: int, *, now_us: int) -> bool:
    """Queue one delivery anew, with the token it had; False where it waits or is not wanted."""
    return str(await conn.execute(_q["again"], delivery, now_us)).endswith(" 1")
