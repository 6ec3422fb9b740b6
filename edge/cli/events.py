"""``edge events``: find, count, follow and show what was stored."""

import asyncio
import sys
from typing import Annotated, Any

import typer

from edge.cli import session
from edge.cli.options import AsJson, Config, DataDir, print_fields, print_json, print_table, run
from edge.cli.times import format_time, parse_time
from edge.clock import SystemClock
from edge.model.errors import CallerError
from edge.model.expression import Mistake, Node, parse
from edge.model.mailgun_json import event_id
from edge.settings import Settings, load
from edge.store import domains, search
from edge.store.expressions import FIELDS, NUMERIC
from edge.store.filters import Filter
from edge.store.pool import Connection
from edge.store.search import Found

app = typer.Typer(help="Stored events.", no_args_is_help=True)

_BOTS = {"none": "", "people": ""}
_PAGE = 1000

DomainOption = Annotated[str | None, typer.Option("--domain", help="Sending domain.")]
Event = Annotated[
    str | None,
    typer.Option("--event", help="Kinds: opened,clicked or an expression: NOT (opened OR failed)."),
]
Recipient = Annotated[
    str | None, typer.Option("--recipient", help="Address of the recipient, or an expression.")
]
MessageId = Annotated[str | None, typer.Option("--message-id", help="Message-Id.")]
Tag = Annotated[
    str | None, typer.Option("--tag", help="Tag of the message, or an expression: a AND NOT b.")
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="FIELD=EXPRESSION",
        help=f"As the API filters, may be repeated: {', '.join(FIELDS)}.",
    ),
]
Bot = Annotated[
    str | None, typer.Option("--bot", help="Bot label: apple, gmail, generic; people for none.")
]
Begin = Annotated[
    str | None, typer.Option("--begin", help="From this time on: ISO, RFC 2822, epoch, or 24h ago.")
]
End = Annotated[str | None, typer.Option("--end", help="Before this time.")]


class _Wanted:
    """The filter's options as given; the domain's name is looked up later."""

    def __init__(self, domain: str | None, begin: str | None, end: str | None, **fields: Any):
        now_us = SystemClock.now_us()
        self._domain = domain
        bot, where, event = fields["bot"], fields["where"] or [], fields["event"]
        written = [
            ("event", event and event.replace(",", " OR ")),
            ("recipient", fields["recipient"]),
            ("message-id", fields["message_id"]),
            ("tags", fields["tag"]),
            *map(_named, where),
        ]
        self._fields = {
            "bot": _BOTS.get(bot, bot),
            "begin": parse_time(begin, now_us=now_us) if begin else None,
            "end": parse_time(end, now_us=now_us) if end else None,
            "fields": tuple((name, _tree(name, text)) for name, text in written if text),
        }

    async def filter(self, conn: Connection) -> Filter:
        number = None
        if self._domain is not None:
            number = (await domains.get(conn, self._domain)).number
        return Filter(domain=number, **self._fields)


def _named(text: str) -> tuple[str, str]:
    name, sign, expression = text.partition("=")
    if name not in FIELDS or not sign:
        raise CallerError(f"--where takes FIELD=EXPRESSION, FIELD one of {', '.join(FIELDS)}")
    return name, expression


def _tree(name: str, text: str) -> Node:
    try:
        return parse(text, numbers=name in NUMERIC)
    except Mistake as mistake:
        raise CallerError(f"{name}: {mistake}") from None


def _print(found: list[Found], as_json: bool) -> None:
    if as_json:
        for one in found:
            print_json(one.render())
        sys.stdout.flush()
        return
    print_table(
        ("time (UTC)", "event", "bot", "recipient", "client", "place", "id", "link"),
        (
            (
                *(format_time(one.event.at), one.event.event, one.event.verdict.bot),
                *(one.event.recipient, one.event.client.client_name),
                ", ".join((one.event.geolocation.country, one.event.geolocation.city)),
                *(event_id(one.event.id), one.event.url),
            )
            for one in found
        ),
        empty="No events.",
    )


@app.command("search", epilog="Example: edge events search --domain mg.example.com --event clicked")
def search_(
    domain: DomainOption = None,
    event: Event = None,
    recipient: Recipient = None,
    message_id: MessageId = None,
    tag: Tag = None,
    where: Where = None,
    bot: Bot = None,
    begin: Begin = None,
    end: End = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many.")] = 100,
    ascending: Annotated[bool, typer.Option("--ascending", help="Oldest first.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Find events, newest first."""
    settings = load(config, data_dir=data_dir)
    wanted = _Wanted(
        *(domain, begin, end),
        event=event,
        recipient=recipient,
        message_id=message_id,
        tag=tag,
        where=where,
        bot=bot,
    )
    run(_search(settings, wanted, limit, ascending, as_json))


async def _search(
    settings: Settings, wanted: _Wanted, limit: int, ascending: bool, as_json: bool
) -> None:
    """Page by page, so that a large answer needs little memory and no long statement."""
    after = None
    async with session.database(settings) as pool, pool.acquire() as conn:
        condition = await wanted.filter(conn)
        while limit > 0:
            size = min(limit, _PAGE)
            found = await search.search(
                conn, condition, limit=size, ascending=ascending, after=after
            )
            if found or after is None:
                _print(found, as_json)
            if len(found) < size:
                return
            limit -= size
            after = search.TimeCursor(found[-1].event.at, found[-1].event.id)


@app.command(epilog="Example: edge events count --domain mg.example.com --bot people --begin 24h")
def count(
    domain: DomainOption = None,
    event: Event = None,
    recipient: Recipient = None,
    message_id: MessageId = None,
    tag: Tag = None,
    where: Where = None,
    bot: Bot = None,
    begin: Begin = None,
    end: End = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Print how many events there are."""
    settings = load(config, data_dir=data_dir)
    wanted = _Wanted(
        *(domain, begin, end),
        event=event,
        recipient=recipient,
        message_id=message_id,
        tag=tag,
        where=where,
        bot=bot,
    )

    async def work() -> int:
        async with session.database(settings) as pool, pool.acquire() as conn:
            return await search.count(conn, await wanted.filter(conn))

    typer.echo(run(work()))


@app.command(epilog="Example: edge events tail --domain mg.example.com --json")
def tail(
    domain: DomainOption = None,
    event: Event = None,
    recipient: Recipient = None,
    message_id: MessageId = None,
    tag: Tag = None,
    where: Where = None,
    bot: Bot = None,
    last: Annotated[int, typer.Option("--last", min=0, help="First, this many stored ones.")] = 10,
    interval: Annotated[
        float, typer.Option("--interval", min=0.1, help="Seconds between looks.")
    ] = 1.0,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Follow events as they are stored; none is missed. Ends with Ctrl-C."""
    settings = load(config, data_dir=data_dir)
    wanted = _Wanted(
        *(domain, None, None),
        event=event,
        recipient=recipient,
        message_id=message_id,
        tag=tag,
        where=where,
        bot=bot,
    )
    run(_tail(settings, wanted, last, interval, as_json))


async def _tail(
    settings: Settings, wanted: _Wanted, last: int, interval: float, as_json: bool
) -> None:
    async with session.database(settings) as pool, pool.acquire() as conn:
        condition = await wanted.filter(conn)
        cursor = await search.horizon(conn)
        if last:
            found = await search.search(conn, condition, limit=last)
            before = [one for one in reversed(found) if one.xid < cursor.xid]
            if before or not as_json:
                _print(before, as_json)
        while True:
            found, cursor = await search.poll(conn, condition, cursor, limit=_PAGE)
            if found:
                _print(found, as_json)
            if len(found) < _PAGE:
                await asyncio.sleep(interval)


@app.command(epilog="Example: edge events show AbCdEfGhIjKlMnOpQrStUv")
def show(
    event: Annotated[str, typer.Argument(metavar="ID", help="The event's id.")],
    as_json: AsJson = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Show everything that is known of one event."""
    settings = load(config, data_dir=data_dir)

    async def work() -> Found:
        async with session.database(settings) as pool, pool.acquire() as conn:
            return await search.show(conn, event)

    try:
        found = run(work())
    except UnicodeError:
        raise CallerError(f"{event!r} is not an event id") from None
    if as_json:
        print_json(found.render())
        return
    print_fields(_flat(found.render()))


def _flat(value: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    fields: list[tuple[str, Any]] = []
    for name, inner in value.items():
        if isinstance(inner, dict) and inner:
            fields += _flat(inner, f"{prefix}{name}.")
        elif isinstance(inner, list):
            fields.append((prefix + name, ", ".join(map(str, inner))))
        else:
            fields.append((prefix + name, "" if inner == {} else inner))
    return fields
