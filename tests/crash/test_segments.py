"""Segments cut off and damaged at every byte: no other frame is lost, nothing stops the reader."""

from pathlib import Path

from edge.clock import ManualClock
from edge.model.capture import Hit, Record
from edge.spool.reader import SegmentReader, replay
from edge.spool.writer import append_once
from tests.crash.worlds import hit


def segment(directory: Path, records: list[Record]) -> Path:
    """A sealed segment of these records."""
    append_once(directory, records, edge="test", clock=ManualClock())
    return next(directory.glob("*.seg"))


def read(path: Path) -> tuple[list[Record], int, bool]:
    """Its records, the damaged places, and whether the reader is done with it."""
    reader = SegmentReader(path, path.parent / "quarantine")
    try:
        found = []
        while entries := reader.read():
            found += [entry.record for entry in entries]
        return found, reader.damaged, reader.exhausted
    finally:
        reader.close()


def test_a_segment_cut_at_any_byte_keeps_every_whole_frame(tmp_path: Path) -> None:
    """The torn end was never answered: it is no damage, and the segment can be deleted."""
    records: list[Record] = [hit(float(number)) for number in range(5)]
    path = segment(tmp_path / "spool", records)
    whole = path.read_bytes()
    reader = SegmentReader(path, tmp_path)
    ends = [entry.end for entry in reader.read()]
    reader.close()
    for size in range(ends[1], len(whole)):
        path.write_bytes(whole[:size])
        found, damaged, exhausted = read(path)
        assert found == [r for r, end in zip(records, ends, strict=True) if end <= size], size
        assert damaged == 0
        assert exhausted


def test_a_flipped_byte_costs_one_frame_which_is_set_aside(tmp_path: Path) -> None:
    """Whichever byte of a frame is damaged, its neighbours are read and the bytes are kept."""
    records: list[Record] = [hit(float(number)) for number in range(5)]
    path = segment(tmp_path / "spool", records)
    whole = path.read_bytes()
    reader = SegmentReader(path, tmp_path)
    third = reader.read()[2]
    reader.close()
    for place in range(third.start, third.end):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :])
        found, damaged, exhausted = read(path)
        assert found == records[:2] + records[3:], place
        assert damaged == 1
        assert exhausted
    kept = list((tmp_path / "spool" / "quarantine").iterdir())
    assert [len(one.read_bytes()) for one in kept] == [third.end - third.start]


def test_empty_and_headless_segments_are_done_at_once(tmp_path: Path) -> None:
    """What a power failure may leave of a new segment holds nobody up."""
    for size in (0, 1, 11, 12, 40):
        path = segment(tmp_path / str(size), [hit(1.0)])
        path.write_bytes(path.read_bytes()[:size])
        assert read(path) == ([], 0, True)


def test_replay_leaves_what_it_cannot_read(tmp_path: Path) -> None:
    """A damaged file stays in the quarantine; a good one goes back and its file is removed."""
    spool = tmp_path / "spool"
    path = segment(tmp_path / "old", [hit(1.0), hit(2.0)])
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_bytes(path.read_bytes())
    bad.write_bytes(b"not a frame")
    spool.mkdir()
    assert replay(spool, [good, bad], edge="test", clock=ManualClock()) == (2, 1)
    assert (good.exists(), bad.exists()) == (False, True)
    found, damaged, _ = read(next(spool.glob("*.seg")))
    assert [record.at for record in found if isinstance(record, Hit)] == [1_000_000, 2_000_000]
    assert damaged == 0
