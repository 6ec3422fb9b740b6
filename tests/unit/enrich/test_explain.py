"""``edge explain``, ``edge ranges`` and ``edge geo`` on the command line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from edge.cli import explain, geo, ranges
from edge.enrich.evidence import MEANING
from edge.model.errors import CallerError, PeerError
from tests.unit.enrich.machines import MACHINES
from tests.unit.enrich.world import CHROME, write_mmdb

ROW = {"country": {"iso_code": "GB"}, "city": {"names": {"en": "London"}}}


def _run(app: typer.Typer, *arguments: str, stdin: str | bytes | None = None) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments), input=stdin, catch_exceptions=True)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


def test_explain_says_why(tmp_path: Path) -> None:
    """The readable form holds the label, each code and its sentence."""
    code, text = _run(
        explain.app, "--ua", "curl/8.5.0", "--ip", "52.1.2.3", "--kind", "click",
        "--data-dir", str(tmp_path / "none"),
    )  # fmt: skip
    assert code == 0
    assert "generic" in text
    assert "ua-library:curl" in text
    assert "HTTP library" in text
    assert not (tmp_path / "none").exists()


def test_explain_takes_headers_and_method(tmp_path: Path) -> None:
    """What only the wire shows can be given, in any case of letters."""
    where = ("--ua", CHROME, "--ip", "81.2.69.1", "--data-dir", str(tmp_path), "--json")
    _, text = _run(explain.app, *where, "--header", "Sec-Purpose: prefetch")
    assert json.loads(text)["evidence"] == ["hdr-prefetch"]
    _, text = _run(explain.app, *where, "--method", "head")
    assert json.loads(text)["evidence"] == ["method-head"]
    _, text = _run(explain.app, *where, "--kind", "unsubscribe")
    assert json.loads(text)["bot"] == ""
    _, text = _run(explain.app, *where, "--tls", "--kind", "click")
    assert json.loads(text)["evidence"] == ["hdr-gap"]


@pytest.mark.parametrize("arguments", [("--header", "nonsense"), ("--stdin", "--ua", "x")])
def test_wrong_usage_of_explain(arguments: tuple[str, ...]) -> None:
    """Wrong arguments are the caller's error (exit status 2)."""
    with pytest.raises(CallerError):
        _run(explain.app, *arguments)


def test_explain_many(tmp_path: Path) -> None:
    """One answer per line, in order; a bad line is answered with its error and fails the run."""
    good = [{"kind": "open", "ua": ua, "ip": "81.2.69.1", "headers": {}} for ua in MACHINES]
    bad = ["{", '{"kind": "look"}', '{"ua": 7}', "[]", '"\\ud800"']
    lines = [*(json.dumps(one) for one in good), *bad, '{"kind":"open","ua":null,"ip":null}']
    code, text = _run(
        explain.app, "--stdin", "--json", "--data-dir", str(tmp_path), stdin="\n".join(lines)
    )
    answers = [json.loads(line) for line in text.splitlines()]
    assert code == 1
    assert len(answers) == len(lines)
    assert [("error" in answer) for answer in answers] == [
        *[False] * len(good), *[True] * len(bad), False,
    ]  # fmt: skip
    assert set(answers[0]) >= {"bot", "evidence", "client-info", "network", "geolocation"}
    assert answers[-1]["evidence"] == ["ua-empty"]


def test_explain_many_without_mistakes_exits_with_0(tmp_path: Path) -> None:
    """Also as a process of its own: nothing but answers on standard output."""
    lines = b'{"kind":"click","ua":"curl/8","ip":"::ffff:1.2.3.4"}\n\n' * 3
    command = [sys.executable, "-c", "from edge.cli import explain; explain.app()"]
    done = subprocess.run(
        [*command, "--stdin", "--json", "--data-dir", str(tmp_path)],
        input=lines, capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    assert [json.loads(line)["bot"] for line in done.stdout.splitlines()] == ["generic"] * 3


def test_ranges_update_and_status(tmp_path: Path) -> None:
    """An offline update is used by the next explain; status shows source and time."""
    where = ("--data-dir", str(tmp_path / "data"))
    _, text = _run(ranges.app, "status", "--json", *where)
    assert all("built-in" in json.loads(line)["name"] for line in text.splitlines())
    assert "built-in" in _run(ranges.app, "status", *where)[1]
    apple = tmp_path / "apple.csv"
    apple.write_text("172.224.224.0/27,GB,GB-EN,London,\n")
    _, text = _run(ranges.app, "update", "--from-file", f"apple-relay={apple}", *where)
    assert "apple-relay" in text
    _, text = _run(ranges.app, "status", "--json", *where)
    assert [json.loads(line)["name"] for line in text.splitlines()] == ["apple-relay"]
    assert str(apple) in _run(ranges.app, "status", *where)[1]
    _, text = _run(explain.app, "--ua", "Mozilla/5.0", "--ip", "172.224.224.9", "--json", *where)
    answer = json.loads(text)
    assert (answer["bot"], answer["geolocation"]["country"]) == ("apple", "GB")


def test_failed_ranges_update(tmp_path: Path) -> None:
    """A list that cannot be read fails the command and names the list."""
    bad = tmp_path / "bad.csv"
    bad.write_text("10.0.0.0/8\n")
    with pytest.raises(PeerError, match="linode"):
        _run(ranges.app, "update", "--from-file", f"linode={bad}", "--data-dir", str(tmp_path))
    with pytest.raises(PeerError, match="cannot be read"):
        _run(ranges.app, "update", "--from-file", "linode=/nowhere", "--data-dir", str(tmp_path))


@pytest.mark.parametrize(
    "arguments", [("--from-file", "x"), ("--from-file", "none=x"), ("--only", "azure")]
)
def test_wrong_usage_of_ranges(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """Unknown lists and incomplete arguments are the caller's error."""
    with pytest.raises(CallerError):
        _run(ranges.app, "update", *arguments, "--data-dir", str(tmp_path))


def test_geo_update_and_status(tmp_path: Path) -> None:
    """A file of one's own is installed and used; status tells with and without one."""
    where = ("--data-dir", str(tmp_path / "data"))
    assert "edge geo update" in _run(geo.app, "status", *where)[1]
    assert json.loads(_run(geo.app, "status", "--json", *where)[1])["present"] is False
    write_mmdb(tmp_path / "city.mmdb", {"81.2.69.0/24": ROW})
    code, _ = _run(geo.app, "update", "--from-file", str(tmp_path / "city.mmdb"), *where)
    assert code == 0
    assert json.loads(_run(geo.app, "status", "--json", *where)[1])["database"] == "GeoLite2-City"
    assert "city.mmdb" in _run(geo.app, "status", *where)[1]
    _, text = _run(explain.app, "--ua", CHROME, "--ip", "81.2.69.142", "--json", *where)
    assert json.loads(text)["geolocation"] == {
        "country": "GB", "region": "Unknown", "city": "London",
    }  # fmt: skip


def test_wrong_usage_of_geo(tmp_path: Path) -> None:
    """Two sources at once, and a file that is not there."""
    for arguments in (("--from-file", "x", "--maxmind"), ("--from-file", "/nowhere.mmdb")):
        with pytest.raises(CallerError):
            _run(geo.app, "update", *arguments, "--data-dir", str(tmp_path))


def test_every_evidence_code_is_documented() -> None:
    """docs/bots.md names every code that a verdict may carry."""
    text = (Path(__file__).parents[3] / "docs" / "bots.md").read_text(encoding="utf-8")
    assert [code for code in MEANING if f"`{code}" not in text] == []
