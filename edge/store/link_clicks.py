"""Clicks of one message by the position of its links, and where the message itself is stored."""

from typing import Final

import msgspec

from edge.store.filters import bare_message_id
from edge.store.mail_lines import LOOKED_AT
from edge.store.pool import Connection, in_time
from edge.store.sql import queries

_q = queries("link_clicks")

MOST: Final = 500
"""Positions of an answer: those with the most clicks."""


class LinkClicks(msgspec.Struct, frozen=True, kw_only=True):
    """Clicks at one position (from 0; None where the event has none).

    ``url`` is one of ``urls`` different ones that led there; ``total`` counts all clicks, as
    ``clicked_count`` does, ``people`` those that no bot made, ``recipients`` how many made these.
    """

    position: int | None
    url: str
    urls: int
    total: int
    people: int
    recipients: int


async def of_message(conn: Connection, domain: int, message_id: str) -> list[LinkClicks]:
    """The positions with clicks, the most clicked first."""
    with in_time():
        rows = await conn.fetch(_q["of_message"], domain, bare_message_id(message_id), MOST)
    return [LinkClicks(**dict(row)) for row in rows]


async def stored(conn: Connection, domain: int, message_id: str) -> str | None:
    """The key of the stored message, of the last ones of the installation; None where it is gone.

    See :data:`edge.store.mail_lines.LOOKED_AT`.
    """
    bare = bare_message_id(message_id)
    key: str | None = await conn.fetchval(_q["stored"], domain, [bare, f"<{bare}>"], LOOKED_AT)
    return key
