"""``/v3`` and ``/v4/domains/{domain}/webhooks``: whom a domain's events are told to.

Two versions of one thing: version 3 by type, version 4 by URL. Errors have the keys that Mailgun
documents for these paths (``Reason``, ``Description``, ``Field``), and a ``message`` beside them.
"""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, Final

from aiohttp import web

from edge.api import params
from edge.api.context import API, Api
from edge.api.errors import NotAllowed, TooLarge
from edge.api.params import Params
from edge.api.scope import domain_of
from edge.model import webhook_sets
from edge.model.domain import Domain
from edge.model.errors import CallerError, NotFound
from edge.model.webhook import (
    LONGEST_URL,
    MOST_URLS,
    TYPES,
    checked_types,
    checked_url,
    full_url,
    sealed,
)
from edge.model.webhook_sets import MISSING, Webhooks
from edge.store import webhooks
from edge.store.pool import Connection
from edge.webhooks.dispatch import made_key
from edge.webhooks.samples import sample
from edge.webhooks.signature import TOKEN_BYTES

CREATED: Final = "Webhook has been created"
UPDATED: Final = "Webhook has been updated"
DELETED: Final = "Webhook has been deleted"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def refused(status: int, key: str, text: str) -> web.Response:
    """An error with Mailgun's key for it, and as everywhere a ``message``."""
    return web.json_response({key: text, "message": text}, status=status)


def with_reasons(handler: Handler) -> Handler:
    """What the caller did wrong, as these paths tell it; first of all whose domain it is."""

    @wraps(handler)
    async def guarded(request: web.Request) -> web.StreamResponse:
        if "name" in request.match_info:
            async with request.app[API].connection() as conn:
                await domain_of(request, conn)
        try:
            return await handler(request)
        except NotFound as error:
            if str(error) != MISSING:
                raise
            return refused(404, "Description", MISSING)
        except (NotAllowed, TooLarge):
            raise
        except CallerError as error:
            return refused(400, "Reason", str(error))

    return guarded


def urls_of(given: Params, *, most: int) -> list[str]:
    """The URLs of a request, checked, each once; raises CallerError."""
    texts = [text for text in given.fields.texts.get("url", []) if text.strip()]
    if not texts:
        raise CallerError("url is missing")
    if len(texts) > most:
        raise CallerError(f"url is given {len(texts)} times; at most {most} are taken")
    return list(dict.fromkeys(map(checked_url, texts)))


def types_of(given: Params) -> tuple[str, ...]:
    """The types of a request, repeated or comma separated; raises CallerError."""
    texts = given.texts("event_types", longest=200, most=100)
    given.check()
    names = [name for text in texts for name in text.split(",") if name.strip()]
    if not names:
        raise CallerError("event_types is missing")
    return checked_types(names)


def _kind(request: web.Request) -> str:
    name = request.match_info["type"].lower()
    if name not in TYPES:
        raise NotFound(MISSING)
    return name


async def read_set(conn: Connection, api: Api, domain: Domain) -> Webhooks:
    """A domain's webhooks by full URL."""
    found = await webhooks.of_domain(conn, domain.number)
    return {full_url(api.vault, one.endpoint.address): one.types for one in found}


async def _changed(
    request: web.Request, change: Callable[[Webhooks], Webhooks]
) -> tuple[Webhooks, Webhooks]:
    """A domain's webhooks before and after a change."""
    api = request.app[API]
    async with api.connection() as conn:
        domain = await domain_of(request, conn)
        account = await webhooks.account_of(conn, domain.number)
        async with conn.transaction():
            await webhooks.lock(conn, account)
            have = await read_set(conn, api, domain)
            want = change(have)
            addresses = {sealed(api.vault, url): types for url, types in want.items()}
            now_us = api.clock.now_us()
            await webhooks.set_domain(conn, account, domain.number, addresses, now_us=now_us)
    return have, want


def _shown(have: Webhooks) -> dict[str, Any]:
    return {kind: {"urls": urls} for kind, urls in webhook_sets.by_type(have).items()}


async def list_webhooks(request: web.Request) -> web.Response:
    """``GET /v3/domains/{domain}/webhooks``."""
    api = request.app[API]
    async with api.connection() as conn:
        have = await read_set(conn, api, await domain_of(request, conn))
    return web.json_response({"webhooks": _shown(have)})


async def get_webhook(request: web.Request) -> web.Response:
    """``GET …/webhooks/{type}``."""
    api = request.app[API]
    async with api.connection() as conn:
        have = await read_set(conn, api, await domain_of(request, conn))
    shown = _shown(have).get(_kind(request))
    if shown is None:
        raise NotFound(MISSING)
    return web.json_response({"webhook": shown})


async def create_webhook(request: web.Request) -> web.Response:
    """``POST /v3/domains/{domain}/webhooks``: ``id`` is the type.

    mailgun-python sends what is meant for version 4 here as well: then it is taken as that.
    """
    given = await params.read(request)
    if given.has("event_types") and not given.has("id"):
        return await _create_by_url(request, given)
    name = given.text("id", required=True, longest=100) or ""
    given.check()
    kind = checked_types([name])[0]
    urls = urls_of(given, most=MOST_URLS)
    _, want = await _changed(request, lambda have: webhook_sets.create_type(have, kind, urls))
    return web.json_response({"message": CREATED, "webhook": _shown(want)[kind]})


async def change_webhook(request: web.Request) -> web.Response:
    """``PUT …/webhooks/{type}``: these URLs instead."""
    given = await params.read(request)
    kind = _kind(request)
    urls = urls_of(given, most=MOST_URLS)
    _, want = await _changed(request, lambda have: webhook_sets.replace_type(have, kind, urls))
    return web.json_response({"message": UPDATED, "webhook": _shown(want)[kind]})


async def delete_webhook(request: web.Request) -> web.Response:
    """``DELETE …/webhooks/{type}``."""
    kind = _kind(request)
    have, _ = await _changed(request, lambda have: webhook_sets.remove_type(have, kind))
    return web.json_response({"message": DELETED, "webhook": _shown(have)[kind]})


async def create_by_url(request: web.Request) -> web.Response:
    """``POST /v4/domains/{domain}/webhooks``: one URL for these types."""
    return await _create_by_url(request, await params.read(request))


async def _create_by_url(request: web.Request, given: Params) -> web.Response:
    (url,), kinds = urls_of(given, most=1), types_of(given)
    _, want = await _changed(request, lambda have: webhook_sets.create_url(have, url, kinds))
    return web.json_response({"webhooks": _shown(want)})


async def change_by_url(request: web.Request) -> web.Response:
    """``PUT /v4/domains/{domain}/webhooks`` (or v3): these types instead for one URL."""
    given = await params.read(request)
    (url,), kinds = urls_of(given, most=1), types_of(given)
    _, want = await _changed(request, lambda have: webhook_sets.replace_url(have, url, kinds))
    return web.json_response({"webhooks": _shown(want)})


async def delete_by_url(request: web.Request) -> web.Response:
    """``DELETE /v4/domains/{domain}/webhooks?url=a,b`` (or v3): these URLs for no type any more."""
    given = await params.read(request)
    texts = given.texts("url", longest=100 * LONGEST_URL, most=100)
    given.check()
    asked = [part for text in texts for part in (text, *text.split(",")) if part.strip()]
    if not asked:
        return web.json_response({"Field": "url", "message": "url is missing"}, status=400)
    urls = []
    for text in dict.fromkeys(asked):
        try:
            urls.append(checked_url(text))
        except CallerError:
            continue  # it cannot be one of ours
    _, want = await _changed(request, lambda have: webhook_sets.remove_urls(have, urls))
    return web.json_response({"webhooks": _shown(want)})


async def test_webhook(request: web.Request) -> web.Response:
    """``PUT …/webhooks/{type}/test``: a made-up event for ``url``, or else for the type's URLs."""
    given = await params.read(request)
    api, kind = request.app[API], _kind(request)
    async with api.connection() as conn:
        domain = await domain_of(request, conn)
        have = await read_set(conn, api, domain)
        account = await webhooks.account_of(conn, domain.number)
        now_us = api.clock.now_us()
        key = await webhooks.signing_key(conn, api.vault, account, made_key(), now_us=now_us)
    urls = webhook_sets.by_type(have).get(kind, [])
    if given.has("url"):
        urls = urls_of(given, most=1)
    if not urls:
        raise NotFound(MISSING)
    event = sample(kind, domain.name, now_us, api.entropy(16))
    async with api.posting() as poster:
        got = await poster.post(urls[0], key, token=api.entropy(TOKEN_BYTES).hex(), event=event)
    if got.status is None:
        raise CallerError(f"{urls[0]} was not reached: {got.error}")
    text = f"{urls[0]} answered with {got.status} after {got.duration_ms} ms"
    return web.json_response({"code": got.status, "message": text})
