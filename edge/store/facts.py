"""Message facts: what a message is known by, joined to its events when they are stored."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from edge.model.capture import Facts
from edge.store.pool import Connection
from edge.store.sql import array_text, queries

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
    by_recipient: dict[str, dict[str, str]]
    about: dict[str, Any]


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
                fact.by_recipient,
                fact.about,
            )
    await conn.execute(_q["add"], msgspec.json.encode(list(latest.values())).decode())


async def find_tags(conn: Connection, messages: Sequence[tuple[int, str]]) -> list[bytes | None]:
    """Tags of each message in Postgres' binary form of ``text[]``; None where there are no facts.

    ``messages``: domain and message id, in order, which is the order of the index.
    """
    found: list[bytes | None] = [None] * len(messages)
    domains = array_text(message[0] for message in messages)
    for row in await conn.fetch(_q["find"], domains, [message[1] for message in messages]):
        found[row[0] - 1] = row[1]
    return found
