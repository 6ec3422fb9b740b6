"""Suppressions by the owner's word, against what events say: who has the last one."""

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.model.event import SuppressionChange, UnsubscribeChange
from edge.model.tokens import Level
from edge.store import suppressed, suppressions, unsubscribes
from edge.store.pool import Connection, Pool
from edge.store.suppressed import TABLES, Entry, Kind
from edge.store.suppressions import Block, Wanted
from tests.integration.store import worlds
from tests.integration.store.worlds import NOW

ANN, BOB = "ann@example.net", "bob@example.net"
KIND_OF = {Kind.BOUNCES: "bounce", Kind.COMPLAINTS: "complaint"}

_events = itertools.count(1)

again = settings(max_examples=60, suppress_health_check=list(HealthCheck))


def bounce(at: int, *, active: bool = True, address: str = ANN, **more: Any) -> SuppressionChange:
    """A bounce, or the undoing of one."""
    fields = {"kind": "bounce", "event_id": next(_events).to_bytes(16, "big"), **more}
    return SuppressionChange(domain=1, recipient=address, at=at, active=active, **fields)


def left(at: int, *tags: str, active: bool = True, address: str = ANN) -> UnsubscribeChange:
    """An unsubscribe from the domain or from tags, or the undoing of one."""
    return UnsubscribeChange(
        domain=1, recipient=address, level=Level.TAG if tags else Level.DOMAIN, names=tags, at=at,
        active=active, event_id=next(_events).to_bytes(16, "big"), message_id="m1",
    )  # fmt: skip


async def put(conn: Connection, kind: Kind, *entries: Entry, now: int = NOW) -> int:
    """Add entries to a list of domain 1."""
    return await TABLES[kind].put(conn, 1, entries, now_us=now)


async def remove(
    conn: Connection, kind: Kind, value: str | None = ANN, *, now: int = NOW, **more: Any
) -> int:
    """Remove an entry of domain 1."""
    return await TABLES[kind].remove(conn, 1, value, now_us=now, **more)


async def values(conn: Connection, kind: Kind) -> list[str]:
    """What is on a list of domain 1."""
    return [one.value for one in await TABLES[kind].page(conn, 1, limit=100)]


async def blocked(conn: Connection, *tags: str) -> Block | None:
    """What keeps a message with these tags from Ann."""
    return (await suppressions.blocking(conn, [Wanted(1, ANN, tags)]))[0]


async def fresh(conn: Connection) -> None:
    """Empty tables, in a database that other examples used before."""
    if not await conn.fetchval("SELECT count(*) FROM domains"):
        await worlds.domain(conn)
    await conn.execute("TRUNCATE suppressions, unsubscribes, allowlist")


steps = st.lists(
    st.tuples(st.sampled_from(["event", "undone", "put", "since", "remove"]), st.integers(0, 9)),
    max_size=12,
)
"""What happens one after the other, and when: of events their own time, of calls the clock's."""


@again
@given(steps, st.sampled_from(list(KIND_OF)))
async def test_the_last_word_on_bounces_and_complaints(
    db: Pool, said: list[tuple[str, int]], kind: Kind
) -> None:
    """A call beats what stands there, an event what is older: as a plain model says."""
    stands: tuple[int, bytes, bool] | None = None
    async with db.acquire() as conn:
        await fresh(conn)
        for what, offset in said:
            at = NOW + offset
            if what in {"event", "undone"}:
                change = bounce(at, active=what == "event", kind=KIND_OF[kind])
                await suppressions.apply(conn, [change])
                new = (at, change.event_id, change.active)
                stands = new if stands is None or new[:2] > stands[:2] else stands
            elif what == "remove":
                gone = await remove(conn, kind, now=at)
                assert gone == (stands is not None and stands[2])
                if stands is not None and stands[2]:
                    stands = (max(at, stands[0] + 1), b"", False)
            else:
                since = NOW - offset if what == "since" else None
                assert await put(conn, kind, Entry(ANN, since), now=at) == 1
                floor = 0 if stands is None else stands[0] + 1
                stands = (max(at if since is None else since, floor), b"", True)
            active = stands is not None and stands[2]
            assert await values(conn, kind) == [ANN] * active
            assert (await blocked(conn) is not None) == active
            if active and stands is not None:
                entry = await TABLES[kind].get(conn, 1, ANN)
                assert entry is not None
                assert entry.created_at == stands[0]


@again
@given(
    st.lists(st.tuples(st.integers(-9, -1), st.sampled_from([(), ("a",), ("a", "b")])), max_size=5),
    st.data(),
)
async def test_no_replay_brings_back_what_was_removed(
    db: Pool, said: list[tuple[int, tuple[str, ...]]], data: st.DataObject
) -> None:
    """Events from before the call, in any order and again, change nothing after it."""
    changes = [left(NOW + at, *tags) for at, tags in said]
    bounces = [bounce(NOW + at) for at, _ in said]
    async with db.acquire() as conn:
        await fresh(conn)
        await unsubscribes.apply(conn, changes)
        await suppressions.apply(conn, bounces)
        assert await remove(conn, Kind.UNSUBSCRIBES) == bool(said)
        assert await remove(conn, Kind.BOUNCES, None) == bool(said)
        for one in data.draw(st.permutations(changes + changes)):
            await unsubscribes.apply(conn, [one])
        for other in data.draw(st.permutations(bounces + bounces)):
            await suppressions.apply(conn, [other])
        assert await blocked(conn, "a", "b") is None
        assert await values(conn, Kind.UNSUBSCRIBES) == await values(conn, Kind.BOUNCES) == []
        await unsubscribes.apply(conn, [left(NOW + 1, "a")])
        assert await blocked(conn, "a") is Block.UNSUBSCRIBE
        assert await blocked(conn, "b") is None


names = st.sampled_from(["*", "a", "b"])


@again
@given(st.lists(st.tuples(st.booleans(), st.sets(names, min_size=1)), max_size=8))
async def test_tags_add_up_and_go_one_by_one(db: Pool, said: list[tuple[bool, set[str]]]) -> None:
    """As a set of tags would."""
    model: set[str] = set()
    async with db.acquire() as conn:
        await fresh(conn)
        for adding, tags in said:
            if adding:
                entry = Entry(ANN, tags=tuple(sorted(tags)))
                assert await put(conn, Kind.UNSUBSCRIBES, entry) == 1
                model |= tags
            else:
                for tag in sorted(tags):
                    gone = await remove(conn, Kind.UNSUBSCRIBES, tag=tag)
                    assert gone == (tag in model)
                model -= tags
            found = await TABLES[Kind.UNSUBSCRIBES].get(conn, 1, ANN)
            assert (set() if found is None else set(found.tags)) == model
            assert (await blocked(conn) is not None) == ("*" in model)
            assert (await blocked(conn, "a") is not None) == bool(model & {"*", "a"})


@pytest.mark.parametrize("kind", list(Kind))
async def test_pages_hold_each_entry_once(
    db: Pool, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From either end, with and without a prefix; another domain's are not there."""
    monkeypatch.setattr(suppressed, "AT_ONCE", 3)
    wanted = [f"{c}{n}@example.net" for c in ("a", "b", "z%", "é") for n in range(4)]
    async with db.acquire() as conn:
        await worlds.domain(conn)
        other = await worlds.domain(conn, "mg.example.net")
        table = TABLES[kind]
        mine = [Entry(one, NOW) for one in reversed(wanted + wanted)]
        assert await table.put(conn, 1, mine, now_us=NOW) == len(wanted)
        await table.put(conn, other.number, [Entry(BOB)], now_us=NOW)
        for term, found in (("", wanted), ("b", wanted[4:8]), ("z%", wanted[8:12]), ("_", [])):
            for backwards in (False, True):
                walked: list[str] = []
                pivot = None
                while page := await table.page(
                    conn, 1, term=term, pivot=pivot, backwards=backwards, limit=3
                ):
                    part = [one.value for one in page]
                    walked = part + walked if backwards else walked + part
                    pivot = part[0 if backwards else -1]
                assert walked == found
        assert await remove(conn, kind, None) == len(wanted)
        assert await table.get(conn, 1, wanted[0]) is None
        assert await table.get(conn, other.number, BOB) is not None


async def test_a_batch_is_all_or_nothing(db: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one statement of several fails, nothing of the others stays."""
    monkeypatch.setattr(suppressed, "AT_ONCE", 1)
    async with db.acquire() as conn:
        await worlds.domain(conn)
        for kind in Kind:
            wrong = Entry("z@example.net", code="\0", reason="\0", tags=("\0",))
            if kind is Kind.COMPLAINTS:
                wrong = Entry("z\0@example.net")
            with pytest.raises(Exception, match="0x00"):
                await put(conn, kind, Entry(ANN), wrong)
            assert await values(conn, kind) == []


async def test_a_bounce_from_before_counts_again_without_the_allowlist(db: Pool) -> None:
    """While the allowlist names the address, or its domain, the bounce does not block."""
    async with db.acquire() as conn:
        await worlds.domain(conn)
        await put(conn, Kind.BOUNCES, Entry(ANN, code="550"))
        for value, kind in ((ANN, "address"), ("example.net", "domain")):
            await put(conn, Kind.WHITELISTS, Entry(value, type=kind))
            assert await blocked(conn) is None
            assert await put(conn, Kind.BOUNCES, Entry(BOB), Entry(ANN)) == (kind == "address")
            assert await remove(conn, Kind.WHITELISTS, value) == 1
            assert await blocked(conn) is Block.BOUNCE
