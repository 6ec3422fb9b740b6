"""The last examination of each domain's DNS, so that nobody has to look it up to show it."""

import json
from typing import Any, Final

import msgspec

from edge.store.pool import Connection
from edge.store.sql import queries

FRESH_US: Final = 86_400_000_000
"""How long (µs) an examination is believed: a day; after it the records are unknown again."""

_q = queries("domain_checks")


class RecordCheck(msgspec.Struct, frozen=True):
    """One record that was asked for: ``valid``, ``invalid`` or ``unknown``, and what was there."""

    type: str
    name: str
    value: str
    valid: str
    cached: list[str]


class DomainCheck(msgspec.Struct, frozen=True):
    """An examination; ``checked_at`` in µs since the epoch, ``findings`` as JSON has them."""

    checked_at: int
    states: list[RecordCheck]
    findings: list[dict[str, Any]]


async def put(conn: Connection, domain: int, check: DomainCheck) -> None:
    """Keep an examination, unless a newer one is there. NUL characters, which no jsonb takes,
    must have been replaced.
    """
    states = json.dumps(msgspec.to_builtins(check.states))
    await conn.execute(_q["put"], domain, check.checked_at, states, json.dumps(check.findings))


async def recent(conn: Connection, domain: int, now_us: int) -> DomainCheck | None:
    """The last examination if it is not older than :data:`FRESH_US`."""
    row = await conn.fetchrow(_q["get"], domain, now_us - FRESH_US)
    if row is None:
        return None
    states = msgspec.json.decode(row["states"], type=list[RecordCheck])
    return DomainCheck(row["checked_at"], states, json.loads(row["findings"]))
