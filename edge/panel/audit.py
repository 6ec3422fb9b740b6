"""The audit log, for owners."""

from typing import Final

from aiohttp import web

from edge.panel import forms, rendering
from edge.panel.context import PANEL
from edge.store import panel_audit

LINES: Final = 50


async def show(request: web.Request) -> web.Response:
    """``GET /audit``."""
    given = forms.query(request)
    before = given.number("before", low=1, high=2**62)
    given.check()
    async with request.app[PANEL].connection() as conn:
        found = await panel_audit.page(conn, before=before, limit=LINES + 1)
    more = found[LINES - 1].id if len(found) > LINES else None
    return rendering.render(request, "audit.html", lines=found[:LINES], more=more, before=before)
