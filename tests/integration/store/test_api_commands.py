"""``edge apikey``, ``edge credential`` and ``edge footer`` on a real database."""

import asyncio
from pathlib import Path

import pytest

from edge.cli import apikey, credential, domain, footer
from edge.model.domain import DEFAULT_FOOTERS, Footers
from edge.model.errors import CallerError, NotFound
from edge.store import api_keys, credentials, pool, roster
from tests.integration.store.test_commands import World
from tests.integration.store.test_commands import world as world_fixture

world = world_fixture
NAME = "mg.example.com"


async def _found(world: World, key: str) -> api_keys.ApiKey | None:
    async with pool.opened(world.url) as opened, opened.acquire() as conn:
        return await api_keys.find(conn, key)


async def _login(world: World, login: str, password: str) -> int | None:
    async with pool.opened(world.url) as opened, opened.acquire() as conn:
        return await credentials.verify(conn, login, password)


def test_a_key_from_making_to_revoking(world: World) -> None:
    """The key is the last word printed, works, is listed without its secret, and ends once."""
    world.output(domain.app, "add", NAME)
    made = ("create", "--name", "shop", "--domain", NAME, "--expires", "90d")
    key = world.output(apikey.app, *made).split()[-1]
    row = asyncio.run(_found(world, key))
    assert row is not None
    assert (row.domain_name, row.role.value) == (NAME, "admin")
    sender = ("create", "--name", "sender", "--role", "sending")
    world.output(apikey.app, *sender)
    first, second = world.json(apikey.app, "list")
    assert (first["state"], first["last-used"], second["role"]) == ("live", None, "sending")
    assert first["expires"] - first["created"] == pytest.approx(90 * 86_400)
    assert key.startswith(first["begins"] + "-")
    table = world.output(apikey.app, "list")
    assert key not in table
    assert key.split("-", 2)[2] not in table
    world.output(apikey.app, "revoke", "1")
    assert world.json(apikey.app, "list")[0]["state"] == "revoked"
    with pytest.raises(CallerError, match="revoked already"):
        world.run(apikey.app, "revoke", "1")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("--name", " "), "printable"),
        (("--name", "a\nb"), "printable"),
        (("--name", "a", "--expires", "2001-01-01"), "expired already"),
        (("--name", "a", "--expires", "soon"), "is no time"),
        (("--name", "a", "--domain", "none.example"), "no domain"),
    ],
)
def test_wrong_keys_are_refused(world: World, arguments: tuple[str, ...], message: str) -> None:
    """Exit status 2 with what to mend; no key is made."""
    with pytest.raises(CallerError, match=message):
        world.run(apikey.app, "create", *arguments)
    assert world.json(apikey.app, "list") == []
    with pytest.raises(NotFound, match="no API key 7"):
        world.run(apikey.app, "revoke", "7")


def test_a_login_from_adding_to_removing(world: World) -> None:
    """A made password is the last word; one from standard input is not printed."""
    world.output(domain.app, "add", NAME)
    password = world.output(credential.app, "add", NAME, "Ann").split()[-1]
    assert asyncio.run(_login(world, f"ann@{NAME}", password))
    given = world.run(
        *(credential.app, "set-password", NAME, f"ann@{NAME}", "--password-stdin"),
        stdin="of-my-own\n",
    )
    assert given.stdout == f"Changed the password of ann@{NAME}.\n"
    assert asyncio.run(_login(world, f"ann@{NAME}", "of-my-own"))
    assert asyncio.run(_login(world, f"ann@{NAME}", password)) is None
    (shown,) = world.json(credential.app, "list", NAME)
    assert shown["login"] == f"ann@{NAME}"
    assert f"ann@{NAME}" in world.output(credential.app, "list", NAME)
    for arguments, message in (
        (("add", NAME, "ann"), "already exist"),
        (("add", NAME, "ann@other.example"), "is not of domain"),
        (("add", "none.example", "ann"), "no domain"),
        (("set-password", NAME, "bob"), "not found"),
        (("remove", NAME, "bob"), "not found"),
    ):
        with pytest.raises(CallerError, match=message):
            world.run(credential.app, *arguments)
    with pytest.raises(CallerError, match="is empty"):
        world.run(credential.app, "add", NAME, "eve", "--password-stdin", stdin="")
    with pytest.raises(CallerError, match="Password length"):
        world.run(credential.app, "add", NAME, "eve", "--password-stdin", stdin="1234\n")
    world.output(credential.app, "remove", NAME, "ann")
    assert world.json(credential.app, "list", NAME) == []


def test_a_removed_domain_loses_its_logins_and_keys(world: World) -> None:
    """They must not come back when the name is added again."""
    world.output(domain.app, "add", NAME)
    world.output(credential.app, "add", NAME, "ann")
    world.output(apikey.app, "create", "--name", "shop", "--domain", NAME)
    world.output(domain.app, "remove", NAME)
    with pytest.raises(NotFound, match="is removed"):
        world.run(credential.app, "list", NAME)
    with pytest.raises(NotFound, match="is removed"):
        world.run(apikey.app, "create", "--name", "late", "--domain", NAME)
    world.output(domain.app, "add", NAME)
    assert world.json(credential.app, "list", NAME) == []
    assert world.json(apikey.app, "list")[0]["state"] == "revoked"


def test_footers_reach_the_roster_where_they_are_not_the_default(
    world: World, tmp_path: Path
) -> None:
    """What a new domain has is the same text in database and code, so the roster stays small."""

    async def footers() -> dict[int, Footers]:
        async with pool.opened(world.url) as opened, opened.acquire() as conn:
            return (await roster.read(conn)).footers

    world.output(domain.app, "add", NAME)
    assert asyncio.run(footers()) == {}
    (stored,) = world.json(footer.app, "show", NAME)
    assert Footers(stored["html"], stored["text"]) == DEFAULT_FOOTERS
    html = tmp_path / "footer.html"
    html.write_text('<a href="%unsubscribe_url%">bye</a>')
    world.output(footer.app, "set", NAME, "--html", str(html))
    (found,) = asyncio.run(footers()).values()
    assert found == Footers(html.read_text(), DEFAULT_FOOTERS.text)
    world.output(footer.app, "clear", NAME)
    assert list(asyncio.run(footers()).values()) == [Footers("", "")]
    world.output(footer.app, "set", NAME, "--default")
    assert asyncio.run(footers()) == {}


def test_footers_are_shown_set_and_cleared(world: World, tmp_path: Path) -> None:
    """The preview is what a reader sees; the stored text is byte for byte the file's."""
    world.output(domain.app, "add", NAME)
    first = world.output(footer.app, "show", NAME)
    assert f"unsubscribe <http://email.{NAME}/u/EXAMPLE>" in first
    assert f"To unsubscribe click: <http://email.{NAME}/u/EXAMPLE>" in first
    assert "Not in use" in first
    html = tmp_path / "footer.html"
    html.write_bytes('<p>Genug?\r\n<a href="%unsubscribe_url%">Abmelden für immer</a>'.encode())
    shown = world.output(footer.app, "set", NAME, "--html", str(html))
    assert "Abmelden für immer <http" in shown
    (stored,) = world.json(footer.app, "show", NAME)
    assert stored["html"].encode() == html.read_bytes()
    assert stored["text"].startswith("\n\nTo unsubscribe")
    world.output(footer.app, "clear", NAME)
    (stored,) = world.json(footer.app, "show", NAME)
    assert stored == {"html": "", "text": ""}
    assert "(no footer)" in world.output(footer.app, "show", NAME)
    assert "unsubscribe <" in world.output(footer.app, "set", NAME, "--default")


def test_wrong_footers_are_refused(world: World, tmp_path: Path) -> None:
    """A footer nobody can unsubscribe with, an unreadable file, nothing or too much to do."""
    world.output(domain.app, "add", NAME)
    plain, binary, good = tmp_path / "plain", tmp_path / "binary", tmp_path / "good"
    plain.write_text("Bye")
    binary.write_bytes(b"\xff%unsubscribe_url%")
    good.write_text("%unsubscribe_url%")
    for arguments, message in (
        (("--html", str(plain)), "nobody could unsubscribe"),
        (("--text", str(binary)), "codec"),
        (("--text", str(tmp_path / "none")), "No such file"),
        ((), "give --html"),
        (("--default", "--text", str(good)), "give --html"),
    ):
        with pytest.raises(CallerError, match=message):
            world.run(footer.app, "set", NAME, *arguments)
    good.write_text("%unsubscribe_url%" + "x" * 70_000)
    with pytest.raises(CallerError, match="longer than"):
        world.run(footer.app, "set", NAME, "--text", str(good))
