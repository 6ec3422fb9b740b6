"""Messages as somebody looks through them: the newest, and a delivery with its message."""

from typing import Final

import msgspec

from edge.store.deliveries import Delivery
from edge.store.messages import Stored
from edge.store.pool import Connection
from edge.store.sql import queries

LOOKED_AT: Final = 5_000
"""Messages of all domains, the newest, among which those of one are looked for."""

_q = queries("mail_lines")


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One stored message; ``head`` is its beginning, ``accepted_at`` in µs."""

    key: str
    message_id: str
    accepted_at: int
    sender: str
    size: int
    head: bytes


async def recent(conn: Connection, domain: int, *, limit: int = 50) -> list[Line]:
    """The newest stored messages of a domain, of the last :data:`LOOKED_AT` of the installation."""
    rows = await conn.fetch(_q["recent"], domain, LOOKED_AT, limit)
    return [Line(**dict(row)) for row in rows]


async def delivery(conn: Connection, domain: int, number: int) -> tuple[Delivery, Stored] | None:
    """A delivery and its message, while both are kept and the source too."""
    row = await conn.fetchrow(_q["delivery"], number, domain)
    if row is None:
        return None
    message = await conn.fetchrow(_q["message"], row["message"])
    if message is None or message["source"] is None:
        return None
    return Delivery(**dict(row)), Stored(**dict(message), size=len(message["source"]))


async def first_delivery(conn: Connection, stored: Stored) -> Delivery | None:
    """The delivery of a message that was queued first."""
    row = await conn.fetchrow(_q["first_delivery"], stored.number)
    return None if row is None else Delivery(**dict(row))
