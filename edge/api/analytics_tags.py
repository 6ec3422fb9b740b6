"""``/v1/analytics/tags``: tags of all domains of a key together."""

from typing import Any, Final

from aiohttp import web

from edge.api.analytics_body import Body, read
from edge.api.analytics_metrics import ACCOUNT, ZONE, page
from edge.api.context import API
from edge.api.params import rfc1123
from edge.api.scope import domains_of
from edge.api.tags import LONGEST_DESCRIPTION, NOT_FOUND, tag_name
from edge.model.conditions import EQUAL, Condition
from edge.model.errors import NotFound
from edge.model.periods import DAY_US, floor, following
from edge.store import metrics, tags
from edge.store.facts import MAX_TAG
from edge.store.metrics import Question
from edge.store.tags import Known

SORTS: Final = ("lastseen", "firstseen", "tag")
DEFAULT_SORT: Final = "lastseen:desc"
MOST: Final = 1000
MOST_WITH_METRICS: Final = 20
DEFAULT: Final = 10
METRIC_DAYS: Final = 30
METRICS: Final = (
    "accepted_count",
    "delivered_count",
    "failed_count",
    "opened_count",
    "clicked_count",
    "unique_opened_count",
    "unique_clicked_count",
    "unsubscribed_count",
    "complained_count",
)
"""What is told of each tag with ``include_metrics``: the last 30 days."""


async def list_tags(request: web.Request) -> web.Response:
    """``POST /v1/analytics/tags``."""
    given = await read(request)
    with_metrics = given.boolean("include_metrics", default=False)
    paging = given.paging()
    with_total = paging.boolean("include_total", default=False)
    most = MOST_WITH_METRICS if with_metrics else MOST
    wanted = page(paging, SORTS, (DEFAULT, most), given)
    prefix = given.text("tag", "", longest=MAX_TAG).strip()
    given.check()
    name, down = wanted.sort or ("lastseen", True)
    api = request.app[API]
    async with api.connection() as conn:
        numbers = [domain.number for domain in await domains_of(request, conn)]
        found = await tags.listed(
            conn,
            numbers,
            prefix=prefix,
            sort=name,
            down=down,
            limit=wanted.limit,
            skip=wanted.skip,
        )
        items = [tag_json(one) for one in found]
        if with_metrics and found:
            now_us = api.clock.now_us()
            asked = _metrics(numbers, [one.tag for one in found], now_us)
            answer = await metrics.ask(conn, asked, now_us=now_us)
            figures = {row.values[0]: row.metrics for row in answer.rows}
            for item in items:
                item["metrics"] = figures.get(item["tag"], dict.fromkeys(METRICS, 0))
        paging_json: dict[str, Any] = {
            "sort": wanted.written or DEFAULT_SORT,
            "limit": wanted.limit,
        }
        if with_total:
            paging_json["total"] = await tags.count(conn, numbers, prefix=prefix)
    return web.json_response({"items": items, "pagination": paging_json})


def _metrics(domains: list[int], names: list[str], now_us: int) -> Question:
    today = floor(now_us, "day")
    return Question(
        domains=tuple(domains),
        begin=max(0, today - METRIC_DAYS * DAY_US),
        end=following(today, "day"),
        resolution="day",
        metrics=METRICS,
        dimensions=("tag",),
        conditions=(Condition("tag", EQUAL, tuple(names)),),
        limit=len(names),
    )


def tag_json(found: Known) -> dict[str, Any]:
    """A tag as the account's list shows it."""
    return {
        "account_id": ACCOUNT,
        "parent_account_id": "",
        "account_name": ACCOUNT,
        "tag": found.tag,
        "description": found.description,
        "first_seen": rfc1123(found.first_seen, ZONE),
        "last_seen": rfc1123(found.last_seen, ZONE),
    }


def _name(given: Body) -> str:
    text = given.text("tag", "", required=True, longest=MAX_TAG)
    given.check()
    name = tag_name(text)
    if name is None:
        raise NotFound(NOT_FOUND)
    return name


async def change_tag(request: web.Request) -> web.Response:
    """``PUT /v1/analytics/tags``: the description, in every domain that has the tag."""
    given = await read(request)
    description = given.text("description", "", longest=LONGEST_DESCRIPTION, lines=True)
    name = _name(given)
    async with request.app[API].connection() as conn:
        numbers = [domain.number for domain in await domains_of(request, conn)]
        if not await tags.describe_known(conn, numbers, name, description):
            raise NotFound(NOT_FOUND)
    return web.json_response({"message": "Tag updated"})


async def delete_tag(request: web.Request) -> web.Response:
    """``DELETE /v1/analytics/tags``: hidden in every domain until it is seen again."""
    given = await read(request)
    name = _name(given)
    api = request.app[API]
    async with api.connection() as conn:
        numbers = [domain.number for domain in await domains_of(request, conn)]
        if not await tags.delete(conn, numbers, name, now_us=api.clock.now_us()):
            raise NotFound(NOT_FOUND)
    return web.json_response({"message": "Tag deleted"})


async def limits(request: web.Request) -> web.Response:
    """``GET /v1/analytics/tags/limits``: the domains' limits added up."""
    api = request.app[API]
    async with api.connection() as conn:
        numbers = [domain.number for domain in await domains_of(request, conn)]
        count = await tags.count(conn, numbers)
    most = api.acceptor.most_tags * max(1, len(numbers))
    body = {"limit": most, "count": count, "limit_reached": count >= most}
    return web.json_response(body)
