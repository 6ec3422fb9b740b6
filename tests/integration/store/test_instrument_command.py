"""``edge instrument`` with the domains and keys of an installation."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edge.cli import domain, instrument
from edge.cli.keyring import current
from edge.model.errors import CallerError, EdgeError, NotFound
from edge.model.tokens import ClickTarget, Kind, OpenTarget, UnsubscribeTarget
from edge.settings import load
from tests.integration.store.test_commands import World

MESSAGE = (
    b"Message-ID: <1@mg.example.com>\r\nX-Mailgun-Tag: News\r\nSubject: caf\xc3\xa9\r\n"
    b"Content-Type: text/html; charset=utf-8\r\n\r\n"
    b'<p>caf\xc3\xa9 <a href="https://e.com/?a=1&amp;b=2">x</a>'
    b' <a href="%unsubscribe_url%">u</a></p>'
)
TO = ("--domain", "mg.example.com", "--recipient", "ann@example.net")


@pytest.fixture
def world(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> World:
    """A domain with everything switched on."""
    made = World(tmp_path, database_url, monkeypatch)
    switches = ("--open", "yes", "--click", "yes", "--unsubscribe", "yes")
    made.output(domain.app, "add", "mg.example.com", *switches)
    return made


def run(world: World, message: bytes, *arguments: str) -> tuple[bytes, str]:
    """What comes out, and what is said beside it."""
    given = [*arguments, "--data-dir", str(world.data_dir)]
    result = CliRunner().invoke(instrument.app, given, input=message)
    if isinstance(result.exception, EdgeError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout_bytes, result.stderr


def test_a_message_goes_through_and_its_urls_say_what_they_are_for(world: World) -> None:
    """Open, click and unsubscribe of this recipient; the tag is known before the message is."""
    sent, said = run(world, MESSAGE, *TO)
    assert said == ""
    _, ring = current(load(None, data_dir=world.data_dir))
    found = [
        ring.open(Kind(kind.decode()), token)
        for kind, token in re.findall(rb"http://email\.mg\.example\.com/([ocu])/([\w-]+)", sent)
    ]
    assert [type(target) for target in found] == [
        UnsubscribeTarget,  # in the header
        ClickTarget,
        UnsubscribeTarget,
        OpenTarget,
    ]
    assert {target.recipient for target in found} == {"ann@example.net"}
    assert {target.message_id for target in found} == {"1@mg.example.com"}
    assert [fact.tags for fact in world.facts()] == [["news"]]
    assert sent.startswith(MESSAGE[: MESSAGE.index(b"\r\n\r\n")])


def test_the_report_is_beside_the_message_or_alone(world: World) -> None:
    """--explain says it on standard error; --check writes no message and keeps no facts."""
    sent, said = run(world, MESSAGE, *TO, "--explain")
    assert b"/c/" in sent
    assert "1 of 2 links tracked, pixel at the bottom" in said
    out, _ = run(world, MESSAGE, *TO, "--check")
    assert b"skipped (unsubscribe-variable)" in out
    facts = len(world.facts())
    out, _ = run(world, MESSAGE, *TO, "--check", "--json")
    report = json.loads(out)
    assert [link["reason"] for link in report["links"]] == [None, "unsubscribe-variable"]
    assert report["added"] == report["size_after"] - report["size_before"] > 0
    assert len(world.facts()) == facts


def test_switches_of_message_and_command(world: World, tmp_path: Path) -> None:
    """The message's header goes before the domain's switch, the command's option before both."""
    quiet = b"X-Mailgun-Track: no\r\n" + MESSAGE
    file = tmp_path / "in.eml"
    file.write_bytes(quiet)
    sent, _ = run(world, b"", *TO, str(file))
    assert (b"/c/" in sent, b"/o/" in sent) == (False, False)
    sent, _ = run(world, quiet, *TO, "--open", "yes")
    assert (b"/c/" in sent, b"/o/" in sent) == (False, True)
    sent, _ = run(world, MESSAGE, *TO, "--click", "no", "--exclude", "x.example")
    assert (b"/c/" in sent, b"/o/" in sent) == (False, True)


@pytest.mark.parametrize(
    ("message", "arguments", "error", "text"),
    [
        (b"Subject: x\r\n\r\n", TO, CallerError, "no Message-ID"),
        (MESSAGE, ("--domain", "other.example", *TO[2:]), NotFound, "edge domain add"),
        (MESSAGE, (*TO[:3], "a@b, c@d"), CallerError, "one bare address"),
        (MESSAGE, (*TO, "--click", "maybe"), CallerError, "htmlonly"),
        (b"X-Mailgun-Track: maybe\r\n" + MESSAGE, TO, CallerError, "x-mailgun-track"),
        (MESSAGE, (*TO, "--exclude", "/path"), CallerError, "names no host"),
        (MESSAGE, (*TO, "missing.eml"), CallerError, "cannot read missing.eml"),
    ],
)
def test_mistakes_are_named(
    world: World, message: bytes, arguments: tuple[str, ...], error: type[EdgeError], text: str
) -> None:
    """And no message comes out."""
    with pytest.raises(error, match=text):
        run(world, message, *arguments)
