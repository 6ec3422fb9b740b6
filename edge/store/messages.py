"""Messages as they were handed in: kept for sending, for resending and for looking at.

``source`` is the message before anything was put into it; it goes after its days (a setting),
while the row stays as long as the message facts do.
"""

import secrets
from collections.abc import Sequence
from typing import Any

import msgspec

from edge.model.errors import NotFound
from edge.store.pool import Connection
from edge.store.sql import queries

BLOCK = 1024
"""How many numbers the sequence gives at once; its increment."""

SMALL = 256 * 1024
"""Octets of a message that is fetched together with others."""

_q = queries("messages")


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """One message. ``options`` is JSON; ``source`` None where it has gone or was not fetched."""

    number: int
    domain: int
    key: str
    message_id: str
    accepted_at: int
    sender: str
    source: bytes | None
    options: str
    size: int = 0


class Numbers:
    """Numbers for messages and deliveries, unique in the installation; one per process."""

    def __init__(self) -> None:
        self._left: list[int] = []

    async def take(self, conn: Connection, count: int) -> list[int]:
        """This many, ascending within a block."""
        while len(self._left) < count:
            first: int = await conn.fetchval(_q["block"])
            self._left += range(first, first + BLOCK)
        taken, self._left = self._left[:count], self._left[count:]
        return taken


def new_key() -> str:
    """A key of a stored message: 24 characters that nobody guesses."""
    return secrets.token_urlsafe(18)


async def add(conn: Connection, messages: Sequence[Stored]) -> None:
    """Store messages in the caller's transaction."""
    await conn.execute(
        _q["add"],
        [m.number for m in messages],
        [m.domain for m in messages],
        [m.key for m in messages],
        [m.message_id for m in messages],
        [m.accepted_at for m in messages],
        [m.sender for m in messages],
        [m.source for m in messages],
        [m.options for m in messages],
    )


async def get(conn: Connection, domain: int, key: str) -> Stored:
    """The message of this key with its source; raises NotFound also where the source has gone."""
    row = await conn.fetchrow(_q["get"], key, domain)
    if row is None or row["source"] is None:
        raise NotFound("Message not found")
    return Stored(**dict(row), size=len(row["source"]))


async def recipients(conn: Connection, stored: Stored, limit: int = 1000) -> list[str]:
    """For whom a message was accepted: those it goes to, then the suppressed, and test mode's.

    The latter while its events are kept.
    """
    rows = await conn.fetch(_q["recipients"], stored.number, limit)
    rows += await conn.fetch(_q["accepted"], stored.domain, stored.message_id, limit)
    return list(dict.fromkeys(row["recipient"] for row in rows))[:limit]


async def load(conn: Connection, numbers: Sequence[int]) -> dict[int, Stored]:
    """Messages by number; those above :data:`SMALL` without their source."""
    rows: list[Any] = await conn.fetch(_q["load"], list(numbers), SMALL)
    return {row["number"]: Stored(**dict(row)) for row in rows}


async def source(conn: Connection, number: int) -> bytes | None:
    """The source of one message; None where it has gone."""
    found: bytes | None = await conn.fetchval(_q["source"], number)
    return found
