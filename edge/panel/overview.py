"""The overview: what happened to all mail or that of one domain, over time; and what happens now.

The table, the chart (drawn from :func:`chart`'s JSON) and the tiles show the same figures, and the
API's metrics are the same once more.
"""

from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from edge.model.domain import Domain
from edge.model.errors import NotFound
from edge.model.periods import DAY_US
from edge.panel import figures, forms, rendering, spans
from edge.panel.context import PANEL
from edge.panel.figures import KINDS, Series, Values
from edge.store import domains, event_pages
from edge.store.event_pages import Place, Question
from edge.store.filters import Filter
from edge.store.pool import Connection
from edge.store.search import Found

NEWEST: Final = 15
"""Events of the live tail."""

TAIL_DAYS: Final = 7
"""How far back the tail looks."""

EVERYWHERE: Final = ""


class Tile(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of event: its numbers, and how they changed; ``before`` None where unknown."""

    kind: figures.Kind
    total: int
    unique: int | None
    people: int
    unique_people: int | None
    rate: str
    people_rate: str
    before: int | None
    change: str


def chosen(request: web.Request, found: list[Domain]) -> tuple[str, tuple[int, ...]]:
    """The domain's name (empty for all) and the numbers to count; raises NotFound."""
    name = request.query.get("domain", EVERYWHERE)
    numbers = tuple(one.number for one in found if name in (EVERYWHERE, one.name))
    if name and not numbers:
        raise NotFound("There is no such domain.")
    return name, numbers


def _tile(kind: figures.Kind, total: Series, people: Series, before: Values | None) -> Tile:
    def number(values: Values, name: str) -> int:
        return int(values[name])

    known = None if before is None else number(before, kind.total)
    return Tile(
        kind=kind,
        total=number(total.whole, kind.total),
        unique=number(total.whole, kind.unique) if kind.unique else None,
        people=number(people.whole, kind.total),
        unique_people=number(people.whole, kind.unique) if kind.unique else None,
        rate=str(total.whole[kind.rate]) if kind.rate else "",
        people_rate=str(people.whole[kind.rate]) if kind.rate else "",
        before=known,
        change="" if known is None else figures.change(total.whole[kind.total], known),
    )


async def show(request: web.Request) -> web.Response:
    """``GET /overview``. A question that is wrong is shown with its mistakes, and finds nothing."""
    panel, given = request.app[PANEL], forms.query(request)
    now = panel.clock.now_us()
    span = spans.read(given, now)
    told: dict[str, Any] = {"tiles": [], "rows": [], "since": None, "tail": [], "names": {}}
    async with panel.connection() as conn:
        found = await domains.list_domains(conn)
        name, numbers = chosen(request, found)
        if numbers and not given.mistakes:
            total, people = await figures.series(conn, numbers, span, now_us=now)
            before = await figures.whole(conn, numbers, span.before, now_us=now)
            told["tiles"] = [_tile(kind, total, people, before) for kind in KINDS]
            told["rows"] = list(zip(total.starts, total.rows, people.rows, strict=True))[::-1]
            told["since"] = total.since if total.since > span.begin else None
            told["tail"] = await _newest(conn, name, numbers, now)
            told["names"] = {one.number: one.name for one in found}
    asked = ({"domain": name} if name else {}) | span.written()
    return rendering.render(
        request,
        "overview.html",
        status=400 if given.mistakes else 200,
        error="; ".join(given.mistakes),
        name=name,
        domains=found,
        span=span,
        same=urlencode(asked),
        something=any(tile.total for tile in told["tiles"]),
        **shared(),
        **told,
    )


def shared() -> dict[str, Any]:
    """What the pages of figures have in common."""
    return {
        "kinds": KINDS,
        "spans": spans.SPANS,
        "label": spans.label,
        "number": figures.grouped,
        "per_cent": figures.per_cent,
        "definitions": figures.DEFINITIONS,
        "people_are": figures.PEOPLE_ARE,
        "heads": figures.TITLES,
    }


async def chart(request: web.Request) -> web.Response:
    """``GET /overview/chart``: the figures over time as JSON; times in seconds since the epoch."""
    panel, given = request.app[PANEL], forms.query(request)
    now = panel.clock.now_us()
    span = spans.read(given, now)
    given.check()
    async with panel.connection() as conn:
        _, numbers = chosen(request, await domains.list_domains(conn))
        total, people = await figures.series(conn, numbers, span, now_us=now)
    views: dict[str, dict[str, list[int | str]]] = {"total": {}, "unique": {}, "people": {}}
    for kind in KINDS:
        views["total"][kind.name] = [row[kind.total] for row in total.rows]
        views["people"][kind.name] = [row[kind.total] for row in people.rows]
        if kind.unique:
            views["unique"][kind.name] = [row[kind.unique] for row in total.rows]
    return web.json_response(
        {
            "by": span.by,
            "times": [start // 1_000_000 for start in total.starts],
            "titles": {kind.name: kind.title for kind in KINDS},
            "views": views,
        }
    )


async def _newest(conn: Connection, name: str, numbers: tuple[int, ...], now: int) -> list[Found]:
    begin = now - TAIL_DAYS * DAY_US
    if name:
        wanted = Filter(domain=numbers[0], begin=begin)
    else:
        wanted = Filter(domains=numbers, begin=begin)
    asked = Question(wanted, ascending=False, limit=NEWEST)
    return (await event_pages.turn(conn, asked, Place())).found


async def tail(request: web.Request) -> web.Response:
    """``GET /overview/tail``: the newest events alone, for the page that asks again and again."""
    panel = request.app[PANEL]
    async with panel.connection() as conn:
        found = await domains.list_domains(conn)
        name, numbers = chosen(request, found)
        newest = await _newest(conn, name, numbers, panel.clock.now_us()) if numbers else []
    return rendering.render(
        request,
        "tail.html",
        tail=newest,
        names={one.number: one.name for one in found},
    )
