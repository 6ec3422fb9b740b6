"""Any search of the logs as a file: CSV for people's tools, JSON as the API has it."""

import json
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

from edge.model.errors import NotFound
from edge.model.mailgun_json import event_id
from edge.panel import domain_choice, event_page, forms, log_query, masking, streaming
from edge.panel.context import PANEL, may
from edge.panel.permissions import Permit
from edge.panel.rendering import machine_time
from edge.store import search
from edge.store.filters import Filter
from edge.store.search import Found, TimeCursor

AT_ONCE: Final = 1_000
"""Events that are read at a time; between two reads the connection is given back."""

MOST: Final = 1_000_000
"""Events of one file; whoever wants more narrows the dates."""

COLUMNS: Final = (
    "time",
    "event",
    "recipient",
    "message_id",
    "subject",
    "tags",
    "severity",
    "reason",
    "url",
    "bot",
    "evidence",
    "client_name",
    "client_type",
    "client_os",
    "device_type",
    "country",
    "region",
    "city",
    "ip",
    "user_agent",
    "repeat",
    "id",
)


def row(found: Found, *, in_clear: bool) -> list[str]:
    """An event as a row of :data:`COLUMNS`."""
    event = found.event
    cells = [
        machine_time(event.at),
        event.event,
        event.recipient if in_clear else masking.address(event.recipient),
        event.message_id,
        found.headers.get("subject", ""),
        " ".join(found.tags),
        event.severity,
        event.reason,
        event.url,
        event.verdict.bot,
        " ".join(event.verdict.evidence),
        event.client.client_name,
        event.client.client_type,
        event.client.client_os,
        event.client.device_type,
        event.geolocation.country,
        event.geolocation.region,
        event.geolocation.city,
        event.ip,
        event.user_agent,
        str(event.repeat),
        event_id(event.id),
    ]
    if not in_clear:
        for number in (4, 7, 8, 19):  # what a sender or a client may have put an address into
            cells[number] = masking.text(cells[number], event.recipient)
    return [streaming.harmless(cell) for cell in cells]


async def export(request: web.Request) -> web.StreamResponse:
    """``GET /logs/export?format=csv`` or ``json``, and the parameters of ``/logs``."""
    panel, given = request.app[PANEL], forms.query(request)
    form = given.choice("format", ("csv", "json"), "csv")
    asked = log_query.read(given, in_clear=may(request, Permit.CLEAR))
    async with panel.connection() as conn:
        domain, _ = await domain_choice.chosen(request, conn)
    if domain is None:
        raise NotFound("There is no domain yet.")
    wanted = log_query.wanted(asked, domain, given, panel.clock.now_us())
    given.check()
    name = f"events-{domain.name}.{form}"
    if form == "csv":
        return await streaming.attachment(request, name, "text/csv", _csv(request, wanted))
    return await streaming.attachment(request, name, "application/json", _json(request, wanted))


async def _pieces(request: web.Request, wanted: Filter) -> AsyncIterator[list[Found]]:
    """The events, newest first, some at a time."""
    after: TimeCursor | None = None
    for _ in range(MOST // AT_ONCE):
        async with request.app[PANEL].connection() as conn:
            found = await search.search(conn, wanted, limit=AT_ONCE, after=after)
        if found:
            yield found
        if len(found) < AT_ONCE:
            return
        after = TimeCursor(found[-1].event.at, found[-1].event.id)


async def _csv(request: web.Request, wanted: Filter) -> AsyncIterator[str]:
    in_clear = may(request, Permit.CLEAR)
    head = streaming.csv_text([COLUMNS])
    async for found in _pieces(request, wanted):
        yield head + streaming.csv_text(row(one, in_clear=in_clear) for one in found)
        head = ""
    if head:
        yield head


async def _json(request: web.Request, wanted: Filter) -> AsyncIterator[str]:
    """One array, an event a line."""
    before = "[\n"
    async for found in _pieces(request, wanted):
        lines = [json.dumps(event_page.rendered(request, one), ensure_ascii=False) for one in found]
        yield before + ",\n".join(lines)
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"
