"""What came back: which delivery it is about, each thing once, and what nobody could read."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from edge.store.pool import Connection
from edge.store.sql import queries

MOST_UNPARSED: Final = 20_000
"""Unread mails that are kept; what comes beyond them is refused, and stays with its sender."""

KEPT_OCTETS: Final = 128 * 1024
"""Octets of an unread mail that are kept."""

_q = queries("returns")


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery that a report can be about. ``delivery`` is 0 where its row has gone."""

    domain: int
    domain_name: str
    recipient: str
    message_id: str
    accepted_at: int
    delivery: int = 0
    sender: str = ""
    key: str = ""
    options: str = "{}"


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that came back; ``at`` in µs, ``counts`` towards a run of failures."""

    key: bytes
    domain: int
    recipient: str
    kind: str
    reason: str
    counts: bool
    at: int
    event_id: bytes


class Unparsed(msgspec.Struct, frozen=True, kw_only=True):
    """A mail that led to nothing, and why; times in µs, ``source`` perhaps cut off."""

    way: str
    why: str
    kind: str
    sender: str
    subject: str
    envelope: str
    octets: int
    source: bytes = b""
    digest: bytes = b""
    domain: int | None = None
    number: int = 0
    first_at: int = 0
    last_at: int = 0
    seen: int = 1


async def by_deliveries(conn: Connection, ids: Sequence[int], domain: int | None) -> list[Sent]:
    """Deliveries that were tried, of these ids; ``domain`` None is any."""
    return [Sent(**dict(row)) for row in await conn.fetch(_q["by_delivery"], list(ids), domain)]


async def by_message(
    conn: Connection, message_id: str, recipient: str, domain: int | None
) -> Sent | None:
    """The delivery of this message to this recipient (in any case), if there was one."""
    row = await conn.fetchrow(_q["by_message"], message_id, recipient.lower(), domain)
    return None if row is None else Sent(**dict(row))


async def only_of_message(conn: Connection, message_id: str, domain: int | None) -> Sent | None:
    """The delivery of a message that went to one recipient only."""
    rows = await conn.fetch(_q["only_of_message"], message_id, domain)
    return Sent(**dict(rows[0])) if len(rows) == 1 else None


async def by_recipient(
    conn: Connection, recipient: str, *, since: int, until: int, domain: int | None
) -> list[Sent]:
    """What each domain last delivered to a recipient in this time (µs)."""
    found: dict[tuple[int, str], Any] = {}
    for spelling in dict.fromkeys((recipient, recipient.lower())):
        for row in await conn.fetch(_q["by_recipient"], spelling, since, until, domain):
            found[row["domain"], row["message_id"]] = row
    return [
        Sent(
            domain=row["domain"],
            domain_name=row["domain_name"],
            recipient=row["recipient"],
            message_id=row["message_id"],
            accepted_at=row["at"],
        )
        for row in found.values()
    ]


async def claim(conn: Connection, claimed: Claim) -> bool:
    """Whether this came back for the first time; the row is locked until the transaction ends."""
    seen: int = await conn.fetchval(
        _q["claim"],
        claimed.key,
        claimed.domain,
        claimed.recipient.lower(),
        claimed.kind,
        claimed.reason,
        claimed.counts,
        claimed.at,
        claimed.event_id,
    )
    return seen == 1


async def run(conn: Connection, domain: int, recipient: str, since: int) -> tuple[int, int]:
    """Failures that count against an address since then (µs), and on how many days they were."""
    row = await conn.fetchrow(_q["run"], domain, recipient.lower(), since)
    return (0, 0) if row is None else (row["failures"], row["days"])


async def keep(conn: Connection, mail: Unparsed) -> int | None:
    """Keep an unread mail, the same one once; its number, or None where there is no more room."""
    number: int | None = await conn.fetchval(
        _q["keep"],
        mail.digest,
        mail.last_at,
        mail.domain,
        mail.way,
        mail.why,
        mail.kind,
        mail.sender,
        mail.subject,
        mail.envelope,
        mail.octets,
        mail.source[:KEPT_OCTETS],
        MOST_UNPARSED,
    )
    return number


async def unparsed(
    conn: Connection, *, after: int = 0, domain: int | None = None, limit: int = 1_000
) -> list[Unparsed]:
    """Unread mails by number, without their sources."""
    rows = await conn.fetch(_q["unparsed"], after, domain, limit)
    return [Unparsed(**dict(row)) for row in rows]


async def unparsed_one(conn: Connection, number: int) -> Unparsed | None:
    """One unread mail with its source."""
    row = await conn.fetchrow(_q["unparsed_one"], number)
    return None if row is None else Unparsed(**dict(row))


async def forget(conn: Connection, number: int) -> bool:
    """Remove an unread mail, as its reader asks; whether it was there."""
    return (await conn.execute(_q["forget"], number)).endswith(" 1")
