"""``edge instrument`` on a data directory without a database, and the examples of its page."""

import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from edge.model.capture import Facts
from edge.model.domain import Domain, Footers
from edge.model.roster import SealedKey, Snapshot
from edge.model.tokens import KeyState
from edge.model.vault import Vault
from edge.rewriting.report import Caution, Reason
from edge.roster.snapshot import FILE_NAME, load, save
from edge.spool.reader import SegmentReader, list_segments
from tests.house.sources import ROOT, text
from tests.unit.rewriting.samples import DOMAIN

PAGE = text("docs/rewriting.md")
MESSAGE = (
    b"From: a@mg.example.com\r\nContent-Type: text/html\r\nX-Mailgun-Tag: News\r\n"
    b"\r\n<a href='https://e.com/'>x</a>%recipient.n%"
)


@pytest.fixture(name="place")
def _place(tmp_path: Path) -> Path:
    """A data directory as a running edge leaves it: master key, roster, no database needed."""
    vault = Vault(bytes(32))
    (tmp_path / "master.key").write_text("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
    (tmp_path / "master.key").chmod(0o600)
    domain = Domain(number=1, name="mg.example.com", open=True, click="yes", unsubscribe=True)
    key = SealedKey(1, KeyState.CURRENT, vault.seal("key:1", b"k" * 32))
    save(
        tmp_path / FILE_NAME,
        Snapshot(version=1, domains=[domain, DOMAIN], hosts={domain.tracking_host: 1}, keys=[key]),
    )
    return tmp_path


def _edge(place: Path, *words: str, given: bytes = MESSAGE) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, "-m", "edge", "instrument", *words, "--data-dir", str(place)],
        input=given,
        capture_output=True,
        check=False,
        cwd=ROOT,
        timeout=60,
    )


def test_the_footers_are_the_domains_own(place: Path) -> None:
    """As ``edge footer`` set or cleared them, from the roster; an option leaves them out."""
    found = load(place / FILE_NAME)
    assert found is not None
    told = b"<p><a href="
    assert told in _edge(place, *TO_ANN).stdout
    assert told not in _edge(place, *TO_ANN, "--no-footer").stdout
    own = Footers(html='<i>bye <a href="%unsubscribe_url%">x</a></i>', text="")
    save(place / FILE_NAME, structs.replace(found, footers={1: own}))
    sent = _edge(place, *TO_ANN).stdout
    assert b'<i>bye <a href="http://email.mg.example.com:8080/u/' in sent
    assert told not in sent
    save(place / FILE_NAME, structs.replace(found, footers={1: Footers("", "")}))
    assert _edge(place, *TO_ANN).stdout.count(b"/u/") == 1, "in the header only"


TO_ANN = ("--domain", "mg.example.com", "--recipient", "ann@example.net")


def test_a_filter_from_standard_input_to_standard_output(place: Path) -> None:
    """The message is instrumented as the domain says; its id is made; its tags are spooled."""
    done = _edge(place, *TO_ANN, "--explain", "--variables", '{"n": 5}')
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(b"http://email.mg.example.com:8080/c/") == 1
    assert done.stdout.count(b"http://email.mg.example.com:8080/o/") == 1
    assert b"unsubscribe</a>" in done.stdout
    assert b"\r\nMessage-Id: <" in done.stdout
    assert b"X-Mailgun" not in done.stdout
    assert b"%recipient" not in done.stdout
    assert b"2 links, 1 tracked; pixel at the bottom" in done.stderr
    assert _spooled(place) == [["news"]]


def _spooled(place: Path) -> list[list[str]]:
    """Tags of the facts in the spool."""
    tags = []
    for path in list_segments(place / "spool"):
        reader = SegmentReader(path, place / "quarantine")
        tags += [entry.record.tags for entry in reader.read() if isinstance(entry.record, Facts)]
        reader.close()
    return tags


def test_a_check_writes_no_message(place: Path) -> None:
    """The report is on standard output; the exit status says whether something is amiss."""
    file = place / "message.eml"
    file.write_bytes(MESSAGE)
    done = _edge(place, *TO_ANN, "--check", "--json", str(file))
    assert done.returncode == 0, done.stderr
    report = msgspec.json.decode(done.stdout)
    assert report["links"][0]["after"].startswith("http://email.mg.example.com")
    bad = MESSAGE.replace(b"https://e.com/", b"https://u@e.com/")
    done = _edge(place, *TO_ANN, "--check", given=bad)
    assert done.returncode == 1
    assert b"unsealable" in done.stdout
    assert not (place / "spool").exists()


@pytest.mark.parametrize(
    ("words", "words_of_error"),
    [
        (("--domain", "mg.example.com"), "--domain and --recipient are needed"),
        (("--domain", "nobody.example", "--recipient", "a@b.example"), "no database"),
        ((*TO_ANN, "--variables", "[]"), "must be a JSON object"),
        (("--domain", "mg.example.com", "--recipient", "a, b@c.example"), "one bare address"),
        ((*TO_ANN, "--exclude", "/path"), "names no host"),
        ((*TO_ANN, "no-such-file.eml"), "cannot read"),
    ],
)
def test_wrong_use_writes_nothing(place: Path, words: tuple[str, ...], words_of_error: str) -> None:
    """Exit status 2 or 1 with a text that says what to mend, and an empty standard output."""
    done = _edge(place, *words)
    assert done.returncode in (1, 2)
    assert words_of_error in done.stderr.decode()
    assert done.stdout == b""


def test_options_go_before_headers_and_domain(place: Path) -> None:
    """Everything off gives back the message but for its control headers."""
    words = ("--domain", "example.com", "--recipient", "ann@example.net", "--track", "no")
    done = _edge(place, *words)
    assert done.stdout == MESSAGE.replace(b"X-Mailgun-Tag: News\r\n", b"")


def test_the_filters_examples_work(place: Path) -> None:
    """Each shell example of the page, run where there is a message.eml."""
    examples = re.findall(r"```sh\nedge instrument (.*?)\n```", PAGE, re.DOTALL)
    assert len(examples) == 2
    (place / "message.eml").write_bytes(MESSAGE)
    for example in examples:
        words = example.split(" > ")[0].replace("message.eml", str(place / "message.eml")).split()
        done = _edge(place, *words)
        assert done.returncode == 0, done.stderr
        assert done.stdout


def test_the_librarys_example_works(capsys: pytest.CaptureFixture[str]) -> None:
    """The Python example of the page runs as it stands."""
    example = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert example is not None
    exec(compile(example[1], "docs/rewriting.md", "exec"), {"__name__": "example"})
    printed = capsys.readouterr().out
    assert "Subject: Hello Ann" in printed
    assert printed.count("https://email.mg.example.com/c/") == 2


def test_every_code_is_documented() -> None:
    """Each reason and each warning has its row in docs/rewriting.md."""
    rows = set(re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.MULTILINE))
    assert {reason.value for reason in Reason} <= rows
    assert {caution.value for caution in Caution} <= rows
