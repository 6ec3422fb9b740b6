"""Writing the spool: whole frames or nothing, drops counted exactly, unsubscribes never silent."""

import asyncio
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from edge.clock import ManualClock
from edge.model.capture import Repeat
from edge.spool.reader import SegmentReader, list_segments
from edge.spool.writer import OPEN_AGAIN, SpoolWriter
from tests.unit.spool_records import hit, numbers, read_all, stored, writer

ROOM = 4096


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file of this process may grow beyond ``size`` bytes: writes become short, then fail."""
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        with capture_logs():  # where the tests' own output goes, the limit holds too
            yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def _fill(spool: SpoolWriter, total: int, batch: int) -> None:
    for start in range(0, total, batch):
        for number in range(start, start + batch):
            spool.append(hit(number))
        spool.commit()


@pytest.mark.parametrize("batch", [1, 7, 50])
def test_a_short_write_keeps_whole_frames_and_counts_the_rest(tmp_path: Path, batch: int) -> None:
    """A file that cannot grow: stored + dropped is everything, stored is a prefix of each batch."""
    spool = writer(tmp_path)
    with file_size_limit(ROOM):
        _fill(spool, 350, batch)
        assert spool.dropped > 0
        path = list_segments(tmp_path)[0]
        assert path.stat().st_size <= ROOM
    spool.close()
    entries, reader = read_all(path, tmp_path / "q")
    assert entries[-1].end == path.stat().st_size
    assert reader.damaged == 0
    assert len(entries) == spool.written
    assert spool.written + spool.dropped == 350
    kept = [entry.record.at for entry in entries]
    assert kept == sorted(set(kept))
    assert kept[: len(kept) // batch * batch] == list(range(len(kept) // batch * batch))


def test_a_dropped_repeat_counts_for_all_that_it_stands_for(tmp_path: Path) -> None:
    """Drops are requests, not frames."""
    spool = writer(tmp_path)
    base = spool.append(hit(1))
    spool.commit()
    with file_size_limit(list_segments(tmp_path)[0].stat().st_size):
        spool.append_repeat(Repeat(2, base, 41))
        spool.append(hit(3))
        assert not spool.commit()
    assert spool.dropped == 42
    spool.append_repeat(Repeat(4, -1, 5))
    assert spool.dropped == 47
    assert spool.shed == 0
    spool.close()


def test_offsets_lose_their_meaning_when_frames_are_dropped(tmp_path: Path) -> None:
    """The generation tells whoever keeps an offset."""
    spool = writer(tmp_path)
    spool.append(hit(1))
    spool.commit()
    before = spool.generation
    with file_size_limit(list_segments(tmp_path)[0].stat().st_size):
        spool.append(hit(2))
        spool.commit()
    assert spool.generation > before
    spool.close()


async def test_unsubscribes_report_failure_and_success_after_space_returns(tmp_path: Path) -> None:
    """Refused while the disk is full, and not counted as dropped; stored once there is room."""
    spool = writer(tmp_path)
    spool.append(hit(1))
    spool.commit()
    with file_size_limit(list_segments(tmp_path)[0].stat().st_size):
        spool.append(hit(2, 400))
        assert not await spool.append_durable(hit(3, 400))
        assert spool.dropped == 1
    assert await spool.append_durable(hit(4))
    spool.append(hit(5))
    assert spool.commit()
    spool.close()
    assert sorted(numbers(tmp_path)) == [1, 4, 5]


async def test_opens_wait_before_a_segment_is_tried_again_and_unsubscribes_do_not(
    tmp_path: Path,
) -> None:
    """A full disk is not asked at every request; the first unsubscribe with room gets in."""
    clock = ManualClock()
    spool = writer(tmp_path, clock=clock)
    with file_size_limit(10):
        assert spool.append(hit(1)) == -1
        assert not await spool.append_durable(hit(2))
    assert spool.append(hit(3)) == -1
    assert spool.dropped == 2
    assert list(tmp_path.iterdir()) == []
    clock.advance(OPEN_AGAIN)
    assert spool.append(hit(4)) > 0
    assert spool.commit()
    spool.close()
    assert await spool.append_durable(hit(5))
    spool.close()
    assert sorted(numbers(tmp_path)) == [4, 5]


async def test_over_its_size_limit_the_spool_takes_unsubscribes_only(tmp_path: Path) -> None:
    """Opens and clicks are shed and counted, repeats with all they stand for; room ends it."""
    spool = writer(tmp_path, max_bytes=2000)
    _fill(spool, 20, 20)
    spool.tend()
    assert spool.full
    assert spool.append(hit(100)) == -1
    spool.append_repeat(Repeat(1, 300, 9))
    assert spool.shed == 10
    assert spool.dropped == 0
    assert await spool.append_durable(hit(101))
    spool.rotate()
    for path in list_segments(tmp_path):
        assert 101 in numbers(tmp_path)
        path.unlink()
    spool.tend()
    assert spool.append(hit(102)) > 0
    spool.close()


def test_a_full_segment_is_sealed_and_the_next_one_begins(tmp_path: Path) -> None:
    """Rotation by size: no record is lost or doubled, and each sealed one can be deleted."""
    spool = writer(tmp_path, segment_bytes=2000)
    _fill(spool, 100, 5)
    spool.close()
    assert len(list_segments(tmp_path)) >= 5
    assert sorted(numbers(tmp_path)) == list(range(100))


def test_an_idle_segment_is_sealed_but_never_an_empty_one(tmp_path: Path) -> None:
    """Quiet edges hand their last records over; no empty segments pile up."""
    clock = ManualClock()
    spool = writer(tmp_path, clock=clock, idle=10.0)
    clock.advance(100)
    spool.tend()
    assert list_segments(tmp_path) == []
    spool.append(hit(1))
    spool.commit()
    clock.advance(9)
    spool.tend()
    reader = SegmentReader(list_segments(tmp_path)[0], tmp_path / "q")
    assert [e.record.at for e in reader.read()] == [1]
    assert not reader.sealed
    clock.advance(1)
    spool.tend()
    assert reader.read() == []
    assert reader.exhausted
    reader.close()
    spool.close()
    assert len(list_segments(tmp_path)) == 1


async def test_a_failed_fdatasync_seals_the_segment_and_fails_all_who_waited(
    tmp_path: Path, unsyncable: Callable[[SpoolWriter], None]
) -> None:
    """After an error the pages may be gone: no unsubscribe of that segment is called safe."""
    spool = writer(tmp_path)
    spool.append(hit(1))
    spool.commit()
    unsyncable(spool)
    waiting = [spool.append_durable(hit(number)) for number in (2, 3, 4)]
    assert await asyncio.gather(*waiting) == [False, False, False]
    assert spool.dropped == 0
    assert await spool.append_durable(hit(5))
    spool.close()
    assert len(list_segments(tmp_path)) == 2


async def test_an_unsubscribe_whose_segment_could_not_be_synced_is_refused(
    tmp_path: Path, unsyncable: Callable[[SpoolWriter], None]
) -> None:
    """Also when the failure comes while its segment is being rotated."""
    spool = writer(tmp_path, segment_bytes=400)
    spool.append(hit(1))
    spool.commit()
    unsyncable(spool)
    assert not await spool.append_durable(hit(2, 400))
    assert await spool.append_durable(hit(3))
    spool.close()


@pytest.fixture
def unsyncable() -> Iterator[Callable[[SpoolWriter], None]]:
    """Makes the open segment take writes that cannot be synced: a pipe never can."""
    pipes: list[int] = []

    def lose(spool: SpoolWriter) -> None:
        segment = spool._segment
        assert segment is not None
        reading, writing = os.pipe()
        os.dup2(writing, segment.fd)
        os.close(writing)
        pipes.append(reading)

    yield lose
    for pipe in pipes:
        os.close(pipe)


async def test_many_waiters_share_few_syncs(tmp_path: Path) -> None:
    """Group commit: everyone who asks gets an answer, also those who ask during a sync."""
    spool = writer(tmp_path)
    for number in range(200):
        spool.append(hit(number))
    spool.commit()
    results = await asyncio.gather(*(spool.append_durable(hit(n)) for n in range(200, 260)))
    assert all(results)
    assert await spool.synced()
    spool.close()
    assert sorted(numbers(tmp_path)) == list(range(260))


def test_temporary_files_are_private_and_leave_nothing(tmp_path: Path) -> None:
    """Segments carry addresses: only their owner reads them; no .tmp stays behind."""
    spool = writer(tmp_path / "spool")
    spool.append(hit(1))
    spool.commit()
    (path,) = (tmp_path / "spool").iterdir()
    assert path.suffix == ".seg"
    assert path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700
    spool.close()


def test_records_written_before_a_kill_are_there(tmp_path: Path) -> None:
    """A process that dies at once after a commit loses nothing; its segment counts as sealed."""
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from tests.unit.spool_records import hit, writer\n"
        "spool = writer(Path(sys.argv[1]))\n"
        "for n in range(50): spool.append(hit(n))\n"
        "assert spool.commit()\n"
        "spool.append(hit(99))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], timeout=30)
    assert done.returncode == -signal.SIGKILL
    assert numbers(tmp_path) == list(range(50))
    assert read_all(list_segments(tmp_path)[0], tmp_path / "q")[1].sealed


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_full_file_system_truncates_to_the_last_whole_frame(tmp_path: Path) -> None:
    """On a 64 KiB tmpfs: what is stored is whole, drops are exact, and room brings it back."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this machine allows no mounts")
    try:
        clock = ManualClock()
        spool = writer(place, clock=clock)
        _fill(spool, 2002, 13)
        assert spool.dropped > 0
        assert spool.written + spool.dropped == 2002
        assert len(numbers(place)) == spool.written
        assert not list((place).glob("quarantine/*"))
        subprocess.run(["mount", "-o", "remount,size=1m", str(place)], check=True)
        clock.advance(OPEN_AGAIN)
        spool.append(hit(5000))
        assert spool.commit()
        assert 5000 in numbers(place)
        spool.close()
        assert len(stored(place)) == spool.written
    finally:
        subprocess.run(["umount", str(place)], check=True)
