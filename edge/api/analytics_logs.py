"""``POST /v1/analytics/logs``: events of all domains of a key, the newest first by default.

A page's tokens hold the whole question under a MAC: whoever sends one back needs nothing else.
"""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from aiohttp import web

from edge.api.analytics_body import Body, read
from edge.api.analytics_metrics import ACCOUNT, ZONE, page, seen
from edge.api.context import API, Api
from edge.api.params import Params, rfc1123
from edge.api.scope import domains_of
from edge.model.conditions import Condition
from edge.model.domain import Domain
from edge.model.errors import CallerError
from edge.model.metrics import METRICS, Sum
from edge.model.periods import DAY_US
from edge.model.providers import provider_of
from edge.model.tokens import decode_base64url, encode_base64url
from edge.model.vault import Vault
from edge.store import event_pages, log_conditions
from edge.store.event_pages import Page, Place, Question
from edge.store.filters import Filter
from edge.store.pool import Connection
from edge.store.search import Found, TimeCursor

MOST: Final = 100
DEFAULT: Final = 50
MOST_EVENTS: Final = 20
LONGEST_TOKEN: Final = 16_384
MOST_BYTES: Final = 8_000
"""Of all conditions together: a token holds them."""

_MAC: Final = 16
_FLAGS: Final = (
    *("is-authenticated", "is-system-test", "is-routed"),
    *("is-test-mode", "is-delayed-bounce", "is-callback"),
)


class Asked(msgspec.Struct, frozen=True, array_like=True):
    """A question about logs; times in µs, ``begin`` <= time < ``end``. ``said``: as written."""

    begin: int
    end: int
    said: tuple[str, str]
    ascending: bool
    limit: int
    totals: bool
    events: tuple[str, ...]
    metrics: tuple[str, ...]
    conditions: tuple[Condition, ...]
    cursor: TimeCursor | None = None
    back: bool = False
    inclusive: bool = False


async def ask_logs(request: web.Request) -> web.Response:
    """``POST /v1/analytics/logs``."""
    given = await read(request)
    api = request.app[API]
    paging = given.paging()
    token = paging.text("token", "", longest=LONGEST_TOKEN).strip()
    if token:
        _passed_on(paging, given)
        given.check()
        asked = _unsealed(api.vault, token)
    else:
        asked = _asked(given, paging, api.clock.now_us())
    async with api.connection() as conn:
        domains = await domains_of(request, conn)
        names = {domain.number: domain.name for domain in domains}
        wanted = _filter(asked, domains, api.clock.now_us())
        place = Place(asked.cursor, asked.back, asked.inclusive)
        found = await event_pages.turn(conn, Question(wanted, asked.ascending, asked.limit), place)
        totals = await _totals(conn, asked, wanted) if asked.totals else {}
    pagination = _pagination(api, asked, found)
    if totals:
        pagination["total"] = totals["all"]
    body = {
        "start": asked.said[0],
        "end": asked.said[1],
        "items": [item_json(one, names) for one in found.found],
        "pagination": pagination,
        "aggregates": totals,
    }
    return web.json_response(body)


def _passed_on(paging: Params, given: Body) -> None:
    for mistake in paging.mistakes:
        given.mistake(f"pagination: {mistake}")


def _asked(given: Body, paging: Params, now_us: int) -> Asked:
    end, begin = given.time("end"), given.time("start")
    ending = now_us + 1 if end is None else end + 1
    beginning = max(0, ending - 1 - DAY_US) if begin is None else begin
    if beginning >= ending:
        given.mistake("start is after end")
    wanted = page(paging, ("timestamp",), (DEFAULT, MOST), given)
    counts = given.names("metric_events", MOST_EVENTS)
    for name in counts:
        if not isinstance(METRICS.get(name), Sum):
            given.mistake(f"'{name[:100]}' is not a valid metric event")
    asked = Asked(
        begin=beginning,
        end=ending,
        said=(
            given.text("start", "").strip() or rfc1123(beginning, ZONE),
            given.text("end", "").strip() or rfc1123(ending - 1, ZONE),
        ),
        ascending=wanted.sort is not None and not wanted.sort[1],
        limit=wanted.limit,
        totals=given.boolean("include_totals", default=False),
        events=tuple(name.strip().lower()[:100] for name in given.names("events", MOST_EVENTS)),
        metrics=tuple(counts),
        conditions=tuple(_checked(given, given.conditions())),
    )
    given.check()
    return asked


def _checked(given: Body, found: list[Condition]) -> list[Condition]:
    for one in found:
        allowed = log_conditions.ATTRIBUTES.get(one.attribute)
        if allowed is None:
            given.mistake(f"'{one.attribute}' is not a valid filter predicate attribute")
        elif one.comparator not in allowed:
            words = ", ".join(allowed)
            given.mistake(f"'{one.attribute}' can be compared with {words} only")
    if sum(len(value.encode()) for one in found for value in one.values) > MOST_BYTES:
        given.mistake(f"the values of 'filter' together are longer than {MOST_BYTES} bytes")
    return found


def _filter(asked: Asked, domains: list[Domain], now_us: int) -> Filter:
    """For the store; nothing older than the longest retention is read."""
    kept = max((domain.retention_days for domain in domains), default=0)
    return Filter(
        domains=seen(domains, asked.conditions),
        events=asked.events,
        metrics=asked.metrics,
        begin=max(asked.begin, now_us - kept * DAY_US),
        end=asked.end,
        conditions=tuple(
            one for one in asked.conditions if one.attribute not in {"domain", "subaccount"}
        ),
    )


async def _totals(conn: Connection, asked: Asked, wanted: Filter) -> dict[str, Any]:
    """How many events there are, and how many each of the asked metrics counts."""
    counted = {}
    for name in asked.metrics:
        one = msgspec.structs.replace(wanted, metrics=(name,))
        counted[name] = await event_pages.count(conn, one)
    return {"all": await event_pages.count(conn, wanted), "metrics": counted}


def _pagination(api: Api, asked: Asked, found: Page) -> dict[str, Any]:
    """The tokens of the pages around; none where everything was on the first one."""
    first = asked.cursor is None and not asked.back
    if first and len(found.found) < asked.limit:
        return {}
    places = {
        "previous": found.previous,
        "next": found.following,
        "first": Place(),
        "last": Place(back=True),
    }
    return {name: _sealed(api.vault, asked, place) for name, place in places.items()}


def _mac(vault: Vault, payload: bytes) -> bytes:
    return hmac.digest(vault.key_for_macs("log pages"), payload, hashlib.sha256)[:_MAC]


def _sealed(vault: Vault, asked: Asked, place: Place) -> str:
    cursor = place.cursor if isinstance(place.cursor, TimeCursor) else None
    there = msgspec.structs.replace(
        asked, cursor=cursor, back=place.back, inclusive=place.inclusive
    )
    payload = msgspec.msgpack.encode(there)
    return encode_base64url(_mac(vault, payload) + payload)


def _unsealed(vault: Vault, token: str) -> Asked:
    raw = decode_base64url(token.encode()) if token.isascii() else None
    if raw is None or not hmac.compare_digest(_mac(vault, raw[_MAC:]), raw[:_MAC]):
        raise CallerError("The pagination token is wrong: send one back as it was given")
    try:
        return msgspec.msgpack.decode(raw[_MAC:], type=Asked)
    except msgspec.DecodeError:
        raise CallerError("The pagination token is of another release: start again") from None


def item_json(found: Found, names: dict[int, str]) -> dict[str, Any]:
    """An event as logs show it: the same facts as in the Events API, in other places."""
    item = found.render()
    del item["timestamp"]
    moment = datetime.fromtimestamp(found.event.at / 1_000_000, UTC)
    item["@timestamp"] = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    item["account"] = {"id": ACCOUNT}
    item["domain"] = {"name": names[found.event.domain]}
    item["user-variables"] = json.dumps(item["user-variables"])
    item["flags"] = dict.fromkeys(_FLAGS, False) | item.get("flags", {})
    if "recipient-domain" in item:
        item["recipient-provider"] = provider_of(item["recipient-domain"])
    if "storage" in item:
        item["storage"] = item["storage"] | {"url": [item["storage"].get("url", "")]}
    if "client-info" in item:
        item["client-info"] = item["client-info"] | {"ip": found.event.ip}
    return item
