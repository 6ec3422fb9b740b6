"""A spool on a full disk: mail is served, what is dropped is counted, and it mends by itself."""

import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.crash.harness import Edge, Load, judge, running, wait_for
from tests.crash.load import kind_of


@contextmanager
def small_disk(directory: Path, kilobytes: int) -> Iterator[None]:
    """A memory file system of this size, owned like the directory that it covers."""
    owner = directory.stat()
    options = f"size={kilobytes}k,mode=0700,uid={owner.st_uid},gid={owner.st_gid}"
    words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(directory)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


def outcomes(edge: Edge, run: str) -> Counter[tuple[str, str]]:
    """How often which kind of request had which outcome."""
    lines = (edge.data_dir.parent / f"{run}.book").read_text("ascii").splitlines()
    words = [line.split() for line in lines]
    return Counter((kind_of(int(number)), outcome + status) for outcome, number, status in words)


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="needs root: mount")
def test_a_full_disk_drops_exactly_what_it_says_and_mends_by_itself() -> None:
    """answered = stored + dropped; an unsubscribe is answered 503; with space all is recorded."""
    with running() as edge:
        edge.stop()
        with small_disk(edge.data_dir / "spool", 768):
            edge.start()
            edge.wait_ready()
            ingest = edge.pids("ingest")[0]
            os.kill(ingest, signal.SIGSTOP)
            with Load(edge, "full", rate=1000.0):
                time.sleep(5.0)
            os.kill(ingest, signal.SIGCONT)
            time.sleep(2.5)  # workers publish their counts once a second
            dropped = edge.metrics()["edge_records_dropped_total"]
            with Load(edge, "after", rate=100.0):
                time.sleep(3.0)
            full, later = outcomes(edge, "full"), outcomes(edge, "after")
            edge.wait_drained()
            verdict = judge(edge, ["full"])
            after = judge(edge, ["after"])
            wait_for(lambda: not edge.segments(), "an empty spool")
            edge.stop()
    assert dropped > 500, "the disk was full"
    assert full["u", "R503"] > 20, "unsubscribes were refused, to be tried again"
    assert {outcome for _, outcome in full} == {"A200", "A302", "R503"}
    assert full["o", "R503"] + full["c", "R503"] == 0, "no reader of mail saw an error"
    assert verdict.answered == verdict.stored + dropped
    assert verdict.duplicated == verdict.unexplained == verdict.unsubscribes_lost == []
    assert after.holds(), f"it mended by itself: {after.figures()}"
    assert later.keys() == {("o", "A200"), ("c", "A302"), ("u", "A200")}
