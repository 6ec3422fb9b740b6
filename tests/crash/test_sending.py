"""Kills anywhere between accept and delivery: nothing accepted is lost, nothing sent twice but
what SMTP itself leaves open: a copy whose final dot was sent and whose outcome was not written."""

import json
import os
import platform
import random
import signal
import time
from collections import Counter
from collections.abc import Iterable

import psutil
import pytest

from edge import crash
from tests.crash.harness import ARTIFACTS, wait_for
from tests.crash.mailing import KINDS, Mailing, check, mailing, processes
from tests.crash.smarthost import Manners
from tests.crash.test_kills import kill_one

AT_WORK = {"accept-committed": "control", "taken-before-settle": "sending", "settled": "sending"}
"""Who passes each point."""

PASSAGES = 15
"""A point is armed for a later passage, so that those who die there also get something done."""


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


def kill_all(world: Mailing, kinds: Iterable[str], *, show: int = 0) -> Counter[str]:
    """Kill these one after the other at odd moments, always in the midst of traffic."""
    killed: Counter[str] = Counter()
    for kind in kinds:
        before = world.host.arrived.total()
        wait_for(lambda: world.host.arrived.total() > before + 10, "traffic", 60.0)
        time.sleep(random.uniform(0.1, 1.0))
        kill(world, kind)
        killed[kind] += 1
        if show and killed.total() % show == 0:
            print(f"{killed.total()} kills: {dict(killed)}", flush=True)
    time.sleep(1.0)
    return killed


@pytest.mark.timeout(240)
def test_no_accepted_message_is_lost_and_only_what_was_in_flight_is_sent_twice() -> None:
    """Control, sending, Postgres, the supervisor and all of them at once die in mid-traffic."""
    kinds = [*KINDS, "control", "sending", "everything"]
    random.shuffle(kinds)
    with mailing() as world:
        with world.traffic("kills"):
            killed = kill_all(world, kinds)
        world.edge.wait_ready()
        world.wait_sent()
        verdict = world.judge()
        print(json.dumps(verdict.figures() | {"kills": killed, "deaths": world.coroner.deaths}))
        check(world, verdict)
        assert verdict.accepted > 100, "there was traffic to speak of"
        assert verdict.failed == 0, "the smarthost took everything"


def fire(world: Mailing, name: str, times: int) -> None:
    """Send with one point armed until it fired so often."""
    child = AT_WORK[name]
    world.edge.stop()
    world.edge.start(EDGE_CRASH_AT=f"{name}:{PASSAGES}")
    before = world.edge.deaths(child).count(-signal.SIGKILL)
    with world.traffic(name):
        wait_for(
            lambda: world.edge.deaths(child).count(-signal.SIGKILL) >= before + times,
            f"{name} to fire; the log ends: {world.edge.log()[-3000:]}",
            60.0 + 15.0 * times,
        )


def run_points(times: int) -> dict[str, object]:
    """Fire every point on one data directory, then run unarmed and judge."""
    with mailing() as world:
        for name in crash.SENDING_POINTS:
            fire(world, name, times)
            print(f"{name}: fired {times} times", flush=True)
        world.edge.stop()
        world.edge.start()
        world.edge.wait_ready()
        world.wait_sent()
        verdict = world.judge()
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


def test_every_point_of_sending_is_fired() -> None:
    """No point is left out: each has somebody who passes it."""
    assert tuple(AT_WORK) == crash.SENDING_POINTS


@pytest.mark.timeout(240)
def test_every_crash_point_of_sending_fires_and_nothing_is_lost() -> None:
    """Each named point kills its process; every accepted copy arrives and is told of once."""
    run_points(1)
