"""Clocks that are wrong, rows that are refused, segments by the hundred: ingest goes on."""

import asyncio
import os
import subprocess
import time
from pathlib import Path

from edge.clock import ManualClock, SystemClock
from edge.ingest.lookahead import Lookahead
from edge.model.capture import Repeat
from edge.model.domain import Domain
from edge.spool.reader import list_segments, replay
from edge.spool.writer import SpoolWriter
from edge.store import domains, verify
from edge.store.pool import Pool
from tests.crash.harness import PROGRAM
from tests.crash.worlds import DAY, emptied, hit, prepare, station, stored, until, write


def quarantine(directory: Path) -> list[str]:
    """Reasons of what was set aside."""
    found = (directory / "spool" / "quarantine").glob("*")
    return sorted(path.suffix for path in found)


async def test_clocks_off_by_days_lose_nothing_and_hold_up_nothing(
    db: Pool, database_url: str, tmp_path: Path
) -> None:
    """Records of two days ahead, behind and backwards are stored beside live traffic, once each."""
    await prepare(db)
    now = time.time()
    spool = tmp_path / "spool"
    write(spool, [hit(now + 2 * DAY), hit(now), hit(now - 5)], at=now + 2 * DAY)
    write(spool, [hit(now - 2 * DAY), hit(now - 2 * DAY - 1)], at=now - 2 * DAY)
    write(spool, [hit(now), hit(now + 2 * DAY), hit(now - 2 * DAY)])
    writer = SpoolWriter(spool, edge="test", clock=SystemClock(), max_bytes=2**30)
    async with station(database_url, tmp_path, settle=0.5):
        live = 0
        for _ in range(40):
            writer.append(hit(time.time()))
            writer.commit()
            live += 1
            await asyncio.sleep(0.05)
        old = await db.fetchval(
            "SELECT count(*) FROM events WHERE received_at < now() - interval '0'"
            " AND abs(extract(epoch FROM at - now())) > 86400"
        )
        assert old == 5, "a live segment does not hold up those of a wrong clock"
        writer.close()
        await until(stored(db, 8 + live), "every record")
        await until(emptied(tmp_path), "an empty spool, also of what is dated in the future")
        begun = time.process_time()
        await asyncio.sleep(1.0)
        assert time.process_time() - begun < 0.3, "nothing to do is done quietly"
    assert await db.fetchval("SELECT count(DISTINCT id) FROM events") == 8 + live


async def test_a_record_outside_the_partitions_is_filed_under_its_receipt(
    db: Pool, database_url: str, tmp_path: Path
) -> None:
    """A year ahead, a year behind and 1970 are stored today, with their own time beside it."""
    await prepare(db)
    now = time.time()
    write(tmp_path / "spool", [hit(now + 365 * DAY), hit(now - 365 * DAY), hit(1.0)])
    async with station(database_url, tmp_path):
        await until(stored(db, 3), "every record")
        await until(emptied(tmp_path), "an empty spool")
    rows = await db.fetch("SELECT at, own_time, received_at FROM events ORDER BY own_time")
    assert [row["at"] for row in rows] == [row["received_at"] for row in rows]
    assert [round(row["own_time"] / 1e6) for row in rows] == [
        1,
        round(now - 365 * DAY),
        round(now + 365 * DAY),
    ]
    async with db.acquire() as conn:
        assert await verify.verify(conn, now_us=time.time_ns() // 1000) == []


async def test_a_refused_row_is_set_aside_and_replayed_when_it_can_be_stored(
    db: Pool, database_url: str, tmp_path: Path
) -> None:
    """The rest of its batch is stored; `edge spool replay` brings it back once it can be."""
    await prepare(db)
    now = time.time()
    await db.execute("ALTER TABLE events ADD CONSTRAINT odd CHECK (recipient <> 'odd@example.net')")
    records = [hit(now - 10 + n / 100) for n in range(200)]
    records[77] = hit(now - 9, recipient="odd@example.net")
    records[150] = hit(now - 8, recipient="odd@example.net")
    write(tmp_path / "spool", list(records))
    async with station(database_url, tmp_path):
        await until(stored(db, 198), "the rest")
        await until(emptied(tmp_path), "an empty spool")
        assert quarantine(tmp_path) == [".refused", ".refused"]
        await db.execute("ALTER TABLE events DROP CONSTRAINT odd")
        done = await asyncio.to_thread(
            subprocess.run,
            [str(PROGRAM), "spool", "replay", "--data-dir", str(tmp_path)],
            env={k: v for k, v in os.environ.items() if not k.startswith("EDGE_")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        await until(stored(db, 200), "the replayed ones")
    assert quarantine(tmp_path) == []
    async with db.acquire() as conn:
        assert await verify.verify(conn, now_us=time.time_ns() // 1000) == []


async def test_the_same_record_twice_in_one_batch_is_stored_once(
    db: Pool, database_url: str, tmp_path: Path
) -> None:
    """A replay that was cut off and repeated leaves one event, and one record in quarantine."""
    await prepare(db)
    now = time.time()
    twice = hit(now - 5)
    write(tmp_path / "spool", [hit(now - 6), twice, hit(now - 4)])
    write(tmp_path / "spool", [twice, hit(now - 3)])
    async with station(database_url, tmp_path):
        await until(emptied(tmp_path), "an empty spool")
    assert await db.fetchval("SELECT count(*) FROM events") == 4
    assert quarantine(tmp_path) == [".refused"]


async def test_an_unknown_domain_is_set_aside(db: Pool, database_url: str, tmp_path: Path) -> None:
    """A record of a domain that the database does not know is kept in the quarantine."""
    await prepare(db)
    now = time.time()
    write(tmp_path / "spool", [hit(now - 3), hit(now - 2, domain=99), hit(now - 1)])
    async with station(database_url, tmp_path):
        await until(stored(db, 2), "the others")
        await until(emptied(tmp_path), "an empty spool")
    assert quarantine(tmp_path) == [".unknown-domain"]


async def test_replayed_repeats_keep_their_count_and_their_message(
    db: Pool, database_url: str, tmp_path: Path
) -> None:
    """A repeat refers to its hit by place; set aside and replayed it still counts for that hit."""
    await prepare(db)
    now = time.time()
    writer = SpoolWriter(tmp_path / "spool", edge="test", clock=SystemClock(), max_bytes=2**30)
    base = writer.append(hit(now - 5, domain=2, message="popular@example.org"))
    writer.append(hit(now - 5))
    writer.append_repeat(Repeat(round((now - 4) * 1e6), base, 41))
    writer.append(Repeat(round((now - 4) * 1e6), -1, 7))
    writer.close()
    async with station(database_url, tmp_path):
        await until(emptied(tmp_path), "an empty spool")
        assert quarantine(tmp_path) == [".unknown-domain", ".unknown-domain", ".unreadable"]
        async with db.acquire() as conn:
            await domains.add(conn, Domain(number=0, name="example.org"), now_us=round(now * 1e6))
        files = list((tmp_path / "spool" / "quarantine").glob("*.unknown-domain"))
        assert replay(tmp_path / "spool", files, edge="test", clock=SystemClock()) == (3, 0)
        await until(stored(db, 4), "all")
    counted = "SELECT sum(repeat) FROM events WHERE message_id = 'popular@example.org'"
    assert await db.fetchval(counted) == 42


async def test_more_segments_than_may_be_open_are_drained(
    db: Pool, database_url: str, tmp_path: Path
) -> None:
    """After a long outage with little traffic there are thousands of small segments."""
    await prepare(db)
    now = time.time()
    for number in range(900):
        write(tmp_path / "spool", [hit(now - 1000 + number)])
    async with station(database_url, tmp_path, settle=0.1):
        await until(stored(db, 900), "every record", 20)
        await until(emptied(tmp_path), "an empty spool", 20)


def test_a_backlog_is_read_in_order_of_time_with_bounded_memory(tmp_path: Path) -> None:
    """However many segments wait, no label is made early and little is held at a time."""
    now = time.time() - 3600
    for number in range(8):
        start = now + number * 100
        records = [hit(start + n / 100) for n in range(6000)]
        write(tmp_path / "spool", list(records), at=start)
    ahead = Lookahead(
        tmp_path / "spool",
        settle=1.0,
        trusted=lambda _: False,
        clock=SystemClock(),
        max_ahead=6000,
    )
    ahead.open(ahead.unknown(), {})
    taken, most = 0, 0
    for _ in range(1000):
        ahead.begin_round()
        for _ in range(8):
            taken += len(ahead.take(250))
        most = max(most, ahead.remembered)
        ahead.forget_old()
    ahead.reset()
    assert taken == 48_000
    assert ahead.cut == 0
    assert most < 20_000


def test_the_last_record_of_a_living_segment_is_ready_once_it_has_settled(tmp_path: Path) -> None:
    """Without any traffic behind it: an event must not wait for the next one."""
    clock = ManualClock()
    spool = SpoolWriter(tmp_path / "spool", edge="test", clock=clock, max_bytes=2**30)
    spool.append(hit(clock.now()))
    spool.commit()
    ahead = Lookahead(tmp_path / "spool", settle=3.0, trusted=lambda _: False, clock=clock)
    ahead.open(ahead.unknown(), {})
    ready = []
    for _ in range(5):
        ahead.begin_round()
        ready.append(len(ahead.take(10)))
        clock.advance(1)
    ahead.reset()
    spool.close()
    assert ready == [0, 0, 0, 1, 0]


async def test_a_read_only_database_delays_and_loses_nothing(
    db: Pool, database_url: str, tmp_path: Path
) -> None:
    """After a failover to a standby the drain waits; when writing is possible again it goes on."""
    await prepare(db)
    name = await db.fetchval("SELECT current_database()")
    async with station(database_url, tmp_path):
        await db.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        await db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        write(tmp_path / "spool", [hit(time.time() - 1) for _ in range(50)])
        await asyncio.sleep(1.0)
        assert await db.fetchval("SELECT count(*) FROM events") == 0
        await db.execute(
            f"SET default_transaction_read_only = off; ALTER DATABASE {name} RESET ALL"
        )
        await db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await until(stored(db, 50), "every record", 15)


async def test_temporary_files_of_dead_writers_are_removed(tmp_path: Path) -> None:
    """A segment that never got its name is removed once it is old; a young one is left alone."""
    old, young = tmp_path / "a.tmp", tmp_path / "b.tmp"
    old.touch()
    young.touch()
    os.utime(old, (1, 1))
    assert list_segments(tmp_path) == []
    assert not old.exists()
    assert young.exists()
