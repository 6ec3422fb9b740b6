"""``edge domain dns|route``, ``edge send`` and ``edge queue`` on a real database."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from edge.adapters import data_directory
from edge.cli import domain, events, queue, send
from edge.model.errors import CallerError, NotFound
from edge.sending.dkim import Signer
from edge.sending.routes import SANDBOX
from edge.settings import load
from edge.store import pool, routes
from tests.integration.store.test_commands import World
from tests.integration.store.test_commands import world as world_fixture

world = world_fixture
NAME, ANN = "mg.example.com", "ann@example.net"
MESSAGE = b"From: a@mg.example.com\nSubject: hello\nX-Mailgun-Tag: news\n\nHi\n"
SECRET = "a-secret-of-the-relay"


def _raw(world: World, question: str) -> list[asyncpg.Record]:
    async def ask() -> list[asyncpg.Record]:
        async with pool.opened(world.url) as opened:
            return list(await opened.fetch(question))

    return asyncio.run(ask())


async def _key(world: World, path: Path) -> routes.DkimKey:
    vault = data_directory.read_vault(path)
    async with pool.opened(world.url) as opened, opened.acquire() as conn:
        (key,) = (await routes.dkim_keys(conn, vault)).values()
        return key


def test_dns_prints_the_key_that_signs(world: World, tmp_path: Path) -> None:
    """The same key each time, in the record that verifies what is signed with it."""
    world.output(domain.app, "add", NAME)
    shown = {record["purpose"]: record for record in world.json(domain.app, "dns", NAME)}
    assert set(shown) == {
        *("tracking", "DKIM", "SPF", "SPF of the return path", "bounces come back"),
    }
    key = asyncio.run(_key(world, load(data_dir=tmp_path).master_key_path))
    signer = Signer(NAME, key.selector, key.private)
    assert (shown["DKIM"]["name"], shown["DKIM"]["value"]) == (signer.record_name, signer.record())
    assert (shown["bounces come back"]["type"], shown["bounces come back"]["priority"]) == (
        *("MX", 10),
    )
    text = world.output(domain.app, "dns", NAME)
    assert f'{signer.record_name}.  TXT  "v=DKIM1; k=rsa; p=' in text
    assert all(len(part) <= 255 for part in text.split('"')[1::2])


def test_a_route_is_kept_encrypted_and_shown_without_its_password(world: World) -> None:
    """From standard input too; a wrong one changes nothing; --default goes back."""
    world.output(domain.app, "add", NAME)
    assert world.json(domain.app, "route", NAME) == [
        {"domain": NAME, "route": SANDBOX, "own": False}
    ]
    given = f"smtp://ann:{SECRET}@relay.example.com:587"
    assert world.run(domain.app, "route", NAME, "-", stdin=f"{given}\n").exit_code == 0
    (shown,) = world.json(domain.app, "route", NAME)
    assert shown["own"]
    assert shown["route"] == "smtp://ann:***@relay.example.com:587?tls=required"
    assert SECRET not in world.output(domain.app, "route", NAME)
    (row,) = _raw(world, "SELECT route FROM domains")
    assert SECRET.encode() not in row["route"]
    with pytest.raises(CallerError, match="a route is") as refused:
        world.run(domain.app, "route", NAME, f"ftp://ann:{SECRET}@x")
    assert SECRET not in str(refused.value)
    with pytest.raises(CallerError, match="not both"):
        world.run(domain.app, "route", NAME, "mx", "--default")
    assert world.json(domain.app, "route", NAME) == [shown]
    world.output(domain.app, "route", NAME, "--default")
    assert world.json(domain.app, "route", NAME)[0]["route"] == SANDBOX
    world.output(domain.app, "remove", NAME)
    with pytest.raises(NotFound, match="is removed"):
        world.run(domain.app, "route", NAME, "mx")


def test_a_message_is_queued_shown_hurried_and_dropped(world: World, tmp_path: Path) -> None:
    """With its tag; what waits is counted, what was tried is tried now, and dropped only asked."""
    world.output(domain.app, "add", NAME)
    path = tmp_path / "message.eml"
    path.write_bytes(MESSAGE)
    assert world.output(queue.app, "status") == "Nothing waits.\n"
    said = world.output(send.app, "--domain", NAME, "--to", f"Ann <{ANN}>", str(path))
    assert said.startswith("<")
    assert said.endswith(f"@{NAME}>\n")
    (found,) = world.json(events.app, "search", "--tag", "news")
    assert (found["event"], found["recipient"], found["method"]) == ("accepted", ANN, "CLI")
    (waiting,) = world.json(queue.app, "status")
    assert (waiting["domain"], waiting["queued"], waiting["held"], waiting["retried"]) == (
        *(NAME, 1, 0, 0),
    )
    assert world.output(queue.app, "retry", NAME) == "0 will be tried now.\n"
    assert world.run(queue.app, "purge", NAME, stdin="n\n").exit_code != 0
    assert len(world.json(queue.app, "status")) == 1
    assert world.output(queue.app, "purge", NAME, "--yes") == "1 dropped.\n"
    assert world.json(queue.app, "status") == []


def test_what_failed_before_is_tried_at_once(world: World) -> None:
    """But not what is being sent, and not what is only scheduled."""
    world.output(domain.app, "add", NAME)
    _raw(
        world,
        "INSERT INTO deliveries (id, message, domain, recipient, accepted_at, due, expires_at, "
        "attempts, holder) SELECT n, 1, 1, 'a@b.example', now(), now() + interval '1 hour', "
        "now() + interval '8 hours', a, h "
        "FROM (VALUES (1, 1, ''), (2, 0, ''), (3, 1, 'edge1:sending')) AS v (n, a, h)",
    )
    assert world.output(queue.app, "retry", NAME) == "1 will be tried now.\n"
    rows = _raw(world, "SELECT id FROM deliveries WHERE due <= now()")
    assert [row["id"] for row in rows] == [1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--to", ANN), "--domain and at least one --to"),
        (("--domain", NAME, "--to", "ann"), "not an email address"),
        (("--domain", NAME, "--to", ANN, "/nowhere.eml"), "cannot read"),
        (("--domain", NAME, "--to", ANN), "not a message"),
    ],
)
def test_mistakes_with_messages_are_said(
    world: World, arguments: tuple[str, ...], message: str
) -> None:
    """And nothing is queued."""
    world.output(domain.app, "add", NAME)
    with pytest.raises(CallerError, match=message):
        world.run(send.app, *arguments, stdin="no header\n")
    assert world.json(queue.app, "status") == []


def test_nothing_is_sent_for_a_removed_domain(world: World, tmp_path: Path) -> None:
    """Nor for one that never was."""
    path = tmp_path / "message.eml"
    path.write_bytes(MESSAGE)
    with pytest.raises(NotFound, match="no domain"):
        world.run(send.app, "--domain", NAME, "--to", ANN, str(path))
    world.output(domain.app, "add", NAME)
    world.output(domain.app, "remove", NAME)
    with pytest.raises(CallerError, match="is removed"):
        world.run(send.app, "--domain", NAME, "--to", ANN, str(path))
