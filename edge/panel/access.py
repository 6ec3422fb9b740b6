"""Coming in and going out: the first run, logging in, logging out."""

from typing import Final
from urllib.parse import urlsplit

import structlog
from aiohttp import hdrs, web

from edge.model.errors import CallerError
from edge.panel import forms, guard, rendering
from edge.panel.context import PANEL, SESSION, SUBJECT
from edge.store import panel_audit, panel_sessions, panel_users
from edge.store.pool import Connection

log = structlog.get_logger()

START: Final = "/overview"
"""Where somebody lands who did not ask for a page."""

WRONG: Final = "The name, the password or the code is wrong."
LONGEST_NEXT: Final = 4_000


def safe_next(text: str) -> str:
    """A path of this panel to go on to; the start for anything else."""
    parts = urlsplit(text) if len(text) <= LONGEST_NEXT and text.isprintable() else None
    own = parts is not None and not parts.scheme and not parts.netloc
    return text if own and text.startswith("/") and text[1:2] not in {"/", "\\"} else START


async def start(request: web.Request) -> web.Response:
    """``GET /``."""
    raise web.HTTPSeeOther(START)


async def show_login(request: web.Request) -> web.Response:
    """``GET /login``."""
    target = safe_next(request.query.get("next", ""))
    if SESSION in request:
        raise web.HTTPSeeOther(target)
    panel = request.app[PANEL]
    async with panel.connection() as conn:
        empty = not await panel_users.exist(conn)
    said = "out" if "out" in request.query else ""
    return rendering.render(request, "login.html", next=target, name="", empty=empty, done=said)


async def login(request: web.Request) -> web.Response:
    """``POST /login``. Failed attempts are counted by address and by name.

    Each is counted before it is looked at, so that many at the same time are many too.
    """
    panel, given = request.app[PANEL], await forms.body(request)
    name = given.text("name", "", longest=panel_users.LONGEST_NAME).strip().lower()
    password = given.text("password", "", longest=panel_users.LONGEST)
    code = given.text("code", "", longest=20)
    target = safe_next(given.text("next", "", longest=LONGEST_NEXT))
    buckets = (f"address {guard.network(request)}", f"name {name}")
    request[SUBJECT] = name

    def again(text: str, status: int, *, ask_code: bool = False) -> web.Response:
        return rendering.render(
            request,
            "login.html",
            status=status,
            error=text,
            next=target,
            name=name,
            empty=False,
            ask_code=ask_code,
        )

    if wait := max(panel.failed.take(bucket) for bucket in buckets):
        response = again("Too many failed attempts; try again in a minute.", 429)
        response.headers[hdrs.RETRY_AFTER] = str(int(wait) + 1)
        return response
    async with panel.logins, panel.connection() as conn:
        now = panel.clock.now_us()
        proof = await panel_users.prove(conn, panel.vault, name, password, code, now_us=now)
        if proof.code_missing or proof.user is not None:
            for bucket in buckets:
                panel.failed.give_back(bucket)
        if proof.code_missing:
            return again("Now the code of your second factor.", 401, ask_code=True)
        if proof.user is None:
            log.warning("login failed", address=guard.address_of(request))
            return again(WRONG, 401)
        response = guard.see_other(target)
        await _begin(request, conn, proof.user, response)
    return response


async def _begin(
    request: web.Request, conn: Connection, user: int, response: web.StreamResponse
) -> None:
    panel = request.app[PANEL]
    token = await panel_sessions.begin(
        conn,
        user,
        address=guard.address_of(request),
        agent=request.headers.get(hdrs.USER_AGENT, ""),
        now_us=panel.clock.now_us(),
    )
    guard.set_cookie(panel, response, guard.SESSION_COOKIE, token)
    guard.drop_cookie(panel, response, guard.FORM_COOKIE)


async def logout(request: web.Request) -> web.Response:
    """``POST /logout``."""
    panel, session = request.app[PANEL], request[SESSION]
    async with panel.connection() as conn:
        await panel_sessions.end(conn, session.digest)
    response = guard.see_other("/login?out")
    guard.drop_cookie(panel, response, guard.SESSION_COOKIE)
    # What a browser kept of the pages is nobody's business any more.
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


async def show_first_run(request: web.Request) -> web.Response:
    """``GET /first-run?code=…``: the link that ``edge serve`` printed."""
    panel, code = request.app[PANEL], request.query.get("code", "")
    async with panel.connection() as conn:
        good = await panel_users.invited(conn, code, now_us=panel.clock.now_us())
        empty = not await panel_users.exist(conn)
    if not good:
        if not empty:
            raise web.HTTPSeeOther("/login")
        raise CallerError(
            "This link was used or has ended. Start the edge again, and it prints a new one; or "
            "make a user on the server: edge user add NAME --role owner"
        )
    return rendering.render(request, "first_run.html", code=code, name="")


async def first_run(request: web.Request) -> web.Response:
    """``POST /first-run``: makes the first owner, who is logged in at once."""
    panel, given = request.app[PANEL], await forms.body(request)
    code = given.text("code", "", longest=200)
    name = given.text("name", "", longest=panel_users.LONGEST_NAME)
    password = given.text("password", "", longest=1_000)
    if wait := panel.failed.wait(f"address {guard.network(request)}"):
        raise CallerError(f"Too many failed attempts; try again in {int(wait) + 1} s.")
    now = panel.clock.now_us()
    async with panel.connection() as conn:
        try:
            given.check()
            if password != given.text("again", "", longest=1_000):
                raise CallerError("The two passwords differ.")
            user = await panel_users.accept(conn, code, name, password, now_us=now)
        except CallerError as error:
            panel.failed.take(f"address {guard.network(request)}")
            return rendering.render(
                request, "first_run.html", status=400, error=str(error), code=code, name=name
            )
        response = guard.see_other("/welcome")
        await _begin(request, conn, user.id, response)
        await panel_audit.add(
            conn,
            at=now,
            user=user.name,
            address=guard.address_of(request),
            action="first run",
            subject=user.name,
        )
    return response


async def welcome(request: web.Request) -> web.Response:
    """``GET /welcome``: the sample message waits to be opened."""
    return rendering.render(request, "welcome.html", sample=request.app[PANEL].sample())
