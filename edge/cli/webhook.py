"""``edge webhook``: whom events are told to, how that goes, and what was missed."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer

from edge.cli import session, webhook_replay
from edge.cli.options import AsJson, Config, DataDir, print_fields, print_json, print_table, run
from edge.cli.times import format_time
from edge.cli.webhook_places import on_account
from edge.clock import SystemClock
from edge.model.errors import CallerError, PeerError
from edge.model.mailgun_json import event_id
from edge.model.webhook import (
    RETRIED,
    TYPES,
    SigningKey,
    Webhook,
    checked_key,
    checked_types,
    checked_url,
    sealed,
    shown_url,
)
from edge.settings import load
from edge.store import domains, webhook_queue, webhooks
from edge.store.pool import Connection
from edge.store.webhook_queue import Line
from edge.webhooks import places
from edge.webhooks.dispatch import made_key
from edge.webhooks.places import ACCOUNT, Place, find

app = typer.Typer(help="Events posted to URLs, signed.", no_args_is_help=True)
app.command(
    "replay",
    epilog="Example: edge webhook replay mg.example.com --since 24h --event opened --dry-run",
)(webhook_replay.replay)
app.command(
    "listen", epilog="Example: edge webhook listen mg.example.com http://localhost:3000/hook"
)(webhook_replay.listen)

SECOND_US = 1_000_000


class Type(StrEnum):
    """Mailgun's webhook types."""

    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    OPENED = "opened"
    CLICKED = "clicked"
    UNSUBSCRIBED = "unsubscribed"
    COMPLAINED = "complained"
    PERMANENT_FAIL = "permanent_fail"
    TEMPORARY_FAIL = "temporary_fail"


Where = Annotated[
    str, typer.Argument(metavar="DOMAIN", help="Sending domain; `account` is all of them.")
]
Url = Annotated[str, typer.Argument(metavar="URL", help="The endpoint's http or https URL.")]
OnlyUrl = Annotated[
    str, typer.Option("--url", help="Only this endpoint; default: all of the domain.")
]


@app.command("list", epilog="Example: edge webhook list mg.example.com --json")
def list_(
    where: Annotated[
        str, typer.Argument(metavar="[DOMAIN]", help="Sending domain, or `account`.")
    ] = "",
    as_json: AsJson = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """List endpoints, their types, and how they fare. Passwords in URLs are not shown.

    The state is ok, waiting (something is queued), down (its breaker is open), paused, or full
    (nothing more is queued for it).
    """
    settings = load(config, data_dir=data_dir)

    async def work() -> tuple[list[Webhook], dict[int, tuple[int, int]], dict[int, str]]:
        async with session.database(settings) as pool, pool.acquire() as conn:
            if where:
                found = (await find(conn, where)).webhooks
            else:
                found = await webhooks.everything(conn)
            names = {one.number: one.name for one in await domains.list_domains(conn, removed=True)}
            return found, await webhook_queue.backlog(conn, {o.endpoint.id for o in found}), names

    found, backlog, names = run(work())
    rows = []
    for one in found:
        waiting = backlog.get(one.endpoint.id, (0, 0))[0]
        name = "account" if one.domain is None else names[one.domain]
        retried = RETRIED if one.endpoint.retried is None else one.endpoint.retried
        shown: dict[str, Any] = {
            "domain": name,
            "url": shown_url(one.endpoint.address),
            "types": list(one.types),
            "state": places.state_of(one.endpoint, waiting),
            "waiting": waiting,
            "retried": [kind for kind in one.types if kind in retried],
        }
        if as_json:
            print_json(shown | {"endpoint": one.endpoint.id, "id": one.key or None})
        types = "all" if len(one.types) == len(TYPES) else ", ".join(one.types)
        rows.append((name, shown["url"], types, shown["state"], waiting))
    if not as_json:
        columns = ("domain", "url", "types", "state", "waiting")
        print_table(columns, rows, empty="No webhooks; `edge webhook add` adds one.")


@app.command(
    epilog="Example: edge webhook add mg.example.com https://app.example.com/hook --type opened"
)
def add(
    where: Where,
    url: Url,
    types: Annotated[
        list[Type] | None, typer.Option("--type", help="May be repeated; default: every type.")
    ] = None,
    retry: Annotated[
        list[Type] | None,
        typer.Option("--retry", help="Types that are tried again; default: all but delivered."),
    ] = None,
    description: Annotated[str, typer.Option("--description", help="For the account's.")] = "",
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Call a URL for events of a domain, or with `account` of every domain.

    --retry is the endpoint's own, wherever it is configured.
    """
    settings = load(config, data_dir=data_dir)
    address = checked_url(url)
    kinds = checked_types([one.value for one in types or Type])
    vault = session.vault(settings)

    async def work(conn: Connection, place: Place) -> None:
        kept, now_us = sealed(vault, address), SystemClock.now_us()
        about = {"description": description, "now_us": now_us}
        await places.add(conn, vault, place, address, kinds, **about)  # type: ignore[arg-type]  # keywords of two types
        if retry is not None:
            for one in (await find(conn, where)).webhooks:
                if one.endpoint.address == kept:
                    names = [kind.value for kind in retry]
                    await webhooks.set_retried(conn, one.endpoint.id, names)

    on_account(settings, where, work)
    typer.echo(f"{shown_url(sealed(vault, address))} is called for: {', '.join(kinds)}.")


@app.command(epilog="Example: edge webhook remove mg.example.com https://app.example.com/hook")
def remove(
    where: Where,
    url: Url,
    types: Annotated[
        list[Type] | None, typer.Option("--type", help="Only for this type; may be repeated.")
    ] = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Call a URL no more, at all or for some types. What is queued for it is dropped."""
    settings = load(config, data_dir=data_dir)
    vault = session.vault(settings)
    kept = sealed(vault, checked_url(url))
    gone = {one.value for one in types or Type}

    async def work(conn: Connection, place: Place) -> None:
        found = place.only(kept)
        left = [kind for kind in found.types if kind not in gone]
        await places.change_types(conn, vault, place, found, left, now_us=SystemClock.now_us())

    on_account(settings, where, work)
    typer.echo(f"{shown_url(kept)} is no longer called for: {', '.join(sorted(gone))}.")


def _switch(where: str, url: str, at: int | None, settings: Any) -> list[str]:
    async def work(conn: Connection, place: Place) -> list[str]:
        chosen = place.chosen(session.vault(settings), url)
        return [
            shown_url(one.endpoint.address)
            for one in chosen
            if await webhooks.pause(conn, one.endpoint.id, at)
        ]

    return on_account(settings, where, work)


@app.command(epilog="Example: edge webhook pause mg.example.com --url https://app.example.com/hook")
def pause(where: Where, url: OnlyUrl = "", data_dir: DataDir = None, config: Config = None) -> None:
    """Call endpoints no more for a while. What happens is queued, each event for eight hours.

    What waited longer is given up, and can be replayed. An endpoint is paused wherever it is
    configured.
    """
    settings = load(config, data_dir=data_dir)
    done = _switch(where, url, SystemClock.now_us(), settings)
    typer.echo(f"Paused: {', '.join(done)}." if done else "Already paused.")


@app.command(
    epilog="Example: edge webhook resume mg.example.com --url https://app.example.com/hook"
)
def resume(
    where: Where, url: OnlyUrl = "", data_dir: DataDir = None, config: Config = None
) -> None:
    """Call paused endpoints again; what waits goes out at once."""
    done = _switch(where, url, None, load(config, data_dir=data_dir))
    typer.echo(f"Resumed: {', '.join(done)}." if done else "Not paused.")


@app.command(epilog="Example: edge webhook log mg.example.com --failed")
def log(
    where: Where,
    url: OnlyUrl = "",
    kind: Annotated[Type | None, typer.Option("--type", help="Only this type.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only what was not taken.")] = False,
    queued: Annotated[bool, typer.Option("--queued", help="Also what was not tried yet.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="Newest first.")] = 50,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Show deliveries and their last attempt: status, duration, the answer's beginning, errors."""
    settings = load(config, data_dir=data_dir)

    async def work(
        conn: Connection, place: Place
    ) -> tuple[list[webhook_queue.Line], dict[int, str]]:
        chosen = place.chosen(session.vault(settings), url)
        shown = {one.endpoint.id: shown_url(one.endpoint.address) for one in chosen}
        lines = await webhook_queue.log(
            conn,
            shown,
            domain=place.domain.number if place.domain else None,
            kind=kind.value if kind else None,
            untaken=failed,
            queued=queued,
            limit=limit,
        )
        return lines, shown

    lines, urls = on_account(settings, where, work)
    rows = []
    for one in lines:
        told = one.outcome or ("deferred" if one.attempts else "queued")
        if as_json:
            print_json(_as_json(one, urls[one.endpoint], told))
        took = "" if one.duration_ms is None else f"{one.duration_ms} ms"
        at = format_time(one.tried_at or one.queued_at)
        about = one.error or one.answer
        event = (event_id(one.event), one.type, urls[one.endpoint])
        rows.append((at, *event, told, one.attempts, one.status or "", took, about))
    if not as_json:
        columns = ("time (UTC)", "event", "type", "url", "result", "attempts", "status", "took", "")
        print_table(columns, rows, empty="Nothing in the log.")


def _as_json(one: Line, url: str, told: str) -> dict[str, Any]:
    def seconds(at: int | None) -> float | None:
        return None if at is None else at / SECOND_US

    return {
        "event": event_id(one.event),
        "type": one.type,
        "domain": one.domain,
        "url": url,
        "result": told,
        "attempts": one.attempts,
        "replayed": one.replayed,
        "queued": seconds(one.queued_at),
        "tried": seconds(one.tried_at),
        "next": seconds(one.due),
        "status": one.status,
        "duration-ms": one.duration_ms,
        "answer": one.answer,
        "error": one.error,
    }


@app.command(
    "test",
    epilog="Example: edge webhook test mg.example.com https://app.example.com/hook --type clicked",
)
def try_out(
    where: Where,
    url: Url,
    kind: Annotated[Type, typer.Option("--type", help="Type of the made-up event.")] = Type.OPENED,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Post a made-up event to a URL, signed as a real one, and show what it answers."""
    settings = load(config, data_dir=data_dir)
    address = checked_url(url)
    key = on_account(settings, where, lambda conn, _: signing_key(conn, settings))
    got = run(webhook_replay.posted(settings, key, address, kind.value, where))
    if got.status is None:
        raise PeerError(f"no answer: {got.error}")
    typer.echo(f"{got.status} after {got.duration_ms} ms {got.answer}".rstrip())
    if got.status != 200:
        raise PeerError("only 200 takes an event; 406 refuses it, all else is tried again")


async def signing_key(conn: Connection, settings: Any) -> SigningKey:
    """The account's signing key as it stands now."""
    now_us, vault = SystemClock.now_us(), session.vault(settings)
    found = await webhooks.signing_key(conn, vault, ACCOUNT, made_key(), now_us=now_us)
    return found.at(now_us)


@app.command(epilog="Example: edge webhook key --new")
def key(
    new: Annotated[bool, typer.Option("--new", help="Replace it by a new one.")] = False,
    given: Annotated[
        str, typer.Option("--set", help="Replace it by this one, such as Mailgun's.")
    ] = "",
    grace: Annotated[
        int | None,
        typer.Option("--grace", min=0, max=720, help="Hours that the old one goes on signing."),
    ] = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Show the key that webhooks are signed with, or replace it.

    The new key signs at once. For the grace (EDGE_WEBHOOK_KEY_GRACE) the old one signs too, in the
    header X-Edge-Signature-Previous; --grace 0 ends that, also for a key that leaked.
    """
    settings = load(config, data_dir=data_dir)
    if new and given:
        raise CallerError("--new or --set, not both")
    wanted = checked_key(given) if given else made_key() if new else ""
    hours = settings.webhook_key_grace if grace is None else grace

    async def work(conn: Connection, _: Place) -> SigningKey:
        if wanted:
            now_us = SystemClock.now_us()
            until = now_us + hours * 3600 * SECOND_US if hours else None
            vault = session.vault(settings)
            await webhooks.set_key(conn, vault, ACCOUNT, wanted, now_us=now_us, until=until)
        return await signing_key(conn, settings)

    found = on_account(settings, "account", work)
    fields: Sequence[tuple[str, str]] = [("signing key", found.current)]
    if found.previous is not None:
        ends = f"{found.previous} (until {format_time(found.previous_until)} UTC)"
        fields = [*fields, ("the one before", ends)]
    print_fields(fields)
