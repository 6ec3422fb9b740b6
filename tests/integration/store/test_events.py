import asyncio
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.model.event import ClientInfo, Geolocation, UnsubscribeChange, Verdict
from edge.model.tokens import Level
from edge.store import event_rows, search, stats, verify
from edge.store.filters import Filter
from edge.store.pool import REFUSED, Pool
from tests.integration.store.worlds import DAY, HOUR, NOW, domain, event, facts, store


async def test_every_field_of_an_event_comes_back(db: Pool) -> None:
    """What is stored is what is found: no field is lost or changed on the way."""
    async with db.acquire() as conn:
        await domain(conn)
        sent = event(
            event="clicked",
            method="HEAD",
            repeat=7,
            url="https://shop.example.org/a?b=%20c",
            position=3,
            ip="2001:db8::1",
            user_agent='Möz/5.0 "quoted" \\ \t',
            client=ClientInfo("browser", "OS X", "desktop", "Safari"),
            geolocation=Geolocation("DE", "Berlin", "Berlin"),
            network="apple-relay",
            verdict=Verdict("apple", ("relay", "agent"), "2025.1"),
        )
        await store(
            conn,
            sent,
            facts=[facts("News", "Sale", user_variables={"a": "1"}, mailing_list="L@x.y")],
        )
        (found,) = await search.search(conn, Filter(domain=1))
    assert found.event == sent
    assert found.tags == ["news", "sale"]
    assert found.user_variables == {"a": "1"}
    assert found.mailing_list == "l@x.y"
    assert (found.has_facts, found.is_unique, found.own_time) == (True, True, None)


async def test_a_message_without_facts_is_stored_and_counted_untagged(db: Pool) -> None:
    """A hit of an unknown message is an event all the same, shown as ``facts: missing``."""
    async with db.acquire() as conn:
        await domain(conn)
        await store(conn, event())
        (found,) = await search.search(conn, Filter())
        assert await conn.fetchval("SELECT array_agg(tag) FROM hourly") == [""]
    assert found.render()["facts"] == "missing"


async def test_counters_count_each_request_under_each_tag(db: Pool) -> None:
    """Totals add up repeats, once for the domain and once for each tag, by kind, label and hour."""
    async with db.acquire() as conn:
        await domain(conn)
        await store(conn, event(repeat=5), event(verdict=Verdict("generic", ("ua",), "1")),
                    event(at=NOW - HOUR), facts=[facts("a", "b")])  # fmt: skip
        await store(conn, event(event="clicked"), event(message_id="other"))
        rows = await conn.fetch(
            "SELECT tag, event, bot, sum(total)::int, sum(uniq)::int, count(*)::int FROM hourly "
            "GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
        )
    assert [tuple(row) for row in rows] == [
        ("", "clicked", "", 1, 1, 1),
        ("", "opened", "", 7, 2, 2),
        ("", "opened", "generic", 1, 1, 1),
        ("a", "clicked", "", 1, 1, 1),
        ("a", "opened", "", 6, 1, 2),
        ("a", "opened", "generic", 1, 1, 1),
        ("b", "clicked", "", 1, 1, 1),
        ("b", "opened", "", 6, 1, 2),
        ("b", "opened", "generic", 1, 1, 1),
    ]


@pytest.mark.parametrize("split", [True, False])
async def test_unique_is_one_in_seven_days(db: Pool, split: bool) -> None:
    """The first event of a key counts, and one seven days after the last that counted; in one
    batch as in several."""
    times = [NOW - 29 * DAY, NOW - 23 * DAY, NOW - 22 * DAY, NOW - 16 * DAY, NOW - 15 * DAY, NOW]
    stored = [event(at=at) for at in times]
    async with db.acquire() as conn:
        await domain(conn)
        await conn.execute("UPDATE event_days SET first = first - interval '40 days'")
        for batch in [[one] for one in stored] if split else [stored]:
            await store(conn, *batch)
        rows = await conn.fetch("SELECT is_unique FROM events ORDER BY at")
    assert [row[0] for row in rows] == [True, False, True, False, True, True]


async def test_a_late_event_of_a_counted_key_is_not_unique(db: Pool) -> None:
    """An earlier event that is stored later does not count again."""
    async with db.acquire() as conn:
        await domain(conn)
        await store(conn, event(at=NOW))
        await store(conn, event(at=NOW - DAY))
        assert await conn.fetchval("SELECT count(*) FROM events WHERE is_unique") == 1


@pytest.mark.parametrize("at", [0, -(10**15), NOW - 40 * DAY, NOW + 400 * DAY, 2**62])
async def test_a_wild_time_is_filed_under_receipt(db: Pool, at: int) -> None:
    """A record dated where there are no partitions is stored now, with its own time beside it."""
    async with db.acquire() as conn:
        await domain(conn)
        await store(conn, event(at=at))
        (found,) = await search.search(conn, Filter())
    assert found.event.at == NOW
    assert found.own_time == max(0, min(at, 4_102_444_800_000_000))


async def test_events_of_an_unknown_domain_are_kept(db: Pool) -> None:
    """A token outlives its domain's row: its events are stored, with the default retention."""
    async with db.acquire() as conn:
        await domain(conn)
        await store(conn, event(domain=77))
        assert await conn.fetchval("SELECT retention FROM events WHERE domain = 77") == 30


async def test_the_same_event_is_refused_twice(db: Pool) -> None:
    """The table itself refuses a second row of one event, should ever a replay get that far."""
    async with db.acquire() as conn:
        await domain(conn)
        one = event()
        await store(conn, one)
        with pytest.raises(REFUSED):
            await store(conn, one)
        assert await conn.fetchval("SELECT sum(total)::int FROM hourly") == 1


@pytest.mark.parametrize("bad", ["nul\0", "half \ud800"])
async def test_what_postgres_never_takes_is_told_from_what_passes(db: Pool, bad: str) -> None:
    """A row with text that Postgres cannot hold raises one of REFUSED, and nothing is stored."""
    async with db.acquire() as conn:
        await domain(conn)
        with pytest.raises(REFUSED):
            await store(conn, event(), event(user_agent=bad))
        assert await conn.fetchval("SELECT count(*) FROM events") == 0


def change(
    at: int,
    *,
    active: bool = True,
    level: Level = Level.DOMAIN,
    names: tuple[str, ...] = (),
    number: int = 1,
) -> UnsubscribeChange:
    """One change of Ann's suppression."""
    return UnsubscribeChange(
        domain=1, recipient="Ann@Example.net", level=level, names=names, at=at, active=active,
        event_id=number.to_bytes(16, "big"), message_id="m1",
    )  # fmt: skip


@pytest.mark.parametrize("one_batch", [True, False])
@pytest.mark.parametrize("backwards", [True, False])
async def test_the_last_unsubscribe_by_time_wins(
    db: Pool, one_batch: bool, backwards: bool
) -> None:
    """Whatever the order of arrival, the change with the latest time stands, as a tombstone too."""
    changes = [change(NOW, number=1), change(NOW + 5, active=False, number=2)]
    changes += [change(NOW + 1, level=Level.TAG, names=("A", "b"), number=3)]
    if backwards:
        changes.reverse()
    async with db.acquire() as conn:
        for batch in [changes] if one_batch else [[one] for one in changes]:
            await store(conn, unsubscribes=batch)
        rows = await conn.fetch(
            "SELECT address, level, name, active FROM unsubscribes ORDER BY 2, 3"
        )
    assert [tuple(row) for row in rows] == [
        ("ann@example.net", 0, "*", False),
        ("ann@example.net", 1, "a", True),
        ("ann@example.net", 1, "b", True),
    ]


async def test_later_facts_replace_earlier_ones(db: Pool) -> None:
    """Of several facts of one message the latest by time stays, in one batch and in several."""
    async with db.acquire() as conn:
        await domain(conn)
        await store(conn, facts=[facts("b", at=NOW + 1), facts("a", at=NOW)])
        await store(conn, facts=[facts("c", at=NOW - 1)])
        assert await conn.fetchval("SELECT tags FROM message_facts") == ["b"]


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"))))
def test_arrays_survive_the_binary_form(values: list[str]) -> None:
    """``read_array`` is the inverse of ``array``."""
    assert event_rows.read_array(event_rows.array(values)) == values


async def test_verify_finds_nothing_where_nothing_is_wrong(db: Pool) -> None:
    """After any mixture of stored events the recount agrees with the counters."""
    async with db.acquire() as conn:
        await domain(conn)
        kinds = ["opened", "clicked"]
        made = [
            event(at=NOW - i * HOUR, event=kinds[i % 2], message_id=f"m{i % 5}", repeat=1 + i % 3,
                  verdict=Verdict(["", "generic"][i % 4 == 0], (), "1"))
            for i in range(60)
        ]  # fmt: skip
        for start in range(0, 60, 7):
            await store(conn, *made[start : start + 7], facts=[facts("x", message_id="m1")])
        assert await verify.verify(conn, now_us=NOW) == []


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE hourly SET total = total + 1 WHERE tag = ''",
        "UPDATE hourly SET uniq = 0 WHERE tag = 't'",
        "DELETE FROM hourly WHERE tag = ''",
        "DELETE FROM events WHERE is_unique",
        "UPDATE events SET is_unique = true",
        "INSERT INTO hourly VALUES (1, 'ghost', 'opened', '', now(), 1, 1)",
    ],
)
async def test_verify_finds_damage(db: Pool, damage: str) -> None:
    """A counter or a flag that is not what the events say is found."""
    async with db.acquire() as conn:
        await domain(conn)
        await store(conn, event(), event(), facts=[facts("t")])
        await conn.execute(damage)
        assert await verify.verify(conn, now_us=NOW)


async def test_stats_tell_people_from_bots(db: Pool) -> None:
    """Totals hold everything; people only what carries no label; hours add up to days."""
    async with db.acquire() as conn:
        await domain(conn)
        bot = Verdict("generic", ("method-head",), "1")
        await store(conn, event(), event(), event(method="HEAD", verdict=bot), event(at=NOW - HOUR))
        hours = await stats.totals(
            conn, 1, begin=NOW - DAY, end=NOW + DAY, resolution="hour", now_us=NOW
        )
        (day,) = await stats.totals(
            conn, 1, begin=NOW - DAY, end=NOW + DAY, resolution="day", now_us=NOW
        )
    assert len(hours) == 2
    assert (day.total, day.unique, day.people, day.unique_people) == (4, 2, 3, 1)
    assert day.total == sum(hour.total for hour in hours)


_visit = st.tuples(st.integers(0, 28), st.integers(0, 3), st.booleans())
"""Day, message, and whether it is a click."""


@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(st.lists(st.lists(_visit, min_size=1, max_size=12), min_size=1, max_size=5))
async def test_uniques_follow_their_definition(
    db: Pool, batches: list[list[tuple[int, int, bool]]]
) -> None:
    """Any batches: an event counts exactly if its key never did, or did seven days before it."""
    until: dict[tuple[str, bool], int] = {}
    expected: dict[bytes, bool] = {}
    async with db.acquire() as conn:
        if not await conn.fetchval("SELECT count(*) FROM domains"):
            await domain(conn)
            await conn.execute("UPDATE event_days SET first = first - interval '40 days'")
        await conn.execute("TRUNCATE events, uniques, hourly")
        for batch in batches:
            made = [
                event(
                    at=NOW - (28 - day) * DAY,
                    message_id=f"m{message}",
                    event="clicked" if click else "opened",
                )
                for day, message, click in batch
            ]
            await store(conn, *made)
            for one in sorted(made, key=lambda e: (e.at, e.id)):
                key = (one.message_id, one.event == "clicked")
                expected[one.id] = one.at >= until.get(key, 0)
                if expected[one.id]:
                    until[key] = one.at + 7 * DAY
        rows = await conn.fetch("SELECT id, is_unique FROM events")
    assert {row[0]: row[1] for row in rows} == expected


async def test_concurrent_batches_neither_deadlock_nor_lose_counts(db: Pool) -> None:
    """Batches over the same messages, stored by several at once in any order, all add up."""
    made = [
        event(message_id=f"m{i % 7}", domain=1 + i % 3, recipient=f"r{i % 5}@example.net")
        for i in range(240)
    ]

    async def one(part: int) -> None:
        async with db.acquire() as conn:
            for start in range(part * 60, part * 60 + 60, 20):
                batch = made[start : start + 20]
                known = [facts("b", "a", message_id=f"m{n}") for n in range(7)]
                changes = [change(NOW + start, number=start), change(NOW, level=Level.LIST)]
                random.shuffle(batch)
                await store(conn, *batch, facts=known, unsubscribes=changes)

    async with db.acquire() as conn:
        for number in (1, 2, 3):
            await domain(conn, f"d{number}.example")
    await asyncio.gather(*(one(part) for part in range(4)))
    async with db.acquire() as conn:
        assert await conn.fetchval("SELECT sum(total)::int FROM hourly WHERE tag = ''") == 240
        assert await conn.fetchval("SELECT count(*) FROM events WHERE is_unique") == 7 * 5 * 3
        assert await verify.verify(conn, now_us=NOW) == []
