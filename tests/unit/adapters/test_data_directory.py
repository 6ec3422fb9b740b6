"""The data directory: lock, identity, master key."""

import os
import signal
from pathlib import Path

import pytest

from edge.adapters import data_directory
from edge.adapters.data_directory import Lock
from edge.clock import SystemClock
from edge.model.errors import OperatorError


def test_a_lock_excludes_and_a_child_does_not_keep_it(tmp_path: Path) -> None:
    """A second taker fails; a child that left it holds nothing when its parent lets go."""
    first, second = Lock(tmp_path), Lock(tmp_path)
    assert first.try_take("running") is True
    assert second.try_take("running") is False
    child = os.fork()
    if child == 0:
        first.leave()
        signal.pause()
    try:
        first.end()
        deadline = SystemClock().monotonic() + 5
        while not second.try_take("running"):
            assert SystemClock().monotonic() < deadline
        second.end()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_lock_held_by_a_running_supervisor_is_refused_at_once(tmp_path: Path) -> None:
    """The error names the process; nobody waits for one that is not about to stop."""
    with Lock(tmp_path) as first:
        first.try_take("running")
        begun = SystemClock().monotonic()
        with pytest.raises(OperatorError, match=rf"process {os.getpid()}"):
            Lock(tmp_path).take("running", SystemClock())
        assert SystemClock().monotonic() - begun < 2


def test_a_lock_tells_whether_the_one_before_ended_in_order(tmp_path: Path) -> None:
    """After an end nothing is waited for; after a crash the children may still drain."""
    first = Lock(tmp_path)
    first.take("running", SystemClock())
    assert first.after_crash is False
    first.end()
    second = Lock(tmp_path)
    second.take("running", SystemClock())
    assert second.after_crash is False
    second.leave()  # as the kernel does after kill -9
    third = Lock(tmp_path)
    third.take("running", SystemClock())
    assert third.after_crash is True
    third.leave()


def test_the_identity_is_made_once(tmp_path: Path) -> None:
    """The same UUID at every start; rubbish is an error, not a new identity."""
    first = data_directory.edge_id(tmp_path, None)
    assert data_directory.edge_id(tmp_path, None) == first
    (tmp_path / "edge-id").write_text("rubbish")
    with pytest.raises(OperatorError, match="does not hold a UUID"):
        data_directory.edge_id(tmp_path, None)


def test_the_master_key_is_private_and_comes_back(tmp_path: Path) -> None:
    """0600, base64 of 32 bytes; what one vault seals, the one read later opens."""
    path = tmp_path / "master.key"
    sealed = data_directory.make_master_key(path, None).seal("key:1", b"secret")
    assert path.stat().st_mode & 0o777 == 0o600
    assert data_directory.read_vault(path).open("key:1", sealed) == b"secret"


@pytest.mark.parametrize("content", [b"", b"short", b"\xff\xfe", b"A" * 43])
def test_a_damaged_master_key_is_an_error_that_says_restore(tmp_path: Path, content: bytes) -> None:
    """Never a traceback, never a new key in its place."""
    path = tmp_path / "master.key"
    path.write_bytes(content)
    with pytest.raises(OperatorError, match="EDGE_MASTER_KEY_FILE"):
        data_directory.read_vault(path)
    assert path.read_bytes() == content


def test_metrics_of_an_earlier_start_are_gone(tmp_path: Path) -> None:
    """Numbers start at zero with the processes that count them."""
    (tmp_path / "run").mkdir()
    directory = data_directory.clear_metrics(tmp_path, None)
    (directory / "counter_1.db").write_bytes(b"old")
    assert list(data_directory.clear_metrics(tmp_path, None).iterdir()) == []
