"""``edge report`` on a real database."""

import mailbox
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from edge.cli import domain, report
from edge.model.errors import CallerError, NotFound, OperatorError
from tests.integration.sending.returning_worlds import bounce, complaint
from tests.integration.store.test_commands import World
from tests.integration.store.test_commands import world as world_fixture

world = world_fixture
NAME, ANN = "mg.example.com", "ann@example.net"


def test_explaining_files_in_order(tmp_path: Path) -> None:
    """One object a file and line, in order; a missing file is an error; text for people."""
    first, second = tmp_path / "1.eml", tmp_path / "2.eml"
    first.write_bytes(bounce(ANN))
    second.write_bytes(complaint(ANN))
    said = CliRunner().invoke(report.app, ["explain", "--json", *map(str, (first, second, first))])
    rows = [msgspec.json.decode(line) for line in said.stdout.splitlines()]
    assert [row["kind"] for row in rows] == ["bounce", "complaint", "bounce"]
    assert rows[0]["recipients"][0]["reason"] == "user-unknown"
    assert rows[1]["feedback_type"] == "abuse"
    shown = CliRunner().invoke(report.app, ["explain", str(first)]).stdout
    assert "user-unknown" in shown
    assert "RFC 3463" in shown
    missing = CliRunner().invoke(report.app, ["explain", str(tmp_path / "none.eml")])
    assert isinstance(missing.exception, OperatorError)


def test_what_nobody_could_read(world: World, tmp_path: Path) -> None:
    """Imported from mbox and maildir, each mail once; listed, shown, masked, discarded."""
    world.output(domain.app, "add", NAME)
    box = mailbox.mbox(tmp_path / "box")
    for raw in (bounce(ANN), bounce(ANN), b"From: bob@example.org\nSubject: Hi\n\nHi\n"):
        box.add(raw)
    box.close()
    said = world.run(report.app, "import", str(tmp_path / "box")).stdout
    assert said.split() == ["outcome", "mails", "unparsed", "3"]
    maildir = mailbox.Maildir(tmp_path / "dir")
    maildir.add(b"From: a@example.org\nSubject: Out of office\n\naway\n")
    assert "noted" in world.run(report.app, "import", str(tmp_path / "dir")).stdout
    rows = world.json(report.app, "unparsed")
    assert [(row["seen"], row["kind"]) for row in rows] == [(2, "bounce"), (1, "not-a-report")]
    number = str(rows[0]["number"])
    assert ANN in world.run(report.app, "unparsed", "--show", number).stdout
    fixture = world.run(report.app, "unparsed", "--fixture", number).stdout
    assert ANN not in fixture
    assert "User unknown" in fixture
    assert "0 of 2" in world.run(report.app, "unparsed", "--again").stdout
    assert len(world.json(report.app, "unparsed")) == 2
    world.run(report.app, "unparsed", "--discard", number)
    with pytest.raises(NotFound):
        world.run(report.app, "unparsed", "--show", number)
    with pytest.raises(CallerError):
        world.run(report.app, "unparsed", "--show", "1", "--discard", "1")
    with pytest.raises(OperatorError):
        world.run(report.app, "import", str(tmp_path / "nothing"))


def test_a_pipe_hands_in_one_mail(world: World) -> None:
    """What a mail server pipes is acted upon and told; nothing on the pipe is a mistake."""
    world.output(domain.app, "add", NAME)
    said = world.run(report.app, stdin=bounce(ANN).decode())
    assert said.exit_code == 0
    assert "unparsed" in said.stdout
    assert "no message of ours" in said.stdout
    told = world.run(
        report.app, "--json", "--to", f"b-x@bounces.{NAME}", stdin="Subject: hi\n\nhi\n"
    )
    assert msgspec.json.decode(told.stdout)["outcome"] == "unparsed"
    with pytest.raises(CallerError, match="no mail on standard input"):
        world.run(report.app, stdin="")
