"""CPU time and memory of process groups, from the kernel's own books.

A group is a process and everything below it. A child that ended and was reaped is in its parent's
``cutime`` and ``cstime``, so the four times summed over the living tree leave nothing out. The
resolution is one clock tick (10 ms): measure stretches of seconds.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

TICK: Final = os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text("latin-1")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text[text.rindex(")") + 2 :].split()


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))) is not None:
            found.setdefault(int(fields[1]), []).append(int(entry.name))
    return found


def tree(root: int, *, without: int = 0) -> list[int]:
    """A process and all below it, but for the part under ``without``."""
    children = _children()
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        if pid != without:
            found.append(pid)
            waiting += children.get(pid, [])
    return found


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process and its reaped children have used; 0 if it is gone."""
    fields = _stat(pid)
    return sum(map(int, fields[11:15])) / TICK if fields else 0.0


def tree_cpu(root: int) -> float:
    """Seconds of CPU that a group has used so far."""
    return sum(map(cpu_of, tree(root)))


def title(pid: int) -> str:
    """The process title, empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def memory(pid: int) -> dict[str, int]:
    """Bytes by name (``Pss``, ``Rss``, ``Private_Dirty``) out of ``smaps_rollup``."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    pairs = (line.split(":", 1) for line in lines)
    return {name: int(rest.split()[0]) * 1024 for name, rest in pairs}


def end(process: "subprocess.Popen[bytes]", *, patience: float = 20) -> None:
    """SIGTERM, and after ``patience`` seconds SIGKILL, to a process that we started."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until(true: Callable[[], bool], seconds: float, what: str, *, every: float = 0.05) -> None:
    """Call ``true`` until it answers yes; TimeoutError that says what was waited for."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(every)
