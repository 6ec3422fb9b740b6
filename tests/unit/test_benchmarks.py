"""The arithmetic of the benchmarks: what they say must follow from what they measured."""

import subprocess
import sys
import time

import pytest

from benchmarks.__main__ import SCRIPTS
from benchmarks.figure import Figure, Limit, ratio_figure
from benchmarks.processes import cpu_of, end, tree, tree_cpu
from benchmarks.report import ORDER
from benchmarks.traffic import messages, user_agents
from edge.model.tokens import unpack_message_id


@pytest.mark.parametrize(
    ("limit", "value", "accepted", "share"),
    [
        (Limit.VALUE_AT_MOST, 30, 60, 0.5),
        (Limit.VALUE_AT_LEAST, 40_000, 20_000, 0.5),
        (Limit.VALUE_AT_LEAST, 10_000, 20_000, 2.0),
    ],
)
def test_share_of_the_limit(limit: Limit, value: float, accepted: float, share: float) -> None:
    """A figure keeps its limit exactly when its share is at most 1, whichever side is good."""
    figure = Figure(name="x", value=value, unit="u", limit=limit, accepted=accepted)
    assert figure.share == share


def test_ratio_is_the_median_of_the_rounds() -> None:
    """One disturbed round does not move the ratio, and the spread shows that it was there."""
    figure = ratio_figure("x", "µs", [12, 13, 60], [10, 10, 10], "y", limit=Limit.RATIO_AT_MOST)
    assert figure.ratio == pytest.approx(1.3)
    assert figure.spread is not None
    assert list(figure.spread) == pytest.approx([1.2, 6.0])


def test_group_cpu_counts_children_and_the_dead() -> None:
    """CPU of a group holds that of a living child and of one that ended and was reaped."""
    spin = "import time\nwhile time.process_time() < 0.3: pass\n"
    code = (
        "import subprocess, sys, time\n"
        f"spin = {spin!r}\n"
        "subprocess.run([sys.executable, '-c', spin])\n"
        "subprocess.Popen([sys.executable, '-c', spin + 'time.sleep(60)'])\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        deadline = time.monotonic() + 20
        while tree_cpu(process.pid) < 0.55 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert tree_cpu(process.pid) >= 0.55
        assert 0.25 <= cpu_of(process.pid) < tree_cpu(process.pid)
        children = [pid for pid in tree(process.pid) if pid != process.pid]
        assert len(children) == 1
    finally:
        subprocess.run(["kill", *map(str, tree(process.pid))], check=False)
        end(process)
        if process.stdout is not None:
            process.stdout.close()


def test_every_script_has_its_place_in_the_report() -> None:
    """What has none would be measured and forgotten."""
    assert set(SCRIPTS) == set(ORDER)


def test_user_agents_are_distinct() -> None:
    """As many different user agents as asked for."""
    assert len(set(user_agents(5000))) == 5000


def test_messages_have_ids_of_our_own_form() -> None:
    """Message ids pack, and unpack to the text that their facts are stored under."""
    for message in messages({1: "email.brand.example"}, 20):
        assert isinstance(message.packed, bytes)
        assert unpack_message_id(message.packed, "brand.example") == message.message_id
        assert len(set(message.tags)) == 2
