"""``edge suppression`` on a real database."""

from pathlib import Path

import pytest

from edge.cli import domain, suppression
from edge.model.errors import CallerError, NotFound, OperatorError
from tests.integration.store.test_commands import World
from tests.integration.store.test_commands import world as world_fixture

world = world_fixture
NAME, ANN = "mg.example.com", "ann@example.net"


def test_from_adding_to_removing(world: World) -> None:
    """Each list shows what was added; ``show`` tells what holds mail back, and why."""
    world.output(domain.app, "add", NAME)
    since = ("--since", "2024-03-05T10:00:00")
    more = ("--code", "551", "--error", "No such user")
    said = world.output(suppression.app, "add", NAME, "bounces", "Ann@Example.net", *more, *since)
    assert said == f"Added {ANN} to the bounces of {NAME}.\n"
    world.output(
        suppression.app, "add", NAME, "unsubscribes", ANN, "--tag", "News", "--tag", "offers"
    )
    world.output(suppression.app, "add", NAME, "allowlist", "example.net", "--reason", "customer")
    bounce, left, allowed = world.json(suppression.app, "show", NAME, ANN)
    assert bounce == {
        "list": "bounces", "address": ANN, "code": "551", "error": "No such user",
        "created": 1709632800.0, "blocked-by": None,
    }  # fmt: skip
    assert left["tags"] == ["news", "offers"]
    assert (allowed["domain"], allowed["reason"]) == ("example.net", "customer")
    with pytest.raises(CallerError, match="on the allowlist"):
        world.run(suppression.app, "add", NAME, "bounces", "bob@example.net")
    gone = world.output(suppression.app, "remove", NAME, "allowlist", "Example.NET")
    assert gone == f"Removed example.net from the allowlist of {NAME}.\n"
    shown = world.output(suppression.app, "show", NAME, ANN)
    assert f"Mail to {ANN} is held back: bounce." in shown
    world.output(suppression.app, "remove", NAME, "unsubscribes", ANN, "--tag", "news")
    assert world.json(suppression.app, "list", NAME, "unsubscribes")[0]["tags"] == ["offers"]
    world.output(suppression.app, "remove", NAME, "bounces", "--all", "--yes")
    assert "held back" not in world.output(suppression.app, "show", NAME, ANN)
    with pytest.raises(NotFound, match=f"{ANN} is not on the bounces of {NAME}"):
        world.run(suppression.app, "remove", NAME, "bounces", ANN)
    with pytest.raises(NotFound, match="for news"):
        world.run(suppression.app, "remove", NAME, "unsubscribes", ANN, "--tag", "news")


def test_a_file_comes_in_and_goes_out(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ``list --csv`` writes, ``import`` takes, also from standard input; across pages."""
    monkeypatch.setattr(suppression, "PAGE", 2)
    world.output(domain.app, "add", NAME)
    path = tmp_path / "some.csv"
    rows = "".join(f'u{n}@example.net,"Tue, 05 Mar 2024 10:00:00 UTC"\r\n' for n in range(5))
    path.write_text("address,created_at\r\n" + rows, newline="")
    said = world.output(suppression.app, "import", NAME, "complaints", str(path))
    assert said == f"Added 5 to the complaints of {NAME}.\n"
    out = world.output(suppression.app, "list", NAME, "complaints", "--csv")
    assert out.splitlines() == path.read_text().splitlines()
    assert len(world.json(suppression.app, "list", NAME, "complaints", "--term", "U1")) == 1
    assert "u4@example.net  2024-03-05 10:00:00" in world.output(
        suppression.app, "list", NAME, "complaints"
    )
    assert world.output(suppression.app, "list", NAME, "bounces") == (
        f"Nothing on the bounces of {NAME}.\n"
    )
    assert world.run(suppression.app, "import", NAME, "bounces", "-", stdin=out).exit_code == 0
    assert len(world.json(suppression.app, "list", NAME, "bounces")) == 5
    path.write_text("address\nann\n")
    with pytest.raises(CallerError, match="line 2: address: 'ann' is not an email address"):
        world.run(suppression.app, "import", NAME, "bounces", str(path))
    with pytest.raises(OperatorError, match="cannot be read"):
        world.run(suppression.app, "import", NAME, "bounces", str(tmp_path / "none.csv"))


@pytest.mark.parametrize(
    "arguments, text",
    [
        (("add", NAME, "bounces", "ann"), "is not an email address"),
        (("add", NAME, "allowlist", "a b"), "domain"),
        (("add", NAME, "bounces", ANN, "--since", "soon"), "is no time"),
        (("add", NAME, "unsubscribes", ANN, "--tag", "é"), "is no tag"),
        (("add", "none.example", "bounces", ANN), "no domain"),
        (("remove", NAME, "bounces"), "give an address, or --all"),
        (("remove", NAME, "bounces", ANN, "--all"), "give an address, or --all"),
        (("remove", NAME, "bounces", ANN, "--tag", "x"), "--tag is for unsubscribes"),
        (("show", NAME, "ann"), "is not an email address"),
    ],
)
def test_wrong_use(world: World, arguments: tuple[str, ...], text: str) -> None:
    """Each is told."""
    world.output(domain.app, "add", NAME)
    with pytest.raises(CallerError, match=text):
        world.run(suppression.app, *arguments)


def test_a_removed_domain_is_told(world: World) -> None:
    """With how to bring it back."""
    world.output(domain.app, "add", NAME)
    world.output(domain.app, "remove", NAME)
    with pytest.raises(NotFound, match="edge domain add"):
        world.run(suppression.app, "list", NAME, "bounces")
