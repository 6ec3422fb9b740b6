"""``/v3/domains/{name}/credentials``: the SMTP logins of a domain."""

import secrets
from typing import Any, Final

from aiohttp import web

from edge.api import params
from edge.api.context import API
from edge.api.params import rfc1123
from edge.api.scope import domain_of
from edge.store import credentials
from edge.store.credentials import Credential

MADE_BYTES: Final = 24
"""Random bytes in a password that is made here."""


def _as_json(credential: Credential) -> dict[str, Any]:
    return {
        "mailbox": credential.login,
        "login": credential.login,
        "size_bytes": None,
        "created_at": rfc1123(credential.created_at),
    }


async def list_credentials(request: web.Request) -> web.Response:
    """``GET …/credentials``."""
    given = await params.read(request)
    async with request.app[API].connection() as conn:
        domain = await domain_of(request, conn)
        limit = given.number("limit", 100, low=1, high=1000)
        skip = given.number("skip", 0, low=0, high=1_000_000)
        given.check()
        total = await credentials.count(conn, domain)
        found = await credentials.list_credentials(conn, domain, limit=limit, skip=skip)
    return web.json_response({"total_count": total, "items": [_as_json(one) for one in found]})


async def create_credential(request: web.Request) -> web.Response:
    """``POST …/credentials``: ``login`` (or ``mailbox``) and ``password``; made here if missing."""
    given = await params.read(request)
    api = request.app[API]
    async with api.connection() as conn:
        domain = await domain_of(request, conn)
        name = "login" if given.has("login") or not given.has("mailbox") else "mailbox"
        login = given.text(name, "", required=True, longest=320)
        password = given.text("password")
        given.check()
        chosen = password or secrets.token_urlsafe(MADE_BYTES)
        whole = await credentials.add(conn, domain, login, chosen, now_us=api.clock.now_us())
    body: dict[str, Any] = {"message": "Created 1 credentials pair(s)"}
    if not password:
        body["note"] = "This password is shown once; set another if it is lost"
        body["credentials"] = {whole: chosen}
    return web.json_response(body)


async def change_password(request: web.Request) -> web.Response:
    """``PUT …/credentials/{login}``: ``password``."""
    given = await params.read(request)
    api = request.app[API]
    async with api.connection() as conn:
        domain = await domain_of(request, conn)
        password = given.text("password", "", required=True)
        given.check()
        login = request.match_info["login"]
        now_us = api.clock.now_us()
        await credentials.set_password(conn, domain, login, password, now_us=now_us)
    return web.json_response({"message": "Password changed"})


async def delete_credential(request: web.Request) -> web.Response:
    """``DELETE …/credentials/{login}``."""
    async with request.app[API].connection() as conn:
        domain = await domain_of(request, conn)
        gone = await credentials.remove(conn, domain, request.match_info["login"])
    return web.json_response({"message": "Credentials have been deleted", "spec": gone})


async def delete_credentials(request: web.Request) -> web.Response:
    """``DELETE …/credentials``: all of them."""
    async with request.app[API].connection() as conn:
        await credentials.remove_all(conn, await domain_of(request, conn))
    return web.json_response({"message": "All domain credentials have been deleted"})
