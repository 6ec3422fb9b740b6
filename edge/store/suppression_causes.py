"""What put an address on a suppression list: the event and its message, where there was one."""

from collections.abc import Sequence
from typing import Final

import msgspec

from edge.store.pool import Connection
from edge.store.sql import queries
from edge.store.suppressed import Kind

MOST_COUNTED: Final = 10_000
"""Entries of a list that are counted; more are "more than this many"."""

_KINDS: Final = {Kind.BOUNCES: "bounce", Kind.COMPLAINTS: "complaint"}
_q = queries("suppression_causes")


class Cause(msgspec.Struct, frozen=True):
    """``event_id`` has 16 bytes, or none where somebody said so by hand, in a file or by API."""

    event_id: bytes
    message_id: str


async def of(conn: Connection, domain: int, kind: Kind, values: Sequence[str]) -> dict[str, Cause]:
    """The cause of each of some entries; nothing causes an entry of the allowlist."""
    if kind is Kind.WHITELISTS or not values:
        return {}
    if kind is Kind.UNSUBSCRIBES:
        rows = await conn.fetch(_q["unsubscribes"], domain, list(values))
    else:
        rows = await conn.fetch(_q["suppressions"], domain, _KINDS[kind], list(values))
    return {row["address"]: Cause(row["event_id"], row["message_id"]) for row in rows}


async def counts(conn: Connection, domain: int) -> dict[Kind, int]:
    """How many entries each list has, up to :data:`MOST_COUNTED` and one."""
    row = await conn.fetchrow(_q["counts"], domain, MOST_COUNTED + 1)
    return {kind: row[kind.value] if row else 0 for kind in Kind}
