"""One's own account: password, second factor, sessions."""

from typing import Final

import pyotp
import segno
from aiohttp import web

from edge.model.errors import CallerError, OperatorError
from edge.panel import forms, rendering
from edge.panel.context import PANEL, SESSION
from edge.panel.guard import Forbidden, network
from edge.store import panel_sessions, panel_users
from edge.store.panel_users import User
from edge.store.pool import Connection

ISSUER: Final = "Tracking edge"
DONE: Final = {
    "password": "Your password is changed, and your other sessions have ended.",
    "totp": "From now on a code is asked for when you log in.",
    "totp-off": "No code is asked for any more.",
    "sessions": "Your other sessions have ended.",
}
_SEALING: Final = "panel second factor to be confirmed"


async def _me(request: web.Request, conn: Connection) -> User:
    return await panel_users.get(conn, request[SESSION].name)


async def _page(
    request: web.Request, *, error: str = "", status: int = 200, secret: str = ""
) -> web.Response:
    panel, session = request.app[PANEL], request[SESSION]
    async with panel.connection() as conn:
        user = await _me(request, conn)
        lines = await panel_sessions.list_sessions(conn, session.user, now_us=panel.clock.now_us())
    picture = sealed = ""
    if secret:
        uri = pyotp.TOTP(secret).provisioning_uri(name=session.name, issuer_name=ISSUER)
        picture = segno.make(uri, error="m").svg_data_uri(scale=5, border=3, light="#fff")
        sealed = panel.vault.seal(f"{_SEALING}:{session.user}", secret.encode()).hex()
    return rendering.render(
        request,
        "account.html",
        status=status,
        error=error,
        done=DONE.get(request.query.get("done", ""), ""),
        user=user,
        sessions=lines,
        mine=session.digest,
        secret=secret,
        sealed=sealed,
        picture=picture,
    )


async def show(request: web.Request) -> web.Response:
    """``GET /account``."""
    return await _page(request)


async def _proved(request: web.Request, conn: Connection, password: str) -> None:
    """Whoever sits down at an open session does not take the account over: the password again."""
    panel, bucket = request.app[PANEL], f"address {network(request)}"
    if panel.failed.take(bucket):
        raise Forbidden("Too many failed attempts; try again in a minute.")
    if not await panel_users.has_password(conn, request[SESSION].name, password):
        raise CallerError("That is not your password.")
    panel.failed.give_back(bucket)


async def change_password(request: web.Request) -> web.Response:
    """``POST /account/password``."""
    panel, given = request.app[PANEL], await forms.body(request)
    old, new, again = (given.text(name, "", longest=1_000) for name in ("old", "new", "again"))
    try:
        given.check()
        if new != again:
            raise CallerError("The two new passwords differ.")
        async with panel.connection() as conn:
            await _proved(request, conn, old)
            await panel_users.set_password(
                conn,
                await _me(request, conn),
                new,
                now_us=panel.clock.now_us(),
                keep=request[SESSION].digest,
            )
    except CallerError as error:
        return await _page(request, error=str(error), status=400)
    raise web.HTTPSeeOther("/account?done=password")


async def begin_totp(request: web.Request) -> web.Response:
    """``POST /account/totp``: a secret to put into an authenticator; nothing is set yet."""
    return await _page(request, secret=panel_users.new_secret())


async def confirm_totp(request: web.Request) -> web.Response:
    """``POST /account/totp/confirm``: sets the second factor once a code of it was right."""
    panel, given = request.app[PANEL], await forms.body(request)
    purpose = f"{_SEALING}:{request[SESSION].user}"
    try:
        secret = panel.vault.open(purpose, bytes.fromhex(given.text("sealed", ""))).decode()
    except (OperatorError, ValueError):  # no hexadecimal, too short, or not what we sealed
        raise CallerError("This form has ended: begin again.") from None
    now = panel.clock.now_us()
    try:
        code, password = given.text("code", "", longest=20), given.text("password", "")
        given.check()
        if panel_users.step_of(secret, code, now) is None:
            raise CallerError("That code is wrong: is the clock of your device right?")
        async with panel.connection() as conn:
            await _proved(request, conn, password)
            await panel_users.set_totp(
                conn, panel.vault, await _me(request, conn), secret, now_us=now
            )
    except CallerError as error:
        return await _page(request, error=str(error), status=400, secret=secret)
    raise web.HTTPSeeOther("/account?done=totp")


async def end_totp(request: web.Request) -> web.Response:
    """``POST /account/totp/off``."""
    panel, given = request.app[PANEL], await forms.body(request)
    try:
        password = given.text("password", "")
        given.check()
        async with panel.connection() as conn:
            await _proved(request, conn, password)
            user = await _me(request, conn)
            await panel_users.set_totp(conn, panel.vault, user, None, now_us=panel.clock.now_us())
    except CallerError as error:
        return await _page(request, error=str(error), status=400)
    raise web.HTTPSeeOther("/account?done=totp-off")


async def end_sessions(request: web.Request) -> web.Response:
    """``POST /account/sessions/end``: everywhere but here."""
    session = request[SESSION]
    async with request.app[PANEL].connection() as conn:
        await panel_sessions.end_all(conn, session.user, keep=session.digest)
    raise web.HTTPSeeOther("/account?done=sessions")
