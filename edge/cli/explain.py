"""``edge explain``: how a request would be labelled, and why."""

import sys
from enum import StrEnum
from typing import Annotated, Any

import msgspec
import typer

from edge.cli.options import AsJson, Config, DataDir, print_fields, print_json, print_table
from edge.clock import SystemClock
from edge.enrich.evidence import meaning
from edge.enrich.geo_update import load_geo_record
from edge.enrich.pipeline import Enricher, Labelled, open_enricher
from edge.model.capture import KEPT_HEADERS, Act, Capture
from edge.model.errors import CallerError
from edge.model.tokens import ClickTarget, Level, OpenTarget, Target, UnsubscribeTarget
from edge.settings import load

app = typer.Typer()


class Kind(StrEnum):
    """What was asked for."""

    OPEN = "open"
    CLICK = "click"
    UNSUBSCRIBE = "unsubscribe"


class Request(msgspec.Struct):
    """One request to explain; also the shape of a line of ``--stdin``."""

    kind: Kind
    ua: str | None = None
    ip: str | None = None
    headers: dict[str, str] | None = None
    method: str | None = None
    tls: bool = False


_TARGETS: dict[Kind, Target] = {
    Kind.OPEN: OpenTarget(1, 1, "explain", "reader@example.com"),
    Kind.CLICK: ClickTarget(1, 1, "explain", "reader@example.com", 0, "https://example.com/"),
    Kind.UNSUBSCRIBE: UnsubscribeTarget(1, 1, "explain", "reader@example.com", Level.DOMAIN, []),
}


def capture_of(request: Request, at: int) -> Capture:
    """The capture the edge would have made of such a request.

    An unsubscribe is a POST unless it says otherwise; its GET is the one that may act
    (``unsubscribe_on_get``), any other method only looks at the page.
    """
    kind = request.kind
    method = (request.method or ("POST" if kind is Kind.UNSUBSCRIBE else "GET")).upper()
    if kind is Kind.UNSUBSCRIBE:
        acts = {"POST": Act.UNSUBSCRIBE, "GET": Act.UNSUBSCRIBE_BY_GET}
        act = acts.get(method, Act.UNSUBSCRIBE_PAGE)
    else:
        act = Act.OPEN if kind is Kind.OPEN else Act.CLICK
    headers = {name.lower(): value for name, value in (request.headers or {}).items()}
    headers = {name: value for name, value in headers.items() if name in KEPT_HEADERS}
    if request.ua is not None:
        headers["user-agent"] = request.ua
    return Capture(
        id=bytes(16),
        at=at,
        act=act,
        method=method,
        ip=request.ip or "",
        tls=request.tls,
        headers=headers,
        target=_TARGETS[kind],
    )


def rendered(labelled: Labelled) -> dict[str, Any]:
    """The answer as JSON has it."""
    client = labelled.client
    place = labelled.geolocation
    return {
        "bot": labelled.verdict.bot,
        "evidence": list(labelled.verdict.evidence),
        "client-info": {
            "client-type": client.client_type,
            "client-os": client.client_os,
            "device-type": client.device_type,
            "client-name": client.client_name,
        },
        "network": labelled.network,
        "geolocation": {"country": place.country, "region": place.region, "city": place.city},
        "rules": labelled.verdict.rules,
    }


def _explain_lines(enricher: Enricher) -> None:
    """One answer per line of standard input; a bad line is answered too, and fails the command."""
    decoder = msgspec.json.Decoder(Request)
    encoder = msgspec.json.Encoder()
    at = SystemClock.now_us()
    bad = 0
    for line in sys.stdin.buffer:
        if not line.strip():
            continue
        try:
            answer = rendered(enricher.label(capture_of(decoder.decode(line), at), ()))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            bad += 1
            answer = {"error": f"not a request as described by `edge explain --help`: {error}"}
        sys.stdout.buffer.write(encoder.encode(answer) + b"\n")
        sys.stdout.buffer.flush()
    if bad:
        raise typer.Exit(1)


def _print(labelled: Labelled, problems: tuple[str, ...], attribution: str) -> None:
    client, place = labelled.client, labelled.geolocation
    person = "(empty: a person, as far as can be told)"
    print_fields(
        (
            ("bot", labelled.verdict.bot or person),
            ("client name", client.client_name),
            ("client type", client.client_type),
            ("client OS", client.client_os),
            ("device type", client.device_type),
            ("network", labelled.network or "(none known)"),
            ("country", place.country),
            ("region", place.region),
            ("city", place.city),
            *((("", attribution),) if attribution else ()),
            ("rules", labelled.verdict.rules),
        )
    )
    sys.stdout.write("\n")
    print_table(
        ("evidence", "meaning"),
        ((code, meaning(code)) for code in labelled.verdict.evidence),
        empty="No evidence either way.",
    )
    for problem in problems:
        sys.stderr.write(f"edge: {problem}\n")


def _headers(given: list[str]) -> dict[str, str]:
    headers = {}
    for text in given:
        name, colon, value = text.partition(":")
        if not colon or not name.strip():
            raise CallerError(f"--header {text!r} is not 'Name: value'")
        headers[name.strip()] = value.strip()
    return headers


@app.command(
    epilog="Example: edge explain --kind click --ua 'curl/8.5.0' --ip 192.0.2.7 --tls "
    "--header 'Accept-Language: en'"
)
def explain(
    ua: Annotated[str | None, typer.Option("--ua", help="User agent.")] = None,
    ip: Annotated[str | None, typer.Option("--ip", help="Address of the client.")] = None,
    kind: Annotated[Kind, typer.Option("--kind", help="What was asked for.")] = Kind.OPEN,
    method: Annotated[
        str | None, typer.Option("--method", help="HTTP method; POST for an unsubscribe, else GET.")
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option("--header", help="'Name: value'; may be repeated.")
    ] = None,
    tls: Annotated[bool, typer.Option("--tls", help="The request came over HTTPS.")] = False,
    stdin: Annotated[
        bool,
        typer.Option(
            "--stdin",
            help="One JSON object (kind, ua, ip, headers, method, tls) per line of standard input.",
        ),
    ] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Show how a request would be labelled: bot verdict with its evidence, client, network, place.

    Needs no database; range and geolocation data of the data directory are used where present.
    """
    if stdin and (ua or ip or header or method):
        raise CallerError("--stdin takes its requests from standard input; leave the others out")
    settings = load(config, data_dir=data_dir)
    enricher = open_enricher(
        ranges_path=settings.data_dir / "ranges.mmdb",
        geo_path=settings.geo_path,
        gmail_image_proxy=settings.gmail_image_proxy,
    )
    if stdin:
        _explain_lines(enricher)
        return
    request = Request(
        kind=kind, ua=ua, ip=ip, headers=_headers(header or []), method=method, tls=tls
    )
    labelled = enricher.label(capture_of(request, SystemClock.now_us()), ())
    if as_json:
        print_json(rendered(labelled))
    else:
        record = load_geo_record(settings.geo_path)
        _print(labelled, enricher.problems(), record.attribution if record else "")
