"""API keys and SMTP logins of a domain, for owners. A secret is shown once, when it is made."""

import secrets
from typing import Final
from urllib.parse import quote

from aiohttp import web

from edge.model.errors import CallerError, NotFound
from edge.panel import domain_choice, forms, rendering
from edge.panel.context import PANEL, SUBJECT
from edge.store import api_keys, credentials
from edge.store.api_keys import Role

MADE_BYTES: Final = 24
DONE: Final = {
    "revoked": "The key is revoked; a running server refuses it within five seconds.",
    "removed": "The login is removed.",
}
_DAY_US: Final = 86_400_000_000


async def _page(
    request: web.Request,
    *,
    error: str = "",
    status: int = 200,
    made: tuple[str, str, str] | None = None,
) -> web.Response:
    """``made`` is what was made, its name, and its secret."""
    panel = request.app[PANEL]
    async with panel.connection() as conn:
        domain = await domain_choice.named(conn, request.match_info["name"])
        keys = [
            key for key in await api_keys.list_keys(conn) if key.domain in {None, domain.number}
        ]
        logins = await credentials.list_credentials(conn, domain)
    now = panel.clock.now_us()
    return rendering.render(
        request,
        "keys.html",
        status=status,
        error=error,
        done=DONE.get(request.query.get("done", ""), ""),
        domain=domain,
        keys=[(key, key.state(now)) for key in keys if key.revoked_at is None],
        logins=logins,
        roles=[role.value for role in Role],
        made=made,
        smtp=panel.smtp,
    )


def _back(request: web.Request, done: str) -> web.HTTPSeeOther:
    return web.HTTPSeeOther(f"/domains/{quote(request.match_info['name'])}/keys?done={done}")


async def show(request: web.Request) -> web.Response:
    """``GET …/keys``."""
    return await _page(request)


async def add_key(request: web.Request) -> web.Response:
    """``POST …/keys``: for this domain, or for the whole account."""
    panel, given = request.app[PANEL], await forms.body(request)
    name = given.text("name", "", longest=api_keys.LONGEST_NAME)
    role = given.choice("role", [one.value for one in Role], Role.SENDING.value)
    days = given.number("days", low=1, high=3650)
    everywhere = given.has("account")
    request[SUBJECT] = f"{name} ({role}{', whole account' if everywhere else ''})"
    now = panel.clock.now_us()
    try:
        given.check()
        async with panel.connection() as conn:
            domain = await domain_choice.named(conn, request.match_info["name"])
            key, _ = await api_keys.create(
                conn,
                name,
                now_us=now,
                role=Role(role),
                domain=None if everywhere else domain.name,
                expires_at=None if days is None else now + days * _DAY_US,
            )
    except CallerError as error:
        return await _page(request, error=str(error), status=400)
    return await _page(request, made=("API key", name, key))


async def revoke_key(request: web.Request) -> web.Response:
    """``POST …/keys/revoke``: a key that this page shows."""
    panel, given = request.app[PANEL], await forms.body(request)
    number = given.number("id", 0, low=1, high=2**31 - 1)
    request[SUBJECT] = str(number)
    try:
        given.check()
        async with panel.connection() as conn:
            domain = await domain_choice.named(conn, request.match_info["name"])
            mine = {
                key.id
                for key in await api_keys.list_keys(conn)
                if key.domain in {None, domain.number}
            }
            if number not in mine:
                raise NotFound("This domain has no such key.")
            await api_keys.revoke(conn, number, now_us=panel.clock.now_us())
    except CallerError as error:
        return await _page(request, error=str(error), status=400)
    raise _back(request, "revoked")


async def _login(request: web.Request, *, reset: bool) -> web.Response:
    panel, given = request.app[PANEL], await forms.body(request)
    login = given.text("login", "", longest=320)
    request[SUBJECT] = login
    password = secrets.token_urlsafe(MADE_BYTES)
    now = panel.clock.now_us()
    try:
        given.check()
        async with panel.connection() as conn:
            domain = await domain_choice.named(conn, request.match_info["name"])
            act = credentials.set_password if reset else credentials.add
            whole = await act(conn, domain, login, password, now_us=now)
    except CallerError as error:
        return await _page(request, error=str(error), status=400)
    return await _page(request, made=("SMTP password", whole, password))


async def add_login(request: web.Request) -> web.Response:
    """``POST …/logins``."""
    return await _login(request, reset=False)


async def reset_login(request: web.Request) -> web.Response:
    """``POST …/logins/reset``: a new password for a login that is there."""
    return await _login(request, reset=True)


async def remove_login(request: web.Request) -> web.Response:
    """``POST …/logins/remove``."""
    given = await forms.body(request)
    login = given.text("login", "", longest=320)
    request[SUBJECT] = login
    try:
        given.check()
        async with request.app[PANEL].connection() as conn:
            domain = await domain_choice.named(conn, request.match_info["name"])
            await credentials.remove(conn, domain, login)
    except CallerError as error:
        return await _page(request, error=str(error), status=400)
    raise _back(request, "removed")
