"""The panel's users, for owners."""

import secrets
from typing import Final

from aiohttp import web

from edge.model.errors import CallerError
from edge.panel import forms, rendering
from edge.panel.context import PANEL, SESSION, SUBJECT
from edge.store import panel_users
from edge.store.panel_users import Role

DONE: Final = {
    "role": "The role is changed, and that user's sessions have ended.",
    "removed": "The user is removed, and their sessions have ended.",
}
MADE_BYTES: Final = 15


async def _page(
    request: web.Request, *, error: str = "", status: int = 200, made: tuple[str, str] | None = None
) -> web.Response:
    async with request.app[PANEL].connection() as conn:
        found = await panel_users.list_users(conn)
    return rendering.render(
        request,
        "users.html",
        status=status,
        error=error,
        done=DONE.get(request.query.get("done", ""), ""),
        users=found,
        roles=[role.value for role in Role],
        made=made,
    )


async def show(request: web.Request) -> web.Response:
    """``GET /users``."""
    return await _page(request)


async def add(request: web.Request) -> web.Response:
    """``POST /users/add``: with a password that is shown once."""
    panel, given = request.app[PANEL], await forms.body(request)
    name, role = given.text("name", ""), given.choice("role", [one.value for one in Role], "")
    request[SUBJECT] = f"{name} ({role})"
    password = secrets.token_urlsafe(MADE_BYTES)
    try:
        given.check()
        async with panel.connection() as conn:
            user = await panel_users.add(
                conn, name, Role(role or Role.ANALYST), password, now_us=panel.clock.now_us()
            )
    except CallerError as error:
        return await _page(request, error=str(error), status=400)
    return await _page(request, made=(user.name, password))


async def change_role(request: web.Request) -> web.Response:
    """``POST /users/role``."""
    panel, given = request.app[PANEL], await forms.body(request)
    name, role = given.text("name", ""), given.choice("role", [one.value for one in Role], "")
    request[SUBJECT] = f"{name} ({role})"
    try:
        given.check()
        async with panel.connection() as conn:
            user = await panel_users.get(conn, name)
            await panel_users.set_role(conn, user, Role(role), now_us=panel.clock.now_us())
    except (CallerError, ValueError) as error:
        return await _page(request, error=str(error), status=400)
    raise web.HTTPSeeOther("/users?done=role")


async def reset(request: web.Request) -> web.Response:
    """``POST /users/reset``: a new password, shown once; the second factor goes too."""
    panel, given = request.app[PANEL], await forms.body(request)
    name = given.text("name", "")
    request[SUBJECT] = name
    password = secrets.token_urlsafe(MADE_BYTES)
    now = panel.clock.now_us()
    try:
        given.check()
        async with panel.connection() as conn:
            user = await panel_users.get(conn, name)
            if user.id == request[SESSION].user:
                raise CallerError("Change your own password on the page of your account.")
            await panel_users.reset(conn, user, password, now_us=now)
    except CallerError as error:
        return await _page(request, error=str(error), status=400)
    return await _page(request, made=(user.name, password))


async def remove(request: web.Request) -> web.Response:
    """``POST /users/remove``."""
    panel, given = request.app[PANEL], await forms.body(request)
    name = given.text("name", "")
    request[SUBJECT] = name
    try:
        given.check()
        async with panel.connection() as conn:
            await panel_users.remove(conn, await panel_users.get(conn, name))
    except CallerError as error:
        return await _page(request, error=str(error), status=400)
    raise web.HTTPSeeOther("/users?done=removed")
