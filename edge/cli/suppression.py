"""``edge suppression``: who a domain does not write to, and what is never counted as bounced."""

import sys
from collections.abc import AsyncIterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from edge.api.body import Fields
from edge.api.params import Params
from edge.api.suppressions import csv_row, csv_text
from edge.cli import session
from edge.cli.options import AsJson, Config, DataDir, print_json, print_table
from edge.cli.times import format_time, parse_time
from edge.clock import SystemClock
from edge.model.domain import Domain
from edge.model.errors import CallerError, NotFound, OperatorError
from edge.settings import load
from edge.store import suppressions
from edge.store.pool import Connection
from edge.store.suppressed import TABLES, Entry, Kind
from edge.store.suppression_entries import COLUMNS, from_csv, from_form, tag_of, value_of
from edge.store.suppressions import Wanted

app = typer.Typer(help="Who a domain does not write to.", no_args_is_help=True)

PAGE = 1_000
"""Entries that are read at a time."""


class ListName(StrEnum):
    """The lists of a domain."""

    BOUNCES = "bounces"
    UNSUBSCRIBES = "unsubscribes"
    COMPLAINTS = "complaints"
    ALLOWLIST = "allowlist"

    @property
    def kind(self) -> Kind:
        """As Mailgun's paths call it."""
        return Kind.WHITELISTS if self is ListName.ALLOWLIST else Kind(self.value)


DomainName = Annotated[
    str, typer.Argument(metavar="DOMAIN", help="Sending domain, mg.example.com.")
]
Which = Annotated[
    ListName,
    typer.Argument(metavar="LIST", help="bounces, unsubscribes, complaints or allowlist."),
]
Address = Annotated[
    str,
    typer.Argument(metavar="ADDRESS", help="Address; on the allowlist a domain too."),
]


async def _pages(
    conn: Connection, kind: Kind, domain: Domain, term: str
) -> AsyncIterator[list[Entry]]:
    pivot = None
    while found := await TABLES[kind].page(conn, domain.number, term=term, pivot=pivot, limit=PAGE):
        yield found
        pivot = found[-1].value


def _about(found: Entry) -> str:
    """What an entry says beside its address and time, for people."""
    return " ".join(part for part in (found.code, found.error, *found.tags, found.reason) if part)


def _json(which: ListName, found: Entry) -> dict[str, Any]:
    told: dict[str, Any] = {"list": which.value, found.type: found.value}
    match which:
        case ListName.BOUNCES:
            told |= {"code": found.code, "error": found.error}
        case ListName.UNSUBSCRIBES:
            told |= {"tags": found.tags}
        case ListName.ALLOWLIST:
            told |= {"reason": found.reason}
    return {**told, "created": (found.created_at or 0) / 1e6}


@app.command("list", epilog="Example: edge suppression list mg.example.com bounces --json")
def list_(
    domain: DomainName,
    which: Which,
    term: Annotated[str, typer.Option("--term", help="Only what begins so.")] = "",
    as_csv: Annotated[bool, typer.Option("--csv", help="The file that `import` takes.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """List the entries of one list by address."""
    settings, kind = load(config, data_dir=data_dir), which.kind

    async def work(conn: Connection, found: Domain) -> None:
        rows = []
        if as_csv:
            sys.stdout.write(csv_text([COLUMNS[kind]]))
        async for page in _pages(conn, kind, found, term.strip().lower()):
            for one in page:
                if as_json:
                    print_json(_json(which, one))
                elif as_csv:
                    sys.stdout.write(csv_text([csv_row(kind, one)]))
                else:
                    rows.append((one.value, format_time(one.created_at or 0), _about(one)))
        if not as_csv and not as_json:
            columns = ("address or domain" if kind is Kind.WHITELISTS else "address", "since (UTC)")
            print_table((*columns, ""), rows, empty=f"Nothing on the {which.value} of {domain}.")

    session.on_domain(settings, domain, work)


@app.command(epilog="Example: edge suppression show mg.example.com ann@example.net")
def show(
    domain: DomainName,
    address: Address,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Show on which lists an address is, and whether mail to it is held back.

    An address whose whole domain is on the allowlist is shown with that.
    """
    settings = load(config, data_dir=data_dir)
    value = value_of(Kind.BOUNCES, address)

    async def work(conn: Connection, domain: Domain) -> tuple[list[tuple[ListName, Entry]], str]:
        host = value.rpartition("@")[2]
        asked = [*((which, value) for which in ListName), (ListName.ALLOWLIST, host)]
        got = [(w, await TABLES[w.kind].get(conn, domain.number, name)) for w, name in asked]
        found = [(which, one) for which, one in got if one is not None]
        wanted = [Wanted(domain.number, value)]
        return found, (await suppressions.blocking(conn, wanted))[0] or ""

    found, block = session.on_domain(settings, domain, work)
    if as_json:
        for which, one in found:
            print_json({**_json(which, one), "blocked-by": block or None})
        return
    print_table(
        ("list", "address or domain", "since (UTC)", ""),
        ((w.value, o.value, format_time(o.created_at or 0), _about(o)) for w, o in found),
        empty=f"{value} is on no list of {domain}.",
    )
    if block:
        typer.echo(f"Mail to {value} is held back: {block}.")


@app.command(epilog="Example: edge suppression add mg.example.com unsubscribes ann@example.net")
def add(
    domain: DomainName,
    which: Which,
    address: Address,
    code: Annotated[str, typer.Option("--code", help="A bounce's code; default 550.")] = "",
    error: Annotated[str, typer.Option("--error", help="A bounce's text.")] = "",
    tag: Annotated[
        list[str] | None, typer.Option("--tag", help="Unsubscribe from this tag; may be repeated.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why it is on the allowlist.")] = "",
    since: Annotated[str, typer.Option("--since", help="Since when; default now.")] = "",
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Add an address to a list, or to the allowlist an address or a domain."""
    settings, kind, now_us = load(config, data_dir=data_dir), which.kind, SystemClock.now_us()
    name = "domain" if kind is Kind.WHITELISTS and "@" not in address else "address"
    texts = {name: [address], "code": [code], "error": [error], "reason": [reason]}
    if since:
        texts["created_at"] = [str(parse_time(since, now_us=now_us) / 1e6)]
    entry = from_form(kind, Params(Fields(texts | {"tags": tag or []})))

    async def work(conn: Connection, found: Domain) -> int:
        return await TABLES[kind].put(conn, found.number, [entry], now_us=now_us)

    if not session.on_domain(settings, domain, work):
        raise CallerError(f"{entry.value} is on the allowlist: it is not put on the bounce list")
    typer.echo(f"Added {entry.value} to the {which.value} of {domain}.")


@app.command(epilog="Example: edge suppression remove mg.example.com bounces ann@example.net")
def remove(
    domain: DomainName,
    which: Which,
    address: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="Address, or domain of the allowlist.")
    ] = "",
    tag: Annotated[str, typer.Option("--tag", help="Only the unsubscribe from this tag.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Empty the list.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Remove an address from a list, or empty it: mail goes out again at once."""
    settings, kind = load(config, data_dir=data_dir), which.kind
    if bool(address) == everything:
        raise CallerError("give an address, or --all to empty the list")
    if tag and kind is not Kind.UNSUBSCRIBES:
        raise CallerError("--tag is for unsubscribes")
    value, only = value_of(kind, address) if address else None, tag_of(tag) if tag else None
    if everything and not yes:
        typer.confirm(f"Remove all {which.value} of {domain}?", abort=True)

    async def work(conn: Connection, found: Domain) -> int:
        return await TABLES[kind].remove(
            conn, found.number, value, tag=only, now_us=SystemClock.now_us()
        )

    gone = session.on_domain(settings, domain, work)
    if not gone and value:
        raise NotFound(f"{value} is not on the {which.value} of {domain}{tag and f' for {tag}'}")
    typer.echo(f"Removed {value or gone} from the {which.value} of {domain}.")


@app.command("import", epilog="Example: edge suppression import mg.example.com bounces bounces.csv")
def import_(
    domain: DomainName,
    which: Which,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="CSV file; - is standard input.")],
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Add what a CSV file holds, all of it or nothing; wrong rows are told by their lines."""
    settings, kind = load(config, data_dir=data_dir), which.kind
    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise OperatorError(f"{path} cannot be read: {error.strerror}") from None
    entries = from_csv(kind, data)

    async def work(conn: Connection, found: Domain) -> int:
        now_us = SystemClock.now_us()
        return await TABLES[kind].put(conn, found.number, entries, now_us=now_us)

    typer.echo(
        f"Added {session.on_domain(settings, domain, work)} to the {which.value} of {domain}."
    )
