"""A file that may not grow: whole frames stay, drops are counted to the request, space mends it."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog

from edge.clock import ManualClock
from edge.model.capture import Record, Repeat
from edge.spool.reader import SegmentReader, list_segments
from edge.spool.writer import OPEN_AGAIN, SpoolWriter
from tests.crash.worlds import hit


@contextmanager
def files_at_most(size: int) -> Iterator[None]:
    """No file of this process may grow beyond this many bytes (EFBIG, or a short write)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with structlog.testing.capture_logs():  # what is logged goes to a file too
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)


def records(directory: Path) -> list[Record]:
    """Everything readable in the spool; nothing in it may be damaged."""
    found: list[Record] = []
    for path in list_segments(directory):
        reader = SegmentReader(path, directory / "quarantine")
        while entries := reader.read():
            found += [entry.record for entry in entries]
        assert reader.damaged == 0
        reader.close()
    return found


async def test_a_short_write_keeps_whole_frames_and_counts_every_request_it_drops(
    tmp_path: Path,
) -> None:
    """Two and a half frames fit: two are stored; a dropped repeat counts as its requests."""
    clock = ManualClock()
    writer = SpoolWriter(tmp_path, edge="test", clock=clock, max_bytes=2**30)
    first = writer.append(hit(1.0))
    length = writer.append(hit(2.0)) - first
    assert writer.commit()
    generation = writer.generation
    for _ in range(4):
        writer.append(hit(3.0))
    writer.append_repeat(Repeat(4, first, 41))
    with files_at_most(first + 4 * length + length // 2):
        assert not writer.commit()
    assert writer.dropped == 2 + 41
    assert writer.generation > generation, "places in the segment mean nothing any more"
    assert writer.append(hit(5.0)) == -1, "not tried again at once"
    clock.advance(OPEN_AGAIN + 0.1)
    writer.append(hit(6.0))
    assert writer.commit()
    writer.close()
    assert len(records(tmp_path)) == 5
    assert writer.dropped == 2 + 41 + 1


async def test_an_unsubscribe_that_cannot_be_stored_is_refused_not_dropped(tmp_path: Path) -> None:
    """It is tried whatever failed just before, and leaves the count of drops alone."""
    writer = SpoolWriter(tmp_path, edge="test", clock=ManualClock(), max_bytes=2**30)
    with files_at_most(10):
        assert writer.append(hit(1.0)) == -1
        assert not await writer.append_durable(hit(2.0))
    assert writer.dropped == 1
    assert await writer.append_durable(hit(3.0)), "space is back: no waiting"
    writer.close()
    assert len(records(tmp_path)) == 1
    assert list(tmp_path.glob("*.tmp")) == []


async def test_above_the_size_limit_requests_are_shed_and_unsubscribes_are_not(
    tmp_path: Path,
) -> None:
    """Shed requests are counted one by one; a repeat counts as its requests."""
    writer = SpoolWriter(tmp_path, edge="test", clock=ManualClock(), max_bytes=10)
    assert writer.append(hit(1.0)) > 0
    writer.commit()
    writer.tend()
    assert writer.full
    assert writer.append(hit(2.0)) == -1
    writer.append_repeat(Repeat(3, 0, 7))
    assert (writer.shed, writer.dropped) == (8, 0)
    assert await writer.append_durable(hit(4.0))
    writer.close()
    assert len(records(tmp_path)) == 2


async def test_a_failed_fdatasync_is_not_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel may have thrown the pages away: the unsubscribe is refused, the segment sealed."""
    writer = SpoolWriter(tmp_path, edge="test", clock=ManualClock(), max_bytes=2**30)
    writer.append(hit(1.0))
    writer.commit()
    with monkeypatch.context() as broken:
        broken.setattr("os.fdatasync", _failing)
        assert not await writer.append_durable(hit(2.0))
    assert await writer.append_durable(hit(3.0))
    writer.close()
    assert len(list_segments(tmp_path)) == 2


def _failing(_: int) -> None:
    raise OSError(5, "Input/output error")
