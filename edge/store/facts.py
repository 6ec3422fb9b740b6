"""Message facts: what a message is known by, joined to its events when they are stored."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from edge.model.capture import Facts
from edge.store.pool import Connection
from edge.store.sql import queries

MAX_TAGS: Final = 3
MAX_TAG: Final = 128
_TAG = re.compile(r"[\x20-\x7e]{1,128}")
_q = queries("facts")


class _Row(msgspec.Struct):
    at: int
    domain: int
    message_id: str
    tags: list[str]
    user_variables: dict[str, str]
    headers: dict[str, str]
    mailing_list: str


def clean_tags(tags: Iterable[str]) -> list[str]:
    """Tags in the one spelling that is stored and counted.

    Mailgun's limits: not case-sensitive, ASCII, at most 128 characters, at most 3 a message; what
    is beyond them is left out.
    """
    kept: list[str] = []
    for tag in tags:
        name = tag.strip().lower()
        if _TAG.fullmatch(name) and name not in kept and len(kept) < MAX_TAGS:
            kept.append(name)
    return kept


async def add(conn: Connection, facts: Sequence[Facts]) -> None:
    """Store facts; of several for one message the latest by ``at`` stays."""
    latest: dict[tuple[int, str], _Row] = {}
    for fact in facts:
        key = (fact.domain, fact.message_id)
        if key not in latest or latest[key].at <= fact.at:
            latest[key] = _Row(
                fact.at,
                fact.domain,
                fact.message_id,
                clean_tags(fact.tags),
                fact.user_variables,
                fact.headers,
                fact.mailing_list.lower(),
            )
    await conn.execute(_q["add"], msgspec.json.encode(list(latest.values())).decode())


async def find_tags(
    conn: Connection, messages: Iterable[tuple[int, str]]
) -> dict[tuple[int, str], bytes]:
    """Tags of the messages that have facts, in Postgres' binary form of ``text[]``."""
    wanted = sorted(messages)
    rows = await conn.fetch(_q["find"], [m[0] for m in wanted], [m[1] for m in wanted])
    return {(row[0], row[1]): row[2] for row in rows}
