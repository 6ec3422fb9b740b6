"""Finding stored events: pages by time, and pages in commit order for whoever polls.

Events become visible when their transaction commits, not in the order of their times. A poller
that remembers a time would miss the event that was filed under an earlier one but committed later.
It remembers (transaction, domain, id) instead, and is given only what lies below the oldest
transaction still running: whatever comes later sorts after it.
"""

from typing import Any

import asyncpg
import msgspec

from edge.model.errors import CallerError, NotFound
from edge.model.event import ClientInfo, Event, Geolocation, Verdict
from edge.model.mailgun_json import render
from edge.model.tokens import decode_base64url
from edge.store.filters import Conditions, Filter
from edge.store.pool import Connection
from edge.store.sql import queries

_q = queries("search")
_MINUTE_US = 60_000_000


class Found(msgspec.Struct, frozen=True):
    """One stored event with what was joined to it. Times in µs; ``xid`` is its transaction."""

    event: Event
    tags: list[str]
    user_variables: dict[str, str]
    mailing_list: str
    headers: dict[str, str]
    about: dict[str, Any]
    has_facts: bool
    is_unique: bool
    own_time: int | None
    received_at: int
    xid: int

    def render(self) -> dict[str, Any]:
        """In Mailgun's structure."""
        return render(
            self.event,
            tags=self.tags,
            user_variables=self.user_variables,
            mailing_list=self.mailing_list,
            headers=self.headers,
            about=self.about,
            has_facts=self.has_facts,
        )


class TimeCursor(msgspec.Struct, frozen=True, array_like=True):
    """The last event of a page by time."""

    at: int
    id: bytes


class CommitCursor(msgspec.Struct, frozen=True, array_like=True):
    """The last event of a page in commit order."""

    xid: int
    domain: int = 0
    id: bytes = b""


async def search(
    conn: Connection,
    wanted: Filter,
    *,
    limit: int = 100,
    ascending: bool = False,
    after: TimeCursor | None = None,
) -> list[Found]:
    """A page by (time, id): newest first, or oldest first when ``ascending``."""
    conditions = Conditions(wanted)
    if after is not None:
        sign = ">" if ascending else "<"
        conditions.add(f"(e.at, e.id) {sign} ({{}}, {{}})", after.at, after.id)
    order = "ASC" if ascending else "DESC"
    rows = await conn.fetch(
        f"{_q['select']} WHERE {conditions} ORDER BY e.at {order}, e.id {order} LIMIT {int(limit)}",
        *conditions.values,
    )
    return [found_in(row) for row in rows]


async def count(conn: Connection, wanted: Filter) -> int:
    """How many events there are; a repeated request's event counts once."""
    conditions = Conditions(wanted)
    statement = _q["count_joined" if conditions.needs_facts else "count"]
    number: int = await conn.fetchval(f"{statement} WHERE {conditions}", *conditions.values)
    return number


async def horizon(conn: Connection) -> CommitCursor:
    """Where a poller starts that wants only what is stored from now on."""
    return CommitCursor(await conn.fetchval(_q["horizon"]))


async def poll(
    conn: Connection, wanted: Filter, after: CommitCursor, *, limit: int = 100
) -> tuple[list[Found], CommitCursor]:
    """The next page in commit order and the cursor after it; nothing is missed or given twice."""
    conditions = Conditions(wanted)
    conditions.add(
        "(e.xid, e.domain, e.id) > ({}::bigint::text::xid8, {}::integer, {}::bytea)",
        *(after.xid, after.domain, after.id),
    )
    rows = await conn.fetch(
        f"{_q['select']} WHERE {conditions} AND e.xid < pg_snapshot_xmin(pg_current_snapshot()) "
        f"ORDER BY e.xid, e.domain, e.id LIMIT {int(limit)}",
        *conditions.values,
    )
    found = [found_in(row) for row in rows]
    if found:
        last = found[-1]
        after = CommitCursor(last.xid, last.event.domain, last.event.id)
    return found, after


async def show(conn: Connection, text: str) -> Found:
    """The event with this id; raises CallerError for what is no id, NotFound.

    Ids made by the edge begin with their time (seven bytes of µs), so one day is looked at first,
    and everything only if it is not there.
    """
    raw = decode_base64url(text.encode("ascii", "replace"))
    if raw is None or len(raw) != 16:
        raise CallerError(f"{text!r} is not an event id: 22 characters of base64url")
    made = int.from_bytes(raw[:7], "big")
    near = Filter(begin=made - _MINUTE_US, end=made + _MINUTE_US) if made < 2**52 else Filter()
    for wanted in (near, Filter()):
        conditions = Conditions(wanted)
        conditions.add("e.id = {}", raw)
        row = await conn.fetchrow(f"{_q['select']} WHERE {conditions} LIMIT 1", *conditions.values)
        if row is not None:
            return found_in(row)
    raise NotFound(f"there is no event {text}: never stored, or past its retention")


def found_in(row: asyncpg.Record) -> Found:
    """An event from a row of the query ``select``."""
    event = Event(
        id=row["id"],
        event=row["event"],
        at=row["at"],
        domain=row["domain"],
        recipient=row["recipient"],
        message_id=row["message_id"],
        method=row["method"],
        repeat=row["repeat"],
        url=row["url"],
        position=row["position"],
        ip=row["ip"],
        user_agent=row["user_agent"],
        client=ClientInfo(
            row["client_type"], row["client_os"], row["device_type"], row["client_name"]
        ),
        geolocation=Geolocation(row["country"], row["region"], row["city"]),
        network=row["network"],
        verdict=Verdict(row["bot"], tuple(row["evidence"]), row["rules"]),
        severity=row["severity"] or "",
        reason=row["reason"] or "",
        detail=(row["detail"] or "").encode(),
    )
    return Found(
        event=event,
        tags=row["tags"],
        user_variables=_object(row["user_variables"]),
        mailing_list=row["mailing_list"] or "",
        headers=_object(row["headers"]),
        about=_object(row["about"]),
        has_facts=row["has_facts"],
        is_unique=row["is_unique"],
        own_time=row["own_time"],
        received_at=row["received_at"],
        xid=row["xid"],
    )


def _object(text: str | None) -> dict[str, Any]:
    """A JSON object of the facts, empty where there are none."""
    return msgspec.json.decode(text) if text else {}
