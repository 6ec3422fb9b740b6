"""Postgres cut off from sending in the worst moments: nothing lost, nothing sent or told twice."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from tests.crash.harness import wait_for
from tests.crash.mailing import HELD, Mailing, check, mailing
from tests.crash.proxy import Proxy, proxied
from tests.crash.smarthost import Aside, Manners
from tests.crash.worlds import until
from tests.postgres import Cluster

END_THE_WAITING = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
    " AND wait_event_type = 'Lock' AND query LIKE '%messages%' LIMIT 1"
)


@dataclass
class Doors:
    """An edge that reaches its Postgres through a proxy; ``dsn`` leads there without it."""

    mailing: Mailing
    proxy: Proxy
    dsn: str

    def shut(self) -> None:
        """Cut every connection and let nobody in."""
        self.mailing.aside.start(self.proxy.shut_now()).result(10)

    def open(self) -> None:
        """Let everybody in again."""
        self.proxy.shut = False


@pytest.fixture(scope="module")
def doors(cluster: Cluster) -> Iterator[Doors]:
    """One edge for these tests, each of which leaves it well and idle."""
    name = f"doors_{os.getpid()}"
    dsn = asyncio.run(cluster.create(name))
    directory = Path(dsn.partition("?host=")[2])
    with Aside().open() as aside, aside.within(proxied(directory / ".s.PGSQL.5432")) as proxy:
        url = f"postgresql://edge@127.0.0.1:{proxy.port}/{name}?sslmode=disable"
        with mailing(aside, EDGE_DATABASE_URL=url) as made:
            yield Doors(made, proxy, dsn)
    asyncio.run(cluster.drop(name))


def told_once(world: Mailing, run: str) -> None:
    """Every copy arrived once and only once, at the first attempt."""
    verdict = world.judge(run)
    print(json.dumps(verdict.figures()))
    check(world, verdict)
    assert verdict.accepted > 0
    assert verdict.duplicated == 0, "nobody died"
    assert verdict.failed == 0, "the smarthost refused nothing"


@pytest.mark.timeout(180)
def test_commits_that_get_no_answer_are_neither_repeated_nor_forgotten(doors: Doors) -> None:
    """The connection is cut when a COMMIT was passed on: accepting is in doubt, settling is not."""
    world, proxy = doors.mailing, doors.proxy
    cuts = proxy.cuts
    with world.traffic("commits"):
        for turn in range(1, 16):
            proxy.cut_commits = 1
            wait_for(lambda: proxy.cuts >= cuts + turn, "a commit to cut")  # noqa: B023 - called before the next turn
            time.sleep(0.1)
    world.wait_sent()
    told_once(world, "commits")


async def break_the_load(dsn: str, sending: int) -> int:
    """Let a suspended sender lease, and end its connection while it waits for the messages."""
    lock, watch = await asyncpg.connect(dsn), await asyncpg.connect(dsn)

    async def ended() -> bool:
        return bool(await watch.fetchval(END_THE_WAITING))

    try:
        async with lock.transaction():
            await lock.execute("LOCK TABLE messages IN ACCESS EXCLUSIVE MODE")
            os.kill(sending, signal.SIGCONT)
            await until(ended, "a sender that waits for messages", 30)
            return len(await watch.fetch(HELD))
    finally:
        await lock.close()
        await watch.close()


@pytest.mark.timeout(180)
def test_what_was_leased_when_the_connection_broke_is_sent_at_once(doors: Doors) -> None:
    """A round that leased copies and then lost its connection takes them up again."""
    world = doors.mailing
    (sending,) = world.edge.pids("sending")
    os.kill(sending, signal.SIGSTOP)
    with world.traffic("leased", smtp=False) as book:
        wait_for(lambda: len(book.taken) >= 20, "messages in the queue")
    assert asyncio.run(break_the_load(doors.dsn, sending)) >= 20, "they were leased"
    world.wait_sent(60.0)  # a lease is twice as long
    told_once(world, "leased")


@pytest.mark.timeout(180)
def test_large_messages_wait_for_postgres_and_are_not_told_as_failed(doors: Doors) -> None:
    """Eight are on their way when Postgres goes; those behind them are read when it is back."""
    world = doors.mailing
    before = world.host.met[Manners.LATE]
    world.host.manners = Manners.LATE
    with world.traffic("large", rate=30.0, large=1) as book:
        wait_for(lambda: len(book.copies(book.taken)) >= 24, "large messages")
        wait_for(lambda: world.host.met[Manners.LATE] >= before + 8, "eight under way")
    doors.shut()
    world.host.manners = Manners.GOOD
    time.sleep(1.0)  # the eight have their answers by now, and the next ones ask for their source
    doors.open()
    world.wait_sent()
    told_once(world, "large")


@pytest.mark.timeout(180)
def test_what_has_its_answer_is_not_given_back_at_a_stop(doors: Doors) -> None:
    """Sending stops while Postgres is away, and writes down what it knows when it is back."""
    world = doors.mailing
    before, ends = world.host.met[Manners.LATE], len(world.edge.deaths("sending"))
    world.host.manners = Manners.LATE
    with world.traffic("stop"):
        wait_for(lambda: world.host.met[Manners.LATE] >= before + 8, "copies under way")
    doors.shut()
    world.host.manners = Manners.GOOD
    time.sleep(0.1)  # their answers are known by now
    for pid in world.edge.pids("sending"):
        os.kill(pid, signal.SIGTERM)
    time.sleep(5.7)  # the next moment it gives back what is under way, and then it tries to write
    doors.open()
    wait_for(lambda: len(world.edge.deaths("sending")) > ends, "the end of sending")
    world.wait_sent()
    told_once(world, "stop")
