"""The links of one message: clicks by position, and a map of them over the stored message."""

from typing import Any, Final

from aiohttp import web

from edge.panel import click_badges, domain_choice, forms, mail_body, messages, previews, rendering
from edge.panel.context import PANEL, may
from edge.panel.guard import FRAMING_POLICY
from edge.panel.permissions import Permit
from edge.store import link_clicks, mail_lines
from edge.store.mail_lines import Line

OFFERED: Final = 20
"""Stored messages that can be chosen from."""

LONGEST: Final = 998
"""Characters of a Message-Id: what a header line may have (RFC 5322, section 2.1.1)."""

_ODD: Final = (
    "<p><em>The map cannot be drawn: the message has no HTML part whose links are those that were "
    "tracked. The table has the numbers.</em></p>"
)


async def show(request: web.Request) -> web.Response:
    """``GET /analytics/links``: of the message that ``message-id`` names, or a choice of them."""
    panel, given = request.app[PANEL], forms.query(request)
    wanted = given.text("message-id", "", longest=LONGEST).strip()
    reads = may(request, Permit.READ_MAIL)
    told: dict[str, Any] = {"clicks": [], "key": None}
    offered: list[Line] = []
    async with panel.connection() as conn:
        domain, found = await domain_choice.chosen(request, conn)
        if domain is not None and not given.mistakes:
            if wanted:
                told["clicks"] = await link_clicks.of_message(conn, domain.number, wanted)
                if reads:
                    told["key"] = await link_clicks.stored(conn, domain.number, wanted)
            elif reads:
                offered = await mail_lines.recent(conn, domain.number, limit=OFFERED)
    response = rendering.render(
        request,
        "links.html",
        status=400 if given.mistakes else 200,
        error="; ".join(given.mistakes),
        domain=domain,
        domains=found,
        wanted=wanted,
        whole=sum(one.total for one in told["clicks"]),
        offered=[(line, mail_body.subject_of(line.head)) for line in offered],
        **told,
    )
    response.headers["Content-Security-Policy"] = FRAMING_POLICY
    domain_choice.remember(request, response, domain)
    return response


async def framed(request: web.Request) -> web.Response:
    """``GET /messages/{name}/{delivery}/clicks``: the map alone, for a frame that runs nothing."""
    given = forms.query(request)
    wanted = given.text("message-id", "", longest=LONGEST, required=True)
    given.check()
    async with request.app[PANEL].connection() as conn:
        found = await messages.of(request, conn, explained=True)
        clicks = await link_clicks.of_message(conn, found.domain.number, wanted or "")
    html = mail_body.take_apart(found.source).html
    counts = {one.position: one.total for one in clicks if one.position is not None}
    drawn = None
    if html and found.report is not None:
        shown = {one.part for one in found.report.parts if one.content_type == "text/html"}
        links = [one for one in found.report.links if one.part in shown]
        drawn = click_badges.drawn(html, links, counts)
    return previews.framed(drawn if drawn is not None else _ODD)
