"""The control panel's audit log: who changed what, when and from where. Lines are only added."""

from typing import Final

import msgspec

from edge.store.pool import Connection
from edge.store.sql import queries

LONGEST: Final = 500
"""Characters of a subject."""

KEPT_DAYS: Final = 400
COMMAND_LINE: Final = "(command line)"

_q = queries("panel_audit")


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line; ``at`` in µs. ``panel_user`` is a name, or :data:`COMMAND_LINE`."""

    id: int
    at: int
    panel_user: str
    address: str
    action: str
    subject: str
    outcome: str


async def add(
    conn: Connection,
    *,
    at: int,
    user: str,
    action: str,
    subject: str = "",
    address: str = "",
    outcome: str = "done",
) -> None:
    """One more line; what came from outside is cut and made printable."""
    texts = [_printable(text) for text in (user, address, action, subject, outcome)]
    await conn.execute(_q["add"], at, *texts)


def _printable(text: str) -> str:
    cut = text[:LONGEST]
    return "".join(one if one.isprintable() else "\ufffd" for one in cut)


async def page(conn: Connection, *, before: int | None = None, limit: int = 50) -> list[Line]:
    """The newest first; ``before`` is the id of the last line of the page before."""
    return [Line(**dict(row)) for row in await conn.fetch(_q["page"], before, limit)]
