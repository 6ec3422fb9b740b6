"""Kills anywhere between accept and delivery: nothing accepted is lost, and nothing is sent twice
but what SMTP itself leaves open, a copy whose final dot was sent and whose outcome was not written.
"""

import json
import os
import platform
import random
import signal
import time
from collections import Counter
from collections.abc import Iterable, Iterator

import psutil
import pytest

from edge import crash
from tests.crash.harness import ARTIFACTS, ROOT, wait_for
from tests.crash.mailing import KINDS, Mailing, Verdict, check, mailing, processes
from tests.crash.senders import Book
from tests.crash.smarthost import Aside, Manners
from tests.crash.test_kills import kill_one

AT_WORK = {"accept-committed": "control", "taken-before-settle": "sending", "settled": "sending"}
"""Who passes each point."""

PASSAGES = 15
"""A point is armed for a later passage, so that those who die there also get something done."""

BAD = [one for one in Manners if one not in (Manners.GOOD, Manners.LATE)]


@pytest.fixture(scope="module")
def world() -> Iterator[Mailing]:
    """One edge for the short forms, each of which leaves it unarmed, well and idle."""
    with Aside().open() as aside, mailing(aside) as made:
        yield made


def kill(world: Mailing, kind: str) -> None:
    """SIGKILL one process, or all there are, once it has lived for a while."""
    if kind != "everything":
        kill_one(world.edge, kind)
        return
    world.edge.wait_ready()
    for process in processes(world.edge):
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue  # its parent's death was its own


def kill_all(
    world: Mailing, kinds: Iterable[str], *, copies: int = 10, show: int = 0
) -> Counter[str]:
    """Kill these one after the other at odd moments, whenever so many copies have arrived."""
    killed: Counter[str] = Counter()
    for kind in kinds:
        before = world.host.arrived.total()
        wait_for(lambda: world.host.arrived.total() >= before + copies, "traffic", 120.0)  # noqa: B023 - called before the next turn
        time.sleep(random.uniform(0.0, 0.8))
        kill(world, kind)
        killed[kind] += 1
        if show and killed.total() % show == 0:
            print(f"{killed.total()} kills: {dict(killed)}", flush=True)
    return killed


@pytest.mark.timeout(240)
def test_no_accepted_message_is_lost_and_only_what_was_in_flight_is_sent_twice(
    world: Mailing,
) -> None:
    """Control, sending, Postgres, the supervisor and all of them at once die in mid-traffic."""
    kinds = list(KINDS)
    random.shuffle(kinds)
    with world.traffic("kills"):
        killed = kill_all(world, kinds)
        world.edge.wait_ready()
        time.sleep(0.5)
    world.wait_sent()
    verdict = world.judge("kills")
    print(json.dumps(verdict.figures() | {"kills": killed}))
    check(world, verdict)
    assert verdict.accepted > 100, "there was traffic to speak of"
    assert verdict.failed == 0, "the smarthost took everything"


def fire(world: Mailing, name: str, times: int) -> str:
    """Send with one point armed until it fired so often; the run's name."""
    child, run = AT_WORK[name], f"{name.replace('-', '')}{int(time.time())}"
    world.edge.stop()
    world.edge.start(EDGE_CRASH_AT=f"{name}:{PASSAGES}")
    before = world.edge.deaths(child).count(-signal.SIGKILL)
    with world.traffic(run):
        wait_for(
            lambda: world.edge.deaths(child).count(-signal.SIGKILL) >= before + times,
            f"{name} to fire {times} times",
            60.0 + 15.0 * times,
        )
    return run


def run_points(world: Mailing, times: int) -> dict[str, object]:
    """Fire every point on one data directory, then run unarmed and judge."""
    runs = []
    for name in crash.SENDING_POINTS:
        runs.append(fire(world, name, times))
        print(f"{name}: fired {times} times", flush=True)
    world.edge.stop()
    world.edge.start()
    world.edge.wait_ready()
    world.wait_sent()
    verdict = world.judge(*runs)
    figures: dict[str, object] = {
        "points": len(crash.SENDING_POINTS),
        "times_each": times,
        **verdict.figures(),
    }
    print(json.dumps(figures), flush=True)
    check(world, verdict)
    assert verdict.in_flight >= times, "whoever dies with an answer in hand was in flight"
    assert verdict.failed == 0, "the smarthost took everything"
    return figures


def test_every_point_of_sending_is_fired_and_described() -> None:
    """Each point has somebody who passes it, and a row on the operator's page."""
    page = (ROOT / "docs" / "reliability.md").read_text("utf-8").partition("## Sending")[2]
    table = page.partition("| point |")[2].partition("\n\n")[0]
    named = [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")]
    assert tuple(named) == tuple(AT_WORK) == crash.SENDING_POINTS


@pytest.mark.timeout(240)
def test_every_crash_point_of_sending_fires_and_nothing_is_lost(world: Mailing) -> None:
    """Each named point kills its process; every accepted copy arrives and is told of once."""
    run_points(world, 1)


def misbehave(world: Mailing, manners: Manners) -> None:
    """Let the smarthost behave like this until some have met with it, and kill sending then."""
    before = world.host.met[manners]
    world.host.manners = manners
    wait_for(lambda: world.host.met[manners] >= before + 3, f"one that {manners.value}")
    kill(world, "sending")


@pytest.mark.timeout(240)
def test_a_smarthost_that_hangs_or_breaks_off_loses_nothing_under_kill(world: Mailing) -> None:
    """Mute, garbled, closing in DATA, closing or mute after the dot; and sending dies of kills."""
    with world.traffic("manners", rate=40.0):
        for manners in random.sample(BAD, len(BAD)):
            misbehave(world, manners)
        world.host.manners = Manners.GOOD
    world.wait_sent(hasten=True)
    verdict = world.judge("manners")
    print(json.dumps(verdict.figures()))
    check(world, verdict)
    assert verdict.unanswered > 0, "some dots got no answer"
    assert verdict.failed > 0, "some attempts were told as failed for now"


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_soak_of_many_kills_of_sending(capsys: pytest.CaptureFixture[str]) -> None:
    """Ten kills of each kind in mid-traffic, then every manner three times; figures are printed."""
    kinds = list(KINDS) * 10
    random.shuffle(kinds)
    with capsys.disabled(), Aside().open() as aside, mailing(aside) as world:
        begun = time.monotonic()
        with world.traffic("soak", rate=100.0) as book:
            killed = kill_all(world, kinds, copies=150, show=10)
            world.edge.wait_ready()
        world.wait_sent(300.0)
        keep("sending-kills", world, world.judge("soak"), killed, begun, book)
        begun = time.monotonic()
        with world.traffic("soakmanners", rate=40.0) as book:
            for manners in random.sample(BAD * 3, len(BAD) * 3):
                misbehave(world, manners)
            world.host.manners = Manners.GOOD
        world.wait_sent(300.0, hasten=True)
        killed = Counter(sending=len(BAD) * 3)
        keep("sending-manners", world, world.judge("soakmanners"), killed, begun, book)


def keep(
    name: str, world: Mailing, verdict: Verdict, killed: Counter[str], begun: float, book: Book
) -> None:
    """Write the figures of one long run down, and check them."""
    seconds = time.monotonic() - begun
    figures = {
        "test": name,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}",
        "kills": dict(killed),
        "kills_total": killed.total(),
        "messages_accepted": len(book.taken),
        "answers": dict(book.answers),
        "longest_pause": round(book.longest_pause, 1),
        **verdict.figures(),
        "copies_per_second": round(verdict.accepted / seconds),
        "seconds": round(seconds),
    }
    line = json.dumps(figures)
    print(line, flush=True)
    ARTIFACTS.mkdir(exist_ok=True)
    (ARTIFACTS / f"soak-{name}.json").write_text(line + "\n")
    check(world, verdict)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_soak_of_every_crash_point_of_sending_three_times(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each named point of sending three times in a row on one data directory."""
    with capsys.disabled(), Aside().open() as aside, mailing(aside) as world:
        figures = run_points(world, 3)
    ARTIFACTS.mkdir(exist_ok=True)
    (ARTIFACTS / "soak-sending-points.json").write_text(json.dumps(figures) + "\n")
