"""Mailing lists in the database: expansion, unsubscribes, and who has the last word."""

import asyncio
import itertools
from typing import Any

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.model.errors import CallerError
from edge.model.event import UnsubscribeChange
from edge.model.tokens import Level
from edge.store import list_members, lists, unsubscribes
from edge.store.list_members import Entry
from edge.store.lists import Changes, Expansion
from edge.store.pool import Connection, Pool
from tests.integration.store import worlds
from tests.integration.store.worlds import NOW, store

DEVS = "devs@mg.example.com"
ANN, BOB = "ann@example.net", "bob@example.net"
SECOND = 1_000_000
LISTS = "JOIN mailing_lists"

_events = itertools.count(1)


async def make(conn: Connection, *members: str | Entry, address: str = DEVS, **said: Any) -> int:
    """A list with members who were added at NOW; the number of its domain."""
    fields = Changes(**said)
    made = await lists.add(conn, address, fields, only=None, now_us=NOW)
    entries = [Entry(one) if isinstance(one, str) else one for one in members]
    await list_members.put(conn, address, entries, upsert=False, now_us=NOW)
    return made.domain


def change(
    at: int,
    *,
    active: bool = True,
    recipient: str = ANN,
    level: Level = Level.LIST,
    names: tuple[str, ...] = (DEVS,),
    domain: int = 1,
) -> UnsubscribeChange:
    """Somebody's unsubscribe from the list, or the undoing of one."""
    return UnsubscribeChange(
        domain=domain, recipient=recipient, level=level, names=names, at=at, active=active,
        event_id=next(_events).to_bytes(16, "big"), message_id="m1",
    )  # fmt: skip


async def subscribed(conn: Connection, address: str = DEVS) -> list[str]:
    """Who would get a message to the list."""
    found = await lists.expand(conn, [(1, address)])
    return [member[0] for member in found[1, address].members]


async def test_a_list_expands_to_its_subscribed_members(db: Pool) -> None:
    """With names and variables, by address; what is no list of that domain is not there."""
    async with db.acquire() as conn:
        await worlds.domain(conn)
        other = await worlds.domain(conn, "mg.example.net")
        carl = Entry("carl@example.net", subscribed=False)
        await make(conn, BOB, Entry(ANN, "Ann", {"age": 26}), carl, name="Developers")
        empty = "empty@mg.example.net"
        await make(conn, address=empty, reply_preference="sender")
        wanted = [(1, DEVS), (1, ANN), (other.number, DEVS), (other.number, empty), (1, DEVS)]
        assert await lists.expand(conn, wanted) == {
            (1, DEVS): Expansion(
                DEVS, "Developers", "list", [(ANN, "Ann", {"age": 26}), (BOB, "", {})]
            ),
            (other.number, empty): Expansion(empty, "", "sender", []),
        }


async def test_expanding_what_is_no_list_is_one_quick_statement(db: Pool) -> None:
    """It runs for every accepted message: one statement for a thousand recipients, by index."""
    async with db.acquire() as conn:
        await worlds.domain(conn)
        await make(conn, ANN)
        asked: list[str] = []

        def note(record: asyncpg.connection.LoggedQuery) -> None:
            asked.append(record.query)

        wanted = [(1, f"m{number}@example.net") for number in range(1000)]
        await lists.expand(conn, [(1, DEVS)])  # the driver asks about the types of arrays, once
        with conn.query_logger(note):
            assert await lists.expand(conn, []) == {}
            assert await lists.expand(conn, wanted) == {}
            assert len(await lists.expand(conn, [*wanted, (1, DEVS)])) == 1
        await asyncio.sleep(0)  # the logger is called soon
        assert [LISTS in one for one in asked] == [True, True, False]


async def test_a_list_unsubscribe_flags_the_member_and_nothing_else(db: Pool) -> None:
    """The member stays, on this list only; other lists, other members and the domain do not care.

    In capitals too; a stranger's is recorded without a member to flag.
    """
    async with db.acquire() as conn:
        await worlds.domain(conn)
        await worlds.domain(conn, "mg.example.net")
        await make(conn, ANN, BOB)
        await make(conn, ANN, address="news@mg.example.com")
        await store(
            conn,
            unsubscribes=[
                change(NOW + SECOND, recipient="Ann@Example.NET", names=("Devs@mg.example.com",)),
                change(NOW + SECOND, recipient="stranger@example.net"),
                change(NOW + SECOND, recipient=BOB, domain=2),
                change(NOW + SECOND, recipient=BOB, level=Level.TAG),
                change(NOW + SECOND, recipient=BOB, names=("gone@mg.example.com",)),
                change(NOW + SECOND, recipient=BOB, level=Level.DOMAIN),
            ],
        )
        assert await subscribed(conn) == [BOB]
        assert await subscribed(conn, "news@mg.example.com") == [ANN]
        member = await list_members.get(conn, DEVS, ANN)
        assert not member.subscribed
        assert (await lists.get(conn, DEVS, only=None)).members_count == 2
        await store(conn, unsubscribes=[change(NOW + 2 * SECOND, active=False)])
        assert await subscribed(conn) == [ANN, BOB]


async def test_links_in_old_mail_follow_a_list_to_its_new_addresses(db: Pool) -> None:
    """Each of its former addresses, in the domain that it had then, and no other domain's."""
    async with db.acquire() as conn:
        await worlds.domain(conn)
        await worlds.domain(conn, "mg.example.net")
        await make(conn, ANN, BOB)
        await lists.change(conn, DEVS, Changes(address="team@mg.example.com"), only=None)
        last = Changes(address="all@mg.example.net")
        await lists.change(conn, "team@mg.example.com", last, only=None)
        await store(
            conn,
            unsubscribes=[
                change(NOW + SECOND),
                change(NOW + SECOND, recipient=BOB, domain=2),
            ],
        )
        found = await lists.expand(conn, [(2, "all@mg.example.net")])
        assert [member[0] for member in found[2, "all@mg.example.net"].members] == [BOB]


async def test_the_last_word_is_the_latest_by_time(db: Pool) -> None:
    """The API's later ``subscribed`` wins; what does not say it leaves an unsubscribe alone."""
    async with db.acquire() as conn:
        await worlds.domain(conn)
        await make(conn, ANN)
        gone = change(NOW + SECOND)
        await store(conn, unsubscribes=[gone])

        async def put(at: int, **said: Any) -> None:
            await list_members.put(conn, DEVS, [Entry(ANN, **said)], upsert=True, now_us=at)

        await put(NOW + 2 * SECOND, name="Ann", vars={"a": 1})
        assert await subscribed(conn) == []
        await store(conn, unsubscribes=[gone])
        assert await subscribed(conn) == []
        await put(NOW + 3 * SECOND, subscribed=True)
        assert await subscribed(conn) == [ANN]
        late = change(NOW + 2 * SECOND)
        await store(conn, unsubscribes=[gone, late])
        assert await subscribed(conn) == [ANN]
        await store(conn, unsubscribes=[change(NOW + 4 * SECOND)])
        assert await subscribed(conn) == []
        said = Entry(ANN, subscribed=True)
        await list_members.change(conn, DEVS, ANN, said, now_us=NOW + 5 * SECOND)
        assert await subscribed(conn) == [ANN]


async def test_an_edge_whose_clock_is_ahead_does_not_outrank_the_api(db: Pool) -> None:
    """What the API says comes after all that the database knows; replay changes nothing."""
    async with db.acquire() as conn:
        await worlds.domain(conn)
        await make(conn, ANN)
        ahead = change(NOW + 3600 * SECOND)
        await store(conn, unsubscribes=[ahead])
        entry = Entry(ANN, subscribed=True)
        await list_members.put(conn, DEVS, [entry], upsert=True, now_us=NOW + SECOND)
        await store(conn, unsubscribes=[ahead])
        assert await subscribed(conn) == [ANN]


async def test_batches_without_list_unsubscribes_ask_nothing_more(db: Pool) -> None:
    """One statement, as before there were lists; two with them, however many."""
    async with db.acquire() as conn:
        await worlds.domain(conn)
        await make(conn, ANN, BOB)
        asked: list[str] = []

        def note(record: asyncpg.connection.LoggedQuery) -> None:
            asked.append(record.query)

        await unsubscribes.apply(conn, [change(NOW)])  # as above
        with conn.query_logger(note):
            await unsubscribes.apply(conn, [change(NOW + 1, level=Level.DOMAIN, names=())])
            await asyncio.sleep(0)  # the logger is called soon
            assert len(asked) == 1
            both = [change(NOW + 1, recipient=one) for one in (ANN, BOB)]
            await unsubscribes.apply(conn, both)
            await asyncio.sleep(0)
            assert len(asked) == 3


async def test_drains_and_uploads_at_the_same_time_never_lock_each_other(db: Pool) -> None:
    """Rows are locked in key order by everybody: no deadlock, and the latest word stands."""
    people = [f"m{number:03}@example.net" for number in range(200)]
    async with db.acquire() as conn:
        await worlds.domain(conn)
        await make(conn, *people)

    async def drain(turn: int) -> None:
        async with db.acquire() as conn, conn.transaction():
            ordered = people if turn % 2 else people[::-1]
            changes = [change(NOW + SECOND + turn, recipient=one) for one in ordered]
            await unsubscribes.apply(conn, changes)

    async def upload(turn: int) -> None:
        async with db.acquire() as conn, conn.transaction():
            await lists.find(conn, DEVS, only=None, for_change=True)
            entries = [Entry(one, name=str(turn)) for one in people[:: 1 if turn % 2 else -1]]
            await list_members.put(conn, DEVS, entries, upsert=True, now_us=NOW + turn)

    await asyncio.gather(*(work(turn) for turn in range(8) for work in (drain, upload)))
    async with db.acquire() as conn:
        assert await subscribed(conn) == []


addresses = st.sampled_from([ANN, BOB, "carl@example.net"])
entries = st.builds(
    Entry,
    addresses,
    st.none() | st.sampled_from(["", "Ann", "Ä 🙂"]),
    st.none()
    | st.dictionaries(st.sampled_from("ab"), st.integers() | st.text("x\\\"'"), max_size=2),
    st.none() | st.booleans(),
)


def _apply(model: dict[str, list_members.Member], entry: Entry, upsert: bool) -> None:
    have = model.get(entry.address)
    if have is None:
        model[entry.address] = list_members.Member(
            entry.address, entry.name or "", entry.vars or {}, entry.subscribed is not False
        )
    elif upsert:
        said = {k: v for k, v in msgspec.structs.asdict(entry).items() if v is not None}
        model[entry.address] = msgspec.structs.replace(have, **said)


async def fresh(conn: Connection, *members: str) -> None:
    """The list anew, in a database that other examples used before."""
    if not await conn.fetchval("SELECT count(*) FROM domains"):
        await worlds.domain(conn)
    await conn.execute("TRUNCATE unsubscribes, mailing_lists CASCADE")
    await make(conn, *members)


again = settings(max_examples=60, suppress_health_check=list(HealthCheck))


@again
@given(st.lists(st.tuples(st.lists(entries, max_size=6), st.booleans()), max_size=4))
async def test_an_upload_is_as_each_entry_after_the_other(
    db: Pool, uploads: list[tuple[list[Entry], bool]]
) -> None:
    """One statement for all ends as a plain loop over the entries would."""
    model: dict[str, list_members.Member] = {}
    async with db.acquire() as conn:
        await fresh(conn)
        for said, upsert in uploads:
            before = len(model)
            for entry in said:
                _apply(model, entry, upsert)
            made = await list_members.put(conn, DEVS, said, upsert=upsert, now_us=NOW)
            assert made == len(model) - before
        total, found = await list_members.list_members(conn, DEVS, subscribed=None, limit=10)
        assert total == len(found)
        assert {one.address: one for one in found} == model


@again
@given(st.lists(st.tuples(st.integers(1, 4), st.booleans(), addresses), max_size=6), st.data())
async def test_unsubscribes_end_the_same_in_any_order_and_batches(
    db: Pool, said: list[tuple[int, bool, str]], data: st.DataObject
) -> None:
    """Shuffled, one by one and replayed; at equal times too."""
    changes = [change(NOW + at, active=active, recipient=who) for at, active, who in said]
    shuffled = data.draw(st.permutations(changes + changes))
    async with db.acquire() as conn:
        await fresh(conn, ANN, BOB)
        await unsubscribes.apply(conn, changes)
        together = await subscribed(conn)
        await fresh(conn, ANN, BOB)
        for one in shuffled:
            await unsubscribes.apply(conn, [one])
        assert await subscribed(conn) == together
        last: dict[str, tuple[int, bytes, bool]] = {}
        for one in changes:
            have = last.get(one.recipient, (0, b"", False))
            last[one.recipient] = max(have, (one.at, one.event_id, one.active))
        assert together == [one for one in (ANN, BOB) if not last.get(one, (0, b"", False))[2]]


async def test_addresses_that_cannot_be_are_refused(db: Pool) -> None:
    """A list's address is at a domain of ours, and taken once."""
    async with db.acquire() as conn:
        await worlds.domain(conn)
        await make(conn)
        for address, text in (("x@other.example", "sending domains"), (DEVS, "Duplicate object")):
            with pytest.raises(CallerError, match=text):
                await lists.add(conn, address, Changes(), only=None, now_us=NOW)
