"""``edge footer``: what is put under messages whose domain tracks unsubscribes."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Annotated, Any

import typer

from edge.cli import session
from edge.cli.options import AsJson, Config, DataDir, print_json, run
from edge.model.domain import Domain, public_url
from edge.model.errors import CallerError, NotFound
from edge.settings import Settings, load
from edge.store import domain_settings, domains
from edge.store.domain_settings import DomainSettings
from edge.store.pool import Connection

app = typer.Typer(help="Unsubscribe footers of a domain.", no_args_is_help=True)

VARIABLES = (
    "%unsubscribe_url%",
    "%tag_unsubscribe_url%",
    "%mailing_list_unsubscribe_url%",
    "%unsubscribe_email%",
)

DomainName = Annotated[
    str, typer.Argument(metavar="DOMAIN", help="Sending domain, mg.example.com.")
]


class _Text(HTMLParser):
    """The words of an HTML footer, each link's target behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self._targets.append(dict(attrs).get("href") or "")
        elif tag in {"br", "p", "div"}:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self._targets:
            self.parts.append(f" <{self._targets.pop()}>")

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def _filled(footer: str, domain: Domain, settings: Settings) -> str:
    """The footer with example values for its variables."""
    https = domain.web_scheme == "https"
    port = settings.https_port if https else settings.http_port
    example = public_url(domain.web_scheme, domain.tracking_host, port, "/u/EXAMPLE")
    for variable in VARIABLES[:3]:
        footer = footer.replace(variable, example)
    return footer.replace(VARIABLES[3], f"mailto:unsubscribe@{domain.name}")


def _preview(found: DomainSettings, domain: Domain, settings: Settings) -> str:
    """Both footers as a reader would see them."""
    reader = _Text()
    reader.feed(_filled(found.html_footer, domain, settings))
    reader.close()
    seen = {
        "HTML part": "".join(reader.parts),
        "text part": _filled(found.text_footer, domain, settings),
    }
    lines = []
    for part, text in seen.items():
        kept = [line.strip() for line in text.splitlines() if line.strip()]
        lines += [f"{part}:", *(f"  {line}" for line in kept or ["(no footer)"])]
    return "\n".join(lines)


async def _living(conn: Connection, name: str) -> Domain:
    domain = await domains.get(conn, name)
    if domain.removed:
        raise NotFound(f"domain {domain.name} is removed; `edge domain add` brings it back")
    return domain


@app.command(epilog="Example: edge footer show mg.example.com")
def show(
    domain: DomainName, as_json: AsJson = False, data_dir: DataDir = None, config: Config = None
) -> None:
    """Show the footers: as a reader would see them, or with --json as they are stored."""
    settings = load(config, data_dir=data_dir)

    async def work() -> tuple[Domain, DomainSettings]:
        async with session.database(settings) as pool, pool.acquire() as conn:
            found = await _living(conn, domain)
            return found, await domain_settings.get(conn, found.number)

    found, stored = run(work())
    if as_json:
        print_json({"html": stored.html_footer, "text": stored.text_footer})
        return
    typer.echo(_preview(stored, found, settings))
    if not found.unsubscribe:
        typer.echo(f"Not in use: edge domain set {found.name} --unsubscribe yes")


def _read(path: Path | None, option: str) -> str | None:
    if path is None:
        return None
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CallerError(f"{option} {path}: {error}") from None
    if not any(variable in text for variable in VARIABLES):
        raise CallerError(
            f"{option} {path}: nobody could unsubscribe with it; it needs {VARIABLES[0]} (or "
            f"{', '.join(VARIABLES[1:])})"
        )
    return text


def _change(
    settings: Settings, name: str, *, default: bool = False, **footers: str
) -> tuple[Domain, DomainSettings]:
    async def work() -> tuple[Domain, DomainSettings]:
        async with session.database(settings) as pool, pool.acquire() as conn:
            found = await _living(conn, name)
            if default:
                return found, await domain_settings.restore_footers(conn, found.number)
            return found, await domain_settings.change(conn, found.number, **footers)

    return run(work())


@app.command("set", epilog="Example: edge footer set mg.example.com --html footer.html")
def set_(
    domain: DomainName,
    html: Annotated[Path | None, typer.Option("--html", help="File for the HTML part.")] = None,
    text: Annotated[Path | None, typer.Option("--text", help="File for the text part.")] = None,
    default: Annotated[
        bool, typer.Option("--default", help="Bring back both footers of a new domain.")
    ] = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Set one footer or both, and show them; %unsubscribe_url% in it becomes the link."""
    settings = load(config, data_dir=data_dir)
    given: dict[str, Any] = {
        "html_footer": _read(html, "--html"),
        "text_footer": _read(text, "--text"),
    }
    footers = {name: value for name, value in given.items() if value is not None}
    if bool(footers) == default:
        raise CallerError("give --html, --text or both, or else --default")
    found, stored = _change(settings, domain, default=default, **footers)
    typer.echo(_preview(stored, found, settings))


@app.command(epilog="Example: edge footer clear mg.example.com")
def clear(domain: DomainName, data_dir: DataDir = None, config: Config = None) -> None:
    """Put no footer under messages: for senders whose own text holds the link."""
    settings = load(config, data_dir=data_dir)
    found, _ = _change(settings, domain, html_footer="", text_footer="")
    typer.echo(f"{found.name} has no footer; each message has to hold {VARIABLES[0]} itself.")
