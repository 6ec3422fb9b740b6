"""``edge report``: bounces and complaints handed in, explained, imported; and what nobody read."""

import mailbox
import sys
from collections.abc import Iterator
from contextlib import closing
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import Progress

from edge.adapters.first_run import control_url
from edge.cli import session
from edge.cli.options import AsJson, Config, DataDir, print_fields, print_json, print_table, run
from edge.cli.times import format_time
from edge.clock import SystemClock
from edge.model.errors import CallerError, NotFound, OperatorError, PeerError
from edge.returns import mime
from edge.returns.masking import masked
from edge.returns.reading import read
from edge.returns.report import Report, as_json
from edge.sending.path_keys import PathKeys
from edge.sending.returned_mail import Mail, Outcome, Result
from edge.sending.returning import Returns
from edge.settings import Settings, load
from edge.store import returns as store
from edge.store.pool import REFUSED
from edge.store.returns import Unparsed

app = typer.Typer(
    help="What comes back: bounces and complaints.",
    no_args_is_help=False,
    invoke_without_command=True,
    epilog="Example: edge report < message.eml",
)

MOST: Final = 64 * 2**20
"""Octets of one mail that are read at all."""

Files = Annotated[
    list[Path] | None, typer.Argument(metavar="[FILE]...", help="Mails; none or - is the input.")
]
To = Annotated[
    list[str] | None,
    typer.Option("--to", help="The envelope's recipient, where the pipe knows it; may repeat."),
]


def _input() -> bytes:
    return sys.stdin.buffer.read(MOST)


def _read(path: Path) -> bytes:
    if str(path) == "-":
        return _input()
    try:
        with path.open("rb") as file:
            return file.read(MOST)
    except OSError as error:
        raise OperatorError(f"{path} cannot be read: {error.strerror}") from None


def _returns(settings: Settings) -> Returns:
    return Returns(
        SystemClock(),
        PathKeys(session.vault(settings)),
        public_url=settings.public_url or control_url(settings),
        soft_run=settings.soft_run,
    )


@app.callback(invoke_without_command=True)
def report(
    context: typer.Context,
    to: To = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Read the mail on standard input and act upon it, as a pipe from a mail server does.

    Exit status 1 where nothing was done and the mail server should try again.
    """
    if context.invoked_subcommand is not None:
        return
    settings = load(config, data_dir=data_dir)
    raw = _input()
    if not raw.strip():
        raise CallerError("there is no mail on standard input: edge report < message.eml")

    async def work() -> Result:
        async with session.database(settings) as pool, pool.acquire() as conn:
            mail = Mail(raw=raw, way="cli", to=tuple(to or ()), trusted=True)
            return await _returns(settings).take(conn, mail)

    result = run(work())
    if as_json:
        print_json(result.as_json())
    else:
        _print_result(result)
    if result.outcome is Outcome.FULL:
        raise PeerError("too much unread mail is kept: look at `edge report unparsed`")


def _print_result(result: Result) -> None:
    print_fields(
        (
            ("outcome", result.outcome.value),
            ("kind", result.report.kind.value),
            ("format", result.report.format),
            *((("why", result.why),) if result.why else ()),
            *((("kept as", result.number),) if result.number else ()),
        )
    )
    for one in result.matched:
        done = "suppressed" if one.suppressed else "recorded" if one.fresh else "known already"
        typer.echo(f"{one.recipient} of {one.domain}: {done} (found by {one.by})")


@app.command(epilog="Example: edge report explain --json bounce.eml other.eml")
def explain(files: Files = None, as_json: AsJson = False) -> None:
    """Show how mails that came back are read, and the rule that decided; nothing is done.

    With --json one object for each file, in order: kind, recipients (recipient, severity, reason,
    status, reply, evidence) and more. Needs no database.
    """
    paths = files or [Path("-")]
    for path in paths:
        found = read(_read(path))
        if as_json:
            print_json(_named(path, found, several=len(paths) > 1))
            sys.stdout.flush()
        else:
            _print_report(path, found)


def _named(path: Path, found: Report, *, several: bool) -> dict[str, Any]:
    shown = as_json(found)
    return {"file": str(path), **shown} if several else shown


def _print_report(path: Path, found: Report) -> None:
    print_fields(
        (
            ("file", path),
            ("kind", found.kind.value),
            ("format", f"{found.format} ({found.source})" if found.source else found.format),
            ("reporting MTA", found.reporting_mta or "-"),
            ("message id", found.returned.message_id or "-"),
            *((("type", found.feedback_type),) if found.feedback_type else ()),
            *((("why", found.why),) if found.why else ()),
        )
    )
    for one in found.recipients:
        print_fields(
            (
                ("recipient", one.recipient),
                ("severity", one.severity),
                ("reason", one.reason.value),
                ("status", one.status or "-"),
                ("reply", one.reply or "-"),
                ("rule", f"{one.evidence.rule}: {one.evidence.matched!r}"),
                ("source", one.evidence.source),
            )
        )


@app.command("import", epilog="Example: edge report import ~/Maildir --domain mg.example.com")
def import_(
    path: Annotated[
        Path,
        typer.Argument(metavar="PATH", help="Maildir, mbox file, or a directory of .eml files."),
    ],
    domain: Annotated[str, typer.Option("--domain", help="Only reports for this domain.")] = "",
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Act upon every mail of a maildir or mbox, with progress. May be repeated: each acts once.

    The files are only read. A mail counts at the time it says it was sent, if that has been.
    """
    settings = load(config, data_dir=data_dir)
    if not path.exists():
        raise OperatorError(f"{path} does not exist: name a maildir, an mbox or a directory")

    async def work(number: int | None) -> dict[str, int]:
        counts: dict[str, int] = {}
        taker = _returns(settings)
        async with session.database(settings) as pool, pool.acquire() as conn:
            shown = Console(stderr=True)
            with Progress(console=shown, disable=not sys.stderr.isatty()) as progress:
                task = progress.add_task("reading", total=None)
                for raw in _mails(path):
                    mail = Mail(
                        raw=raw, way="import", trusted=True, domain=number, at=_sent_at(raw)
                    )
                    try:
                        outcome = (await taker.take(conn, mail)).outcome.value
                    except REFUSED as error:
                        typer.echo(f"edge: a mail was refused by the database: {error}", err=True)
                        outcome = "refused"
                    counts[outcome] = counts.get(outcome, 0) + 1
                    progress.advance(task)
        return counts

    number = None
    if domain:

        async def number_of(_: Any, found: Any) -> int:
            return int(found.number)

        number = session.on_domain(settings, domain, number_of)
    counts = run(work(number))
    print_table(("outcome", "mails"), sorted(counts.items()), empty=f"No mail in {path}.")


def _sent_at(raw: bytes) -> int | None:
    """The time of its Date field in µs, so that an old bounce undoes nothing that came after it."""
    headers, _ = mime.split(mime.lines_of(raw[: mime.MOST_HEADER]))
    try:
        return max(0, round(parsedate_to_datetime(headers.get("date")).timestamp() * 1e6))
    except (ValueError, OverflowError, OSError):
        return None


def _mails(path: Path) -> Iterator[bytes]:
    """Every mail below a path, one at a time."""
    if path.is_file():
        with closing(mailbox.mbox(str(path), create=False)) as box:
            for key in box.iterkeys():
                yield box.get_bytes(key)[:MOST]
    elif (path / "cur").is_dir():
        with closing(mailbox.Maildir(str(path), create=False)) as maildir:
            for key in maildir.iterkeys():
                yield maildir.get_bytes(key)[:MOST]
    else:
        for file in sorted(one for one in path.rglob("*") if one.is_file()):
            yield _read(file)


@app.command(epilog="Example: edge report unparsed --fixture 12 > fixture.eml")
def unparsed(
    show: Annotated[int, typer.Option("--show", help="Print this one as it came.")] = 0,
    fixture: Annotated[
        int, typer.Option("--fixture", help="Print this one with its addresses masked.")
    ] = 0,
    discard: Annotated[int, typer.Option("--discard", help="Remove this one.")] = 0,
    again: Annotated[
        bool, typer.Option("--again", help="Read all of them again, by this release's rules.")
    ] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """List what came back and led to nothing, with the reason; it is never deleted by itself."""
    settings = load(config, data_dir=data_dir)
    if sum(map(bool, (show, fixture, discard, again))) > 1:
        raise CallerError("only one of --show, --fixture, --discard and --again at a time")
    if again:
        _read_again(settings)
        return
    number = show or fixture or discard
    if not number:
        _list(settings, as_json=as_json)
        return

    async def work() -> Unparsed | None:
        async with session.database(settings) as pool, pool.acquire() as conn:
            found = await store.unparsed_one(conn, number)
            if found is not None and discard:
                await store.forget(conn, number)
            return found

    found = run(work())
    if found is None:
        raise NotFound(f"there is no unparsed mail {number}; edge report unparsed lists them")
    if discard:
        typer.echo(f"Removed {number}.")
        return
    sys.stdout.buffer.write(masked(found.source) if fixture else found.source)


def _list(settings: Settings, *, as_json: bool) -> None:
    async def work() -> list[Unparsed]:
        found: list[Unparsed] = []
        async with session.database(settings) as pool, pool.acquire() as conn:
            while page := await store.unparsed(conn, after=found[-1].number if found else 0):
                found += page
        return found

    found = run(work())
    if as_json:
        for one in found:
            print_json(
                {
                    "number": one.number,
                    "first": one.first_at / 1e6,
                    "last": one.last_at / 1e6,
                    "seen": one.seen,
                    "way": one.way,
                    "kind": one.kind,
                    "why": one.why,
                    "from": one.sender,
                    "subject": one.subject,
                    "to": one.envelope,
                    "octets": one.octets,
                }
            )
        return
    print_table(
        ("number", "last (UTC)", "seen", "kind", "why", "from", "subject"),
        (
            (o.number, format_time(o.last_at), o.seen, o.kind, o.why, o.sender, o.subject[:60])
            for o in found
        ),
        empty="Everything that came back was understood.",
    )


def _read_again(settings: Settings) -> None:
    """What now leads to something is removed from the list in the same transaction."""

    async def work() -> tuple[int, int]:
        taker, read_now, after, total = _returns(settings), 0, 0, 0
        async with session.database(settings) as pool, pool.acquire() as conn:
            while page := await store.unparsed(conn, after=after, limit=100):
                after = page[-1].number
                for listed in page:
                    one = await store.unparsed_one(conn, listed.number)
                    total += 1
                    if one is None:
                        continue
                    mail = Mail(
                        raw=one.source,
                        way=one.way,
                        to=tuple(one.envelope.split()),
                        trusted=one.way != "smtp",
                        domain=one.domain,
                    )
                    attempt = conn.transaction()
                    await attempt.start()
                    result = await taker.take(conn, mail)
                    if result.outcome in {Outcome.UNPARSED, Outcome.FULL}:
                        await attempt.rollback()  # it stays as it is
                        continue
                    await store.forget(conn, one.number)
                    await attempt.commit()
                    read_now += 1
        return read_now, total

    read_now, total = run(work())
    typer.echo(f"{read_now} of {total} are understood now.")
