"""The end of a child: in order if it can, by the kernel if it hangs."""

import signal
import subprocess
import sys

from edge.lifecycle import backoff

HANGS = """
import asyncio
from edge.lifecycle import Tasks

async def main():
    tasks = Tasks(last_breath={seconds})
    tasks.on_signals()
    print("ready", flush=True)
    await tasks.stopping.wait()
    {then}

asyncio.run(main())
"""


def stopped(seconds: int, then: str) -> int:
    """Exit status of a child that is told to stop."""
    code = HANGS.format(seconds=seconds, then=then)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        child.send_signal(signal.SIGTERM)
        return child.wait(20)


def test_a_child_that_hangs_at_its_end_is_ended_by_the_kernel() -> None:
    """Nobody else would do it for a child without a supervisor."""
    assert stopped(1, "await asyncio.get_running_loop().create_future()") == -signal.SIGALRM


def test_a_child_that_ends_in_time_ends_as_it_likes() -> None:
    """The deadline is for hangs only."""
    assert stopped(5, "await asyncio.sleep(0.1)") == 0


def test_waiting_doubles_to_its_limit_and_never_overflows() -> None:
    """Also after the millionth failure: a database may be away for a week."""
    assert [backoff(0.1, 5.0, n) for n in (0, 1, 2)] == [0.1, 0.2, 0.4]
    assert {backoff(0.1, 5.0, n) for n in (6, 32, 1_100, 1_000_000)} == {5.0}
