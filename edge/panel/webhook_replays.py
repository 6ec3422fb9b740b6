"""Replays by filter and time: asked for on an endpoint's page, counted, begun, followed."""

import secrets
from datetime import UTC, datetime
from typing import Final

from aiohttp import web

from edge.model.errors import CallerError, NotFound
from edge.model.expression import parse
from edge.model.params import Params
from edge.model.webhook import TYPES, shown_url
from edge.panel import forms, rendering, webhook_page
from edge.panel.context import PANEL, SUBJECT, Panel, may
from edge.panel.permissions import Permit
from edge.panel.rendering import when
from edge.panel.replay import MOST, MOST_AT_ONCE, Replay
from edge.store.filters import Filter

DAY_US: Final = 86_400_000_000


def _time(given: Params, name: str) -> int | None:
    """A time of a form (``2026-03-31T12:00``, UTC) in µs."""
    text = given.text(name, "", longest=40).strip()
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        given.mistake(f"{name} has to be a time such as 2026-03-31T12:00, in UTC")
        return None
    if found.tzinfo is not None or not 1970 < found.year < 9999:
        given.mistake(f"{name} has to be a time such as 2026-03-31T12:00, in UTC")
        return None
    return int(found.replace(tzinfo=UTC).timestamp()) * 1_000_000


def _asked(request: web.Request, given: Params, domain: int | None, now_us: int) -> Filter:
    """What a form asks for; raises CallerError."""
    kind = given.choice("type", TYPES, "")
    severity = kind.removesuffix("_fail") if kind.endswith("_fail") else ""
    recipient = given.text("recipient", "", longest=320).strip()
    if recipient and not may(request, Permit.CLEAR):
        given.mistake("your role does not search by recipient")
    begin, end = _time(given, "from"), _time(given, "to")
    begin = now_us - DAY_US if begin is None else begin
    end = now_us if end is None else min(end, now_us)
    if begin >= end:
        given.mistake("from has to be before to, and in the past")
    tag = given.text("tag", "", longest=128).strip()
    given.check()
    return Filter(
        domain=domain,
        events=("failed",) if severity else (kind,) if kind else (),
        fields=(("severity", parse(severity)),) if severity else (),
        recipient=recipient or None,
        tag=tag or None,
        begin=begin,
        end=end,
    )


def _words(given: Params, wanted: Filter) -> str:
    kind = given.choice("type", TYPES, "") or "every type"
    parts = [kind, f"from {when(wanted.begin)} to {when(wanted.end)} UTC"]
    parts += [f"tag {wanted.tag}"] if wanted.tag else []
    parts += [f"for {wanted.recipient}"] if wanted.recipient else []
    return ", ".join(parts)


def _room(panel: Panel) -> None:
    """Forget the oldest that is at rest; raises CallerError where too many are at work."""
    at_work = [one for one in panel.replays.values() if one.at_work]
    if len(at_work) >= MOST_AT_ONCE:
        raise CallerError(f"{MOST_AT_ONCE} replays are at work: wait for one of them, or stop it.")
    while len(panel.replays) >= MOST:
        oldest = next(name for name, one in panel.replays.items() if not one.at_work)
        del panel.replays[oldest]


def _set_off(panel: Panel, one: Replay) -> None:
    work = one.run(panel.connection, panel.clock, panel.tasks.stopping.is_set)
    panel.tasks.spawn("replay", work)


async def ask(request: web.Request) -> web.Response:
    """``POST /webhooks/{number}/replay``: counts what would be told; begins nothing yet."""
    panel, given = request.app[PANEL], await forms.body(request)
    async with panel.connection() as conn:
        webhook, domain = await webhook_page.found(conn, webhook_page.number_of(request))
    url = shown_url(webhook.endpoint.address)
    request[SUBJECT] = url
    try:
        number = domain.number if domain else None
        wanted = _asked(request, given, number, panel.clock.now_us())
        _room(panel)
    except CallerError as error:
        return await webhook_page.page(request, error=str(error), status=400)
    made = Replay(webhook.number, webhook.endpoint.id, url, wanted, _words(given, wanted))
    name = secrets.token_hex(8)
    panel.replays[name] = made
    _set_off(panel, made)
    raise web.HTTPSeeOther(f"/webhooks/replays/{name}")


def _named(request: web.Request) -> tuple[str, Replay]:
    name = request.match_info["job"]
    one = request.app[PANEL].replays.get(name)
    if one is None:
        raise NotFound(
            "There is no such replay: it was long ago, or the server has started anew since. What "
            "it had queued stays queued."
        )
    request[SUBJECT] = f"{one.url}: {one.about}"
    return name, one


async def show(request: web.Request) -> web.Response:
    """``GET /webhooks/replays/{job}``; for htmx the part that changes, alone."""
    name, one = _named(request)
    part = request.headers.get("HX-Request") == "true"
    template = "replay_state.html" if part else "replay.html"
    return rendering.render(request, template, name=name, one=one, state=one.state.value)


async def start(request: web.Request) -> web.Response:
    """``POST …/start``: queues what was counted."""
    panel = request.app[PANEL]
    name, one = _named(request)
    _room(panel)
    one.begin()
    panel.replays[name] = one  # should the room have been its own
    request[SUBJECT] += f" ({one.counted})"
    _set_off(panel, one)
    raise web.HTTPSeeOther(f"/webhooks/replays/{name}")


async def stop(request: web.Request) -> web.Response:
    """``POST …/stop``."""
    name, one = _named(request)
    one.stop()
    raise web.HTTPSeeOther(f"/webhooks/replays/{name}")
