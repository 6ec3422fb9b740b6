"""Logging on a full disk: requests go on, and what was lost is said."""

import json

from edge.observe.logs import Unfailing


class _Disk:
    """A foreign border: a stream that can be full."""

    def __init__(self) -> None:
        self.full = False
        self.text = ""

    def write(self, text: str) -> int:
        if self.full:
            raise OSError(28, "No space left on device")
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass


def test_a_full_disk_under_the_log_never_raises_and_is_told_later() -> None:
    """Two lines are lost without an error; the next one that is written says so first."""
    disk = _Disk()
    stream = Unfailing(disk)  # type: ignore[arg-type]  # only write and flush are used
    stream.write("one\n")
    disk.full = True
    stream.write("two\n")
    stream.write("three\n")
    disk.full = False
    stream.write("four\n")
    first, lost, last = disk.text.splitlines()
    assert (first, last) == ("one", "four")
    assert json.loads(lost)["lines"] == 2
