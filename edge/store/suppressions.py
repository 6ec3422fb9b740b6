"""Bounces and complaints that block an address, and the question whether anything does.

Last writer wins by the event's time, with tombstones, as for unsubscribes. Addresses are kept and
asked for in lower case. What the allowlist names is never put on the bounce list, and a bounce
from before it was named does not count.
"""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from edge.model.event import SuppressionChange
from edge.store.pool import Connection
from edge.store.sql import queries

_q = queries("suppressions")


class Block(StrEnum):
    """Why an address is not written to."""

    BOUNCE = "bounce"
    UNSUBSCRIBE = "unsubscribe"
    COMPLAINT = "complaint"


class Wanted(msgspec.Struct, frozen=True):
    """One recipient of one message; ``tags`` in their stored spelling.

    ``mailing_list`` is the list whose member this is, where the message goes to a list.
    """

    domain: int
    address: str
    tags: tuple[str, ...] = ()
    mailing_list: str = ""


async def apply(conn: Connection, changes: Sequence[SuppressionChange]) -> None:
    """Apply changes in the caller's transaction."""
    latest: dict[tuple[int, str, str], SuppressionChange] = {}
    for change in changes:
        key = (change.domain, change.kind, change.recipient.lower())
        have = latest.get(key)
        if have is None or (have.at, have.event_id) < (change.at, change.event_id):
            latest[key] = change
    if not latest:
        return
    keys = sorted(latest)
    ordered = [latest[key] for key in keys]
    await conn.execute(
        _q["apply"],
        *(list(column) for column in zip(*keys, strict=True)),
        [c.at for c in ordered],
        [c.active for c in ordered],
        [c.code for c in ordered],
        [c.error for c in ordered],
        [c.event_id for c in ordered],
        [c.message_id for c in ordered],
    )


async def blocking(conn: Connection, wanted: Sequence[Wanted]) -> list[Block | None]:
    """What blocks each of these, in order; None where nothing does.

    Of several the first of: bounce, unsubscribe (from the domain, the list, a tag of the message),
    complaint; Mailgun's codes 605, 606 and 607 in that order.
    """
    found: list[Block | None] = [None] * len(wanted)
    order = list(Block)
    rows = await conn.fetch(
        _q["blocking"],
        [one.domain for one in wanted],
        [one.address.lower() for one in wanted],
        [one.mailing_list for one in wanted],
    )
    for row in rows:
        place, why = row["place"] - 1, row["why"]
        if why == "tag":
            if row["name"] not in wanted[place].tags:
                continue
            why = "unsubscribe"
        block, have = Block(why), found[place]
        if have is None or order.index(block) < order.index(have):
            found[place] = block
    return found
