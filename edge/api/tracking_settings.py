"""``/v3/domains/{name}/tracking``: the switches of opens, clicks and unsubscribes."""

from typing import Any, Final

from aiohttp import web

from edge.api import params
from edge.api.context import API
from edge.api.domain_json import tracking_json
from edge.api.params import FALSE, TRUE, Params
from edge.api.scope import domain_of
from edge.store import domain_settings, domains
from edge.store.domain_settings import LONGEST_FOOTER

UPDATED: Final = "Domain tracking settings have been updated"
_CLICKS: Final = dict.fromkeys(TRUE, "yes") | dict.fromkeys(FALSE, "no") | {"htmlonly": "htmlonly"}


async def get_tracking(request: web.Request) -> web.Response:
    """``GET …/tracking``."""
    async with request.app[API].connection() as conn:
        domain = await domain_of(request, conn)
        settings = await domain_settings.get(conn, domain.number)
    return web.json_response({"tracking": tracking_json(domain, settings)})


async def _change(
    request: web.Request, given: Params, part: str, switches: dict[str, Any], **settings: Any
) -> web.Response:
    """Change what was given (None was not) and answer with that part."""
    api = request.app[API]
    async with api.connection() as conn, conn.transaction():
        domain = await domain_of(request, conn)
        given.check()
        wanted = {name: value for name, value in switches.items() if value is not None}
        if wanted:
            domain = await domains.change(conn, domain.name, api.clock.now_us(), **wanted)
        kept = {name: value for name, value in settings.items() if value is not None}
        stored = await domain_settings.change(conn, domain.number, **kept)
    return web.json_response({"message": UPDATED, part: tracking_json(domain, stored)[part]})


async def change_open(request: web.Request) -> web.Response:
    """``PUT …/tracking/open``: ``active``, ``place_at_the_top``."""
    given = await params.read(request)
    switches = {"open": given.boolean("active"), "pixel_at_top": given.boolean("place_at_the_top")}
    return await _change(request, given, "open", switches)


async def change_click(request: web.Request) -> web.Response:
    """``PUT …/tracking/click``: ``active``, which may be ``htmlonly`` too."""
    given = await params.read(request)
    active = given.choice("active", _CLICKS)
    return await _change(request, given, "click", {"click": active and _CLICKS[active]})


async def change_unsubscribe(request: web.Request) -> web.Response:
    """``PUT …/tracking/unsubscribe``: ``active`` and the footers; an empty footer is none."""
    given = await params.read(request)
    return await _change(
        request,
        given,
        "unsubscribe",
        {"unsubscribe": given.boolean("active")},
        html_footer=given.text("html_footer", longest=LONGEST_FOOTER, lines=True),
        text_footer=given.text("text_footer", longest=LONGEST_FOOTER, lines=True),
    )
