"""Postgres away, frozen, cut off or shared with a second drain: nothing lost, nothing twice."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from edge.store import verify
from edge.store.pool import Pool
from tests.crash.harness import ROOT, Load, judge, running
from tests.crash.proxy import proxied
from tests.crash.test_kills import check
from tests.crash.worlds import emptied, hit, prepare, station, stored, until, write
from tests.postgres import Cluster


def test_postgres_away_frozen_and_back_under_load() -> None:
    """Answers keep coming while Postgres is gone for 6 s and frozen for 5; all is stored after."""
    with running() as edge:
        with Load(edge, "away", rate=1000.0):
            time.sleep(1.0)
            home = edge.data_dir / "postgres"
            postmaster = edge.postmaster()
            assert postmaster is not None
            home.rename(edge.data_dir / "elsewhere")
            os.kill(postmaster, signal.SIGKILL)
            time.sleep(6.0)
            (edge.data_dir / "elsewhere").rename(home)
            edge.wait_ready()
            freeze(edge.postmaster(), 5.0)
            time.sleep(1.0)
        edge.wait_ready()
        edge.wait_drained()
        verdict = judge(edge, ["away"])
        check(edge, verdict)
        assert verdict.in_flight == 0, "no reader of mail noticed anything"
        assert verdict.answered > 8000


def freeze(postmaster: int | None, seconds: float) -> None:
    """Stop every process of a server, and let them go on after a while."""
    assert postmaster is not None
    parent = psutil.Process(postmaster)
    processes = [parent, *parent.children()]
    for process in processes:
        process.suspend()
    time.sleep(seconds)
    for process in processes:
        process.resume()


def test_two_drains_on_one_spool_store_everything_once() -> None:
    """The one that was overtaken is fenced and reads the offsets again."""
    with running() as edge:
        second = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.second_drain", str(edge.data_dir), edge.dsn],
            env=edge.environment(),
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        with Load(edge, "two", rate=1200.0):
            time.sleep(6.0)
        assert second.poll() is None, "the second drain lives"
        edge.wait_drained()
        second.send_signal(signal.SIGTERM)
        second.wait(15)
        verdict = judge(edge, ["two"])
        check(edge, verdict)
        assert verdict.in_flight == 0
        assert edge.metrics()["edge_drain_fenced_total"] > 0, "they did meet"


async def test_connections_cut_in_copies_and_commits_are_made_good(
    cluster: Cluster, db: Pool, database_url: str, tmp_path: Path
) -> None:
    """A commit whose answer never came is neither repeated nor forgotten."""
    await prepare(db)
    name = await db.fetchval("SELECT current_database()")
    directory = Path(cluster.dsn(name).partition("?host=")[2])
    async with proxied(directory / ".s.PGSQL.5432") as proxy:
        url = f"postgresql://edge@127.0.0.1:{proxy.port}/{name}?sslmode=disable"
        total = 0
        async with station(url, tmp_path):
            for turn in range(6):
                proxy.cut_copies, proxy.cut_commits = turn % 2, 1 - turn % 2
                write(tmp_path / "spool", [hit(time.time() - 5) for _ in range(300)])
                total += 300
                await until(stored(db, total), f"{total} records", 20)
                await until(emptied(tmp_path), "an empty spool", 20)
        assert proxy.cuts == 6, "every cut was made"
    assert await db.fetchval("SELECT count(DISTINCT id) FROM events") == total
    async with db.acquire() as conn:
        assert await verify.verify(conn, now_us=time.time_ns() // 1000) == []


async def test_a_commit_that_is_still_running_when_the_drain_comes_back(
    db: Pool, database_url: str, tmp_path: Path
) -> None:
    """Stuck behind a lock, killed and repeated: the second try waits for the first one's end."""
    await prepare(db)
    async with station(database_url, tmp_path):
        async with db.acquire() as conn, conn.transaction():
            await conn.execute("LOCK TABLE spool_offsets IN SHARE MODE")
            write(tmp_path / "spool", [hit(time.time() - 5) for _ in range(100)])
            await asyncio.sleep(1.0)
            await db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            await asyncio.sleep(1.0)
        await until(stored(db, 100), "every record", 20)
        await until(emptied(tmp_path), "an empty spool")
    assert await db.fetchval("SELECT count(DISTINCT id) FROM events") == 100
