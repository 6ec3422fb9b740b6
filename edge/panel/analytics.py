"""Analytics: figures by tag, link, country and so on, compared, sorted, and as a file."""

from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from edge.model.domain import Domain
from edge.model.errors import NotFound
from edge.panel import breakdown, figures, forms, masking, overview, rendering, spans, streaming
from edge.panel.breakdown import COMPARISONS, MOST_LINES, SPLITS, Asked, Line, Table
from edge.panel.context import PANEL, may
from edge.panel.permissions import Permit
from edge.store import domains

LINES: Final = 50
"""Groups of a page."""


def spelled(asked: Asked, name: str, value: Any, *, in_clear: bool) -> str:
    """A value of a dimension as people read it; addresses in it as far as they may be seen."""
    if name == "time":
        return spans.label(value, asked.span.by)
    if name == "bot":
        return str(value) or "people"
    text = str(value)
    return text if in_clear or name in {"domain", "recipient_domain"} else masking.text(text)


def _named(request: web.Request, found: list[Domain]) -> tuple[str, dict[int, str]]:
    name, numbers = overview.chosen(request, found)
    return name, {one.number: one.name for one in found if one.number in numbers}


async def show(request: web.Request) -> web.Response:
    """``GET /analytics``. A wrong question is shown with its mistakes, and finds nothing."""
    panel, given = request.app[PANEL], forms.query(request)
    now, in_clear = panel.clock.now_us(), may(request, Permit.CLEAR)
    asked = breakdown.read(given, now)
    table: Table | None = None
    async with panel.connection() as conn:
        found = await domains.list_domains(conn)
        name, named = _named(request, found)
        if named and not given.mistakes:
            table = await breakdown.ask(conn, asked, named, limit=LINES, now_us=now)
    kept = {"domain": name} if name else {}

    def link(**other: str) -> str:
        return urlencode(kept | asked.written(**other))

    return rendering.render(
        request,
        "analytics.html",
        status=400 if given.mistakes else 200,
        error="; ".join(given.mistakes),
        name=name,
        domains=found,
        asked=asked,
        span=asked.span,
        table=table,
        most=_most(asked, table),
        splits=SPLITS,
        comparisons=COMPARISONS,
        spelled=lambda place, value: spelled(
            asked, asked.dimensions[place], value, in_clear=in_clear
        ),
        link=link,
        change=figures.change,
        further=table is not None and table.total > asked.page * LINES,
        **overview.shared(),
    )


def _most(asked: Asked, table: Table | None) -> float:
    """What the longest bar stands for; 0 for no bars."""
    if table is None or asked.sort == "split":
        return 0.0
    both = [one for line in table.lines for one in (line.metrics, line.other) if one is not None]
    return max((float(one[asked.sort]) for one in both), default=0.0)


async def export(request: web.Request) -> web.StreamResponse:
    """``GET /analytics/export``: all groups as CSV, with the parameters of ``/analytics``."""
    panel, given = request.app[PANEL], forms.query(request)
    now = panel.clock.now_us()
    asked = breakdown.read(given, now)
    given.check()
    async with panel.connection() as conn:
        name, named = _named(request, await domains.list_domains(conn))
        if not named:
            raise NotFound("There is no domain yet.")
        whole = breakdown.replace_page(asked)
        table = await breakdown.ask(conn, whole, named, limit=MOST_LINES, now_us=now)
    file = f"{asked.split}-{name or 'all'}.csv"
    return await streaming.attachment(request, file, "text/csv", _csv(request, whole, table))


async def _csv(request: web.Request, asked: Asked, table: Table) -> AsyncIterator[str]:
    in_clear = may(request, Permit.CLEAR)
    head = [*asked.dimensions, *asked.columns]
    if asked.compare:
        head += [f"{name}_compared" for name in asked.columns]
    yield streaming.csv_text([head])
    for first in range(0, len(table.lines), 500):
        lines = table.lines[first : first + 500]
        yield streaming.csv_text(_cells(asked, line, in_clear=in_clear) for line in lines)


def _cells(asked: Asked, line: Line, *, in_clear: bool) -> list[str]:
    cells = [
        streaming.harmless(spelled(asked, name, value, in_clear=in_clear))
        for name, value in zip(asked.dimensions, line.values, strict=True)
    ]
    cells += [str(line.metrics[name]) for name in asked.columns]
    if line.other is not None:
        cells += [str(line.other[name]) for name in asked.columns]
    return cells
