"""``edge domain dns`` and ``edge domain route``: what a domain's mail needs and where it goes."""

import sys
from typing import Annotated, Any

import typer

from edge.cli import session
from edge.cli.options import AsJson, Config, DataDir, print_json, run
from edge.clock import SystemClock
from edge.model.domain import Domain
from edge.model.errors import CallerError, NotFound
from edge.sending.dkim import Signer, txt_strings
from edge.sending.dns_records import Record, records_of
from edge.sending.homes import own_key
from edge.sending.routes import SANDBOX, Smarthost, parse_route
from edge.settings import Settings, load
from edge.store import domains, routes
from edge.store.pool import Connection

Name = Annotated[str, typer.Argument(metavar="DOMAIN", help="Sending domain, mg.example.com.")]


async def records(conn: Connection, domain: Domain, settings: Settings) -> list[Record]:
    """The records of a domain; its DKIM key is made if it has none.

    Without a master key yet (a first command before the first start) there is only the CNAME.
    """
    host = settings.public_host or "localhost"
    if not settings.master_key_path.exists():
        return [Record("CNAME", domain.tracking_host, host, "tracking")]
    vault = session.vault(settings)
    key = await own_key(conn, vault, domain.number, SystemClock.now_us())
    return records_of(domain, host, Signer(domain.name, key.selector, key.private))


def print_records(found: list[Record], settings: Settings) -> None:
    """The records as they stand in a zone file."""
    typer.echo("Create these DNS records:")
    for record in found:
        typer.echo(f"  ; {record.purpose}")
        typer.echo(f"  {record.name}.  {record.type}  {_value(record)}")
    if not any(record.purpose == "DKIM" for record in found):
        typer.echo("  (for DKIM and the rest, run `edge domain dns` after the first `edge serve`)")
    if not settings.public_host:
        typer.echo(
            "  (EDGE_PUBLIC_HOST is not set: set it to the name of this edge that the world sees)"
        )


def _value(record: Record) -> str:
    if record.type == "TXT":
        return " ".join(f'"{part}"' for part in txt_strings(record.value))
    if record.priority is not None:
        return f"{record.priority} {record.value}."
    return f"{record.value}."


def as_json(record: Record) -> dict[str, Any]:
    """One record for ``--json``."""
    shown: dict[str, Any] = {
        "type": record.type,
        "name": record.name,
        "value": record.value,
        "purpose": record.purpose,
    }
    if record.priority is not None:
        shown["priority"] = record.priority
    return shown


def dns(
    name: Name, as_json_: AsJson = False, data_dir: DataDir = None, config: Config = None
) -> None:
    """Print the DNS records that a domain needs; a missing DKIM key is made."""
    settings = load(config, data_dir=data_dir)

    async def work() -> list[Record]:
        async with session.database(settings) as pool, pool.acquire() as conn:
            return await records(conn, await domains.get(conn, name), settings)

    found = run(work())
    if as_json_:
        for record in found:
            print_json(as_json(record))
        return
    print_records(found, settings)


RouteText = Annotated[
    str | None,
    typer.Argument(
        metavar="ROUTE",
        help="sandbox, mx, smtp://user:pass@host:port, smtps://…; - reads it from standard input.",
    ),
]
Default = Annotated[
    bool, typer.Option("--default", help="Back to the installation's route (EDGE_ROUTE).")
]


def route(
    name: Name,
    route: RouteText = None,
    default: Default = False,
    as_json_: AsJson = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Show or set where a domain's mail goes. Passwords are shown as ***.

    The route is kept encrypted. A password on the command line can be seen by other users of the
    machine while the command runs: give - and write the route to standard input.
    """
    settings = load(config, data_dir=data_dir)
    if route is not None and default:
        raise CallerError("give a route or --default, not both")
    wanted = sys.stdin.readline().strip() if route == "-" else route
    if wanted is not None and wanted != SANDBOX:
        parse_route(wanted)
    vault = session.vault(settings)

    async def work() -> str | None:
        async with session.database(settings) as pool, pool.acquire() as conn:
            domain = await domains.get(conn, name)
            if domain.removed:
                raise NotFound(f"domain {domain.name} is removed; `edge domain add` brings it back")
            if wanted is not None or default:
                await routes.set_route(conn, vault, domain.number, wanted)
            return (await routes.routes(conn, vault)).get(domain.number)

    own = run(work())
    spelled = own or settings.route
    if as_json_:
        print_json({"domain": name, "route": shown(spelled), "own": own is not None})
        return
    origin = "" if own is not None else "  (the installation's: EDGE_ROUTE)"
    typer.echo(f"{name}: {shown(spelled)}{origin}")


def shown(spelled: str) -> str:
    """A route without its password."""
    if spelled == SANDBOX:
        return SANDBOX
    parsed = parse_route(spelled)
    return repr(parsed) if isinstance(parsed, Smarthost) else spelled
