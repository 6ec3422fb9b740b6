"""``edge instrument``: put pixel, links and unsubscribe into a message, as a filter."""

import secrets
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from edge.cli.link import keep_facts, open_mint
from edge.cli.minting import Mint, message_tags
from edge.cli.options import Config, DataDir, YesNo
from edge.clock import SystemClock
from edge.model.capture import Facts
from edge.model.domain import Domain
from edge.model.errors import CallerError
from edge.model.tokens import (
    Kind,
    Target,
    check_recipient,
    make_message_id,
    pack_message_id,
    unpack_message_id,
)
from edge.rewriting import controls
from edge.rewriting.explain import explain as explained
from edge.rewriting.explain import flawed
from edge.rewriting.instructions import Instructions
from edge.rewriting.report import Report
from edge.rewriting.switches import Clicks, Given, decide
from edge.rewriting.template import Instrumented, compile_message, message_id_of
from edge.rewriting.variables import Recipient
from edge.settings import Settings, load
from edge.store.facts import clean_tags

app = typer.Typer(help="Instrument a message.")


def _read(path: Path | None) -> bytes:
    if path is None or str(path) == "-":
        return sys.stdin.buffer.read()
    try:
        return path.read_bytes()
    except OSError as error:
        raise CallerError(f"cannot read {path}: {error.strerror}") from None


def _variables(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        found = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise CallerError(f"--variables is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise CallerError('--variables must be a JSON object, like {"name": "Ada"}')
    return found


def _new_message_id(domain: Domain) -> str:
    return make_message_id(domain.name, SystemClock.now_us(), secrets.token_bytes(8))


def _write_report(lines: Iterable[str], *, err: bool) -> None:
    for line in lines:
        typer.echo(line, err=err)


def _show(report: Report, *, as_json: bool, err: bool) -> None:
    if as_json:
        _write_report([msgspec.json.encode(report).decode()], err=err)
    else:
        _write_report(explained(report), err=err)


class _Wishes(msgspec.Struct, kw_only=True):
    """The command's options, but for those that only say where to read and write."""

    domain: str
    recipient: Recipient
    variables: str | None
    message_id: str
    tags: list[str]
    mailing_list: str
    given: Given
    footer: bool
    exclude: list[str]
    outlook: bool
    amp: bool


def _work(
    mint: Mint, data: bytes, said: controls.Controls, wishes: _Wishes
) -> tuple[Instrumented, Facts]:
    """The instrumented message, and what is to be remembered of it."""
    domain = mint.domain(wishes.domain)
    tags = message_tags(wishes.tags) if wishes.tags else tuple(clean_tags(said.tags))
    if wishes.mailing_list:
        check_recipient(wishes.mailing_list)
    identity = message_id_of(data) or wishes.message_id or _new_message_id(domain)
    values = _variables(wishes.variables)
    if values is None:
        values = said.recipient_variables.get(wishes.recipient.address)
    footers = mint.footers(domain)
    instructions = Instructions(
        domain=domain,
        tracking=decide(domain, wishes.given.over(said.given)),
        message_id=identity,
        tags=tags,
        mailing_list=wishes.mailing_list,
        html_footer=footers.html if wishes.footer else "",
        text_footer=footers.text if wishes.footer else "",
        outlook=wishes.outlook,
        amp=wishes.amp,
        personal=values is not None,
        excluded=tuple(wishes.exclude),
        own_hosts=mint.hosts(domain),
    )

    def seal(kind: Kind, target: Target) -> str:
        return mint.seal(domain, kind, target)

    made = compile_message(data, instructions, seal).instrument(wishes.recipient, values)
    bare = unpack_message_id(pack_message_id(identity, domain.name), domain.name)
    facts = Facts(
        SystemClock.now_us(),
        domain.number,
        bare,
        list(tags),
        said.variables,
        {},
        wishes.mailing_list,
    )
    return made, facts


Message = Annotated[
    Path | None, typer.Argument(help="File with the message; standard input if missing or -.")
]
DomainName = Annotated[str, typer.Option("--domain", help="Sending domain.")]
To = Annotated[str, typer.Option("--recipient", help="Address of the recipient.")]
Name = Annotated[str, typer.Option("--name", help="Display name of the recipient.")]
VariablesOption = Annotated[
    str | None, typer.Option("--variables", help="JSON object; its x is %recipient.x%.")
]
MessageId = Annotated[
    str, typer.Option("--message-id", help="Added where the message has none; else one is made.")
]
TagOption = Annotated[
    list[str] | None, typer.Option("--tag", help="Tag of the message; may repeat.")
]
ListOption = Annotated[str, typer.Option("--list", help="Address of the mailing list.")]
Track = Annotated[
    Clicks | None, typer.Option("--track", help="Opens and clicks, before the domain's switches.")
]
TrackOpens = Annotated[YesNo | None, typer.Option("--track-opens", help="Opens, before --track.")]
TrackClicks = Annotated[
    Clicks | None, typer.Option("--track-clicks", help="Clicks, before --track.")
]
AtTop = Annotated[
    bool | None, typer.Option("--pixel-at-top/--pixel-at-bottom", help="Where the pixel goes.")
]
Footer = Annotated[
    bool,
    typer.Option(
        "--footer/--no-footer", help="Append the domain's footers, where unsubscribing is on."
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option("--exclude", help="host, *.host or host/path not to track; may repeat."),
]
Outlook = Annotated[
    bool, typer.Option("--outlook/--no-outlook", help="Links in VML and in Outlook's comments.")
]
Amp = Annotated[bool, typer.Option("--amp/--no-amp", help="Links in text/x-amp-html parts.")]
Explain = Annotated[bool, typer.Option("--explain", help="Report on standard error.")]
Check = Annotated[
    bool, typer.Option("--check", help="Report on standard output, no message; 1 if amiss.")
]
AsJson = Annotated[bool, typer.Option("--json", help="The report as one JSON object.")]


@app.command(
    epilog="Example: edge instrument --domain mg.example.com --recipient ann@example.net "
    "message.eml --explain"
)
def instrument(
    message: Message = None,
    domain: DomainName = "",
    recipient: To = "",
    name: Name = "",
    variables: VariablesOption = None,
    message_id: MessageId = "",
    tag: TagOption = None,
    mailing_list: ListOption = "",
    track: Track = None,
    track_opens: TrackOpens = None,
    track_clicks: TrackClicks = None,
    pixel_at_top: AtTop = None,
    footer: Footer = True,
    exclude: Exclude = None,
    outlook: Outlook = True,
    amp: Amp = False,
    explain: Explain = False,
    check: Check = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Put pixel, tracked links and unsubscribe links into a message; write it to standard output.

    What the domain's switches and the message's X-Mailgun headers say is done unless an option
    says otherwise. Nothing but the inserted bytes changes.
    """
    if not domain or not recipient:
        raise CallerError("--domain and --recipient are needed")
    settings = load(config, data_dir=data_dir)
    data = _read(message)
    opens = None if track_opens is None else track_opens is YesNo.YES
    wishes = _Wishes(
        domain=domain,
        recipient=Recipient(recipient, name),
        variables=variables,
        message_id=message_id,
        tags=tag or [],
        mailing_list=mailing_list,
        given=Given(tracking=track, opens=opens, clicks=track_clicks, pixel_at_top=pixel_at_top),
        footer=footer,
        exclude=exclude or [],
        outlook=outlook,
        amp=amp,
    )
    _finish(settings, data, wishes, explain=explain or as_json, check=check, as_json=as_json)


def _finish(
    settings: Settings, data: bytes, wishes: _Wishes, *, explain: bool, check: bool, as_json: bool
) -> None:
    said = controls.read(data)
    mint = open_mint(settings)
    made, facts = _work(mint, data, said, wishes)
    if explain or check:
        _show(made.report, as_json=as_json, err=not check)
    if check:
        raise typer.Exit(1 if flawed(made.report) else 0)
    if facts.tags or facts.mailing_list or facts.user_variables:
        mint.facts.append(facts)
        keep_facts(mint, settings)
    sys.stdout.buffer.write(made.message)
    sys.stdout.buffer.flush()
