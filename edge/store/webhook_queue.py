"""The queue of webhook deliveries: rows written with their event, leased, settled, kept a while.

As the queue of sending (:mod:`edge.store.deliveries`): a delivery is queued while its ``due`` is
set, whoever takes it moves ``due`` behind the lease, and what became of it is written only while
the holder still is the holder. What is sent is read from the stored event when it is sent, by the
same statement and renderer as the Events API.
"""

import struct
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Final

import msgspec

from edge.model.event import Event
from edge.model.webhook import Endpoint, Outcome, type_of
from edge.store.event_rows import HEADER, TRAILER, text
from edge.store.filters import Conditions, Filter
from edge.store.pool import EPOCH_2000_US, Connection
from edge.store.search import Found, TimeCursor, found_in
from edge.store.sql import queries
from edge.store.webhooks import endpoint_in

COLUMNS: Final = (
    "endpoint",
    "domain",
    "retention",
    "type",
    "event_at",
    "event",
    "queued_at",
    "due",
)
REPLAYED_AT_ONCE: Final = 5_000
GIVEN_UP_AT_ONCE: Final = 20_000

_q = queries("webhook_queue")
EVENTS: Final = queries("search")["select"].replace("FROM events e\n", _q["events"] + "\n")
"""The statement of the Events API, for events of which the keys are known."""

_start = struct.Struct(">hiiiiih").pack
_end = struct.Struct(">iqi16siqiq").pack


class Filed(msgspec.Struct, frozen=True, gc=False):
    """An event and where its row is: under which account, retention and time (µs)."""

    event: Event
    account: int
    retention: int
    at: int


class Key(msgspec.Struct, frozen=True):
    """What finds an event's row; ``at`` in µs."""

    retention: int
    at: int
    domain: int
    event: bytes


class Leased(msgspec.Struct, frozen=True, kw_only=True):
    """A leased row. ``attempts`` counts those made; ``wanted``: a webhook still asks for it."""

    id: int
    endpoint: int
    key: Key
    type: str
    attempts: int
    replayed: bool
    wanted: bool


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a leased row: tried again at ``due`` (µs), or ended with ``outcome``.

    The rest tells of the last attempt, None and empty where there was none.
    """

    id: int
    attempts: int
    due: int | None = None
    outcome: Outcome | None = None
    tried_at: int | None = None
    status: int | None = None
    duration_ms: int | None = None
    answer: str = ""
    error: str = ""


class Targets:
    """Whom the events of one batch are told to; an endpoint named twice is called once."""

    def __init__(self, rows: Sequence[tuple[int, int | None, int, Sequence[str]]]) -> None:
        self._of_domain: dict[int, dict[str, set[int]]] = {}
        self._of_account: dict[int, dict[str, set[int]]] = {}
        for account, domain, endpoint, types in rows:
            found = (
                self._of_account.setdefault(account, {})
                if domain is None
                else self._of_domain.setdefault(domain, {})
            )
            for name in types:
                found.setdefault(name, set()).add(endpoint)

    def of(self, domain: int, account: int, kind: str) -> list[int]:
        """The endpoints for an event of this type."""
        own = self._of_domain.get(domain, {}).get(kind, set())
        return sorted(own | self._of_account.get(account, {}).get(kind, set()))


async def targets(conn: Connection, domains: Collection[int]) -> Targets | None:
    """Whom events of these domains are told to; None for nobody."""
    rows = await conn.fetch(_q["called"], list(domains))
    return Targets([tuple(row) for row in rows]) if rows else None


async def add(conn: Connection, found: Targets, filed: Sequence[Filed], *, now_us: int) -> int:
    """Queue the deliveries of these events in the caller's transaction; how many."""
    now = now_us - EPOCH_2000_US
    starts: dict[tuple[int, int, int, str], list[bytes]] = {}
    blobs = [HEADER]
    for one in filed:
        kind = type_of(one.event)
        if kind is None:
            continue
        place = (one.event.domain, one.account, one.retention, kind)
        heads = starts.get(place)
        if heads is None:
            domain, account, retention, _ = place
            heads = starts[place] = [
                _start(len(COLUMNS), 4, endpoint, 4, domain, 2, retention) + text(kind)
                for endpoint in found.of(domain, account, kind)
            ]
        if heads:
            tail = _end(8, one.at - EPOCH_2000_US, 16, one.event.id, 8, now, 8, now)
            for head in heads:
                blobs += (head, tail)
    count = len(blobs) // 2
    if count:
        blobs.append(TRAILER)
        await conn.copy_to_table(
            "webhook_deliveries",
            source=_once(b"".join(blobs)),
            columns=COLUMNS,
            format="binary",
        )
    return count


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def waiting(conn: Connection, now_us: int) -> list[tuple[int, Endpoint]]:
    """Endpoints that have a delivery due, and since when (µs)."""
    rows = await conn.fetch(_q["waiting"], now_us)
    return [(row["due"], endpoint_in(row)) for row in rows]


async def lease(
    conn: Connection, rooms: Mapping[int, int], *, holder: str, now_us: int, until: int
) -> list[Leased]:
    """Take up to so many due deliveries of each endpoint, the longest due first."""
    rows = await conn.fetch(_q["lease"], list(rooms), list(rooms.values()), now_us, holder, until)
    return [
        Leased(
            id=row["id"],
            endpoint=row["endpoint"],
            key=Key(row["retention"], row["event_at"], row["domain"], row["event"]),
            type=row["type"],
            attempts=row["attempts"],
            replayed=row["replayed"],
            wanted=row["wanted"],
        )
        for row in rows
    ]


async def events(conn: Connection, keys: Collection[Key]) -> dict[Key, Found]:
    """The stored events; those that are no longer there are left out."""
    asked = sorted(set(keys), key=lambda key: (key.retention, key.at, key.domain, key.event))
    rows = await conn.fetch(
        EVENTS,
        [key.retention for key in asked],
        [key.at for key in asked],
        [key.domain for key in asked],
        [key.event for key in asked],
    )
    by_place = {(key.at, key.domain, key.event): key for key in asked}
    return {by_place[row["at"], row["domain"], row["id"]]: found_in(row) for row in rows}


async def settle(conn: Connection, holder: str, rows: Sequence[Settled]) -> set[int]:
    """Write what became of leased rows; the ids of those that were still the holder's."""
    ordered = sorted(rows, key=lambda row: row.id)
    found = await conn.fetch(
        _q["settle"],
        holder,
        [row.id for row in ordered],
        [row.due for row in ordered],
        [row.attempts for row in ordered],
        [row.outcome and row.outcome.value for row in ordered],
        [row.tried_at for row in ordered],
        [row.status for row in ordered],
        [row.duration_ms for row in ordered],
        [row.answer for row in ordered],
        [row.error for row in ordered],
    )
    return {row["id"] for row in found}


async def release(conn: Connection, ids: Sequence[int], *, holder: str, due: int) -> None:
    """Give back what was not tried after all."""
    await conn.execute(_q["release"], sorted(ids), holder, due)


async def reclaim(conn: Connection, holder: str, now_us: int, *, but: Collection[int] = ()) -> int:
    """Free what a holder has and nobody is at work on, all ``but`` these; how many."""
    return _count(await conn.execute(_q["reclaim"], holder, now_us, list(but)))


async def give_up(conn: Connection, endpoints: Collection[int], before_us: int) -> int:
    """End what these endpoints could not be given since before a time; how many."""
    if not endpoints:
        return 0
    return _count(await conn.execute(_q["give_up"], list(endpoints), before_us, GIVEN_UP_AT_ONCE))


async def set_broken(conn: Connection, endpoint: int, until: int | None, *, now_us: int) -> None:
    """Write down until when (µs) an endpoint's breaker is open; since when, if it was closed."""
    await conn.execute(_q["break"], endpoint, until, now_us)


async def fill(conn: Connection, limit: int) -> dict[int, bool]:
    """Queue no more for endpoints with so much waiting; which changed, and to what."""
    return {row["id"]: row["is_full"] for row in await conn.fetch(_q["fill"], limit)}


async def depth(conn: Connection, limit: int) -> tuple[int, int | None]:
    """How many deliveries are queued, counted up to a limit, and the oldest's due time (µs)."""
    row = await conn.fetchrow(_q["depth"], limit)
    assert row is not None, "an aggregate has a row"
    return row[0], row[1]


async def broken(conn: Connection, limit: int) -> list[int]:
    """Endpoints whose breaker is open."""
    return [row["id"] for row in await conn.fetch(_q["broken"], limit)]


async def backlog(conn: Connection, endpoints: Collection[int]) -> dict[int, tuple[int, int]]:
    """How much waits for each endpoint, and since or until when (µs)."""
    rows = await conn.fetch(_q["backlog"], list(endpoints))
    return {row[0]: (row[1], row[2]) for row in rows}


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery as the log shows it; times in µs, ``event`` 16 bytes."""

    id: int
    endpoint: int
    domain: str
    event: bytes
    event_at: int
    type: str
    queued_at: int
    due: int | None
    replayed: bool
    attempts: int
    outcome: str | None
    tried_at: int | None
    status: int | None
    duration_ms: int | None
    answer: str
    error: str


async def log(
    conn: Connection,
    endpoints: Collection[int],
    *,
    domain: int | None = None,
    kind: str | None = None,
    untaken: bool = False,
    queued: bool = False,
    limit: int = 50,
) -> list[Line]:
    """The newest deliveries first: those tried or ended; with ``queued`` those waiting too."""
    rows = await conn.fetch(_q["log"], list(endpoints), domain, kind, untaken, queued, limit)
    return [Line(**dict(row)) for row in rows]


class Replayed(msgspec.Struct, frozen=True):
    """One page of a replay: of how many events how many are told, and where to go on."""

    found: int
    told: int
    after: TimeCursor | None


async def replay(
    conn: Connection,
    endpoint: int,
    wanted: Filter,
    *,
    now_us: int,
    after: TimeCursor | None = None,
    dry: bool = False,
) -> Replayed:
    """Queue a page of stored events once more for an endpoint whose webhooks ask for them.

    With ``dry`` they are only counted. ``after`` of the answer is None behind the last page.
    """
    conditions = Conditions(wanted)
    if after is not None:
        conditions.add("(e.at, e.id) > ({}, {})", after.at, after.id)
    first = len(conditions.values) + 1
    statement = _q["replay"].format(
        conditions=conditions,
        limit=REPLAYED_AT_ONCE,
        endpoint=f"${first}::integer",
        now=f"${first + 1}::timestamptz",
        queue=f"${first + 2}::boolean",
    )
    row = await conn.fetchrow(statement, *conditions.values, endpoint, now_us, not dry)
    assert row is not None, "an aggregate has a row"
    told, found, at, last = row
    more = found == REPLAYED_AT_ONCE
    return Replayed(found, told, TimeCursor(at, last) if more else None)


async def again(conn: Connection, endpoint: int, since_us: int, *, now_us: int) -> int:
    """Queue anew what an endpoint was to be told since a time and never took; how many."""
    return _count(await conn.execute(_q["again"], endpoint, since_us, now_us))


def _count(status: str) -> int:
    return int(status.split()[-1])
