"""``POST /v1/analytics/metrics`` and ``/v1/analytics/usage/metrics``.

Only groups with counted events are answered, also by time. Start and end are cut to the resolution
and given back in UTC.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from aiohttp import web

from edge.api.analytics_body import Body, read
from edge.api.context import API
from edge.api.params import Params, rfc1123
from edge.api.periods import Period, period
from edge.api.scope import domains_of
from edge.api.stats import headers
from edge.model.conditions import LESS, MORE, Condition
from edge.model.domain import Domain
from edge.model.metrics import DIMENSIONS, METRICS, MOST_DIMENSIONS, MOST_METRICS
from edge.store import metrics
from edge.store.metrics import CONDITIONED, Answer, Question

ZONE: Final = "+0000"
ACCOUNT: Final = "default"
"""The one subaccount there is."""

DEFAULT_METRICS: Final = (
    "accepted_count",
    "delivered_count",
    "failed_count",
    "opened_count",
    "clicked_count",
    "unsubscribed_count",
    "complained_count",
)
LIMITS: Final = {True: (1500, 1500), False: (10, 1000)}
"""Default and most groups of an answer: by time, and otherwise."""

USAGE: Final = (
    "email_validation_count",
    "email_validation_public_count",
    "email_validation_valid_count",
    "email_validation_single_count",
    "email_validation_bulk_count",
    "email_validation_list_count",
    "email_validation_mailgun_count",
    "email_validation_mailjet_count",
    "email_preview_count",
    "email_preview_failed_count",
    "link_validation_count",
    "link_validation_failed_count",
    "seed_test_count",
    "accessibility_count",
    "accessibility_failed_count",
    "image_validation_count",
    "image_validation_failed_count",
    "archived_count",
)
"""Products of Mailgun's that are not offered here: always 0."""

_FILTERS: Final = (*CONDITIONED, "domain", "subaccount")


class Page(msgspec.Struct, frozen=True):
    """Which groups are wanted, in which order; ``written`` is the order as the request says it."""

    sort: tuple[str, bool] | None
    written: str
    skip: int
    limit: int


def page(given: Params, allowed: Sequence[str], limits: tuple[int, int], mistakes: Params) -> Page:
    """The ``pagination`` of a request; ``limits`` are the default and the most."""
    written = given.text("sort", "").strip()
    name, _, way = written.partition(":")
    way = way.strip().lower() or "asc"
    sort = None
    if written:
        if name.strip() not in allowed or way not in {"asc", "desc"}:
            words = ", ".join(allowed) or "nothing"
            given.mistake(
                f"'sort' attribute is invalid: write <name>:asc or <name>:desc with one of {words}"
            )
        sort = (name.strip(), way == "desc")
    found = Page(
        sort,
        written,
        given.number("skip", 0, low=0, high=10_000_000),
        # A limit of 0 is the default: clients send their zero value.
        given.number("limit", 0, low=0, high=limits[1]) or limits[0],
    )
    for mistake in given.mistakes:
        mistakes.mistake(f"pagination: {mistake}")
    return found


class Asked(msgspec.Struct, frozen=True):
    """A request for figures, as it was understood."""

    period: Period
    duration: str
    dimensions: tuple[str, ...]
    metrics: tuple[str, ...]
    conditions: tuple[Condition, ...]
    page: Page
    aggregates: bool


def _asked(given: Body, now_us: int, dimensions: Sequence[str], known: Sequence[str]) -> Asked:
    span = period(given, now_us)
    by = given.names("dimensions", MOST_DIMENSIONS)
    for name in by:
        if name not in dimensions:
            words = ", ".join(dimensions)
            given.mistake(f"'{name[:100]}' is not a valid dimension; there are {words}")
    wanted = given.names("metrics", MOST_METRICS)
    for name in wanted:
        if name not in known:
            given.mistake(f"'{name[:100]}' is not a valid metric")
    asked = Asked(
        period=span,
        duration=(given.text("duration", "") or "").strip(),
        dimensions=tuple(by),
        metrics=tuple(wanted) or tuple(one for one in DEFAULT_METRICS if one in known),
        conditions=tuple(_checked(given, given.conditions())),
        page=page(given.paging(), (*by, *wanted), LIMITS["time" in by], given),
        aggregates=given.boolean("include_aggregates", default=False),
    )
    given.check()
    return asked


def _checked(given: Body, found: list[Condition]) -> list[Condition]:
    for one in found:
        if one.attribute not in _FILTERS:
            given.mistake(f"'{one.attribute}' is not a valid filter predicate attribute")
        elif one.comparator in {MORE, LESS}:
            given.mistake(f"'{one.attribute}' cannot be compared with {one.comparator}")
    return found


def seen(domains: Sequence[Domain], conditions: Sequence[Condition]) -> tuple[int, ...]:
    """The numbers of the domains that meet the conditions on domains and subaccounts."""
    about = [one for one in conditions if one.attribute in {"domain", "subaccount"}]
    return tuple(
        domain.number
        for domain in domains
        if all(one.meets(domain.name if one.attribute == "domain" else ACCOUNT) for one in about)
    )


def _question(asked: Asked, domains: Sequence[Domain]) -> Question:
    sort = asked.page.sort
    return Question(
        domains=seen(domains, asked.conditions),
        begin=asked.period.start,
        end=asked.period.ending,
        resolution=asked.period.resolution,
        metrics=tuple(name for name in asked.metrics if name in METRICS),
        dimensions=tuple(name for name in asked.dimensions if name != "subaccount"),
        conditions=tuple(one for one in asked.conditions if one.attribute in CONDITIONED),
        sort=None if sort is None or sort[0] in {"subaccount", *USAGE} else sort,
        skip=asked.page.skip,
        limit=asked.page.limit,
        aggregates=asked.aggregates,
    )


def dimension_json(name: str, value: Any) -> dict[str, Any]:
    """One dimension of a group."""
    shown = rfc1123(value, ZONE) if name == "time" else value
    return {"dimension": name, "value": shown, "display_value": shown}


def _item(asked: Asked, values: Sequence[Any], found: dict[str, int | str]) -> dict[str, Any]:
    left = iter(values)
    return {
        "dimensions": [
            dimension_json(name, ACCOUNT if name == "subaccount" else next(left))
            for name in asked.dimensions
        ],
        "metrics": {name: found.get(name, 0) for name in asked.metrics},
    }


async def _answer(
    request: web.Request, dimensions: Sequence[str], known: Sequence[str]
) -> web.Response:
    given = await read(request)
    api = request.app[API]
    now_us = api.clock.now_us()
    asked = _asked(given, now_us, dimensions, known)
    async with api.connection() as conn:
        wanted = _question(asked, await domains_of(request, conn))
        answer = await metrics.ask(conn, wanted, now_us=now_us)
    body = {
        "start": rfc1123(asked.period.start, ZONE),
        "end": rfc1123(asked.period.end, ZONE),
        "resolution": asked.period.resolution,
        "duration": asked.duration,
        "dimensions": list(asked.dimensions),
        "pagination": {
            "sort": asked.page.written,
            "skip": asked.page.skip,
            "limit": asked.page.limit,
            "total": answer.total,
        },
        "items": [_item(asked, row.values, row.metrics) for row in answer.rows],
        "aggregates": {"metrics": _aggregates(asked, answer)},
    }
    return web.json_response(body, headers=headers(answer, asked.period.start))


def _aggregates(asked: Asked, answer: Answer) -> dict[str, int | str]:
    if not asked.aggregates:
        return {}
    return {name: answer.aggregates.get(name, 0) for name in asked.metrics}


async def ask_metrics(request: web.Request) -> web.Response:
    """``POST /v1/analytics/metrics``."""
    return await _answer(request, DIMENSIONS, tuple(METRICS))


async def ask_usage(request: web.Request) -> web.Response:
    """``POST /v1/analytics/usage/metrics``: by time and subaccount; products are 0."""
    return await _answer(request, ("time", "subaccount"), (*USAGE, *METRICS))
