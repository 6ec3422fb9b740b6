"""``/v1/webhooks``: webhooks of all domains together; and the key that signs all of them.

For keys of the account only. The signing key is a secret, so whoever may only look does not see it.
"""

from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

from edge.api import params
from edge.api.auth import allow_account
from edge.api.context import API, Api
from edge.api.params import Params
from edge.api.webhooks import DELETED, UPDATED, types_of, urls_of
from edge.model.errors import CallerError, NotFound
from edge.model.webhook import Webhook, checked_key, full_url, sealed
from edge.model.webhook_sets import MISSING
from edge.store import webhooks
from edge.store.pool import Connection
from edge.webhooks.dispatch import made_key
from edge.webhooks.places import ACCOUNT, LONGEST_DESCRIPTION, check_room

REGENERATED: Final = "regenerated HTTP signing key for account"


def _shown(api: Api, one: Webhook) -> dict[str, Any]:
    made = datetime.fromtimestamp(one.created_at // 1_000_000, UTC)
    return {
        "webhook_id": one.key,
        "description": one.description,
        "url": full_url(api.vault, one.endpoint.address),
        "event_types": list(one.types),
        "created_at": made.isoformat().replace("+00:00", "Z"),
    }


async def _one(request: web.Request, conn: Connection) -> Webhook:
    for one in await webhooks.of_account(conn, ACCOUNT):
        if one.key == request.match_info["id"]:
            return one
    raise NotFound(MISSING)


def _ids(given: Params) -> set[str]:
    texts = given.texts("webhook_ids", longest=5_000, most=100)
    given.check()
    return {part.strip() for text in texts for part in text.split(",") if part.strip()}


def _description(given: Params, default: str) -> str:
    text = given.text("description", default, longest=LONGEST_DESCRIPTION, lines=True)
    given.check()
    return text


async def list_webhooks(request: web.Request) -> web.Response:
    """``GET /v1/webhooks``, all or those of ``webhook_ids``."""
    allow_account(request)
    given = await params.read(request)
    wanted, api = _ids(given), request.app[API]
    async with api.connection() as conn:
        found = await webhooks.of_account(conn, ACCOUNT)
    shown = [_shown(api, one) for one in found if not wanted or one.key in wanted]
    return web.json_response({"webhooks": shown})


async def get_webhook(request: web.Request) -> web.Response:
    """``GET /v1/webhooks/{id}``."""
    allow_account(request)
    api = request.app[API]
    async with api.connection() as conn:
        return web.json_response(_shown(api, await _one(request, conn)))


def _check_new(have: list[Webhook], url: str, address: Any, but: int | None = None) -> None:
    if any(one.endpoint.address == address and one.number != but for one in have):
        raise CallerError(f"Webhook with URL '{url}' already exists")


async def create_webhook(request: web.Request) -> web.Response:
    """``POST /v1/webhooks``: ``url``, ``event_types`` and a ``description``."""
    allow_account(request)
    given = await params.read(request)
    (url,), kinds, description = urls_of(given, most=1), types_of(given), _description(given, "")
    api = request.app[API]
    address, key = sealed(api.vault, url), f"wh_{api.entropy(16).hex()}"
    async with api.connection() as conn, conn.transaction():
        await webhooks.lock(conn, ACCOUNT)
        have = await webhooks.of_account(conn, ACCOUNT)
        _check_new(have, url, address)
        check_room(have)
        await webhooks.add_account(
            conn,
            ACCOUNT,
            address,
            kinds,
            key=key,
            description=description,
            now_us=api.clock.now_us(),
        )
    return web.json_response({"webhook_id": key})


async def change_webhook(request: web.Request) -> web.Response:
    """``PUT /v1/webhooks/{id}``: what is given is changed, the rest stays."""
    allow_account(request)
    given = await params.read(request)
    api = request.app[API]
    async with api.connection() as conn, conn.transaction():
        await webhooks.lock(conn, ACCOUNT)
        one = await _one(request, conn)
        address = one.endpoint.address
        if given.has("url"):
            url = urls_of(given, most=1)[0]
            address = sealed(api.vault, url)
            _check_new(await webhooks.of_account(conn, ACCOUNT), url, address, one.number)
        kinds = types_of(given) if given.has("event_types") else one.types
        description = _description(given, one.description)
        now_us = api.clock.now_us()
        await webhooks.change_account(conn, one, address, kinds, description, now_us=now_us)
    return web.json_response({"message": UPDATED, "webhook_id": one.key})


async def delete_webhook(request: web.Request) -> web.Response:
    """``DELETE /v1/webhooks/{id}``."""
    allow_account(request)
    async with request.app[API].connection() as conn, conn.transaction():
        await webhooks.lock(conn, ACCOUNT)
        one = await _one(request, conn)
        await webhooks.remove(conn, [one])
    return web.json_response({"message": DELETED, "webhook_id": one.key})


async def delete_webhooks(request: web.Request) -> web.Response:
    """``DELETE /v1/webhooks``: those of ``webhook_ids``, or with ``all=true`` all of them."""
    allow_account(request)
    given = await params.read(request)
    wanted, every = _ids(given), given.boolean("all", False)
    given.check()
    if bool(wanted) == every:
        raise CallerError("Give webhook_ids, or all=true to remove every webhook of the account")
    async with request.app[API].connection() as conn, conn.transaction():
        await webhooks.lock(conn, ACCOUNT)
        have = await webhooks.of_account(conn, ACCOUNT)
        gone = [one for one in have if every or one.key in wanted]
        if not gone and wanted:
            raise NotFound(MISSING)
        await webhooks.remove(conn, gone)
    return web.json_response({"message": DELETED, "webhook_ids": [one.key for one in gone]})


async def get_key(request: web.Request) -> web.Response:
    """``GET /v5/accounts/http_signing_key``; with the replaced one while that goes on signing."""
    allow_account(request)
    api = request.app[API]
    now_us = api.clock.now_us()
    async with api.connection() as conn:
        key = await webhooks.signing_key(conn, api.vault, ACCOUNT, made_key(), now_us=now_us)
    key = key.at(now_us)
    body: dict[str, Any] = {"message": "success", "http_signing_key": key.current}
    if key.previous is not None:
        body["previous"] = {
            "http_signing_key": key.previous,
            "until": key.previous_until // 1_000_000,
        }
    return web.json_response(body)


async def new_key(request: web.Request) -> web.Response:
    """``POST /v5/accounts/http_signing_key``: a new key, or the one given as that name.

    ``grace`` are the seconds for which the replaced one goes on signing.
    """
    allow_account(request)
    given = await params.read(request)
    api = request.app[API]
    text = given.text("http_signing_key", "")
    grace = given.number("grace", api.key_grace, low=0, high=30 * 86_400)
    given.check()
    key = checked_key(text) if text else made_key()
    now_us = api.clock.now_us()
    until = now_us + grace * 1_000_000 if grace else None
    async with api.connection() as conn, conn.transaction():
        await webhooks.lock(conn, ACCOUNT)
        await webhooks.set_key(conn, api.vault, ACCOUNT, key, now_us=now_us, until=until)
    return web.json_response({"message": REGENERATED, "http_signing_key": key})
