"""``edge apikey``: keys of the API."""

from typing import Annotated, Any

import typer

from edge.cli import session
from edge.cli.options import AsJson, Config, DataDir, print_json, print_table, run
from edge.cli.times import format_time, parse_expiry
from edge.clock import SystemClock
from edge.settings import load
from edge.store import api_keys
from edge.store.api_keys import ApiKey, Role

app = typer.Typer(help="Keys of the API.", no_args_is_help=True)


@app.command(epilog="Example: edge apikey create --name shop --domain mg.example.com --expires 90d")
def create(
    name: Annotated[str, typer.Option("--name", help="What the key is for.")],
    domain: Annotated[
        str | None,
        typer.Option("--domain", help="The one domain it is good for; else the whole account."),
    ] = None,
    role: Annotated[
        Role, typer.Option("--role", help="Everything, looking only, or sending only.")
    ] = Role.ADMIN,
    expires: Annotated[
        str | None,
        typer.Option("--expires", help="Last moment: a span (90d, 12h) or a date; else never."),
    ] = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Make a key and print it, as the last word: it is not stored and cannot be shown again."""
    settings = load(config, data_dir=data_dir)
    now_us = SystemClock.now_us()
    until = None if expires is None else parse_expiry(expires, now_us=now_us)

    async def work() -> tuple[str, int]:
        async with session.database(settings, create=True) as pool, pool.acquire() as conn:
            return await api_keys.create(
                conn, name, now_us=now_us, role=role, domain=domain, expires_at=until
            )

    key, number = run(work())
    typer.echo(f"API key {number}, shown only now: {key}")


def _as_json(key: ApiKey, now_us: int) -> dict[str, Any]:
    times = {
        "created": key.created_at,
        "expires": key.expires_at,
        "last-used": key.last_used_at,
        "revoked": key.revoked_at,
    }
    return {
        "id": key.id,
        "name": key.name,
        "role": key.role.value,
        "domain": key.domain_name,
        "begins": f"key-{key.prefix}",
        "state": key.state(now_us),
        **{name: None if at is None else at / 1e6 for name, at in times.items()},
    }


@app.command("list", epilog="Example: edge apikey list --json")
def list_(as_json: AsJson = False, data_dir: DataDir = None, config: Config = None) -> None:
    """List the keys: what they may do, and when they were last used (to the minute)."""
    settings = load(config, data_dir=data_dir)
    now_us = SystemClock.now_us()

    async def work() -> list[ApiKey]:
        async with session.database(settings) as pool, pool.acquire() as conn:
            return await api_keys.list_keys(conn)

    found = run(work())
    if as_json:
        for key in found:
            print_json(_as_json(key, now_us))
        return
    print_table(
        ("id", "name", "begins", "role", "domain", "state", "expires (UTC)", "last used (UTC)"),
        (
            (
                *(key.id, key.name, f"key-{key.prefix}", key.role.value, key.domain_name or "all"),
                key.state(now_us),
                "never" if key.expires_at is None else format_time(key.expires_at),
                "never" if key.last_used_at is None else format_time(key.last_used_at),
            )
            for key in found
        ),
        empty="There is no API key yet; make one: edge apikey create --name mine",
    )


@app.command(epilog="Example: edge apikey revoke 3")
def revoke(
    number: Annotated[int, typer.Argument(metavar="ID", min=1, max=2**31 - 1, help="Its number.")],
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """End a key for good; a running server refuses it within five seconds."""
    settings = load(config, data_dir=data_dir)

    async def work() -> None:
        async with session.database(settings) as pool, pool.acquire() as conn:
            await api_keys.revoke(conn, number, now_us=SystemClock.now_us())

    run(work())
    typer.echo(f"API key {number} is revoked.")
