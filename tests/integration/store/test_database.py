import asyncio
from pathlib import Path

import asyncpg
import pytest

from edge.clock import ManualClock
from edge.model.errors import EdgeError, OperatorError, PeerError
from edge.store import leases, migrate, offsets, partitions, pool
from edge.store.offsets import Fenced, Move
from edge.store.pool import UNAVAILABLE, Pool


async def test_migrating_twice_and_at_once_is_harmless(empty_database_url: str) -> None:
    """Several processes that migrate at the same time apply every migration exactly once."""

    async def one() -> list[int]:
        async with pool.opened(empty_database_url) as opened, opened.acquire() as conn:
            return await migrate.migrate(conn)

    done = await asyncio.gather(one(), one(), one())
    assert sorted(done) == [[], [], [m.number for m in migrate.available()]]


async def test_a_newer_database_is_refused(db: Pool) -> None:
    """A database that a newer release migrated is left alone, with an error that says so."""
    async with db.acquire() as conn:
        await conn.execute("INSERT INTO schema_migrations VALUES (9999, 'x', 'x')")
        with pytest.raises(OperatorError, match="newer release"):
            await migrate.migrate(conn)


async def test_an_edited_migration_is_refused(db: Pool) -> None:
    """A database whose applied migrations are not this release's is left alone."""
    async with db.acquire() as conn:
        await conn.execute("UPDATE schema_migrations SET checksum = 'x'")
        with pytest.raises(OperatorError, match="another build"):
            await migrate.migrate(conn)


def test_a_gap_in_the_migrations_is_an_error(tmp_path: Path) -> None:
    """A release without one of its files says so before it touches anything."""
    (tmp_path / "0002_second.sql").write_text("SELECT 1")
    with pytest.raises(OperatorError, match="every migration"):
        migrate.available(tmp_path)


async def test_a_failed_migration_leaves_nothing(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If one migration fails, none of them is applied."""
    broken = migrate.Migration(len(migrate.available()) + 1, "broken", "SELECT nonsense")
    both = [*migrate.available(), broken]
    monkeypatch.setattr(migrate, "available", lambda: both)
    async with pool.opened(empty_database_url) as opened, opened.acquire() as conn:
        with pytest.raises(asyncpg.UndefinedColumnError):
            await migrate.migrate(conn)
        assert await conn.fetchval("SELECT to_regclass('events')") is None


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("postgresql://127.0.0.1:9/none", PeerError),
        ("postgresql:///none?host=/nowhere", PeerError),
        ("postgresql://127.0.0.1:x/none", OperatorError),
        ("postgresql://127.0.0.1/none?statement_cache_size=x", OperatorError),
    ],
)
async def test_a_database_that_cannot_be_reached(url: str, kind: type[EdgeError]) -> None:
    """Away is a PeerError, a wrong URL an OperatorError."""
    with pytest.raises(kind):
        await pool.connect(url)


async def test_an_unknown_database_may_come(database_url: str) -> None:
    """A database that does not exist yet is one of the errors that pass."""
    with pytest.raises(PeerError, match="does not exist"):
        await pool.connect(database_url.replace("/test_", "/no_test_"))


async def test_times_are_microseconds(db: Pool) -> None:
    """A timestamptz comes as whole µs since the epoch, and is given as such."""
    at = 1_750_000_000_123_457
    assert await db.fetchval("SELECT $1::timestamptz", at) == at
    assert await db.fetchval("SELECT '2025-06-15 15:06:40.123457+00'::timestamptz") == at
    assert await db.fetchval("SELECT array[$1::timestamptz]", at) == [at]


async def test_without_prepared_statements(database_url: str) -> None:
    """``statement_cache_size=0``, as PgBouncer needs it, prepares nothing by name."""
    url = f"{database_url}&statement_cache_size=0"
    async with pool.opened(url) as opened, opened.acquire() as conn:
        for _ in range(3):
            assert await conn.fetchval("SELECT $1::int", 1) == 1
        assert await conn.fetchval("SELECT count(*) FROM pg_prepared_statements") == 0
        assert await conn.fetchval("SHOW statement_timeout") == "0"


async def test_offsets_move_by_compare_and_set(db: Pool) -> None:
    """A segment begins at 0 without a row, moves from where it is, and from nowhere else."""
    async with db.acquire() as conn:
        await offsets.advance(conn, "e", [Move("b", 0, 10), Move("a", 0, 0)])
        await offsets.advance(conn, "e", [Move("a", 0, 5), Move("b", 10, 20), Move("c", 0, 1)])
        assert await offsets.load(conn, ["a", "b", "c", "d"]) == {"a": 5, "b": 20, "c": 1}
        for wrong in ([Move("a", 0, 6)], [Move("b", 20, 21), Move("a", 4, 6)], [Move("d", 3, 4)]):
            with pytest.raises(Fenced):
                async with conn.transaction():
                    await offsets.advance(conn, "e", wrong)
        assert await offsets.load(conn, ["a", "b", "c", "d"]) == {"a": 5, "b": 20, "c": 1}
        await offsets.check(conn, [Move("a", 5, 9), Move("new", 0, 9)])
        for wrong in ([Move("a", 0, 6)], [Move("new", 1, 9)]):
            with pytest.raises(Fenced):
                await offsets.check(conn, wrong)
        await offsets.forget_missing(conn, "e", {"c"}, older_than=60)
        assert await offsets.load(conn, ["a", "b", "c"]) == {"a": 5, "b": 20, "c": 1}
        await offsets.forget_missing(conn, "another", set(), older_than=0)
        assert await offsets.load(conn, ["a", "b", "c"]) == {"a": 5, "b": 20, "c": 1}
        await offsets.forget_missing(conn, "e", {"c"}, older_than=0)
        assert await offsets.load(conn, ["a", "b", "c"]) == {"c": 1}


@pytest.mark.parametrize("old", [0, 7])
async def test_of_two_drains_one_is_fenced(db: Pool, old: int) -> None:
    """Two transactions that move the same offsets: one commits, the other is fenced."""
    moves = [Move(name, old, old + 10) for name in ("y", "x", "z")]
    if old:
        async with db.acquire() as conn:
            await offsets.advance(conn, "e", [Move(name, 0, old) for name in ("x", "y", "z")])
    started = asyncio.Barrier(2)

    async def drain(edge: str, order: list[Move]) -> str:
        async with db.acquire() as conn:
            try:
                async with conn.transaction():
                    await started.wait()
                    await offsets.advance(conn, edge, order)
                    await asyncio.sleep(0.05)
            except Fenced:
                return "fenced"
        return "moved"

    done = await asyncio.gather(drain("a", moves), drain("b", moves[::-1]))
    assert sorted(done) == ["fenced", "moved"]
    async with db.acquire() as conn:
        assert set((await offsets.load(conn, ["x", "y", "z"])).values()) == {old + 10}


async def test_a_lease_has_one_holder_and_a_growing_token(db: Pool) -> None:
    """While it lasts only its holder renews it; every change of holder makes a greater token."""
    async with db.acquire() as conn:
        first = await leases.take(conn, "job", "a", 30)
        assert first is not None
        assert await leases.take(conn, "job", "b", 30) is None
        assert await leases.take(conn, "job", "a", 30) == first
        assert await leases.holds(conn, "job", "a", first)
        await leases.release(conn, "job", "b")
        assert await leases.take(conn, "job", "b", 30) is None
        await leases.release(conn, "job", "a")
        second = await leases.take(conn, "job", "b", 0.01)
        assert second is not None
        assert second > first
        assert not await leases.holds(conn, "job", "a", first)
        await asyncio.sleep(0.05)
        third = await leases.take(conn, "job", "b", 30)
        assert third is not None
        assert third > second


async def test_partitions_are_made_ahead_and_without_gaps(db: Pool) -> None:
    """Whenever it runs, also after a month's sleep, every day to a week ahead has its table."""
    clock = ManualClock()
    async with db.acquire() as conn:
        await conn.execute("DROP TABLE events_r30")
        await conn.execute("DELETE FROM event_days")
        await partitions.ensure(conn, now_us=clock.now_us())
        today = clock.now_us() // partitions.DAY_US
        assert await partitions.days(conn, 30) == list(range(today - 2, today + 8))
        clock.advance(30 * 86_400)
        assert await partitions.ensure(conn, now_us=clock.now_us()) == 30
        assert await partitions.ensure(conn, now_us=clock.now_us()) == 0
        assert await partitions.days(conn, 30) == list(range(today - 2, today + 38))
        row = await conn.fetchrow("SELECT first, ending FROM event_days")
    assert row is not None
    assert (row["first"], row["ending"]) == (
        (today - 2) * partitions.DAY_US,
        (today + 38) * partitions.DAY_US,
    )


def test_passing_and_lasting_errors_are_apart() -> None:
    """No error is one of both sorts."""
    for passing in UNAVAILABLE:
        assert not issubclass(passing, pool.REFUSED)
        assert not any(issubclass(lasting, passing) for lasting in pool.REFUSED)
