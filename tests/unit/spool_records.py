"""Records and small spools for the tests of the spool."""

from pathlib import Path

from edge.clock import ManualClock
from edge.model.capture import Act, Hit, Record
from edge.spool.reader import Entry, SegmentReader, list_segments
from edge.spool.writer import SpoolWriter


def hit(number: int, size: int = 40) -> Hit:
    """A record that carries its number in id and time."""
    head = b"GET /o/x HTTP/1.1\r\n" + b"h" * size
    return Hit(number.to_bytes(16, "big"), number, Act.OPEN, "192.0.2.1", False, b"t", head)


def writer(directory: Path, **options: int | float | ManualClock) -> SpoolWriter:
    """A writer under a clock that stands still, unless another is given."""
    known = {"clock": ManualClock(), "max_bytes": 2**30, **options}
    return SpoolWriter(directory, edge="test", **known)  # type: ignore[arg-type]  # checked by the writer


def segment_of(directory: Path, count: int, size: int = 40) -> Path:
    """One sealed segment with the hits 1 to ``count``."""
    spool = writer(directory)
    for number in range(1, count + 1):
        spool.append(hit(number, size))
    assert spool.commit()
    spool.close()
    return list_segments(directory)[-1]


def read_all(path: Path, quarantine: Path) -> tuple[list[Entry], SegmentReader]:
    """Everything in a sealed segment; the reader is closed."""
    reader = SegmentReader(path, quarantine)
    entries: list[Entry] = []
    for _ in range(1000):
        entries += reader.read()
        if reader.exhausted:
            break
    reader.close()
    assert reader.exhausted
    return entries, reader


def stored(directory: Path) -> list[Record]:
    """Every record in the spool, segment by segment."""
    found: list[Record] = []
    for path in list_segments(directory):
        reader = SegmentReader(path, directory / "quarantine")
        while entries := reader.read():
            found += [entry.record for entry in entries]
        reader.close()
    return found


def numbers(directory: Path) -> list[int]:
    """The numbers of the hits in the spool."""
    return [record.at for record in stored(directory) if isinstance(record, Hit)]
