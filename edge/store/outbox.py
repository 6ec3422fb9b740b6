"""The sandbox's outbox: finished messages that are kept to be looked at instead of being sent."""

from collections.abc import Sequence

import msgspec

from edge.model.errors import NotFound
from edge.store.pool import Connection
from edge.store.sql import queries

_q = queries("outbox")


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """One finished copy, byte for byte as it would have gone out; ``at`` in µs."""

    delivery: int
    domain: int
    recipient: str
    at: int
    sender: str
    message: bytes


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the outbox; ``head`` is the beginning of the message."""

    delivery: int
    recipient: str
    at: int
    sender: str
    size: int
    head: bytes


async def add(conn: Connection, rows: Sequence[Finished]) -> None:
    """Keep finished messages, in the caller's transaction."""
    columns = zip(*(msgspec.structs.astuple(row) for row in rows), strict=True)
    await conn.execute(_q["add"], *(list(column) for column in columns))


async def list_lines(
    conn: Connection, domain: int, *, limit: int = 100, before: tuple[int, int] | None = None
) -> list[Line]:
    """The newest first; ``before`` is (at, delivery) of the last line of the page before."""
    at, delivery = before or (None, None)
    rows = await conn.fetch(_q["list"], domain, at, delivery, limit)
    return [Line(**dict(row)) for row in rows]


async def line(conn: Connection, domain: int, delivery: int) -> Line:
    """One line of the outbox; raises NotFound."""
    row = await conn.fetchrow(_q["line"], domain, delivery)
    if row is None:
        raise NotFound("Message not found")
    return Line(**dict(row))


async def get(conn: Connection, domain: int, delivery: int) -> bytes:
    """One finished message; raises NotFound."""
    found: bytes | None = await conn.fetchval(_q["get"], domain, delivery)
    if found is None:
        raise NotFound("Message not found")
    return found
