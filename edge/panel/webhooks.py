"""Webhooks: the endpoints of a domain and of the whole account, how they fare, and adding one."""

from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from edge.model.errors import CallerError
from edge.model.params import Params
from edge.model.webhook import (
    LONGEST_URL,
    RETRIED,
    TYPES,
    Webhook,
    checked_types,
    checked_url,
    sealed,
    shown_url,
)
from edge.panel import domain_choice, forms, rendering
from edge.panel.context import PANEL, SUBJECT
from edge.store import webhook_log, webhooks
from edge.store.pool import Connection
from edge.store.webhook_log import MOST_COUNTED, Standing
from edge.webhooks import places

DONE: Final = {
    "added": "The endpoint is added; it is called for what happens from now on.",
    "removed": "The endpoint is removed. What was queued for it is dropped, and stands among the "
    "attempts as removed.",
}


def asked_types(given: Params, name: str = "types") -> tuple[str, ...]:
    """The boxes that are ticked; raises CallerError for a type that is none."""
    found = given.texts(name, longest=40, most=len(TYPES))
    given.check()
    return checked_types(found)


async def stand(conn: Connection, found: list[Webhook]) -> list[dict[str, Any]]:
    """Webhooks as pages show them."""
    standing = await webhook_log.standing(conn, {one.endpoint.id for one in found})
    shown = []
    for one in found:
        how = standing.get(one.endpoint.id, Standing())
        shown.append(
            {
                "webhook": one,
                "endpoint": one.endpoint,
                "url": shown_url(one.endpoint.address),
                "standing": how,
                "state": places.state_of(one.endpoint, how.waiting),
                "retried": RETRIED if one.endpoint.retried is None else one.endpoint.retried,
            }
        )
    return shown


async def page(
    request: web.Request,
    *,
    error: str = "",
    status: int = 200,
    name: str | None = None,
    filled: dict[str, Any] | None = None,
) -> web.Response:
    """The page of the domain that the address (or a form, ``name``) names."""
    panel, given = request.app[PANEL], forms.query(request)
    filled = filled or {"url": given.text("url", "", longest=LONGEST_URL), "types": TYPES}
    async with panel.connection() as conn:
        domain, found = await domain_choice.chosen(request, conn, name)
        of_domain = await webhooks.of_domain(conn, domain.number) if domain else []
        of_account = await webhooks.of_account(conn, places.ACCOUNT)
        own, everywhere = await stand(conn, of_domain), await stand(conn, of_account)
    response = rendering.render(
        request,
        "webhooks.html",
        status=status,
        error=error,
        done=DONE.get(request.query.get("done", ""), ""),
        domain=domain,
        domains=found,
        own=own,
        everywhere=everywhere,
        types=TYPES,
        filled=filled,
        most_counted=MOST_COUNTED,
    )
    domain_choice.remember(request, response, domain)
    return response


async def show(request: web.Request) -> web.Response:
    """``GET /webhooks``."""
    return await page(request)


async def add(request: web.Request) -> web.Response:
    """``POST /webhooks``: a URL for types, of the domain or (``everywhere``) of the account."""
    panel, given = request.app[PANEL], await forms.body(request)
    url, name = given.text("url", "", longest=LONGEST_URL), given.text("domain", "", longest=255)
    everywhere = given.has("everywhere")
    kinds: tuple[str, ...] = ()
    try:
        kinds = asked_types(given)
        if not kinds:
            raise CallerError("Tick at least one type.")
        address = checked_url(url)
        where = "the whole account" if everywhere else name
        request[SUBJECT] = f"{where}: {shown_url(sealed(panel.vault, address))}"
        async with panel.connection() as conn, conn.transaction():
            await webhooks.lock(conn, places.ACCOUNT)
            place = await places.find(conn, places.WHOLE if everywhere else name)
            now_us = panel.clock.now_us()
            await places.add(conn, panel.vault, place, address, kinds, now_us=now_us)
    except CallerError as error:
        filled = {"url": url, "types": kinds or TYPES}
        return await page(request, error=str(error), status=400, name=name or None, filled=filled)
    raise web.HTTPSeeOther(f"/webhooks?{urlencode({'domain': name, 'done': 'added'})}")
