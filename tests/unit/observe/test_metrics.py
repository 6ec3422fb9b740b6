"""Metrics: one table, numbers of all processes together, the dead forgotten."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge.observe import metrics

SHARED = """
import os, sys
from pathlib import Path
from edge.observe import metrics
from edge.settings import share_metrics

directory = Path(sys.argv[1])
share_metrics(directory)
metrics.share(directory)
metrics.DRAIN_EVENTS.inc(2)
pid = os.fork()
if pid == 0:
    metrics.DRAIN_EVENTS.inc(3)
    metrics.SPOOL_BYTES.set(7)
    metrics.EVENTS.labels("opened", "apple").inc()
    os._exit(0)
os.waitpid(pid, 0)
print(metrics.sample("edge_drain_events_total"), metrics.sample("edge_spool_bytes"))
metrics.forget(pid)
print(metrics.sample("edge_drain_events_total"), metrics.sample("edge_spool_bytes"))
print(metrics.render().decode())
"""


def test_processes_add_up_and_the_gauges_of_a_dead_one_are_forgotten(tmp_path: Path) -> None:
    """Counters of a dead child stay; its gauges go when the supervisor has buried it."""
    done = subprocess.run(
        [sys.executable, "-c", SHARED, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    first, second, *text = done.stdout.splitlines()
    assert first == "5.0 7.0"
    assert second == "5.0 None"
    assert 'edge_events_total{bot="apple",event="opened"} 1.0' in text


def test_every_metric_is_declared_once_with_a_help_text_and_our_prefix() -> None:
    """Names are ours and unique; every one has a sentence."""
    names = [spec.name for spec in metrics.SPECS.values()]
    assert len(set(names)) == len(names)
    for spec in metrics.SPECS.values():
        assert spec.name.startswith("edge_")
        assert spec.text.endswith(".")
    annotated = {name for name in metrics.__annotations__ if name.isupper() and name != "SPECS"}
    assert annotated == set(metrics.SPECS)


def test_every_metric_is_documented() -> None:
    """docs/operating.md names each one as it is exposed."""
    text = (Path(__file__).parents[3] / "docs" / "operating.md").read_text("utf-8")
    for spec in metrics.SPECS.values():
        exposed = spec.name + ("_total" if spec.kind.__name__ == "Counter" else "")
        assert f"`{exposed}`" in text


def test_a_name_that_is_no_metric_is_an_attribute_error() -> None:
    """A typing mistake is found at once."""
    with pytest.raises(AttributeError, match="NO_SUCH"):
        _ = metrics.NO_SUCH


UNFINISHED = """
import sys, threading, time
from pathlib import Path
from edge.observe import metrics
from edge.settings import share_metrics

directory = Path(sys.argv[1])
share_metrics(directory)
metrics.share(directory)
metrics.DRAIN_EVENTS.inc(2)
empty = directory / "counter_1.db"
empty.touch()  # what another process's file is for a moment
threading.Timer(0.01, empty.unlink).start()
print(metrics.sample("edge_drain_events_total"))
"""


def test_a_file_that_is_just_being_made_is_waited_for(tmp_path: Path) -> None:
    """Reading between the steps in which another process makes its file is no error."""
    done = subprocess.run(
        [sys.executable, "-c", UNFINISHED, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["2.0"]
