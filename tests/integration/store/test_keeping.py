import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.model.domain import Domain
from edge.model.errors import CallerError, NotFound
from edge.model.event import Geolocation
from edge.model.tokens import KeyState
from edge.model.vault import Vault
from edge.store import domains, keys, partitions, retention, rollups, roster, search, stats, verify
from edge.store.filters import Filter
from edge.store.pool import Pool
from edge.store.retention import Days
from tests.integration.store.worlds import DAY, HOUR, NOW, domain, event, facts, store

VAULT = Vault(bytes(32))


async def test_every_change_moves_the_roster_on(db: Pool) -> None:
    """Domains, hosts and keys: no change leaves the version, and listeners are told."""
    told: list[Any] = []
    async with db.acquire() as conn, db.acquire() as listener:

        def hear(*args: Any) -> None:
            told.append(args[3])

        await listener.add_listener(roster.CHANNEL, hear)
        versions = [await roster.version(conn)]
        await domain(conn)
        versions.append(await roster.version(conn))
        await domains.change(conn, "mg.example.com", NOW, open=True)
        versions.append(await roster.version(conn))
        await keys.create_first(conn, VAULT)
        versions.append(await roster.version(conn))
        await domains.remove(conn, "mg.example.com")
        versions.append(await roster.version(conn))
        snapshot = await roster.read(conn)
        await listener.fetchval("SELECT 1")
        await listener.remove_listener(roster.CHANNEL, hear)
    assert versions == sorted(set(versions))
    assert str(versions[-1]) in told
    assert snapshot.version == versions[-1]
    assert snapshot.hosts == {"email.mg.example.com": 1}
    assert snapshot.domains[0].removed
    assert snapshot.domains[0].open


async def test_a_host_is_claimed_for_good(db: Pool) -> None:
    """Not even a removed domain's host goes to another domain; its own gets it back."""
    async with db.acquire() as conn:
        await domain(conn, "b.example.com")
        await domains.remove(conn, "b.example.com")
        other = Domain(number=0, name="example.com", web_prefix="email.b")
        with pytest.raises(CallerError, match="another domain"):
            await domains.add(conn, other, now_us=NOW)
        with pytest.raises(NotFound):
            await domains.get(conn, "example.com")
        again = await domains.add(conn, Domain(number=0, name="b.example.com"), now_us=NOW)
        assert again.number == 1


async def test_only_a_dozen_retentions(db: Pool) -> None:
    """Each retention costs a table a day, so their number is bounded."""
    async with db.acquire() as conn:
        for days in range(1, domains.MAX_CLASSES + 1):
            await domain(conn, f"d{days}.example", retention_days=days)
        with pytest.raises(CallerError, match="retentions"):
            await domain(conn, "one.more.example", retention_days=99)


async def test_the_first_key_is_made_once(db: Pool) -> None:
    """However many start at the same time, there is one first key."""

    async def one() -> bool:
        async with db.acquire() as conn:
            return await keys.create_first(conn, VAULT)

    assert sorted(await asyncio.gather(one(), one(), one())) == [False, False, True]
    async with db.acquire() as conn:
        assert [key.state for key in await keys.list_keys(conn)] == [KeyState.CURRENT]


async def test_a_key_waits_for_every_live_edge(db: Pool) -> None:
    """An announced key is promoted when each edge seen within a minute has it, not before."""
    async with db.acquire() as conn:
        await keys.create_first(conn, VAULT)
        old = await roster.version(conn)
        for name in ("a", "b", "dead"):
            await roster.acknowledge(conn, name, name, old)
        await conn.execute("UPDATE edges SET seen_at = now() - interval '61 s' WHERE id = 'dead'")
        key = await keys.rotate(conn, VAULT)
        assert key.state is KeyState.ANNOUNCED
        with pytest.raises(CallerError, match="announced"):
            await keys.rotate(conn, VAULT)
        await roster.acknowledge(conn, "a", "a", (await roster.read(conn)).version)
        assert await keys.promote_due(conn) is None
        await roster.acknowledge(conn, "b", "b", (await roster.read(conn)).version)
        assert await keys.promote_due(conn) == key.id
        states = {key.id: key.state for key in await keys.list_keys(conn)}
        assert states == {1: KeyState.RETIRED, 2: KeyState.CURRENT}
        version = await roster.version(conn)
        assert await keys.promote_due(conn) is None
        assert await roster.version(conn) == version


async def test_key_ids_come_back_only_from_revoked_keys(db: Pool) -> None:
    """When all ids are taken, the one revoked longest ago is used again, with a new secret."""
    async with db.acquire() as conn:
        await keys.create_first(conn, VAULT)
        await conn.execute(
            "INSERT INTO keys (id, state, sealed) SELECT n, 'retired', '' "
            "FROM generate_series(0, 255) n WHERE n <> 1"
        )
        with pytest.raises(CallerError, match="256"):
            await keys.rotate(conn, VAULT)
        await keys.revoke(conn, 7)
        key = await keys.rotate(conn, VAULT)
        assert (key.id, key.state) == (7, KeyState.CURRENT)
        assert len(VAULT.open("key:7", key.sealed)) == 32
        for wrong in (7, 8):
            with pytest.raises(CallerError):
                await keys.retire(conn, wrong)


async def test_rollups_sum_hours_to_days_and_months(db: Pool) -> None:
    """A day is the sum of its hours and a month of its days, also after late events, twice run."""
    async with db.acquire() as conn:
        await domain(conn)
        await conn.execute("UPDATE event_days SET first = first - interval '40 days'")
        await store(conn, event(repeat=2), event(at=NOW - HOUR), event(at=NOW - 9 * DAY))
        for _ in range(2):
            await rollups.run(conn, now_us=NOW)
        await store(conn, event(at=NOW - 9 * DAY, message_id="late", repeat=5))
        await rollups.run(conn, now_us=NOW)
        days = await conn.fetch("SELECT total, uniq FROM daily WHERE tag = '' ORDER BY day")
        assert [tuple(row) for row in days] == [(6, 2), (3, 1)]
        assert await conn.fetchval("SELECT sum(total)::int FROM monthly") == 9
        assert await conn.fetchval("SELECT count(*) FROM late_days") == 0


async def test_retention_drops_what_is_past_and_keeps_its_figures(db: Pool) -> None:
    """Days past their class go, with their dimensions rolled up first; other classes stay."""
    async with db.acquire() as conn:
        await domain(conn)
        await domain(conn, "free.example", retention_days=2)
        place = Geolocation("DE", "Berlin", "Berlin")
        made = [
            event(domain=number, at=NOW - 2 * DAY, event="clicked", url="https://x/" + "y" * 4900,
                  geolocation=place)
            for number in (1, 2)
        ]  # fmt: skip
        await store(conn, *made, facts=[facts("t")])
        later = NOW + DAY
        await partitions.ensure(conn, now_us=later)
        removed = await retention.run(conn, now_us=later)
        assert len(removed.partitions) == 1
        assert removed.partitions[0].startswith("events_r2_")
        assert await search.count(conn, Filter(domain=1)) == 1
        assert await search.count(conn, Filter(domain=2)) == 0
        rows = await conn.fetch(
            "SELECT dimension, value, total, uniq FROM daily_dimensions "
            "WHERE domain = 2 AND tag = '' AND dimension <> 'link' ORDER BY 1"
        )
        assert [tuple(row) for row in rows] == [
            ("client", "unknown", 1, 1),
            ("country", "DE", 1, 1),
            ("device", "unknown", 1, 1),
            ("provider", "example.net", 1, 1),
        ]
        assert await verify.verify(conn, now_us=later) == []
        late = event(domain=2, at=NOW - 2 * DAY)
        await store(conn, late, now=later)
        assert await conn.fetchval("SELECT own_time FROM events WHERE domain = 2") == late.at
        assert (await retention.run(conn, now_us=later)).partitions == []


async def test_retention_removes_old_counters_facts_and_state(db: Pool) -> None:
    """Hours after 60 days, days after a year, facts as set, uniques at their end; months stay."""
    async with db.acquire() as conn:
        await domain(conn)
        await store(conn, event(), facts=[facts("t")])
        await rollups.run(conn, now_us=NOW)
        await conn.execute("UPDATE message_facts SET created_at = now() - interval '89 days'")
        assert (await retention.run(conn, now_us=NOW)).rows["message_facts"] == 0
        after = NOW + 59 * DAY
        removed = await retention.run(conn, now_us=after)
        assert removed.rows["message_facts"] == 1
        assert removed.rows["uniques"] == 1
        assert removed.rows["hourly"] == 0
        after = NOW + 61 * DAY
        removed = await retention.run(conn, now_us=after, days=Days(facts=1))
        assert removed.rows["hourly"] == 0, "what is not rolled up stays"
        await rollups.run(conn, now_us=after)
        assert (await retention.run(conn, now_us=after)).rows["hourly"] == 2
        end = NOW + 400 * DAY
        (day,) = await stats.totals(
            conn, 1, begin=NOW - DAY, end=end, resolution="day", now_us=NOW + 61 * DAY
        )
        assert day.total == 1
        assert (await retention.run(conn, now_us=end, days=Days(facts=1))).rows["daily"] == 2
        assert await conn.fetchval("SELECT count(*) FROM monthly") == 2


async def test_rows_in_a_default_partition_find_their_day(db: Pool) -> None:
    """Days that were not made in time: the rows wait in DEFAULT, raise an alarm, and are moved."""
    async with db.acquire() as conn:
        await domain(conn)
        future = NOW + 20 * DAY
        await store(conn, event(at=future), now=future)
        assert await partitions.alarms(conn) == 1
        await partitions.ensure(conn, now_us=future)
        assert await partitions.alarms(conn) == 0
        assert await search.count(conn, Filter()) == 1


async def test_a_class_that_nobody_uses_goes(db: Pool) -> None:
    """A class's tables disappear with its last day, when no domain uses it any more."""
    async with db.acquire() as conn:
        await domain(conn, retention_days=1)
        await domains.change(conn, "mg.example.com", NOW, retention_days=30)
        await retention.run(conn, now_us=NOW + 20 * DAY)
        assert await conn.fetchval("SELECT to_regclass('events_r1')") is None
        assert await conn.fetchval("SELECT count(*) FROM event_days") == 1


async def test_a_poller_misses_nothing_that_commits_late(db: Pool) -> None:
    """An event with an earlier time, whose transaction commits later, still reaches the poller."""
    async with db.acquire() as conn, db.acquire() as slow:
        await domain(conn)
        cursor = await search.horizon(conn)
        transaction = slow.transaction()
        await transaction.start()
        await slow.execute("SELECT pg_current_xact_id()")
        await store(conn, event(at=NOW, message_id="quick"))
        found, cursor = await search.poll(conn, Filter(), cursor)
        assert found == []
        await slow.execute(
            "INSERT INTO events SELECT retention, at - interval '1 h', '\\x00', domain, account, "
            "event, recipient, 'slow', received_at, own_time, method, repeat, url, position, ip, "
            "user_agent, client_type, client_os, device_type, client_name, country, region, city, "
            "network, bot, evidence, rules, tags, has_facts, false FROM events"
        )
        await transaction.commit()
        seen = []
        for _ in range(3):
            found, cursor = await search.poll(conn, Filter(domain=1), cursor, limit=1)
            seen += [one.event.message_id for one in found]
    assert seen == ["slow", "quick"]


@settings(max_examples=20, suppress_health_check=list(HealthCheck))
@given(
    times=st.lists(st.integers(0, 5), min_size=1, max_size=12),
    size=st.integers(1, 5),
    ascending=st.booleans(),
)
async def test_pages_hold_every_event_once(
    db: Pool, times: list[int], size: int, ascending: bool
) -> None:
    """Whatever the times, also equal ones, the pages put together are the whole, in order."""
    async with db.acquire() as conn:
        if not await conn.fetchval("SELECT count(*) FROM domains"):
            await domain(conn)
        await conn.execute("TRUNCATE events")
        made = [event(at=NOW - seconds * 1_000_000) for seconds in times]
        await store(conn, *made)
        seen: list[tuple[int, bytes]] = []
        after = None
        while True:
            page = await search.search(
                conn, Filter(domain=1), limit=size, ascending=ascending, after=after
            )
            if not page:
                break
            seen += [(one.event.at, one.event.id) for one in page]
            after = search.TimeCursor(*seen[-1])
    assert seen == sorted(((one.at, one.id) for one in made), reverse=not ascending)


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (Filter(events=("clicked",)), {"b"}),
        (Filter(events=("clicked", "opened")), {"a", "b", "c"}),
        (Filter(recipient="BOB@example.net"), {"b"}),
        (Filter(message_id="<b>"), {"b"}),
        (Filter(tag="News"), {"a"}),
        (Filter(bot=""), {"a", "b", "c"}),
        (Filter(bot="apple"), set()),
        (Filter(begin=NOW - HOUR), {"b", "c"}),
        (Filter(end=NOW), {"a", "b"}),
        (Filter(domain=2), set()),
        (Filter(domain=1, events=("opened",), begin=NOW), {"c"}),
    ],
)
async def test_filters(db: Pool, wanted: Filter, ids: set[str]) -> None:
    """Each condition leaves out what it should, and nothing else."""
    async with db.acquire() as conn:
        await domain(conn)
        await store(
            conn,
            event(message_id="a", at=NOW - 2 * HOUR),
            event(message_id="b", at=NOW - HOUR, event="clicked", recipient="bob@example.net"),
            event(message_id="c", at=NOW),
            facts=[facts("news", message_id="a")],
        )
        found = await search.search(conn, wanted)
        assert {one.event.message_id for one in found} == ids
        assert await search.count(conn, wanted) == len(ids)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE daily SET total = total + 1 WHERE tag = 't'",
        "DELETE FROM daily WHERE tag = ''",
        "INSERT INTO daily SELECT 1, 'ghost', 'opened', '', day, 1, 1 FROM daily LIMIT 1",
        "UPDATE monthly SET uniq = uniq + 1",
        "UPDATE daily_dimensions SET total = total + 1 WHERE dimension = 'country'",
        "DELETE FROM daily_dimensions WHERE dimension = 'provider'",
    ],
)
async def test_verify_finds_damage_in_roll_ups(db: Pool, damage: str) -> None:
    """Days, months and other dimensions are held against the events too."""
    async with db.acquire() as conn:
        await conn.execute("DROP TABLE events_r30; DELETE FROM event_days")
        await partitions.ensure(conn, now_us=NOW - 8 * DAY)
        await domain(conn)
        await store(conn, event(at=NOW - 5 * DAY), event(at=NOW - 4 * DAY), facts=[facts("t")])
        await rollups.run(conn, now_us=NOW)
        assert await verify.verify(conn, now_us=NOW) == []
        await conn.execute(damage)
        assert await verify.verify(conn, now_us=NOW)


async def test_days_in_which_nobody_rolled_up_are_made_up_for(db: Pool) -> None:
    """After a pause of the control process, no day is missing from the daily counters."""
    async with db.acquire() as conn:
        await domain(conn)
        await rollups.run(conn, now_us=NOW - 9 * DAY)
        for back in (2, 1, 0):
            at = NOW - back * DAY
            await store(conn, event(at=at, message_id=f"m{back}"), now=at)
        later = NOW + 5 * DAY
        await rollups.run(conn, now_us=later)
        assert await conn.fetchval("SELECT count(*) FROM daily") == 3
        await conn.execute("DELETE FROM hourly")
        found = await stats.totals(
            conn, 1, begin=NOW - 3 * DAY, end=later, resolution="day", now_us=later
        )
        assert [one.total for one in found] == [1, 1, 1]
