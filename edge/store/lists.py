"""Mailing lists and their members."""

from collections.abc import Sequence
from typing import Any

import msgspec

from edge.store.pool import Connection
from edge.store.sql import queries

_q = queries("lists")


class Expansion(msgspec.Struct, frozen=True):
    """A list that a message goes to; ``members`` are the subscribed: address, name, vars."""

    address: str
    name: str
    reply_preference: str
    members: list[tuple[str, str, dict[str, Any]]]


async def expand(
    conn: Connection, wanted: Sequence[tuple[int, str]]
) -> dict[tuple[int, str], Expansion]:
    """Those of (domain number, lower-case address) that are lists of the domain."""
    if not wanted:
        return {}
    found: dict[tuple[int, str], Expansion] = {}
    rows = await conn.fetch(_q["expand"], [one[0] for one in wanted], [one[1] for one in wanted])
    for row in rows:
        key = (row["domain"], row["address"])
        if key not in found:
            found[key] = Expansion(row["address"], row["name"], row["reply_preference"], [])
        if row["member"] is not None:
            vars_ = msgspec.json.decode(row["vars"])
            found[key].members.append((row["member"], row["member_name"], vars_))
    return found
