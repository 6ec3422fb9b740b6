"""``edge instrument``: a message in, a tracked message out; a filter for any mail system."""

import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from edge.adapters import data_directory
from edge.cli import keyring, session
from edge.cli.minting import tracking_url
from edge.cli.options import AsJson, Config, DataDir, YesNo, print_json
from edge.clock import SystemClock
from edge.model.capture import Facts as SpoolFacts
from edge.model.domain import Domain, host_name
from edge.model.errors import CallerError, NotFound
from edge.model.tokens import Keyring, Kind, Target, pack_message_id, unpack_message_id
from edge.rewriting.message import MAX_MESSAGE, Options, compile_message
from edge.rewriting.mime import Part, split, value_of
from edge.rewriting.report import Report
from edge.rewriting.slots import Copy, Facts
from edge.rewriting.switches import HEADERS, Given, Tracking, decide, given
from edge.rewriting.variables import recipient_of
from edge.settings import Settings, load
from edge.spool.writer import append_once
from edge.store.facts import clean_tags

app = typer.Typer()

DomainOption = Annotated[str, typer.Option("--domain", help="Sending domain.")]
Recipient = Annotated[str, typer.Option("--recipient", help="Address of the recipient.")]
Source = Annotated[
    Path | None, typer.Argument(help="File with the message; standard input without it.")
]
Tag = Annotated[list[str] | None, typer.Option("--tag", help="Tag of the message; may repeat.")]
MailingList = Annotated[str, typer.Option("--list", help="Address of the mailing list.")]
Opens = Annotated[
    YesNo | None, typer.Option("--open", help="Track opens, whatever the domain says.")
]
Clicks = Annotated[str | None, typer.Option("--click", help="Track clicks: yes, no or htmlonly.")]
Exclude = Annotated[
    list[str] | None,
    typer.Option("--exclude", help="URLs not to track: host, *.host or host/path; may repeat."),
]
Explain = Annotated[
    bool, typer.Option("--explain", help="Say on standard error what was done to every URL.")
]
Check = Annotated[bool, typer.Option("--check", help="Write no message, only the explanation.")]


def _read(source: Path | None) -> bytes:
    try:
        if source is not None:
            return source.read_bytes()
        return sys.stdin.buffer.read(2 * MAX_MESSAGE)
    except OSError as error:
        raise CallerError(f"cannot read {source}: {error.strerror}") from None


def _domain(settings: Settings, name: str) -> tuple[Domain, Keyring, tuple[str, ...]]:
    """The domain, what seals for it, and every tracking host it ever had."""
    snapshot, ring = keyring.current(settings)
    wanted = host_name(name)
    domain = next((one for one in snapshot.domains if one.name == wanted), None)
    if domain is None:
        vault = session.vault(settings)
        snapshot = keyring.from_database(settings, vault)
        ring = snapshot.keyring(vault)
        domain = next((one for one in snapshot.domains if one.name == wanted), None)
    if domain is None:
        raise NotFound(f"there is no domain {name}; add it: edge domain add {name}")
    if domain.removed:
        raise CallerError(f"domain {name} is removed: its messages are not instrumented")
    hosts = (host for host, number in snapshot.hosts.items() if number == domain.number)
    return domain, ring, tuple(hosts)


def _header(message: bytes, root: Part, name: str) -> str:
    return next((value_of(message, one) for one in root.headers if one.name == name), "")


def _switches(message: bytes, root: Part, opens: YesNo | None, clicks: str | None) -> Given:
    """Those of the command line, over those of the message's ``X-Mailgun-*`` headers."""
    values = {name: _header(message, root, name) for name in HEADERS}
    ours = {"x-mailgun-track-opens": opens.value} if opens is not None else {}
    if clicks is not None:
        ours["x-mailgun-track-clicks"] = clicks
    theirs = given({name: value for name, value in values.items() if value}, HEADERS)
    return given(ours, HEADERS).over(theirs)


def _lines(report: Report) -> list[str]:
    """The report in words, a line each."""
    out = []
    if report.untouched is not None:
        out.append(f"the message is left as it is: {report.untouched.value}")
    for link in report.links:
        what = "tracked" if link.tracked else f"skipped ({link.reason})"
        out.append(f"{link.position:>3} {link.where:<5} part {link.part}  {what}  {link.before}")
        if link.after is not None:
            out.append(f"{'':>10}-> {link.after}")
    out += (
        f"part {part.part} ({part.content_type}) is left alone: {part.reason.value}"
        for part in report.parts
        if part.reason is not None
    )
    out += (f"warning: {warned.text} [{warned.code.value}]" for warned in report.warnings)
    pixel = f"pixel at the {report.pixel}" if report.pixel else "no pixel"
    tracked = sum(link.tracked for link in report.links)
    out.append(
        f"{tracked} of {len(report.links)} links tracked, {pixel}, "
        f"{report.size_before} octets became {report.size_after}"
    )
    return out


def _as_json(report: Report) -> dict[str, Any]:
    return {**msgspec.to_builtins(report), "added": report.added}


@app.command(
    epilog="Example: edge instrument --domain example.com --recipient ada@example.net < in.eml "
    "> out.eml"
)
def instrument(
    domain: DomainOption,
    recipient: Recipient,
    source: Source = None,
    tag: Tag = None,
    mailing_list: MailingList = "",
    opens: Opens = None,
    clicks: Clicks = None,
    exclude: Exclude = None,
    explain: Explain = False,
    check: Check = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Put pixel, tracked links and unsubscribe links into a message for one recipient.

    Everything else stays byte for byte. What is tracked follows the domain's switches, then the
    message's X-Mailgun-Track headers, then --open and --click. With --check the report goes to
    standard output (--json: as JSON) and no message is written.
    """
    settings = load(config, data_dir=data_dir)
    to = recipient_of(recipient)
    message = _read(source)
    known, ring, hosts = _domain(settings, domain)
    root = split(message)
    message_id = _header(message, root, "message-id")
    if not message_id:
        raise CallerError("the message has no Message-ID, by which its events are known: add one")
    tags = tuple(clean_tags([*(tag or ()), *_tags_of(message, root)]))
    packed = pack_message_id(message_id, known.name)
    tracking = decide(known, _switches(message, root, opens, clicks))

    def seal(kind: Kind, target: Target) -> str:
        return tracking_url(known, ring.seal(target), kind, settings)

    facts = Facts(
        domain=known.number, message_id=packed, tags=tags, mailing_list=mailing_list.lower()
    )
    copy = Copy(facts, seal, to, {}, None)
    compiled = compile_message(message, _options(known, hosts, tracking, tuple(exclude or ())))
    sent = compiled.render(copy)
    report = compiled.report(copy, sent)
    if not check and (tags or mailing_list):
        bare = unpack_message_id(packed, known.name)
        fact = SpoolFacts(
            SystemClock.now_us(), known.number, bare, list(tags), {}, {}, mailing_list.lower()
        )
        edge = data_directory.edge_id(settings.data_dir, None)
        append_once(settings.spool_dir, [fact], edge=edge, clock=SystemClock())
    _tell(report, sent, explain=explain, check=check, as_json=as_json)


def _tell(report: Report, sent: bytes, *, explain: bool, check: bool, as_json: bool) -> None:
    if check:
        if as_json:
            print_json(_as_json(report))
        else:
            sys.stdout.write("".join(f"{line}\n" for line in _lines(report)))
        return
    sys.stdout.buffer.write(sent)
    sys.stdout.buffer.flush()
    if explain and as_json:
        sys.stderr.write(msgspec.json.encode(_as_json(report)).decode() + "\n")
    elif explain:
        sys.stderr.write("".join(f"{line}\n" for line in _lines(report)))


def _options(
    domain: Domain, hosts: tuple[str, ...], tracking: Tracking, excluded: tuple[str, ...]
) -> Options:
    return Options(
        domain=domain.name,
        tracking=tracking,
        own_hosts=(domain.tracking_host, *hosts),
        personal=False,
        excluded=excluded,
        https=domain.web_scheme == "https",
    )


def _tags_of(message: bytes, root: Part) -> list[str]:
    """Tags in ``X-Mailgun-Tag`` headers, one or several with commas between."""
    values = [value_of(message, one) for one in root.headers if one.name == "x-mailgun-tag"]
    return [tag for value in values for tag in value.split(",")]
