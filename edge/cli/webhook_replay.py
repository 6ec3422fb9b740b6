"""``edge webhook replay`` and ``listen``: stored events once more, and new ones on a desk."""

import asyncio
import secrets
import sys
from ipaddress import ip_network
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from edge.adapters.webhooks import poster_of
from edge.cli import session
from edge.cli.options import Config, DataDir, run
from edge.cli.times import parse_time
from edge.clock import SystemClock
from edge.model.errors import CallerError
from edge.model.expression import Node, parse
from edge.model.mailgun_json import dumps
from edge.model.webhook import SigningKey, checked_url, shown_url, type_of
from edge.settings import Settings, load
from edge.store import search, webhook_queue, webhooks
from edge.store.expressions import FIELDS, NUMERIC
from edge.store.filters import Filter
from edge.store.pool import Pool
from edge.webhooks import replays
from edge.webhooks.delivery import Attempt
from edge.webhooks.dispatch import made_key
from edge.webhooks.places import ACCOUNT, find
from edge.webhooks.samples import sample
from edge.webhooks.signature import TOKEN_BYTES

ANYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))
"""Where the operator himself says what is called."""

LOOK_SECONDS = 0.3


def _fields(texts: list[str]) -> tuple[tuple[str, Node], ...]:
    """``field=expression`` as the Events API takes them; raises CallerError."""
    found = []
    for text in texts:
        name, equals, expression = text.partition("=")
        if not equals or name not in FIELDS or not expression.strip():
            raise CallerError(f"--filter {text!r} is not FIELD=EXPRESSION; {', '.join(FIELDS)}")
        found.append((name, parse(expression, numbers=name in NUMERIC)))
    return tuple(found)


Where = Annotated[
    str, typer.Argument(metavar="DOMAIN", help="Sending domain; `account`: the account's URLs.")
]
Since = Annotated[
    str, typer.Option("--since", help="Events from this time on: a date, or 24h for a day ago.")
]
Kinds = Annotated[
    list[str] | None, typer.Option("--event", help="Only this kind; may be repeated.")
]
Expressions = Annotated[
    list[str] | None,
    typer.Option("--filter", help="FIELD=EXPRESSION as in the Events API; may be repeated."),
]
Failed = Annotated[
    bool, typer.Option("--failed", help="Only what is in the log and was never taken.")
]


def replay(
    where: Where,
    url: Annotated[str, typer.Option("--url", help="Only to this endpoint.")] = "",
    since: Since = "24h",
    until: Annotated[str, typer.Option("--until", help="Events before this time.")] = "",
    events: Kinds = None,
    recipient: Annotated[str, typer.Option("--recipient", help="Only of this recipient.")] = "",
    tag: Annotated[str, typer.Option("--tag", help="Only with this tag.")] = "",
    message_id: Annotated[str, typer.Option("--message-id", help="Only of this message.")] = "",
    fields: Expressions = None,
    failed: Failed = False,
    dry: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Tell endpoints of stored events once more, as far as they are configured for their types.

    The events keep their ids, so a receiver can see what it has already; the tokens are new. With
    --failed nothing but the time is looked at, and the tokens stay as well.
    """
    settings, now_us = load(config, data_dir=data_dir), SystemClock.now_us()
    begin = parse_time(since, now_us=now_us)
    wanted = Filter(
        events=tuple(events or ()),
        recipient=recipient or None,
        tag=tag or None,
        message_id=message_id or None,
        begin=begin,
        end=parse_time(until, now_us=now_us) if until else now_us,
        fields=_fields(fields or []),
    )
    plain = Filter(begin=begin, end=wanted.end)
    if failed and (dry or until or wanted != plain):
        raise CallerError("--failed takes no other option than --since and --url")
    console = Console(stderr=True)

    async def work() -> tuple[int, list[str]]:
        async with session.database(settings) as pool:
            async with pool.acquire() as conn:
                place = await find(conn, where)
            chosen = place.chosen(session.vault(settings), url)
            number = place.domain.number if place.domain else None
            asked = msgspec.structs.replace(wanted, domain=number)
            told = 0
            for one in chosen:
                if failed:
                    async with pool.acquire() as conn:
                        told += await webhook_queue.again(
                            conn, one.endpoint.id, begin, now_us=SystemClock.now_us()
                        )
                else:
                    told += await _all(pool, one.endpoint.id, asked, dry=dry, console=console)
            return told, [shown_url(one.endpoint.address) for one in chosen]

    told, urls = run(work())
    verb = "would be queued" if dry else "are queued"
    typer.echo(f"{told} deliveries {verb} for {', '.join(urls)}.")


async def _all(pool: Pool, endpoint: int, wanted: Filter, *, dry: bool, console: Console) -> int:
    """Every page for one endpoint, with progress; how many events are told."""
    told = 0
    async with pool.acquire() as conn:
        total = await search.count(conn, wanted)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=console,
        disable=not sys.stderr.isatty(),
    ) as progress:
        bar = progress.add_task("events", total=total)
        clock = SystemClock()
        async for page in replays.pages(pool.acquire, endpoint, wanted, clock, dry=dry):
            told += page.told
            progress.advance(bar, page.found)
    return told


async def posted(settings: Settings, key: SigningKey, url: str, kind: str, domain: str) -> Attempt:
    """Post a made-up event."""
    clock = SystemClock()
    event = sample(kind, domain, clock.now_us(), secrets.token_bytes(16))
    async with poster_of(settings, clock) as poster:
        return await poster.post(url, key, token=secrets.token_hex(TOKEN_BYTES), event=event)


def listen(
    domain: Annotated[
        str, typer.Argument(metavar="DOMAIN", help="Sending domain whose events are forwarded.")
    ],
    url: Annotated[str, typer.Argument(metavar="URL", help="Where to, http://localhost:3000/.")],
    events: Kinds = None,
    limit: Annotated[
        int, typer.Option("--limit", min=0, help="End after so many events; 0 = never.")
    ] = 0,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Forward a domain's events to a URL while you develop what takes them, until interrupted.

    They are signed as real ones; the URL may be on this machine. Nothing is tried again, and no
    webhook is changed.
    """
    settings = load(config, data_dir=data_dir)
    target = checked_url(url)
    run(_forward(settings, domain, target, tuple(events or ()), limit))


async def _forward(
    settings: Settings, name: str, url: str, events: tuple[str, ...], limit: int
) -> None:
    clock, vault, done = SystemClock(), session.vault(settings), 0
    open_settings: Any = settings.model_copy(update={"webhook_allow_networks": ANYWHERE})
    async with session.database(settings) as pool, poster_of(open_settings, clock) as poster:
        async with pool.acquire() as conn:
            place = await find(conn, name)
            if place.domain is None:
                raise CallerError("name one domain")
            wanted = Filter(domain=place.domain.number, events=events)
            cursor = await search.horizon(conn)
        typer.echo(f"Forwarding events of {place.name} to {url}. Ctrl-C ends it.", err=True)
        while True:
            async with pool.acquire() as conn:
                now_us = clock.now_us()
                key = await webhooks.signing_key(conn, vault, ACCOUNT, made_key(), now_us=now_us)
                found, cursor = await search.poll(conn, wanted, cursor)
            for one in found:
                if type_of(one.event) is None:
                    continue
                shown = one.render()
                token = secrets.token_hex(TOKEN_BYTES)
                got = await poster.post(url, key, token=token, event=dumps(shown))
                result = got.status or got.error
                typer.echo(f"{shown['event']} {shown['id']} {result} {got.duration_ms} ms")
                done += 1
                if limit and done >= limit:
                    return
            if not found:
                await asyncio.sleep(LOOK_SECONDS)
