"""``edge spool``: what is in a spool, what is wrong with it, and how it is put right."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from edge.cli import spool
from edge.model.errors import OperatorError
from edge.spool.reader import list_segments
from tests.unit.spool_records import hit, numbers, segment_of, writer


def run(data_dir: Path, *arguments: str) -> Result:
    """One command; an error of the tree is raised."""
    result = CliRunner().invoke(spool.app, [*arguments, "--data-dir", str(data_dir)])
    if isinstance(result.exception, OperatorError):
        raise result.exception
    return result


def rows(data_dir: Path, command: str) -> list[dict[str, object]]:
    """The objects that it prints."""
    lines = run(data_dir, command, "--json").stdout.splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]  # the rest is the log


def test_status_tells_open_sealed_and_torn_segments_apart(tmp_path: Path) -> None:
    """Nothing is changed by looking, and an open segment is not called torn for being open."""
    segment_of(tmp_path / "spool", 3)
    torn = segment_of(tmp_path / "other", 2)
    (tmp_path / "spool" / torn.name).write_bytes(torn.read_bytes()[:-5])
    living = writer(tmp_path / "spool")
    living.append(hit(1))
    living.commit()
    found = rows(tmp_path, "status")
    told = sorted((row["hits"], row["sealed"], row["torn-bytes"] != 0) for row in found)
    assert told == [(1, False, False), (1, True, True), (3, True, False)]
    assert {row["edge"] for row in found} == {"test"}
    assert rows(tmp_path, "verify") == found
    text = run(tmp_path, "status").stdout
    assert "3 segments; 0 files in quarantine" in text
    living.close()


def test_an_empty_spool_and_one_that_was_never_made_are_well(tmp_path: Path) -> None:
    """Both before and after the first record."""
    assert run(tmp_path, "verify").stdout == "0 segments, 0 records, 0 segments with damage\n"
    assert run(tmp_path, "replay").stdout == "nothing in quarantine\n"


def test_damage_fails_verify_and_stays_where_it_is(tmp_path: Path) -> None:
    """A flipped byte is found, named, and neither mended nor moved by looking."""
    path = segment_of(tmp_path / "spool", 3)
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    with pytest.raises(OperatorError, match="1 segments with damage, 0 files in quarantine"):
        run(tmp_path, "verify")
    assert rows(tmp_path, "status")[0]["damaged"] == 1
    assert not (tmp_path / "spool" / "quarantine").exists()


def test_quarantined_records_are_listed_and_put_back(tmp_path: Path) -> None:
    """What is whole goes back as a new segment; what is not stays, and the command fails."""
    quarantine = tmp_path / "spool" / "quarantine"
    quarantine.mkdir(parents=True)
    whole = segment_of(tmp_path / "other", 2)
    kept = quarantine / "a.refused"
    kept.write_bytes(whole.read_bytes())
    with pytest.raises(OperatorError, match="1 files in quarantine"):
        run(tmp_path, "verify")
    assert str(kept) in run(tmp_path, "status").stdout.replace("\n", "")
    assert rows(tmp_path, "status")[-1]["bytes"] == len(whole.read_bytes())
    (quarantine / "b.damaged").write_bytes(b"no frame at all")
    result = run(tmp_path, "replay")
    assert result.exit_code == 1
    assert result.stdout == "2 records back in the spool, 1 files damaged and left where they are\n"
    assert [path.name for path in quarantine.iterdir()] == ["b.damaged"]
    assert numbers(tmp_path / "spool") == [1, 2]
    assert len(list_segments(tmp_path / "spool")) == 1
