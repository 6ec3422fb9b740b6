"""``edge keys``: the keys that seal tokens, and the backup of what opens them."""

import base64
import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from edge.cli import session
from edge.cli.options import AsJson, Config, DataDir, print_json, print_table, run
from edge.cli.times import format_time
from edge.model.errors import OperatorError
from edge.model.tokens import KeyState
from edge.settings import load
from edge.store import keys

app = typer.Typer(help="Keys that seal tracking tokens.", no_args_is_help=True)


def _as_json(key: keys.KeyRow) -> dict[str, Any]:
    return {
        "id": key.id,
        "state": key.state.value,
        "created": key.created_at / 1e6,
        "changed": key.changed_at / 1e6,
    }


@app.command("list", epilog="Example: edge keys list --json")
def list_(as_json: AsJson = False, data_dir: DataDir = None, config: Config = None) -> None:
    """List the keys and their states."""
    settings = load(config, data_dir=data_dir)

    async def work() -> list[keys.KeyRow]:
        async with session.database(settings) as pool, pool.acquire() as conn:
            return await keys.list_keys(conn)

    found = run(work())
    if as_json:
        for key in found:
            print_json(_as_json(key))
        return
    print_table(
        ("key", "state", "created (UTC)", "changed (UTC)"),
        (
            (key.id, key.state.value, format_time(key.created_at), format_time(key.changed_at))
            for key in found
        ),
        empty="There is no key yet; the first start of the edge makes one.",
    )


@app.command(epilog="Example: edge keys rotate")
def rotate(data_dir: DataDir = None, config: Config = None) -> None:
    """Announce a new key; it seals new links as soon as every live edge has it."""
    settings = load(config, data_dir=data_dir)
    vault = session.vault(settings)

    async def work() -> keys.KeyRow:
        async with session.database(settings) as pool, pool.acquire() as conn:
            return await keys.rotate(conn, vault)

    key = run(work())
    if key.state is KeyState.CURRENT:
        typer.echo(f"Key {key.id} is current; the one before still opens its links.")
    else:
        typer.echo(f"Key {key.id} is announced; it becomes current when every live edge has it.")


@app.command(epilog="Example: edge keys revoke 3 --yes")
def revoke(
    number: Annotated[int, typer.Argument(metavar="KEY", min=0, max=255, help="Id of the key.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Revoke a key: every link sealed with it is dead from then on."""
    settings = load(config, data_dir=data_dir)
    if not yes:
        typer.confirm(f"Every link sealed with key {number} will be dead. Go on?", abort=True)

    async def work() -> None:
        async with session.database(settings) as pool, pool.acquire() as conn:
            await keys.revoke(conn, number)

    run(work())
    typer.echo(f"Key {number} is revoked.")


@app.command(epilog="Example: edge keys export --output /safe/place/edge-keys.json")
def export(
    output: Annotated[
        Path | None,
        typer.Option("--output", help="New file, made readable to its owner only; else stdout."),
    ] = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Write the master key and the sealed ring: all that is needed to open every link ever sent."""
    settings = load(config, data_dir=data_dir)
    session.vault(settings)
    master = settings.master_key_path.read_text(encoding="ascii").strip()

    async def work() -> list[keys.KeyRow]:
        async with session.database(settings) as pool, pool.acquire() as conn:
            return await keys.list_keys(conn)

    ring = [
        {"id": key.id, "state": key.state.value, "sealed": base64.b64encode(key.sealed).decode()}
        for key in run(work())
    ]
    backup = {"master-key": master, "keys": ring}
    typer.echo(
        "Whoever has this can open and forge every tracking link: keep it as you keep passwords.",
        err=True,
    )
    if output is None:
        print_json(backup)
        return
    try:
        handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise OperatorError(f"--output {output}: {error.strerror}; name a new file") from None
    with open(handle, "w", encoding="utf-8") as file:
        file.write(json.dumps(backup, indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
