"""``edge cert account``: our account at the authority: look at it, change its key and contact."""

from typing import Annotated, Any

import typer

from edge.adapters.certificate_account import AccountWork, Shown
from edge.cli import session
from edge.cli.options import AsJson, Config, DataDir, print_fields, print_json, run
from edge.clock import SystemClock
from edge.model.errors import OperatorError
from edge.settings import Settings, load

app = typer.Typer(help="The account at the certificate authority.", no_args_is_help=True)


def need_authority(settings: Settings) -> None:
    """OperatorError that says what to set while certificates are off."""
    if not settings.acme_directory:
        raise OperatorError(
            "certificates are off: set EDGE_ACME_DIRECTORY and EDGE_ACME_AGREE_TOS (docs: "
            "certificates.md), and restart the edge"
        )


def _settings(config: Config, data_dir: DataDir) -> Settings:
    settings = load(config, data_dir=data_dir)
    need_authority(settings)
    return settings


def _as_json(shown: Shown) -> dict[str, Any]:
    return {
        "directory": shown.directory,
        "account": shown.url,
        "thumbprint": shown.thumbprint,
        "key-change-pending": shown.changing,
        "status": None if shown.state is None else shown.state.status,
        "contact": None if shown.state is None else list(shown.state.contact),
    }


@app.command(epilog="Example: edge cert account show --offline")
def show(
    offline: Annotated[
        bool, typer.Option("--offline", help="Only what is known here; the authority is not asked.")
    ] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Show the account: its address (for CAA's accounturi), thumbprint, status and contact."""
    settings = _settings(config, data_dir)
    vault = session.vault(settings)

    async def work() -> Shown:
        async with session.database(settings) as pool:
            account = AccountWork(settings, pool, vault, SystemClock())
            try:
                return await account.show(ask=not offline)
            finally:
                await account.close()

    found = _as_json(run(work()))
    if as_json:
        print_json(found)
        return
    print_fields(
        (name, ", ".join(value) or "none" if isinstance(value, list) else value)
        for name, value in found.items()
        if value is not None
    )


@app.command(epilog="Example: edge cert account contact")
def contact(data_dir: DataDir = None, config: Config = None) -> None:
    """Tell the authority the contact of EDGE_ACME_EMAIL; without one it forgets the old one."""
    settings = _settings(config, data_dir)
    vault = session.vault(settings)

    async def work() -> tuple[str, ...]:
        async with session.database(settings) as pool:
            account = AccountWork(settings, pool, vault, SystemClock())
            try:
                return (await account.change_contact()).contact
            finally:
                await account.close()

    kept = run(work())
    typer.echo(f"The authority has {', '.join(kept) or 'no contact'}.")


@app.command(epilog="Example: edge cert account rollover --yes")
def rollover(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Give the account a new key (RFC 8555 section 7.3.5); orders wait for it, serving does not."""
    settings = _settings(config, data_dir)
    vault = session.vault(settings)
    if not yes:
        typer.confirm(
            "The account gets a new key; the old one is of no use then. Go on?", abort=True
        )

    async def work() -> None:
        async with session.database(settings) as pool:
            account = AccountWork(settings, pool, vault, SystemClock())
            try:
                async for line in account.change_key():
                    typer.echo(line)
            finally:
                await account.close()

    run(work())
