"""``edge user`` on a real database, with argon2 at its full strength."""

import asyncio

import pytest

from edge.cli import user
from edge.model.errors import CallerError, NotFound
from edge.model.vault import Vault
from edge.store import panel_audit, panel_sessions, panel_users, pool
from edge.store.panel_users import Proof
from tests.integration.store.test_commands import World
from tests.integration.store.test_commands import world as world_fixture

world = world_fixture
NOW = 1_800_000_000_000_000


async def _prove(world: World, name: str, password: str) -> Proof:
    async with pool.opened(world.url) as opened, opened.acquire() as conn:
        vault = Vault(bytes(32))
        return await panel_users.prove(conn, vault, name, password, "", now_us=NOW)


async def _logged_in(world: World, name: str) -> str:
    async with pool.opened(world.url) as opened, opened.acquire() as conn:
        found = await panel_users.get(conn, name)
        return await panel_sessions.begin(conn, found.id, address="", agent="", now_us=NOW)


async def _still_in(world: World, token: str) -> bool:
    async with pool.opened(world.url) as opened, opened.acquire() as conn:
        return await panel_sessions.find(conn, token, now_us=NOW) is not None


async def _audited(world: World) -> list[tuple[str, str, str]]:
    async with pool.opened(world.url) as opened, opened.acquire() as conn:
        lines = await panel_audit.page(conn)
        return [(line.panel_user, line.action, line.subject) for line in reversed(lines)]


def test_a_user_from_adding_to_removing(world: World) -> None:
    """Made passwords work; a reset and a new role end sessions; every step is audited."""
    made = world.output(user.app, "add", "Ann@Example.com", "--role", "owner").split()[-1]
    assert asyncio.run(_prove(world, "ann@example.com", made)).user is not None
    assert asyncio.run(_prove(world, "ann@example.com", made + "x")).user is None
    world.output(user.app, "add", "bob", "--role", "support")
    listed = world.json(user.app, "list")
    assert [(one["name"], one["role"]) for one in listed] == [
        ("ann@example.com", "owner"),
        ("bob", "support"),
    ]
    token = asyncio.run(_logged_in(world, "bob"))
    assert asyncio.run(_still_in(world, token))
    world.output(user.app, "role", "bob", "analyst")
    assert not asyncio.run(_still_in(world, token))
    token = asyncio.run(_logged_in(world, "ann@example.com"))
    fresh = world.output(user.app, "reset", "ann@example.com").split()[-1]
    assert not asyncio.run(_still_in(world, token))
    assert asyncio.run(_prove(world, "ann@example.com", made)).user is None
    assert asyncio.run(_prove(world, "ann@example.com", fresh)).user is not None
    assert made not in world.output(user.app, "list")
    world.output(user.app, "remove", "bob")
    assert "bob" not in world.output(user.app, "list")
    mine = panel_audit.COMMAND_LINE
    assert asyncio.run(_audited(world)) == [
        (mine, "add user", "ann@example.com (owner)"),
        (mine, "add user", "bob (support)"),
        (mine, "change role", "bob (analyst)"),
        (mine, "reset password", "ann@example.com"),
        (mine, "remove user", "bob"),
    ]


def test_what_is_wrong_is_told(world: World) -> None:
    """The last owner stays, names are plain, passwords long enough, unknown users unknown."""
    world.output(user.app, "add", "ann", "--role", "owner")
    for arguments in (("remove", "ann"), ("role", "ann", "support")):
        with pytest.raises(CallerError, match="only owner"):
            world.run(user.app, *arguments)
    with pytest.raises(CallerError, match="already"):
        world.run(user.app, "add", "ANN")
    for name in ("a b", "", "<b>", "x" * 101, ".a"):
        with pytest.raises(CallerError, match="a name is"):
            world.run(user.app, "add", name)
    with pytest.raises(NotFound, match="no user bob"):
        world.run(user.app, "reset", "bob")
