"""``edge cert``: certificates of tracking hosts: ask, watch, renew, revoke, bring your own."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from certs import names
from certs.budgets import Budgets, spread
from certs.errors import CustomerError
from edge.adapters import certificate_import, certificate_orders
from edge.cli import cert_account, session
from edge.cli.cert_account import need_authority
from edge.cli.options import AsJson, Config, DataDir, print_fields, print_json, print_table, run
from edge.cli.times import format_time
from edge.clock import SystemClock
from edge.model.certificate import HostCertificate
from edge.model.domain import host_name
from edge.model.errors import CallerError, NotFound
from edge.settings import Settings, load
from edge.store import certificates
from edge.store.pool import Connection

app = typer.Typer(help="Certificates of tracking hosts.", no_args_is_help=True)
app.add_typer(cert_account.app, name="account")

HostName = Annotated[str, typer.Argument(metavar="HOST", help="Tracking host.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Watch until it is done or failed.")]
PATIENCE = 600.0
"""Seconds that a command watches."""


def _when(seconds: float | None) -> str | None:
    return None if seconds is None else format_time(int(seconds * 1e6))


def _as_json(found: HostCertificate, now: float) -> dict[str, Any]:
    days = found.days_left(now)
    return {
        "host": found.host,
        "domain": found.domain,
        "status": found.status(now).value,
        "imported": found.imported,
        "not-before": found.not_before,
        "not-after": found.not_after,
        "days-left": None if days is None else round(days, 2),
        "next-look": found.due or None,
        "failure": found.failure,
    }


async def _shown(conn: Connection, host: str) -> HostCertificate:
    found = await certificates.show(conn, host_name(host))
    if found is None:
        raise NotFound(
            f"{host} is no tracking host of any domain; `edge domain list` shows them, and "
            "`edge domain set --web-prefix` chooses them"
        )
    return found


async def _watch(settings: Settings, hosts: Iterable[str]) -> None:
    """Print what becomes of some hosts; OperatorError if one fails or takes too long."""
    async with session.database(settings) as pool:
        for host in hosts:
            async for line in certificate_orders.progress(pool, host, SystemClock(), PATIENCE):
                typer.echo(f"{host}: {line}")


def _hosts_of(path: Path) -> list[str]:
    """First column of a CSV file; blank lines, comments and a header ``host`` are passed over."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            cells = [row[0].strip() for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CallerError(f"--from {path}: {error}") from None
    return [cell for cell in cells if cell and not cell.startswith("#") and cell.lower() != "host"]


@app.command(epilog="Example: edge cert issue email.mg.example.com")
def issue(
    hosts: Annotated[
        list[str] | None, typer.Argument(metavar="[HOST]...", help="Tracking hosts.")
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from", help="CSV file with one host a line; they are ordered at the pace of limits."
        ),
    ] = None,
    wait: Wait = True,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Ask for certificates; the running edge orders them."""
    settings = load(config, data_dir=data_dir)
    need_authority(settings)
    named = list(dict.fromkeys([*(hosts or []), *(_hosts_of(source) if source else [])]))
    if not named:
        raise CallerError("name a host, or a file with --from")

    async def work() -> tuple[int, float]:
        async with session.database(settings) as pool, pool.acquire() as conn, conn.transaction():
            return await _request_all(conn, named, SystemClock.now())

    new, last = run(work())
    typer.echo(f"{new} of {len(named)} hosts are new.", err=True)
    if source is not None:
        if new > 1:
            typer.echo(f"The last of them is ordered about {_when(last)} UTC.", err=True)
        return
    if wait:
        run(_watch(settings, named))


async def _request_all(conn: Connection, named: list[str], now: float) -> tuple[int, float]:
    """Ask for some hosts, spread over time; how many are new, and when the last one is due."""
    found, strangers = [], []
    for name in named:
        try:
            found.append(await _shown(conn, name))
        except CallerError:
            strangers.append(name)
    if strangers:
        more = f" and {len(strangers) - 10} more" if len(strangers) > 10 else ""
        raise NotFound(
            f"nothing was done: no tracking hosts of any domain: {', '.join(strangers[:10])}{more}"
        )
    wanted = [one for one in found if one.state is None]
    times = spread(len(wanted), now, Budgets())
    for one in wanted:
        try:
            names.host_name(one.host)
        except CustomerError as error:
            raise CallerError(f"nothing was done: {error}") from None
    for one, due in zip(wanted, times, strict=True):
        await certificates.request(conn, one.host, str(one.number), due)
    for one in found:
        if one.failure is not None:
            await certificates.nudge(conn, one.host, now)
    return len(wanted), times[-1] if times else now


@app.command(epilog="Example: edge cert status email.mg.example.com")
def status(
    host: HostName, as_json: AsJson = False, data_dir: DataDir = None, config: Config = None
) -> None:
    """Show one host's certificate, and why the last try failed."""
    settings = load(config, data_dir=data_dir)

    async def work() -> HostCertificate:
        async with session.database(settings) as pool, pool.acquire() as conn:
            return await _shown(conn, host)

    found, now = run(work()), SystemClock.now()
    if as_json:
        print_json(_as_json(found, now))
        return
    failure = found.failure or {}
    days = found.days_left(now)
    shown = (
        ("host", found.host),
        ("domain", found.domain + (" (removed)" if found.removed else "")),
        ("status", found.status(now).value + (" (imported)" if found.imported else "")),
        ("valid until (UTC)", _when(found.not_after)),
        ("days left", None if days is None else round(days, 1)),
        ("next look (UTC)", _when(found.due or None)),
        ("last failure", failure.get("text")),
        ("who must act", failure.get("who")),
    )
    print_fields((name, value) for name, value in shown if value is not None)


@app.command("list", epilog="Example: edge cert list --json")
def list_(as_json: AsJson = False, data_dir: DataDir = None, config: Config = None) -> None:
    """List hosts with certificates or orders, those that need attention first."""
    settings = load(config, data_dir=data_dir)

    async def work() -> list[HostCertificate]:
        async with session.database(settings) as pool, pool.acquire() as conn:
            return await certificates.list_all(conn)

    found, now = run(work()), SystemClock.now()
    if as_json:
        for one in found:
            print_json(_as_json(one, now))
        return
    print_table(
        ("host", "status", "until (UTC)", "last failure"),
        (
            (one.host, one.status(now).value, _when(one.not_after), (one.failure or {}).get("text"))
            for one in found
        ),
        empty="No host has a certificate; `edge cert issue HOST` asks for one.",
    )


@app.command(epilog="Example: edge cert renew email.mg.example.com")
def renew(
    host: HostName, wait: Wait = True, data_dir: DataDir = None, config: Config = None
) -> None:
    """Order a new certificate now; what is served stays until it is there."""
    settings = load(config, data_dir=data_dir)
    need_authority(settings)

    async def work() -> HostCertificate:
        async with session.database(settings) as pool, pool.acquire() as conn:
            found, now = await _shown(conn, host), SystemClock.now()
            if found.state is None:
                raise CallerError(
                    f"{found.host} gets no certificates by itself; `edge cert issue {found.host}` "
                    "asks for that"
                )
            if not await certificates.nudge(conn, found.host, now, renew=True):
                raise CallerError(f"{found.host} is being worked on; try again in some minutes")
            return found

    found = run(work())
    if wait:
        run(_renewed(settings, found))


async def _renewed(settings: Settings, before: HostCertificate) -> None:
    async with session.database(settings) as pool:
        lines = certificate_orders.progress(
            pool, before.host, SystemClock(), PATIENCE, before=before.chain
        )
        async for line in lines:
            typer.echo(f"{before.host}: {line}")


@app.command(epilog="Example: edge cert revoke email.mg.example.com --yes")
def revoke(
    host: HostName,
    reason: Annotated[
        int, typer.Option("--reason", min=0, max=10, help="Reason (RFC 5280); 1: key compromise.")
    ] = 0,
    only_here: Annotated[
        bool, typer.Option("--only-here", help="Serve it no longer; tell the authority nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Revoke a certificate: the host is served over https no longer, on any edge."""
    settings = load(config, data_dir=data_dir)
    vault = session.vault(settings)
    if not yes:
        typer.confirm(f"https links of {host} will be dead at once. Go on?", abort=True)

    async def work() -> bool:
        async with session.database(settings) as pool:
            async with pool.acquire() as conn:
                found = await _shown(conn, host)
            told = False
            if found.chain and not found.imported and not only_here:
                need_authority(settings)
                orders = certificate_orders.Revocation(settings, pool, vault, SystemClock())
                await orders.revoke(found.chain, reason)
                told = True
            async with pool.acquire() as conn:
                await certificates.forget(conn, found.host)
            return told

    if run(work()):
        typer.echo(f"The certificate of {host} is revoked.")
    else:
        typer.echo(f"{host} has no certificate here any more; the authority was told nothing.")


@app.command("import", epilog="Example: edge cert import HOST --cert-file c.pem --key-file k.pem")
def import_(
    host: HostName,
    cert_file: Annotated[
        Path, typer.Option("--cert-file", help="PEM chain, the host's own certificate first.")
    ],
    key_file: Annotated[Path, typer.Option("--key-file", help="PEM private key, unencrypted.")],
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Bring your own certificate; you renew it. On every edge within seconds."""
    settings = load(config, data_dir=data_dir)
    vault = session.vault(settings)
    texts = []
    for path in (cert_file, key_file):
        try:
            texts.append(path.read_text(encoding="ascii"))
        except (OSError, UnicodeDecodeError) as error:
            raise CallerError(f"{path} cannot be read: {error}") from None

    async def work() -> float:
        async with session.database(settings) as pool, pool.acquire() as conn:
            found, now = await _shown(conn, host), SystemClock.now()
            stored = certificate_import.checked(found.host, texts[0], texts[1], now)
            await certificates.import_certificate(conn, vault, stored, now)
            return stored.not_after

    typer.echo(f"{host} is served with it, until {_when(run(work()))} UTC.")
