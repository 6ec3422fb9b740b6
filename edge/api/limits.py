"""How fast a key may ask: three budgets, of which each call draws on one.

Sending draws on one of its own, because a customer's nightly newsletter must not keep the poller of
their events out, nor the other way round; so do queries below ``/v1/analytics/``, each of which may
read millions of events (Mailgun: 500 in 10 s). Everything else shares the third. A call above its
budget is a 429 before anything is read of its body.
"""

import math
import re
from enum import StrEnum
from typing import Final

from aiohttp import web

from edge.api.context import API, KEY, Api
from edge.api.errors import TooMany
from edge.observe import metrics
from edge.throttle import Bucket

_SENDING: Final = re.compile(r"/v3/(domains/)?[^/]+/messages(\.mime|/[^/]+)?")
_SUPPRESSIONS: Final = re.compile(r"/v3/[^/]+/(bounces|unsubscribes|complaints|whitelists)(/.*)?")
_ANALYTICS: Final = "/v1/analytics/"


class Budget(StrEnum):
    """What a call draws on."""

    REQUESTS = "requests"
    SENDING = "sending"
    ANALYTICS = "analytics"


def budget_of(method: str, path: str) -> Budget:
    """Which budget a request draws on."""
    if path.startswith(_ANALYTICS):
        return Budget.ANALYTICS
    if method == "POST" and _SENDING.fullmatch(path):
        return Budget.SENDING
    return Budget.REQUESTS


def _bucket(api: Api, budget: Budget) -> Bucket:
    match budget:
        case Budget.SENDING:
            return api.sends
        case Budget.ANALYTICS:
            return api.queries
        case Budget.REQUESTS:
            return api.requests


def draw(request: web.Request, api: Api) -> None:
    """Take one for the key of the request; raises TooMany when it has to wait."""
    budget = budget_of(request.method, request.path)
    wait = _bucket(api, budget).take(str(request[KEY].id))
    if not wait:
        return
    metrics.API_LIMITED.labels(budget=budget.value).inc()
    if budget is Budget.SENDING:
        name = request.match_info.get("name", "")
        raise TooMany(
            f"Domain {name} is not allowed to send: account-requests-per-sec limit exceeded, "
            f"try again after {math.ceil(wait)} seconds",
            wait,
        )
    raise TooMany("Too many requests with this API key; try again later", wait)


async def tell(request: web.Request, response: web.StreamResponse) -> None:
    """The headers that every answer of the API has; a signal handler, for errors and files too.

    Of what is left Mailgun tells in two ways: ``X-RateLimit-*`` where messages are sent, and
    ``X-Request-*`` with suppressions. ``X-RateLimit-Reset`` is left out: the real service gives
    milliseconds, and Go's client reads seconds. No header is for browsers of other origins, and
    HSTS is the proxy's to set: it would bind all ports of the host name.
    """
    key = request.get(KEY)
    if key is None:
        return
    headers = response.headers
    headers.setdefault("Cache-Control", "no-store")
    headers["X-Content-Type-Options"] = "nosniff"
    headers["X-Mailgun-Key-Id"] = str(key.id)
    api = request.config_dict[API]
    budget = budget_of(request.method, request.path)
    bucket, name = _bucket(api, budget), str(key.id)
    if not bucket.limit:
        return
    told = {"Limit": bucket.limit, "Remaining": bucket.left(name)}
    if budget is Budget.SENDING:
        headers.update({f"X-RateLimit-{word}": str(value) for word, value in told.items()})
    elif _SUPPRESSIONS.fullmatch(request.path):
        told["Reset"] = round((api.clock.now() + bucket.full_in(name)) * 1000)
        headers.update({f"X-Request-{word}": str(value) for word, value in told.items()})
