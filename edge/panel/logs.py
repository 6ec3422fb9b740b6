"""The logs: events of a domain, searched for and turned page by page."""

from typing import Final

from aiohttp import web

from edge.model.domain import Domain
from edge.model.errors import CallerError
from edge.panel import domain_choice, forms, log_query, rendering
from edge.panel.context import PANEL, may
from edge.panel.log_query import Asked
from edge.panel.permissions import Permit
from edge.store import event_pages
from edge.store.event_pages import Page, Question
from edge.store.expressions import FIELDS

LINES: Final = 50
"""Events of a page."""


async def show(request: web.Request) -> web.Response:
    """``GET /logs``. A question that is wrong is shown with its mistakes, and finds nothing."""
    panel, given = request.app[PANEL], forms.query(request)
    in_clear = may(request, Permit.CLEAR)
    asked = log_query.read(given, in_clear=in_clear)
    place = log_query.place(given)
    now = panel.clock.now_us()
    page = None
    async with panel.connection() as conn:
        domain, found = await domain_choice.chosen(request, conn)
        if domain is not None:
            wanted = log_query.wanted(asked, domain, given, now)
            if not given.mistakes:
                question = Question(wanted, ascending=False, limit=LINES)
                try:
                    page = await event_pages.turn(conn, question, place)
                except CallerError as error:  # it takes too long to find out
                    given.mistake(str(error))
    response = rendering.render(
        request,
        "logs.html",
        status=400 if given.mistakes else 200,
        error="; ".join(given.mistakes),
        domain=domain,
        domains=found,
        asked=asked,
        events=log_query.EVENTS,
        severities=log_query.SEVERITIES,
        bot_choices=log_query.BOTS,
        fields=[name for name in FIELDS if in_clear or name not in log_query.OF_RECIPIENTS],
        found=page.found if page else [],
        now=now,
        **_links(domain, asked, page, at_start=place.cursor is None),
    )
    domain_choice.remember(request, response, domain)
    return response


def _links(
    domain: Domain | None, asked: Asked, page: Page | None, *, at_start: bool
) -> dict[str, str]:
    """Queries of the pages around, and of this one without its place; empty for none."""
    if domain is None:
        return {"same": "", "newer": "", "older": ""}
    links = {"same": log_query.link(domain.name, asked), "newer": "", "older": ""}
    if page is not None and page.found:
        first, last = page.found[0].event, page.found[-1].event
        if not at_start:
            spelled = log_query.spelled(first.at, first.id)
            links["newer"] = log_query.link(domain.name, asked, before=spelled)
        if len(page.found) == LINES:
            spelled = log_query.spelled(last.at, last.id)
            links["older"] = log_query.link(domain.name, asked, after=spelled)
    return links
