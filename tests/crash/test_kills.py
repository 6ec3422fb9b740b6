"""Random kills under load: whatever is answered is in Postgres exactly once."""

import json
import os
import platform
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.harness import ARTIFACTS, KINDS, Edge, Judgement, Load, judge, running

OLD_ENOUGH = 1.0
"""Seconds that a process has to live before it is killed: sooner, restarts are slowed down."""


def kill_one(edge: Edge, kind: str, seconds: float = 60.0) -> None:
    """SIGKILL a process of this kind once there is one that has lived for a while."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        victims = [pid for pid in edge.pids(kind) if _age(pid) > OLD_ENOUGH]
        if victims:
            os.kill(random.choice(victims), signal.SIGKILL)
            return
        time.sleep(0.05)
    raise AssertionError(f"no {kind} to kill; the log ends: {edge.log()[-3000:]}")


def _age(pid: int) -> float:
    """Seconds since its start, in the kernel's own count: the time of day is up to a second off."""
    try:
        started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return 0.0  # it has just died
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(started) / os.sysconf("SC_CLK_TCK")


def kill_all(edge: Edge, load: Load, kinds: Iterator[str], *, show: int = 0) -> Counter[str]:
    """Kill these one after the other, at odd moments; how many of each."""
    killed: Counter[str] = Counter()
    for kind in kinds:
        time.sleep(random.uniform(0.1, 1.2))
        assert load.alive(), "the client ended"
        kill_one(edge, kind)
        killed[kind] += 1
        if show and killed.total() % show == 0:
            print(f"{killed.total()} kills: {dict(killed)}", flush=True)
    time.sleep(1.0)
    return killed


def check(edge: Edge, verdict: Judgement) -> None:
    """The promise, and that nothing is left behind."""
    assert verdict.holds(), f"{verdict.figures()}: {verdict.lost[:5]} {verdict.duplicated[:5]}"
    assert edge.quarantine() == [], "nothing was damaged or refused"
    counted = edge.command("stats", "verify")
    assert counted.returncode == 0, counted.stdout + counted.stderr


@pytest.mark.timeout(300)
def test_what_is_answered_is_stored_exactly_once_through_25_kills() -> None:
    """Five of each kind of process, under load: nothing lost, nothing twice, figures right."""
    kinds = list(KINDS) * 5
    random.shuffle(kinds)
    with running() as edge:
        with Load(edge, "kills") as load:
            killed = kill_all(edge, load, iter(kinds))
        edge.wait_ready()
        edge.wait_drained()
        verdict = judge(edge, ["kills"])
        print(json.dumps(verdict.figures() | load.figures | {"kills": killed}))
        check(edge, verdict)
        assert verdict.answered > 5000, "there was a load to speak of"


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("durability", "each"), [("write", 40), ("fsync", 8)])
def test_soak_of_many_kills(durability: str, each: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Many kills of each kind of process under 1,000 requests a second; figures are printed."""
    kinds = list(KINDS) * each
    random.shuffle(kinds)
    begun = time.monotonic()
    with running(EDGE_DURABILITY=durability) as edge, capsys.disabled():
        with Load(edge, "soak", rate=1600.0) as load:
            killed = kill_all(edge, load, iter(kinds), show=10)
        edge.wait_ready()
        edge.wait_drained(300)
        verdict = judge(edge, ["soak"])
        figures = {
            "test": "random kills",
            "durability": durability,
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}",
            "kills": dict(killed),
            "supervisor_restarts": edge.restarts,
            **verdict.figures(),
            **{f"client_{name}": value for name, value in load.figures.items()},
            "seconds": round(time.monotonic() - begun),
        }
        line = json.dumps(figures)
        print(line, flush=True)
        ARTIFACTS.mkdir(exist_ok=True)
        (ARTIFACTS / f"soak-kills-{durability}.json").write_text(line + "\n")
        check(edge, verdict)
        assert load.figures["median_second"] >= 1000
