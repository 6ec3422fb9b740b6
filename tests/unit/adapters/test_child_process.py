"""What a child asks of the kernel."""

import platform
import subprocess
import sys

import pytest

ASK = """
import os
from edge.adapters.child_process import short_slices
os.nice(3)
before = os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0)
granted = short_slices()
assert before == (os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0)), "share is kept"
print(granted)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a wish for Linux")
def test_short_slices_change_neither_policy_nor_priority() -> None:
    """A worker is woken sooner; it gets no larger share of a core."""
    done = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(platform.machine() in {"x86_64", "aarch64", "riscv64"})
