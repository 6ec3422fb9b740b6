"""``edge domain``: sending domains, their switches and the DNS records they need."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from edge.cli import domain_check, domain_mail, session
from edge.cli.options import (
    AsJson,
    Config,
    DataDir,
    YesNo,
    print_fields,
    print_json,
    print_table,
    run,
)
from edge.clock import SystemClock
from edge.model.domain import DEFAULT_WEB_PREFIX, RETENTION_DAYS, Domain, Plan
from edge.model.errors import CallerError
from edge.sending.dns_records import Record
from edge.settings import load
from edge.store import certificates, domains
from edge.store.pool import Connection

app = typer.Typer(help="Sending domains and their tracking hosts.", no_args_is_help=True)


class Click(StrEnum):
    """Which links are tracked."""

    YES = "yes"
    NO = "no"
    HTMLONLY = "htmlonly"


class Scheme(StrEnum):
    """Scheme of tracking URLs."""

    HTTP = "http"
    HTTPS = "https"


Name = Annotated[str, typer.Argument(metavar="DOMAIN", help="Sending domain, mg.example.com.")]
Prefix = Annotated[
    str | None,
    typer.Option("--web-prefix", help="Tracking host is PREFIX.DOMAIN; email by default."),
]
WebScheme = Annotated[
    Scheme | None, typer.Option("--web-scheme", help="Scheme of tracking URLs; http by default.")
]
Open = Annotated[YesNo | None, typer.Option("--open", help="Put a pixel into messages.")]
Clicks = Annotated[Click | None, typer.Option("--click", help="Put tracked links into messages.")]
Unsubscribe = Annotated[
    YesNo | None, typer.Option("--unsubscribe", help="Put unsubscribe links into messages.")
]
PixelAtTop = Annotated[
    bool | None,
    typer.Option(
        "--pixel-at-top/--no-pixel-at-top", help="Pixel at the top, where clipping spares it."
    ),
]
OnGet = Annotated[
    bool | None,
    typer.Option(
        "--unsubscribe-on-get/--no-unsubscribe-on-get",
        help="A GET of an unsubscribe link acts at once, unless a bot made it.",
    ),
]
HttpsRedirect = Annotated[
    bool | None,
    typer.Option(
        "--https-redirect/--no-https-redirect",
        help="Pages for people move from http to https where the host is sure to serve it.",
    ),
]
PlanOption = Annotated[
    Plan | None, typer.Option("--plan", help="How long events are kept: paid 30 days, free 2.")
]
Retention = Annotated[
    int | None,
    typer.Option("--retention-days", min=1, max=365, help="How long events are kept, in days."),
]


def _changes(
    web_prefix: str | None,
    web_scheme: Scheme | None,
    opens: YesNo | None,
    click: Click | None,
    unsubscribe: YesNo | None,
    pixel_at_top: bool | None,
    unsubscribe_on_get: bool | None,
    https_redirect: bool | None,
    plan: Plan | None,
    retention_days: int | None,
) -> dict[str, Any]:
    """The fields of a domain that were given on the command line."""
    if plan is not None and retention_days is not None:
        raise CallerError("--plan and --retention-days say the same thing: give one of them")
    given = {
        "web_prefix": None if web_prefix is None else web_prefix.strip().lower(),
        "web_scheme": None if web_scheme is None else web_scheme.value,
        "open": None if opens is None else opens is YesNo.YES,
        "click": None if click is None else click.value,
        "unsubscribe": None if unsubscribe is None else unsubscribe is YesNo.YES,
        "pixel_at_top": pixel_at_top,
        "unsubscribe_on_get": unsubscribe_on_get,
        "https_redirect": https_redirect,
        "retention_days": retention_days if plan is None else RETENTION_DAYS[plan],
    }
    return {name: value for name, value in given.items() if value is not None}


def _as_json(
    domain: Domain, records: list[Record] | None = None, hosts: list[str] | None = None
) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "name": domain.name,
        "number": domain.number,
        "tracking-host": domain.tracking_host,
        "web-prefix": domain.web_prefix,
        "web-scheme": domain.web_scheme,
        "open": "yes" if domain.open else "no",
        "click": domain.click,
        "unsubscribe": "yes" if domain.unsubscribe else "no",
        "pixel-at-top": domain.pixel_at_top,
        "unsubscribe-on-get": domain.unsubscribe_on_get,
        "https-redirect": domain.https_redirect,
        "retention-days": domain.retention_days,
        "removed": domain.removed,
    }
    if records is not None:
        shown["dns"] = [domain_mail.as_json(record) for record in records]
    if hosts is not None:
        shown["hosts"] = hosts
    return shown


@app.command(epilog="Example: edge domain add mg.example.com --open yes --click htmlonly")
def add(
    name: Name,
    web_prefix: Prefix = None,
    web_scheme: WebScheme = None,
    opens: Open = None,
    click: Clicks = None,
    unsubscribe: Unsubscribe = None,
    pixel_at_top: PixelAtTop = None,
    unsubscribe_on_get: OnGet = None,
    https_redirect: HttpsRedirect = None,
    plan: PlanOption = None,
    retention_days: Retention = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Add a domain, or bring a removed one back, and print the DNS records it needs."""
    settings = load(config, data_dir=data_dir)
    fields = _changes(
        *(web_prefix, web_scheme, opens, click, unsubscribe, pixel_at_top, unsubscribe_on_get),
        *(https_redirect, plan, retention_days),
    )
    wanted = Domain(number=0, name=name, **({"web_prefix": DEFAULT_WEB_PREFIX} | fields))

    async def work() -> tuple[Domain, list[Record]]:
        async with session.database(settings, create=True) as pool, pool.acquire() as conn:
            domain = await domains.add(conn, wanted, now_us=SystemClock.now_us())
            return domain, await domain_mail.records(conn, domain, settings)

    added, records = run(work())
    if as_json:
        print_json(_as_json(added, records))
        return
    typer.echo(f"Added {added.name}.")
    domain_mail.print_records(records, settings)


@app.command("list", epilog="Example: edge domain list --json")
def list_(
    removed: Annotated[bool, typer.Option("--removed", help="Removed domains too.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """List the domains."""
    settings = load(config, data_dir=data_dir)

    async def work() -> list[Domain]:
        async with session.database(settings) as pool, pool.acquire() as conn:
            return await domains.list_domains(conn, removed=removed)

    found = run(work())
    if as_json:
        for domain in found:
            print_json(_as_json(domain))
        return
    print_table(
        ("domain", "tracking host", "scheme", "open", "click", "unsubscribe", "days", ""),
        (
            (
                *(d.name, d.tracking_host, d.web_scheme, "yes" if d.open else "no", d.click),
                *("yes" if d.unsubscribe else "no", d.retention_days),
                "removed" if d.removed else "",
            )
            for d in found
        ),
        empty="There is no domain yet; add one: edge domain add mg.example.com",
    )


@app.command(epilog="Example: edge domain show mg.example.com")
def show(
    name: Name, as_json: AsJson = False, data_dir: DataDir = None, config: Config = None
) -> None:
    """Show a domain, every tracking host it ever had, and its DNS records."""
    settings = load(config, data_dir=data_dir)

    async def work() -> tuple[Domain, list[Record], list[str]]:
        async with session.database(settings) as pool, pool.acquire() as conn:
            domain = await domains.get(conn, name)
            records = await domain_mail.records(conn, domain, settings)
            return domain, records, await domains.hosts(conn, domain.number)

    domain, records, hosts = run(work())
    shown = _as_json(domain, records, hosts)
    if as_json:
        print_json(shown)
        return
    print_fields(
        (field, ", ".join(value) if field == "hosts" else value)
        for field, value in shown.items()
        if field != "dns"
    )
    domain_mail.print_records(records, settings)


async def _warn_without_certificate(conn: Connection, domain: Domain) -> None:
    """Say so when new links would be over https to a host that has no certificate here."""
    host = domain.tracking_host
    found = await certificates.show(conn, host)
    if domain.web_scheme == "https" and not (found and found.valid(SystemClock.now())):
        typer.echo(
            f"edge: {host} has no valid certificate here: links over https do not work until it "
            f"has one (edge cert issue {host})",
            err=True,
        )


@app.command("set", epilog="Example: edge domain set mg.example.com --click yes --plan free")
def set_(
    name: Name,
    web_prefix: Prefix = None,
    web_scheme: WebScheme = None,
    opens: Open = None,
    click: Clicks = None,
    unsubscribe: Unsubscribe = None,
    pixel_at_top: PixelAtTop = None,
    unsubscribe_on_get: OnGet = None,
    https_redirect: HttpsRedirect = None,
    plan: PlanOption = None,
    retention_days: Retention = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Change some of a domain's switches; the others stay."""
    settings = load(config, data_dir=data_dir)
    fields = _changes(
        *(web_prefix, web_scheme, opens, click, unsubscribe, pixel_at_top, unsubscribe_on_get),
        *(https_redirect, plan, retention_days),
    )
    if not fields:
        raise CallerError("nothing to change: give at least one option (edge domain set --help)")

    async def work() -> tuple[Domain, list[Record]]:
        async with session.database(settings) as pool, pool.acquire() as conn:
            domain = await domains.change(conn, name, SystemClock.now_us(), **fields)
            if fields.keys() & {"web_scheme", "web_prefix"}:
                await _warn_without_certificate(conn, domain)
            return domain, await domain_mail.records(conn, domain, settings)

    changed, records = run(work())
    if as_json:
        print_json(_as_json(changed, records))
        return
    typer.echo(f"Changed {changed.name}.")
    if "web_prefix" in fields:
        domain_mail.print_records(records, settings)


@app.command(epilog="Example: edge domain remove mg.example.com")
def remove(name: Name, data_dir: DataDir = None, config: Config = None) -> None:
    """Remove a domain; links in mail already sent go on working."""
    settings = load(config, data_dir=data_dir)

    async def work() -> Domain:
        async with session.database(settings) as pool, pool.acquire() as conn:
            return await domains.remove(conn, name)

    removed = run(work())
    typer.echo(
        f"Removed {removed.name}. Keep the CNAME of {removed.tracking_host}: links already sent "
        "are served as long as it is there."
    )


app.command("check", epilog="Example: edge domain check mg.example.com")(domain_check.check)
app.command("dns", epilog="Example: edge domain dns mg.example.com")(domain_mail.dns)
app.command(
    "route",
    epilog="Example: edge domain route mg.example.com smtp://relay.example.com:587",
)(domain_mail.route)
