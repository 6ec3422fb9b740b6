"""One endpoint as one domain or the account has it: its state, its types, and what can be done."""

import secrets
from typing import Any, Final

from aiohttp import web

from edge.model.domain import Domain
from edge.model.errors import CallerError, NotFound
from edge.model.params import Params
from edge.model.webhook import TYPES, Webhook, full_url, shown_url
from edge.panel import forms, rendering, webhooks
from edge.panel.context import PANEL, SESSION, SUBJECT
from edge.store import domains, webhook_log, webhook_queue
from edge.store import webhooks as stored
from edge.store.pool import Connection
from edge.store.webhook_log import MOST_COUNTED
from edge.webhooks import places
from edge.webhooks.delivery import Attempt
from edge.webhooks.dispatch import made_key
from edge.webhooks.places import ACCOUNT, Place
from edge.webhooks.samples import sample
from edge.webhooks.signature import TOKEN_BYTES

DONE: Final = {
    "types": "The types are saved. What was queued for those that are gone is dropped.",
    "retried": "What is tried again is saved, for this URL wherever it is configured.",
    "paused": "The endpoint is paused: what happens waits, each event for eight hours.",
    "resumed": "The endpoint is called again; what waited goes out now.",
    "again": "What it never took is queued once more.",
    "nothing": "There was nothing that it had not taken.",
}
RECENT: Final = 10
HOUR_US: Final = 3_600_000_000
LONGEST_AGO: Final = 24 * 90
"""Hours; the log is kept no longer."""


def number_of(request: web.Request) -> int:
    """The webhook's number in a path; raises NotFound."""
    text = request.match_info["number"]
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise NotFound("There is no such webhook.")
    return int(text)


async def found(conn: Connection, number: int) -> tuple[Webhook, Domain | None]:
    """A webhook and its domain, None for one of the account; raises NotFound."""
    one = await stored.numbered(conn, number)
    if one is not None:
        if one.domain is None:
            return one, None
        for domain in await domains.list_domains(conn):
            if domain.number == one.domain:
                return one, domain
    raise NotFound("There is no such webhook: it is removed, or never was.")


async def page(
    request: web.Request,
    *,
    error: str = "",
    status: int = 200,
    tried: tuple[str, Attempt] | None = None,
) -> web.Response:
    """The page of one endpoint; ``tried`` is the type and the outcome of a test just made."""
    panel = request.app[PANEL]
    async with panel.connection() as conn:
        one, domain = await found(conn, number_of(request))
        shown = (await webhooks.stand(conn, [one]))[0]
        trouble = await webhook_log.trouble(conn, one.endpoint.id)
        number = domain.number if domain else None
        recent = await webhook_log.page(conn, [one.endpoint.id], domain=number, limit=RECENT)
    return rendering.render(
        request,
        "webhook.html",
        status=status,
        error=error,
        done=DONE.get(request.query.get("done", ""), ""),
        one=one,
        domain=domain,
        trouble=trouble,
        recent=recent,
        types=TYPES,
        tried=tried,
        most_counted=MOST_COUNTED,
        **{name: shown[name] for name in ("endpoint", "url", "standing", "state", "retried")},
    )


async def show(request: web.Request) -> web.Response:
    """``GET /webhooks/{number}``."""
    return await page(request)


def back(number: int, done: str) -> web.HTTPSeeOther:
    """To the page of the webhook."""
    return web.HTTPSeeOther(f"/webhooks/{number}?done={done}")


async def _place(request: web.Request, conn: Connection) -> tuple[Place, Webhook]:
    """Where the webhook of a form is, in a transaction that no other change can come between."""
    await stored.lock(conn, ACCOUNT)
    one, domain = await found(conn, number_of(request))
    request[SUBJECT] = shown_url(one.endpoint.address)
    return await places.find(conn, domain.name if domain else places.WHOLE), one


async def _set_types(request: web.Request, kinds: tuple[str, ...]) -> None:
    panel = request.app[PANEL]
    async with panel.connection() as conn, conn.transaction():
        place, one = await _place(request, conn)
        if kinds:
            request[SUBJECT] = f"{request[SUBJECT]}: {', '.join(kinds)}"
        now_us = panel.clock.now_us()
        await places.change_types(conn, panel.vault, place, one, kinds, now_us=now_us)


async def change_types(request: web.Request) -> web.Response:
    """``POST …/types``: exactly those that are ticked."""
    given = await forms.body(request)
    try:
        kinds = webhooks.asked_types(given)
        if not kinds:
            raise CallerError("Tick at least one type, or remove the endpoint.")
        await _set_types(request, kinds)
    except NotFound:
        raise
    except CallerError as error:
        return await page(request, error=str(error), status=400)
    raise back(number_of(request), "types")


async def remove(request: web.Request) -> web.Response:
    """``POST …/remove``."""
    await _set_types(request, ())
    raise web.HTTPSeeOther("/webhooks?done=removed")


async def change_retried(request: web.Request) -> web.Response:
    """``POST …/retried``: which types are tried again; of the URL, wherever it is configured."""
    panel, given = request.app[PANEL], await forms.body(request)
    kinds = webhooks.asked_types(given)
    async with panel.connection() as conn, conn.transaction():
        _, one = await _place(request, conn)
        request[SUBJECT] = f"{request[SUBJECT]}: {', '.join(kinds) or 'none'}"
        await stored.set_retried(conn, one.endpoint.id, kinds)
    raise back(one.number, "retried")


async def pause(request: web.Request) -> web.Response:
    """``POST …/pause``; done twice is done once."""
    panel = request.app[PANEL]
    async with panel.connection() as conn, conn.transaction():
        _, one = await _place(request, conn)
        await stored.pause(conn, one.endpoint.id, panel.clock.now_us())
    raise back(one.number, "paused")


async def resume(request: web.Request) -> web.Response:
    """``POST …/resume``."""
    async with request.app[PANEL].connection() as conn, conn.transaction():
        _, one = await _place(request, conn)
        await stored.pause(conn, one.endpoint.id, None)
    raise back(one.number, "resumed")


async def again(request: web.Request) -> web.Response:
    """``POST …/again``: queue what was not taken in the last hours, with the tokens it had."""
    panel, given = request.app[PANEL], await forms.body(request)
    hours = given.number("hours", 24, low=1, high=LONGEST_AGO)
    try:
        given.check()
    except CallerError as error:
        return await page(request, error=str(error), status=400)
    now_us = panel.clock.now_us()
    async with panel.connection() as conn, conn.transaction():
        _, one = await _place(request, conn)
        since = now_us - hours * HOUR_US
        count = await webhook_queue.again(conn, one.endpoint.id, since, now_us=now_us)
        request[SUBJECT] = f"{request[SUBJECT]}: {count}"
    raise back(one.number, "again" if count else "nothing")


async def test(request: web.Request) -> web.Response:
    """``POST …/test``: a made-up event now; its answer is on the page. Nothing is stored."""
    panel, given = request.app[PANEL], await forms.body(request)
    kind = _kind(given)
    if panel.tests.take(request[SESSION].name):
        text = "That were many tests in a minute: wait a little."
        return await page(request, error=text, status=429)
    now_us = panel.clock.now_us()
    async with panel.connection() as conn:
        one, domain = await found(conn, number_of(request))
        key = await stored.signing_key(conn, panel.vault, ACCOUNT, made_key(), now_us=now_us)
    url = full_url(panel.vault, one.endpoint.address)
    request[SUBJECT] = f"{shown_url(one.endpoint.address)}: {kind}"
    name = domain.name if domain else "example.com"
    event = sample(kind, name, now_us, secrets.token_bytes(16))
    token = secrets.token_hex(TOKEN_BYTES)
    async with panel.posting() as poster:
        got = await poster.post(url, key.at(now_us), token=token, event=event)
    return await page(request, tried=(kind, got))


def _kind(given: Params) -> str:
    kind: Any = given.choice("type", TYPES, "opened")
    given.check()
    return str(kind)
