import base64
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import typer
from typer.testing import CliRunner, Result

from edge.cli import domain, events, keys, link, stats, token
from edge.model.capture import Facts
from edge.model.errors import CallerError, EdgeError, NotFound, OperatorError
from edge.model.roster import Snapshot
from edge.model.tokens import ClickTarget, Kind
from edge.model.vault import Vault
from edge.roster import snapshot
from edge.spool.reader import SegmentReader, list_segments
from edge.store import keys as store_keys
from edge.store import pool, roster
from tests.integration.store.worlds import event, store

MASTER = bytes(range(32))


class World:
    """A data directory beside a database, and commands run on both."""

    def __init__(self, data_dir: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.data_dir = data_dir
        self.url = url
        monkeypatch.setenv("EDGE_DATABASE_URL", url)
        monkeypatch.setenv("EDGE_PUBLIC_HTTP_PORT", "80")
        monkeypatch.setenv("EDGE_PUBLIC_HTTPS_PORT", "443")
        key = data_dir / "master.key"
        key.write_text(base64.b64encode(MASTER).decode())
        key.chmod(0o600)

    def run(self, app: typer.Typer, *arguments: str, stdin: str | None = None) -> Result:
        """Run a command; errors of the tree are raised."""
        result = CliRunner().invoke(
            app, [*arguments, "--data-dir", str(self.data_dir)], input=stdin
        )
        if isinstance(result.exception, EdgeError):
            raise result.exception
        return result

    def output(self, app: typer.Typer, *arguments: str) -> str:
        """What a command that must succeed prints on stdout."""
        result = self.run(app, *arguments)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, app: typer.Typer, *arguments: str) -> list[dict[str, Any]]:
        """The objects that a command prints, one a line."""
        return [json.loads(line) for line in self.output(app, *arguments, "--json").splitlines()]

    def facts(self) -> list[Facts]:
        """Every message's facts in the spool."""
        found = []
        for path in list_segments(self.data_dir / "spool"):
            reader = SegmentReader(path, self.data_dir / "scratch", keep_damage=False)
            while entries := reader.read():
                found += [entry.record for entry in entries if isinstance(entry.record, Facts)]
            reader.close()
        return found


@pytest.fixture
def world(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> World:
    """A database of its own and an empty data directory."""
    return World(tmp_path, database_url, monkeypatch)


MESSAGE = ("--domain", "mg.example.com", "--recipient", "ann@example.net", "--message-id", "<m@x>")


def test_a_domain_from_adding_to_coming_back(world: World) -> None:
    """Added, changed, removed and added again a domain keeps its number, and says its records."""
    printed = world.output(domain.app, "add", "MG.Example.com", "--open", "yes")
    assert "email.mg.example.com.  CNAME  localhost." in printed
    (first,) = world.json(domain.app, "list")
    assert (first["open"], first["click"], first["retention-days"]) == ("yes", "no", 30)
    world.output(
        *(domain.app, "set", "mg.example.com", "--click", "htmlonly", "--plan", "free"),
        *("--web-prefix", "t", "--unsubscribe-on-get", "--web-scheme", "https"),
        "--no-https-redirect",
    )
    (shown,) = world.json(domain.app, "show", "mg.example.com")
    assert shown["hosts"] == ["email.mg.example.com", "t.mg.example.com"]
    assert (shown["click"], shown["retention-days"], shown["open"]) == ("htmlonly", 2, "yes")
    assert (shown["unsubscribe-on-get"], shown["web-scheme"]) == (True, "https")
    assert shown["https-redirect"] is False
    world.output(domain.app, "remove", "mg.example.com")
    assert world.json(domain.app, "list") == []
    with pytest.raises(NotFound, match="removed already"):
        world.run(domain.app, "remove", "mg.example.com")
    (again,) = world.json(domain.app, "add", "mg.example.com")
    assert (again["number"], again["open"]) == (first["number"], "no")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["add", "localhost"], "two labels"),
        (["add", "mg.example.com"], "exists already"),
        (["add", "example.com", "--web-prefix", "email.mg"], "another domain"),
        (["set", "mg.example.com"], "nothing to change"),
        (["set", "mg.example.com", "--plan", "free", "--retention-days", "3"], "same thing"),
        (["show", "none.example"], "no domain"),
        (["set", "mg.example.com", "--web-prefix", "-x"], "not allowed"),
    ],
)
def test_mistakes_with_domains_are_said_plainly(
    world: World, arguments: list[str], message: str
) -> None:
    """Each mistake is a CallerError with its reason, and changes nothing."""
    world.output(domain.app, "add", "mg.example.com")
    before = world.json(domain.app, "list", "--removed")
    with pytest.raises(CallerError, match=message):
        world.run(domain.app, *arguments)
    assert world.json(domain.app, "list", "--removed") == before


def test_links_say_what_they_were_minted_for(world: World) -> None:
    """Every kind of link opens to what was given, and stands on the domain's tracking host."""
    world.output(domain.app, "add", "mg.example.com", "--web-scheme", "https")
    click = world.output(link.app, "click", *MESSAGE, "--url", "https://ü.example/ä", "--tag", "A")
    assert click.startswith("https://email.mg.example.com/c/")
    (shown,) = world.json(token.app, "inspect", click.strip())
    assert shown["kind"] == "click"
    assert shown["url"] == "https://xn--tda.example/%C3%A4"
    assert (shown["domain"], shown["message-id"]) == ("mg.example.com", "m@x")
    for options, level, names in (
        ((), "domain", []),
        (("--tag", "A", "--tag", "b"), "tag", ["a", "b"]),
        (("--list", "l@mg.example.com"), "list", ["l@mg.example.com"]),
    ):
        url = world.output(link.app, "unsubscribe", *MESSAGE, *options).strip()
        (shown,) = world.json(token.app, "inspect", url.rpartition("/")[2])
        assert (shown["level"], shown["names"]) == (level, names)
    assert [fact.tags for fact in world.facts()] == [["a"]]


async def _snapshot(url: str) -> Snapshot:
    connection = await asyncpg.connect(url)
    try:
        await pool.prepare(connection)
        await store_keys.create_first(connection, Vault(MASTER))
        return await roster.read(connection)
    finally:
        await connection.close()


async def test_links_are_minted_with_postgres_dead(world: World, tmp_path: Path) -> None:
    """With a roster snapshot on disk nothing of it needs the database; thousands a second."""
    connection = await asyncpg.connect(world.url)
    await connection.execute("INSERT INTO domains (name) VALUES ('mg.example.com')")
    await connection.close()
    snapshot.save(tmp_path / snapshot.FILE_NAME, await _snapshot(world.url))
    lines = [
        {"domain": "mg.example.com", "recipient": f"u{i}@example.net", "message-id": f"{i}@x",
         "url": f"https://example.com/{i}", "position": i % 7, "tag": "news"}
        for i in range(3000)
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", "from edge.cli.link import app; app()", "click", "--stdin",
         "--data-dir", str(tmp_path)],
        input="\n".join(map(json.dumps, lines)).encode(),
        env=os.environ | {"EDGE_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none"},
        capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    urls = done.stdout.decode().splitlines()
    ring = (await _snapshot(world.url)).keyring(Vault(MASTER))
    target = ring.open(Kind.CLICK, urls[2999].rpartition("/")[2])
    assert isinstance(target, ClickTarget)
    assert (target.url, target.position) == ("https://example.com/2999", 2999 % 7)
    assert len(urls) == len(set(urls)) == len(world.facts()) == 3000


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: not JSON"),
        ("[]", "line 2: not a JSON object"),
        ('{"domain":"mg.example.com","recipient":"a@b"}', "line 2: message-id is missing"),
        ('{"domain":"mg.example.com","recipient":"a@b","message-id":"1","x":1}', "line 2: x: no"),
        (
            '{"domain":"no.example","recipient":"a@b","message-id":"1"}',
            "line 2: there is no domain",
        ),
        ('{"domain":"mg.example.com","recipient":"a\\u0000b","message-id":"1"}', "control"),
        ('{"domain":"mg.example.com","recipient":"a@b","message-id":"1","tag":[1]}', "line 2: "),
        ('{"domain":"mg.example.com","recipient":"a@b","message-id":"1","tag":"\\u00e4"}', "tags"),
        ('{"domain":"mg.example.com","recipient":"a@b","message-id":"1","url":"ftp://x"}', "http"),
    ],
)
def test_a_bad_line_is_named(world: World, line: str, message: str) -> None:
    """The lines before a bad one are answered; the error names its number and its fault."""
    world.output(domain.app, "add", "mg.example.com")
    good = {"domain": "mg.example.com", "recipient": "a@b", "message_id": "1", "url": "http://x/"}
    done = subprocess.run(
        [sys.executable, "-c", "from edge.cli.link import app; app(standalone_mode=False)",
         "click", "--stdin", "--data-dir", str(world.data_dir)],
        input=(json.dumps(good) + "\n" + line).encode(),
        env=os.environ | {"EDGE_DATABASE_URL": world.url},
        capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 1
    assert message in done.stderr.decode()


def test_wrong_tokens_are_told(world: World) -> None:
    """A token that is not ours is a CallerError, never a guess."""
    world.output(domain.app, "add", "mg.example.com")
    url = world.output(link.app, "open", *MESSAGE).strip()
    wrong = (url[:-1], url.replace("/o/", "/c/"), "x", "/", "http://a/o/", "…")
    for text in wrong:
        with pytest.raises(CallerError):
            world.run(token.app, "inspect", text)


def test_keys_rotate_revoke_and_export(world: World) -> None:
    """After rotation and revocation a link of the old key is dead; the export holds the ring."""
    world.output(domain.app, "add", "mg.example.com")
    url = world.output(link.app, "open", *MESSAGE).strip()
    assert "Key 2 is current" in world.output(keys.app, "rotate")
    assert [key["state"] for key in world.json(keys.app, "list")] == ["retired", "current"]
    world.output(token.app, "inspect", url)
    with pytest.raises(CallerError, match="rotate"):
        world.run(keys.app, "revoke", "2", "--yes")
    assert world.run(keys.app, "revoke", "1", stdin="n\n").exit_code == 1
    world.output(token.app, "inspect", url)
    world.output(keys.app, "revoke", "1", "--yes")
    with pytest.raises(CallerError, match="not a token"):
        world.run(token.app, "inspect", url)
    output = world.data_dir / "backup.json"
    world.output(keys.app, "export", "--output", str(output))
    assert output.stat().st_mode & 0o777 == 0o600
    backup = json.loads(output.read_text())
    assert base64.b64decode(backup["master-key"]) == MASTER
    sealed = base64.b64decode(backup["keys"][1]["sealed"])
    assert len(Vault(MASTER).open("key:2", sealed)) == 32
    with pytest.raises(OperatorError, match="new file"):
        world.run(keys.app, "export", "--output", str(output))


async def _fill(url: str) -> None:
    async with pool.opened(url) as opened, opened.acquire() as conn:
        await store(
            conn,
            event(recipient="ann@example.net"),
            event(recipient="bob@example.net", event="clicked", url="https://x.example/"),
        )


@pytest.fixture
async def filled(database_url: str) -> None:
    """A domain with one open and one click."""
    connection = await asyncpg.connect(database_url)
    await connection.execute("INSERT INTO domains (name) VALUES ('mg.example.com')")
    await connection.close()
    await _fill(database_url)


def test_events_are_found_counted_and_shown(filled: None, world: World) -> None:
    """Search prints Mailgun's structure, one object a line; count counts; show finds by id."""
    found = world.json(events.app, "search", "--domain", "mg.example.com")
    assert {one["event"] for one in found} == {"opened", "clicked"}
    assert all("verdict" in one for one in found)
    only = world.json(events.app, "search", "--recipient", "Bob@example.net", "--limit", "5")
    assert [one["url"] for one in only] == ["https://x.example/"]
    assert world.json(events.app, "show", only[0]["id"]) == only
    assert "bob@example.net" in world.output(events.app, "show", only[0]["id"])
    assert world.output(events.app, "count", "--event", "opened OR clicked").strip() == "2"
    assert world.output(events.app, "count", "--event", "clicked", "--bot", "people") == "1\n"
    assert world.output(events.app, "count", "--begin", "2001-01-01", "--end", "10d") == "0\n"
    assert "ann@example.net" in world.output(events.app, "search")
    for wrong in (["search", "--begin", "soon"], ["show", "short"], ["show", "A" * 22]):
        with pytest.raises(CallerError):
            world.run(events.app, *wrong)


def test_figures_are_shown_and_verified(filled: None, world: World) -> None:
    """``stats show`` adds up; ``stats verify`` is content, and exits 1 after damage."""
    shown = world.json(stats.app, "show", "--domain", "mg.example.com")
    assert {(one["event"], one["total"], one["unique-people"]) for one in shown} == {
        ("clicked", 1, 1),
        ("opened", 1, 1),
    }
    assert "Every figure" in world.output(stats.app, "verify")
    asked = ("metrics", "--by", "time", "--by", "country", "--metric", "opened_count")
    more = ("--metric", "opened_rate", "--domain", "mg.example.com")
    (row,) = (
        json.loads(line)
        for line in world.output(stats.app, *asked, *more, "--format", "json").splitlines()
    )
    assert (row["country"], row["opened_count"], row["opened_rate"]) == ("Unknown", 1, "0.0000")
    lines = world.output(stats.app, *asked, "--where", "bot!=apple", "--format", "csv").splitlines()
    assert lines[0] == "time,country,opened_count"
    assert lines[1].endswith(",Unknown,1")
    assert "Nothing was counted" in world.output(stats.app, *asked, "--where", "tag=none")
    for wrong in (
        ("--metric", "opens"),
        ("--by", "colour"),
        ("--where", "colour=red"),
        ("--begin", "1d", "--end", "2d"),
        ("--by", "time", "--by", "tag", "--by", "bot", "--by", "domain"),
    ):
        with pytest.raises(CallerError):
            world.run(stats.app, "metrics", *wrong)


def test_verify_exits_with_1_on_differences(filled: None, damaged: None, world: World) -> None:
    """A counter that is not what the events say is named, and the exit status says so."""
    result = world.run(stats.app, "verify")
    assert result.exit_code == 1
    assert "events say 1, figures say 2" in result.stdout


@pytest.fixture
async def damaged(filled: None, database_url: str) -> None:
    """One counter too high."""
    connection = await asyncpg.connect(database_url)
    await connection.execute("UPDATE hourly SET total = 2 WHERE event = 'opened'")
    await connection.close()


async def test_tail_follows_what_is_stored(filled: None, world: World, tmp_path: Path) -> None:
    """``events tail`` prints the last ones, then each new one as it is committed."""
    following = subprocess.Popen(
        [sys.executable, "-c", "from edge.cli.events import app; app()", "tail", "--json",
         "--last", "1", "--interval", "0.1", "--data-dir", str(tmp_path)],
        env=os.environ | {"EDGE_DATABASE_URL": world.url}, stdout=subprocess.PIPE,
        # A shell that starts the tests in the background has them ignore what Ctrl-C sends.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert following.stdout is not None
    try:
        assert json.loads(following.stdout.readline())["event"] in {"opened", "clicked"}
        await _fill(world.url)
        seen = [json.loads(following.stdout.readline())["event"] for _ in range(2)]
    finally:
        following.send_signal(signal.SIGINT)
        following.wait(10)
        following.stdout.close()
    assert sorted(seen) == ["clicked", "opened"]
