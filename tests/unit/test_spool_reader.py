"""Reading segments: torn tails vanish, damage is set aside once, everything else is read."""

from pathlib import Path

import pytest

from edge.clock import ManualClock
from edge.model.capture import Hit, Repeat
from edge.model.errors import OperatorError
from edge.spool.reader import SegmentReader, list_segments, replay
from edge.spool.segment import MAGIC, frame
from edge.spool.writer import append_once
from tests.unit.spool_records import hit, numbers, read_all, segment_of, stored, writer


def test_truncation_at_every_byte_of_the_last_frames_keeps_the_whole_ones(tmp_path: Path) -> None:
    """A torn tail was never acknowledged: it is dropped, and nothing is quarantined."""
    path = segment_of(tmp_path, 6)
    entries, _ = read_all(path, tmp_path / "q")
    data = path.read_bytes()
    assert entries[-1].end == len(data)
    for cut in range(entries[-3].start, len(data) + 1):
        path.write_bytes(data[:cut])
        read, reader = read_all(path, tmp_path / "q")
        assert [e.record for e in read] == [e.record for e in entries if e.end <= cut]
        assert reader.damaged == 0
    assert not (tmp_path / "q").exists()


def test_every_byte_of_a_frame_flipped_is_quarantined_and_reading_goes_on(tmp_path: Path) -> None:
    """Exactly one frame is lost to the quarantine, byte for byte, whichever byte was damaged."""
    path = segment_of(tmp_path, 3)
    entries, _ = read_all(path, tmp_path / "q")
    data, victim = path.read_bytes(), entries[1]
    for place in range(victim.start, victim.end):
        damaged = bytearray(data)
        damaged[place] ^= 0x40
        path.write_bytes(damaged)
        read, reader = read_all(path, tmp_path / "q")
        assert [e.record for e in read] == [entries[0].record, entries[2].record]
        assert reader.damaged == 1
        (kept,) = (tmp_path / "q").iterdir()
        assert kept.name == f"{path.stem}-{victim.start}.damaged"
        assert kept.read_bytes() == bytes(damaged[victim.start : victim.end])


def test_damage_read_again_is_kept_once(tmp_path: Path) -> None:
    """A restart reads the segment anew; the quarantine still holds one file."""
    path = segment_of(tmp_path, 3)
    data = bytearray(path.read_bytes())
    data[-80] ^= 1
    path.write_bytes(data)
    for _ in range(3):
        read_all(path, tmp_path / "q")
    assert len(list((tmp_path / "q").iterdir())) == 1


@pytest.mark.parametrize("keep", ["nothing", "header", "torn header"])
def test_segments_without_records_are_exhausted_at_once(tmp_path: Path, keep: str) -> None:
    """0 bytes, a header and no record, or half a header: nothing to read, nothing wrong."""
    path = segment_of(tmp_path, 1)
    entries, _ = read_all(path, tmp_path / "q")
    sizes = {"nothing": 0, "header": entries[0].start, "torn header": entries[0].start - 5}
    path.write_bytes(path.read_bytes()[: sizes[keep]])
    read, reader = read_all(path, tmp_path / "q")
    assert read == []
    assert reader.damaged == 0


def test_a_damaged_header_costs_no_record(tmp_path: Path) -> None:
    """The header only says who wrote the segment."""
    path = segment_of(tmp_path, 3)
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    path.write_bytes(data)
    reader = SegmentReader(path, tmp_path / "q")
    assert reader.header() is None
    reader.close()
    entries, _ = read_all(path, tmp_path / "q")
    assert [e.record.at for e in entries] == [1, 2, 3]


@pytest.mark.parametrize("gap", [b"\0" * 3_000_000, b"\0" * 2_500_000 + MAGIC + b"\0" * 99, b"x"])
def test_frames_behind_a_long_stretch_of_damage_are_read(tmp_path: Path, gap: bytes) -> None:
    """A hole longer than one read does not swallow the frames behind it, large ones neither."""
    path = segment_of(tmp_path, 2)
    behind = [frame(_payload(tmp_path, 3, size)) for size in (900_000, 40)]
    path.write_bytes(path.read_bytes() + gap + b"".join(behind))
    entries, reader = read_all(path, tmp_path / "q")
    assert [e.record.at for e in entries] == [1, 2, 3, 3]
    assert reader.damaged >= 1


def _payload(directory: Path, number: int, size: int) -> bytes:
    path = segment_of(directory / f"other-{number}-{size}", number, size)
    entries, _ = read_all(path, directory / "q")
    reader = SegmentReader(path, directory / "q")
    data = reader.bytes_of(entries[-1].start, entries[-1].end)
    reader.close()
    return data[12:]


def test_records_of_every_allowed_size_are_read(tmp_path: Path) -> None:
    """The largest payload fits into one read, wherever it lies."""
    path = segment_of(tmp_path, 3, 2**20 - 200)
    entries, reader = read_all(path, tmp_path / "q")
    assert [e.record.at for e in entries] == [1, 2, 3]
    assert reader.damaged == 0


def test_a_payload_that_is_no_record_is_set_aside(tmp_path: Path) -> None:
    """A good frame of a newer release is kept for it; the others are read."""
    path = segment_of(tmp_path, 1)
    path.write_bytes(path.read_bytes() + frame(b"\x93\x63\x01\x02") + frame(b""))
    entries, reader = read_all(path, tmp_path / "q")
    assert len(entries) == 1
    assert reader.damaged == 2


def test_the_lock_tells_an_open_segment_from_a_sealed_one(tmp_path: Path) -> None:
    """While its writer lives a segment is open and read as far as it is; sealed once he is gone."""
    spool = writer(tmp_path)
    spool.append(hit(1))
    spool.commit()
    reader = SegmentReader(list_segments(tmp_path)[0], tmp_path / "q")
    assert [e.record.at for e in reader.read()] == [1]
    assert reader.read() == []
    assert reader.exhausted is False
    spool.append(hit(2))
    spool.commit()
    assert [e.record.at for e in reader.read()] == [2]
    spool.close()
    assert (reader.read(), reader.exhausted) == ([], True)
    reader.delete()
    assert list_segments(tmp_path) == []


def test_a_repeat_finds_its_hit(tmp_path: Path) -> None:
    """Its base is the frame at that offset of the same segment; anything else is no hit."""
    spool = writer(tmp_path)
    base = spool.append(hit(1))
    spool.append_repeat(Repeat(2, base, 5))
    spool.commit()
    spool.close()
    reader = SegmentReader(list_segments(tmp_path)[0], tmp_path / "q")
    first, second = (entry.record for entry in reader.read())
    assert isinstance(second, Repeat)
    assert reader.base_of(second) == first
    for wrong in (base + 1, 0, 10**9, -1):
        assert reader.base_of(Repeat(2, wrong, 5)) is None
    reader.close()


def test_replay_puts_whole_files_back_and_leaves_damaged_ones(tmp_path: Path) -> None:
    """Good files are back as one segment and gone; a second replay adds nothing."""
    quarantine = tmp_path / "quarantine"
    quarantine.mkdir()
    good = frame(_payload(tmp_path, 5, 40))
    (quarantine / "a.refused").write_bytes(good)
    (quarantine / "b.damaged").write_bytes(good[:-1] + b"!")
    (quarantine / "c.damaged").write_bytes(b"noise" + good)
    files = sorted(quarantine.iterdir())
    assert replay(tmp_path, files, edge="e", clock=ManualClock()) == (1, 2)
    assert [f.name for f in sorted(quarantine.iterdir())] == ["b.damaged", "c.damaged"]
    assert replay(tmp_path, files[1:], edge="e", clock=ManualClock()) == (0, 2)
    assert numbers(tmp_path) == [5]


def test_replay_names_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """An operator's mistake is said, and nothing else happens."""
    with pytest.raises(OperatorError, match="cannot read"):
        replay(tmp_path, [tmp_path / "nowhere"], edge="e", clock=ManualClock())
    assert list_segments(tmp_path) == []


def test_append_once_writes_one_sealed_segment(tmp_path: Path) -> None:
    """What a command hands in is there when it returns; nothing handed in leaves nothing."""
    append_once(tmp_path, [], edge="e", clock=ManualClock())
    assert list_segments(tmp_path) == []
    append_once(tmp_path, (hit(n) for n in range(1, 2501)), edge="e", clock=ManualClock())
    (path,) = list_segments(tmp_path)
    entries, _ = read_all(path, tmp_path / "q")
    assert [e.record.at for e in entries] == list(range(1, 2501))
    assert all(isinstance(record, Hit) for record in stored(tmp_path))


def test_append_once_says_when_the_spool_cannot_be_written(tmp_path: Path) -> None:
    """The place is a file: an error of the operator's, with the path in it."""
    (tmp_path / "spool").write_text("not a directory")
    with pytest.raises(OperatorError, match="spool"):
        append_once(tmp_path / "spool", [hit(1)], edge="e", clock=ManualClock())
