"""Armed crash points: a process dies at the worst moment, and nothing is lost or doubled."""

import json
import os
import signal
import time
from collections.abc import Callable
from functools import partial

import pytest

from edge import crash
from tests.crash.harness import ARTIFACTS, ROOT, Edge, Load, judge, running
from tests.crash.test_kills import check

SEALING = ("rotate-before-seal", "sealed-not-shipped")
"""Points in a worker that seals its segment, as it does when it is told to stop."""

INGEST = (
    "copy-done-before-cas",
    "cas-done-before-commit",
    "committed-before-unlink",
    "unlinked-before-row-gc",
)


def fire(edge: Edge, name: str, times: int) -> str:
    """Run the edge with one point armed until it fired so often; the run's name."""
    run = f"{name}-{int(time.time() * 1000)}"
    child = "ingest" if name in INGEST else "tracking"
    edge.stop()
    edge.start(EDGE_CRASH_AT=name)
    before = edge.deaths(child).count(-signal.SIGKILL)
    with Load(edge, run, rate=300.0):
        for count in range(1, times + 1):
            _provoke(edge, name, partial(_died, edge, child, before + count))
    return run


def _died(edge: Edge, child: str, times: int) -> bool:
    return edge.deaths(child).count(-signal.SIGKILL) >= times  # nobody else kills


def _provoke(edge: Edge, name: str, fired: Callable[[], bool]) -> None:
    """Wait until the point fires, and make happen again and again what leads to it."""
    deadline = time.monotonic() + 60
    while not fired():
        assert time.monotonic() < deadline, f"{name} did not fire; log: {edge.log()[-3000:]}"
        if name in SEALING or name in INGEST[2:]:
            time.sleep(1.0)  # something has to be in the segment
            for pid in edge.pids("tracking")[:1]:
                os.kill(pid, signal.SIGTERM)
        time.sleep(0.1)


def run_points(names: tuple[str, ...], times: int) -> dict[str, object]:
    """Fire all of them on one data directory, then run unarmed and judge."""
    with running() as edge:
        runs = []
        for name in names:
            runs.append(fire(edge, name, times))
            print(f"{name}: fired {times} times", flush=True)
        edge.stop()
        edge.start()
        edge.wait_ready()
        with Load(edge, "afterwards"):
            time.sleep(1.0)
        edge.wait_drained()
        verdict = judge(edge, [*runs, "afterwards"])
        figures: dict[str, object] = {
            "points": len(names),
            "times_each": times,
            **verdict.figures(),
        }
        print(json.dumps(figures), flush=True)
        check(edge, verdict)
        return figures


def test_every_crash_point_is_described() -> None:
    """The operator's page says what is left at each point, and names none that does not exist."""
    page = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    table = page.partition("## Crash points")[2].partition("## How")[0]
    named = [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")]
    assert named == list(crash.POINTS)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("names", [crash.POINTS[:5], crash.POINTS[5:]], ids=["early", "late"])
def test_every_crash_point_fires_and_nothing_is_lost(names: tuple[str, ...]) -> None:
    """Each named point kills its process once; all answered requests are stored exactly once."""
    run_points(names, 1)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_soak_of_every_crash_point_three_times(capsys: pytest.CaptureFixture[str]) -> None:
    """Each named point three times in a row on one data directory."""
    with capsys.disabled():
        figures = run_points(crash.POINTS, 3)
    ARTIFACTS.mkdir(exist_ok=True)
    (ARTIFACTS / "soak-points.json").write_text(json.dumps(figures) + "\n")
