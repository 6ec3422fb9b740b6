"""One event, with everything that is known of it."""

import json
from typing import Any, Final

from aiohttp import web

from edge.model.errors import CallerError, NotFound
from edge.panel import masking, rendering
from edge.panel.context import PANEL, may
from edge.panel.permissions import Permit
from edge.panel.webhook_attempts import AGAIN, urls_of
from edge.store import domains, search, webhook_log
from edge.store.filters import Filter
from edge.store.pool import Connection
from edge.store.search import Found

TIMELINE: Final = 200
"""Events of one message for one recipient that are shown."""


async def _found(request: web.Request, conn: Connection) -> Found:
    try:
        return await search.show(conn, request.match_info["id"])
    except NotFound:
        raise NotFound(
            "There is no such event: it was never stored, or its retention is over."
        ) from None
    except CallerError:
        raise NotFound("That is not the id of an event.") from None


def rendered(request: web.Request, found: Found) -> dict[str, Any]:
    """The event as the API shows it, masked for those who may not see recipients."""
    whole = found.render()
    if may(request, Permit.CLEAR):
        return whole
    return masking.event(whole, found.event.recipient)


async def show(request: web.Request) -> web.Response:
    """``GET /logs/{id}``."""
    panel = request.app[PANEL]
    async with panel.connection() as conn:
        found = await _found(request, conn)
        event = found.event
        timeline = await search.search(
            conn,
            Filter(domain=event.domain, message_id=event.message_id, recipient=event.recipient),
            limit=TIMELINE,
            ascending=True,
        )
        hooks = await webhook_log.of_event(conn, event.id, event.domain)
        urls = await urls_of(conn, hooks)
        names = {one.number: one.name for one in await domains.list_domains(conn, removed=True)}
    whole = rendered(request, found)
    return rendering.render(
        request,
        "event.html",
        found=found,
        event=event,
        whole=whole,
        raw=json.dumps(whole, indent=2, ensure_ascii=False),
        domain=names.get(event.domain, "?"),
        timeline=timeline,
        hooks=hooks,
        urls=urls,
        again=AGAIN,
        geo_note=panel.geo_note(),
        variables=whole.get("user-variables", {}),
        facts=found.has_facts,
    )


async def raw(request: web.Request) -> web.Response:
    """``GET /logs/{id}/json``: exactly what the API gives."""
    async with request.app[PANEL].connection() as conn:
        found = await _found(request, conn)
    text = json.dumps(rendered(request, found), indent=2, ensure_ascii=False)
    return web.Response(text=text + "\n", content_type="application/json")
