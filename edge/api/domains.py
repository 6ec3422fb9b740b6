"""``/v3/domains`` and ``/v4/domains``: list, show, add, change, remove.

Both versions are the same handlers: which SDK calls which differs by language.
"""

from typing import Any, Final

from aiohttp import web

from edge.api import params
from edge.api.auth import allow_account
from edge.api.certificates import https_warning
from edge.api.context import API, KEY, Api
from edge.api.domain_json import dns_json, domain_json
from edge.api.params import Params
from edge.api.scope import domain_of
from edge.model.domain import DEFAULT_WEB_PREFIX, Domain, host_name
from edge.model.errors import CallerError, NotFound
from edge.sending.dkim import Signer
from edge.sending.dns_records import Record, records_of
from edge.sending.homes import own_key
from edge.store import credentials, domain_checks, domain_settings, domains
from edge.store.pool import Connection

MOST: Final = 1000
ORDERS: Final = {"": "", "name": "asc", "name:asc": "asc", "name:desc": "desc"}
SPAM_ACTIONS: Final = ("disabled", "block", "tag")
STATES: Final = ("active", "unverified", "disabled")
MAX_SKIP: Final = 10_000_000
LONGEST_TTL: Final = 30 * 86_400
"""Seconds that the API lets a message be tried."""


async def list_domains(request: web.Request) -> web.Response:
    """``GET /v3/domains``: the account's, or the one of the key."""
    given = await params.read(request)
    limit = given.number("limit", 100, low=1, high=MOST)
    skip = given.number("skip", 0, low=0, high=MAX_SKIP)
    order = given.choice("sort", ORDERS, "")
    state = given.choice("state", STATES)
    search = given.text("search", "", longest=253).strip().lower()
    given.check()
    async with request.app[API].connection() as conn:
        total, found = await domain_settings.page(
            conn,
            only=request[KEY].domain,
            search=search,
            order=ORDERS[order],
            limit=limit,
            skip=skip,
        )
    if state not in {None, "active"}:
        total, found = 0, []
    return web.json_response({"total_count": total, "items": [domain_json(*one) for one in found]})


async def dns_records(api: Api, conn: Connection, domain: Domain) -> list[Record]:
    """The records that a domain needs; its DKIM key is made if it has none."""
    key = await own_key(conn, api.vault, domain.number, api.clock.now_us())
    return records_of(domain, api.cname, Signer(domain.name, key.selector, key.private))


async def shown(request: web.Request, conn: Connection, domain: Domain) -> dict[str, Any]:
    """A domain and its records, with what the last look-up of them said; nothing is looked up."""
    settings = await domain_settings.get(conn, domain.number)
    api = request.app[API]
    records = await dns_records(api, conn, domain)
    check = await domain_checks.recent(conn, domain.number, api.clock.now_us())
    return {"domain": domain_json(domain, settings), **dns_json(records, check)}


async def get_domain(request: web.Request) -> web.Response:
    """``GET /v3/domains/{name}``."""
    async with request.app[API].connection() as conn:
        domain = await domain_of(request, conn)
        return web.json_response(await shown(request, conn, domain))


def _tracking_fields(given: Params) -> dict[str, Any]:
    """What of a domain's own row may be given when it is made or changed."""
    fields = {
        "web_prefix": (given.text("web_prefix", "", longest=190).strip().lower() or None),
        "web_scheme": given.choice("web_scheme", ("http", "https")),
        "https_redirect": given.boolean("https_redirect"),
    }
    return {name: value for name, value in fields.items() if value is not None}


def _settings_fields(given: Params) -> dict[str, Any]:
    fields = {
        "spam_action": given.choice("spam_action", SPAM_ACTIONS),
        "wildcard": given.boolean("wildcard"),
        "require_tls": given.boolean("require_tls"),
        "skip_verification": given.boolean("skip_verification"),
        "message_ttl": given.number("message_ttl", low=60, high=LONGEST_TTL),
        "archive_to": given.text("archive_to"),
    }
    return {name: value for name, value in fields.items() if value is not None}


async def _set_postmaster(conn: Connection, domain: Domain, password: str, now_us: int) -> None:
    """``smtp_password`` is the password of the login ``postmaster``, made if it is not there."""
    try:
        await credentials.set_password(conn, domain, "postmaster", password, now_us=now_us)
    except NotFound:
        await credentials.add(conn, domain, "postmaster", password, now_us=now_us)


async def create_domain(request: web.Request) -> web.Response:
    """``POST /v3/domains``; all of it or nothing."""
    allow_account(request)
    given = await params.read(request)
    name = given.text("name", "", required=True, longest=253)
    tracking, settings = _tracking_fields(given), _settings_fields(given)
    password = given.text("smtp_password")
    given.check()
    name = host_name(name)
    wanted = Domain(number=0, name=name, **({"web_prefix": DEFAULT_WEB_PREFIX} | tracking))
    now_us = request.app[API].clock.now_us()
    async with request.app[API].connection() as conn, conn.transaction():
        try:
            taken = not (await domains.get(conn, name)).removed
        except NotFound:
            taken = False
        if taken:
            raise CallerError("This domain name is already taken")
        domain = await domains.add(conn, wanted, now_us=now_us)
        await domain_settings.change(conn, domain.number, **settings)
        if password:
            await _set_postmaster(conn, domain, password, now_us)
        answer = await shown(request, conn, domain)
        if "web_scheme" in tracking:
            answer |= await https_warning(request.app[API], conn, domain)
    return web.json_response({"message": "Domain DNS records have been created", **answer})


async def change_domain(request: web.Request) -> web.Response:
    """``PUT /v3/domains/{name}``; what is not given stays."""
    given = await params.read(request)
    now_us = request.app[API].clock.now_us()
    async with request.app[API].connection() as conn, conn.transaction():
        domain = await domain_of(request, conn)
        tracking, settings = _tracking_fields(given), _settings_fields(given)
        password = given.text("smtp_password")
        given.check()
        if tracking:
            domain = await domains.change(conn, domain.name, now_us, **tracking)
        await domain_settings.change(conn, domain.number, **settings)
        if password:
            await _set_postmaster(conn, domain, password, now_us)
        answer = await shown(request, conn, domain)
        if "web_scheme" in tracking:
            answer |= await https_warning(request.app[API], conn, domain)
    return web.json_response({"message": "Domain has been updated", **answer})


async def delete_domain(request: web.Request) -> web.Response:
    """``DELETE /v3/domains/{name}``: at once, though Mailgun's text says otherwise."""
    async with request.app[API].connection() as conn:
        domain = await domain_of(request, conn)
        allow_account(request)
        await domains.remove(conn, domain.name)
    return web.json_response({"message": "Domain will be deleted in the background"})
