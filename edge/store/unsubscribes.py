"""Unsubscribes: what blocks sending to an address, for a domain, some tags or a list.

Last writer wins by the event's time, with tombstones, so that replay and reordering between edges
are harmless. Addresses are kept in lower case: no mail system of today tells ``Ann@`` from
``ann@``, and a suppression that is missed because of a capital letter is a broken promise.

One from a list flags the list's member and blocks nothing else. What the API says of a member later
(:mod:`edge.store.list_members`) wins over it, and the other way round.
"""

from collections.abc import Sequence
from typing import Any, Final

from edge.model.event import UnsubscribeChange
from edge.model.tokens import Level
from edge.store.pool import Connection
from edge.store.sql import queries

EVERYTHING: Final = "*"
"""The name of a suppression for the whole domain."""
_q = queries("unsubscribes")


async def apply(conn: Connection, changes: Sequence[UnsubscribeChange]) -> None:
    """Apply changes in the caller's transaction."""
    latest: dict[tuple[int, str, int, str], UnsubscribeChange] = {}
    for change in changes:
        names = (EVERYTHING,) if change.level is Level.DOMAIN else change.names
        for name in names:
            key = (change.domain, change.recipient.lower(), int(change.level), name.lower())
            have = latest.get(key)
            if have is None or (have.at, have.event_id) < (change.at, change.event_id):
                latest[key] = change
    keys = sorted(latest)
    ordered = [latest[key] for key in keys]
    columns: list[list[Any]] = [list(column) for column in zip(*keys, strict=True)]
    if keys:
        await conn.execute(
            _q["apply"],
            *columns,
            [c.at for c in ordered],
            [c.active for c in ordered],
            [c.event_id for c in ordered],
            [c.message_id for c in ordered],
        )
    of_lists = [key for key in keys if key[2] == Level.LIST]
    if of_lists:
        domains, addresses, _, lists = zip(*of_lists, strict=True)
        await conn.execute(_q["flag_members"], domains, addresses, lists)
