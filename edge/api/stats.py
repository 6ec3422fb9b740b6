"""``/v3/…/stats`` and ``/v3/{domain}/aggregates``: Mailgun's older statistics.

Unlike the metrics API, these answer every hour, day or month that was asked for, with zeros where
nothing happened.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from aiohttp import web

from edge.api import params
from edge.api.context import API
from edge.api.params import Params, rfc1123
from edge.api.periods import Period, period
from edge.api.scope import domain_of, domains_of
from edge.api.stats_json import AGGREGATES, SHAPES, bucket, metrics_of
from edge.model.conditions import EQUAL, Condition
from edge.model.domain import Domain
from edge.model.errors import CallerError
from edge.model.periods import buckets, floor, following
from edge.store import metrics
from edge.store.metrics import Answer, Question
from edge.store.pool import Connection

MOST_BUCKETS: Final = 5_000
MOST_GROUPS: Final = 1_000
COUNTED_FROM: Final = "X-Edge-Counted-From"
"""Header (an addition): what is before this time can no longer be counted as it was asked for."""

_YEAR_US: Final = 365 * 86_400_000_000
_GROUPS: Final = {
    "domain": "domain",
    "tag": "tag",
    "country": "country",
    "provider": "recipient_domain",
    "device": "device",
}
_OF_TIME: Final = {"total": None, "time": None, "day": "day", "month": "month", "hour": "hour"}
_AGGREGATED: Final = {"providers": "recipient_domain", "devices": "device", "countries": "country"}


def events_of(given: Params) -> tuple[str, ...]:
    """The kinds that are asked for: ``event``, repeated or with commas; at least one."""
    words = [word.strip().lower() for text in given.texts("event") for word in text.split(",")]
    found = tuple(dict.fromkeys(word for word in words if word))
    if not found:
        given.mistake("event is missing")
    if wrong := [word for word in found if word not in SHAPES]:
        allowed = ", ".join(SHAPES)
        given.mistake(f"event has to be one of {allowed}, not {wrong[0][:100]!r}")
    return tuple(word for word in found if word in SHAPES)


def question(
    domains: Sequence[Domain], asked: Period, events: Iterable[str], **more: Any
) -> Question:
    """The figures of some kinds over a period."""
    return Question(
        domains=tuple(domain.number for domain in domains),
        begin=asked.start,
        end=asked.ending,
        resolution=asked.resolution,
        metrics=metrics_of(events),
        **more,
    )


def headers(answer: Answer, begin: int) -> dict[str, str]:
    """Says so where a part of the span could not be answered."""
    if answer.counted_from <= begin:
        return {}
    return {COUNTED_FROM: rfc1123(answer.counted_from, "UTC")}


def places(given: Params, asked: Period) -> list[int]:
    """The starts of all buckets; a mistake where there are too many."""
    found = buckets(asked.start, asked.ending, asked.resolution, MOST_BUCKETS)
    if len(found) > MOST_BUCKETS:
        given.mistake(f"that are more than {MOST_BUCKETS} {asked.resolution}s: ask for less time")
    return found


def reply(
    asked: Period, events: Sequence[str], answer: Answer, starts: Sequence[int]
) -> dict[str, Any]:
    """The reply of all statistics by time; ``answer`` has the one dimension ``time``."""
    by_time = {row.values[0]: row.metrics for row in answer.rows}
    return {
        "description": "",
        "start": rfc1123(asked.start, "UTC"),
        "end": rfc1123(asked.end, "UTC"),
        "resolution": asked.resolution,
        "stats": [
            {"time": rfc1123(at, "UTC")} | bucket(events, by_time.get(at, {})) for at in starts
        ],
    }


async def by_time(
    request: web.Request,
    conn: Connection,
    given: Params,
    domains: Sequence[Domain],
    conditions: tuple[Condition, ...] = (),
    told: dict[str, str] | None = None,
) -> web.Response:
    """Statistics by time of these domains; ``told`` are further fields of the reply."""
    now_us = request.app[API].clock.now_us()
    asked, events = period(given, now_us), events_of(given)
    starts = places(given, asked)
    given.check()
    wanted = question(
        domains,
        asked,
        events,
        dimensions=("time",),
        conditions=conditions,
        limit=MOST_BUCKETS,
    )
    answer = await metrics.ask(conn, wanted, now_us=now_us)
    body = reply(asked, events, answer, starts) | (told or {})
    return web.json_response(body, headers=headers(answer, asked.start))


async def of_domain(request: web.Request) -> web.Response:
    """``GET /v3/{domain}/stats/total``."""
    given = await params.read(request)
    async with request.app[API].connection() as conn:
        return await by_time(request, conn, given, [await domain_of(request, conn)])


async def of_account(request: web.Request) -> web.Response:
    """``GET /v3/stats/total``: all domains of the key together."""
    given = await params.read(request)
    async with request.app[API].connection() as conn:
        return await by_time(request, conn, given, await domains_of(request, conn))


async def of_domains(request: web.Request) -> web.Response:
    """``GET /v3/stats/total/domains``: each domain's figures of the bucket of ``timestamp``."""
    given = await params.read(request)
    now_us = request.app[API].clock.now_us()
    at = given.time("timestamp")
    if at is None and not given.texts("timestamp"):
        given.mistake("timestamp is missing")
    resolution = given.choice("resolution", ("hour", "day", "month"), "day")
    limit = given.number("limit", 100, low=1, high=MOST_GROUPS)
    skip = given.number("skip", 0, low=0, high=1_000_000)
    events = events_of(given)
    given.check()
    start = floor(at or 0, resolution)
    asked = Period(start, start, resolution)
    async with request.app[API].connection() as conn:
        wanted = question(
            await domains_of(request, conn),
            asked,
            events,
            dimensions=("domain",),
            sort=("domain", False),
            limit=limit,
            skip=skip,
        )
        answer = await metrics.ask(conn, wanted, now_us=now_us)
    body = _grouped(asked, events, answer, "domain")
    return web.json_response(body, headers=headers(answer, asked.start))


def _grouped(asked: Period, events: Sequence[str], answer: Answer, group: str) -> dict[str, Any]:
    """One bucket for each value of a dimension."""
    at = rfc1123(asked.start, "UTC")
    return {
        "description": "",
        "start": at,
        "end": rfc1123(asked.end, "UTC"),
        "resolution": asked.resolution,
        "stats": [
            {"time": at, group: row.values[0]} | bucket(events, row.metrics) for row in answer.rows
        ],
    }


async def filtered(request: web.Request) -> web.Response:
    """``GET /v3/stats/filter``: ``filter=domain:x`` and ``group`` by time or one dimension."""
    given = await params.read(request)
    now_us = request.app[API].clock.now_us()
    group = given.choice("group", (*_OF_TIME, *_GROUPS), "time")
    wanted_domains, conditions = _filters(given)
    if _OF_TIME.get(group):
        given.fields.texts["resolution"] = [str(_OF_TIME[group])]
    asked, events = period(given, now_us), events_of(given)
    limit = given.number("limit", MOST_GROUPS, low=1, high=MOST_GROUPS)
    starts = places(given, asked)
    given.check()
    async with request.app[API].connection() as conn:
        domains = [
            domain
            for domain in await domains_of(request, conn)
            if not wanted_domains or domain.name in wanted_domains
        ]
        by = () if group == "total" else (_GROUPS.get(group, "time"),)
        most = limit if group in _GROUPS else MOST_BUCKETS
        wanted = question(domains, asked, events, dimensions=by, conditions=conditions, limit=most)
        answer = await metrics.ask(conn, wanted, now_us=now_us)
    if group in _GROUPS:
        body = _grouped(asked, events, answer, group)
    elif group == "total":
        body = _whole(asked, events, answer)
    else:
        body = reply(asked, events, answer, starts)
    return web.json_response(body, headers=headers(answer, asked.start))


def _whole(asked: Period, events: Sequence[str], answer: Answer) -> dict[str, Any]:
    """One bucket for all of the span."""
    values = answer.rows[0].metrics if answer.rows else {}
    at = rfc1123(asked.start, "UTC")
    return {
        "description": "",
        "start": at,
        "end": rfc1123(asked.end, "UTC"),
        "resolution": asked.resolution,
        "stats": [{"time": at} | bucket(events, values)],
    }


def _filters(given: Params) -> tuple[set[str], tuple[Condition, ...]]:
    """Domains by name, and conditions on the rest, of ``filter=<name>:<value>``."""
    domains: set[str] = set()
    found: dict[str, list[str]] = {}
    for text in given.texts("filter", most=100):
        name, colon, value = text.partition(":")
        name, value = name.strip().lower(), value.strip()
        if not text.strip():
            continue
        if not colon or not value or name not in _GROUPS:
            names = ", ".join(_GROUPS)
            given.mistake(f"filter has to be <name>:<value> with one of {names}")
        elif name == "domain":
            domains.add(value.lower())
        else:
            found.setdefault(_GROUPS[name], []).append(value)
    conditions = (Condition(name, EQUAL, tuple(values)) for name, values in found.items())
    return domains, tuple(conditions)


async def legacy(request: web.Request) -> web.Response:
    """``GET /v3/{domain}/stats``: given up at Mailgun, and empty there too."""
    async with request.app[API].connection() as conn:
        await domain_of(request, conn)
    return web.json_response({"items": [], "total_count": 0})


async def aggregated(
    conn: Connection,
    domain: Domain,
    dimension: str,
    *,
    now_us: int,
    conditions: tuple[Condition, ...] = (),
) -> tuple[dict[str, Any], dict[str, str]]:
    """Figures of the last year by provider, device or country, and headers of the reply."""
    begin = floor(now_us - _YEAR_US, "day")
    wanted = Question(
        domains=(domain.number,),
        begin=begin,
        end=following(floor(now_us, "day"), "day"),
        resolution="day",
        metrics=tuple(AGGREGATES.values()),
        dimensions=(dimension,),
        conditions=conditions,
        limit=MOST_GROUPS,
    )
    answer = await metrics.ask(conn, wanted, now_us=now_us)
    found: dict[str, Any] = {}
    for row in answer.rows:
        name = str(row.values[0])
        shown = name.lower() if dimension == "country" else name or "unknown"
        found[shown] = {told: row.metrics[metric] for told, metric in AGGREGATES.items()}
    return found, headers(answer, begin)


async def aggregates(what: str, request: web.Request) -> web.Response:
    """``GET /v3/{domain}/aggregates/{providers,devices,countries}``."""
    api = request.app[API]
    async with api.connection() as conn:
        domain = await domain_of(request, conn)
        found, more = await aggregated(conn, domain, aggregated_by(what), now_us=api.clock.now_us())
    return web.json_response({what: found}, headers=more)


def aggregated_by(what: str) -> str:
    """The dimension of ``providers``, ``devices`` or ``countries``; raises CallerError."""
    if what not in _AGGREGATED:
        raise CallerError("type has to be provider, device or country")
    return _AGGREGATED[what]
