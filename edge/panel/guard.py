"""What stands before every page: the host's name, headers, sessions, permissions, forged forms.

In this order, outermost first. :func:`hardened`: a request under a name that is not ours is refused
(DNS rebinding: a foreign name that leads to loopback), and every answer, errors too, gets the
security headers. :func:`sessions`: who asks. :func:`unforged`: a write comes from a page of ours,
by its ``Origin`` and by a token that only such a page holds, bound to the session. What a route
needs is checked beside the route (:mod:`edge.panel.routes`).
"""

import hmac
import secrets
from typing import Final
from urllib.parse import urlsplit

import structlog
from aiohttp import hdrs, web

from edge.model.capture import client_ip
from edge.model.errors import CallerError, EdgeError, NotFound, PeerError
from edge.panel import rendering
from edge.panel.context import FORM, PANEL, SESSION, Handler, Panel, form_token
from edge.store import panel_sessions
from edge.store.pool import REFUSED, UNAVAILABLE
from edge.throttle import network_of

log = structlog.get_logger()

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""Nothing inline, nothing from elsewhere (https://www.w3.org/TR/CSP3/)."""

FRAMING_POLICY: Final = f"{POLICY}; frame-src 'self'"
"""Of the pages that show a preview in a frame."""

FRAMED_POLICY: Final = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "frame-ancestors 'self'; form-action 'none'; base-uri 'none'"
)
"""Of what is shown in such a frame, by others' hands: no script, no request, a foreign origin."""

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: with it browsers send "Origin: null" with our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "X-Robots-Tag": "noindex, nofollow",
}

TOKEN: Final = "csrf"  # noqa: S105 - the name of a form's field
SESSION_COOKIE: Final = "panel-session"
_AWAY: Final[tuple[type[Exception], ...]] = (PeerError, *UNAVAILABLE)
FORM_COOKIE: Final = "panel-form"
SMALL: Final = 64 * 1024
"""Bytes of a form of somebody who is not logged in."""

_SAFE: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})
_SAME: Final = frozenset({"", "same-origin", "none"})


class Forbidden(CallerError):
    """Somebody who may not do that, or a form that is not ours."""


def cookie_name(panel: Panel, name: str) -> str:
    """With the prefix that ties a cookie to this host and to https, where there is https."""
    return f"__Host-{name}" if panel.secure else name


def set_cookie(panel: Panel, response: web.StreamResponse, name: str, value: str) -> None:
    """A cookie for this host, for no script, gone with the browser.

    Lax, so that a link to a page of ours works from a chat or a ticket: no GET changes anything.
    """
    response.set_cookie(
        cookie_name(panel, name),
        value,
        path="/",
        httponly=True,
        samesite="Lax",
        secure=panel.secure,
    )


def drop_cookie(panel: Panel, response: web.StreamResponse, name: str) -> None:
    """Take a cookie back."""
    response.del_cookie(
        cookie_name(panel, name), path="/", httponly=True, samesite="Lax", secure=panel.secure
    )


def address_of(request: web.Request) -> str:
    """The client's address, behind proxies that are trusted."""
    lines = request.headers.getall(hdrs.X_FORWARDED_FOR, [])
    forwarded = [part.strip() for line in lines for part in line.split(",")]
    return client_ip(request.remote or "", forwarded, request.app[PANEL].trusted)


def network(request: web.Request) -> str:
    """What failed logins are counted by."""
    return network_of(address_of(request))


@web.middleware
async def hardened(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Our names only; the headers on whatever is answered; errors as pages."""
    if not request.app[PANEL].hosts(request.headers.get(hdrs.HOST, "").lower()):
        text = (
            "421: the panel is not known under this name. If it should be, set EDGE_PANEL_URL to "
            "the address at which browsers reach it.\n"
        )
        response: web.StreamResponse = web.Response(status=421, text=text)
    else:
        response = await _answered(request, handler)
    if not response.prepared:  # what streams has put them in itself
        add_headers(response)
    return response


def see_other(location: str) -> web.Response:
    """To another page, by GET."""
    return web.Response(status=303, headers={hdrs.LOCATION: location})


def add_headers(response: web.StreamResponse) -> None:
    """The security headers, where an answer has none of its own."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        if isinstance(error, web.HTTPSeeOther):
            return see_other(str(error.location))
        return _page(request, error.status, _OF_HTTP.get(error.status, error.reason))
    except Forbidden as error:
        return _page(request, 403, str(error))
    except NotFound as error:
        return _page(request, 404, str(error))
    except CallerError as error:
        return _page(request, 400, str(error))
    except _AWAY as error:
        log.warning("page refused: the database is away", error=repr(error))
        return _page(request, 503, "The database is not available just now; try again soon.")
    except REFUSED as error:
        log.warning("page refused by the database", error=repr(error))
        return _page(request, 400, "Something in this request cannot be stored or searched for.")
    except EdgeError as error:
        log.error("page failed", error=str(error))
    except Exception as error:  # the one broad catch of the panel: its answer must be a page
        log.error("page failed", error=repr(error), exc_info=error)
    return _page(request, 500, "That failed, and the server's log says why.")


_OF_HTTP: Final = {
    404: "There is no such page.",
    405: "This address takes no such request.",
    413: "That is too large: files may have 25 MB.",
}


def _page(request: web.Request, status: int, text: str) -> web.StreamResponse:
    return rendering.render(request, "error.html", status=status, code=status, text=text)


@web.middleware
async def sessions(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Who asks, by the session's cookie; a visitor without one gets a secret for their forms."""
    panel = request.app[PANEL]
    if request.path.startswith("/static/"):
        return await handler(request)
    token = request.cookies.get(cookie_name(panel, SESSION_COOKIE), "")
    if token:
        async with panel.connection() as conn:
            found = await panel_sessions.find(conn, token, now_us=panel.clock.now_us())
        if found is not None:
            request[SESSION] = found
            request[FORM] = token
            return await handler(request)
    name = FORM_COOKIE
    given = request.cookies.get(cookie_name(panel, name), "")
    request[FORM] = given or secrets.token_urlsafe(32)
    response = await handler(request)
    if not given and not response.prepared and request.method in _SAFE:
        set_cookie(panel, response, name, request[FORM])
    return response


@web.middleware
async def unforged(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a write that no page of ours made."""
    if request.method not in _SAFE:
        origin = request.headers.get(hdrs.ORIGIN, "")
        host = request.headers.get(hdrs.HOST, "")
        site = request.headers.get("Sec-Fetch-Site", "")
        if not origin or urlsplit(origin).netloc.lower() != host.lower() or site not in _SAME:
            log.warning("form refused: from elsewhere", origin=origin[:200])
            raise Forbidden("This form was not sent by a page of this panel.")
        size = request.content_length
        if SESSION not in request and (size is None or size > SMALL):
            raise web.HTTPRequestEntityTooLarge(max_size=SMALL, actual_size=size or 0)
        given = (await request.post()).get(TOKEN, "")
        if not isinstance(given, str) or not hmac.compare_digest(
            given.encode("utf-8", "replace"), form_token(request).encode()
        ):
            log.warning("form refused: wrong token", path=request.path)
            raise Forbidden(
                "This form has ended, or its page is of another login: load the page again."
            )
    return await handler(request)
