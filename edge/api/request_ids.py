"""A name for every request: in the answer's ``X-Request-Id`` and in every log line about it.

A client's own id is taken only if it is short and plain: it is echoed in a header and written to
logs, where anything else could forge what stands there.
"""

import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from aiohttp import web

HEADER: Final = "X-Request-Id"
_PLAIN = re.compile(r"[A-Za-z0-9_-]{8,64}", re.ASCII)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def choose(offered: str | None) -> str:
    """The client's id if it is plain, else a new one of 128 random bits."""
    if offered is not None and _PLAIN.fullmatch(offered):
        return offered
    return secrets.token_hex(16)


@web.middleware
async def request_ids(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Name the request; the outermost of the middlewares.

    The name is bound for this request only: aiohttp serves a connection's requests in one task.
    """
    offered = request.headers.getall(HEADER, [])
    chosen = choose(offered[0] if len(offered) == 1 else None)
    with structlog.contextvars.bound_contextvars(request_id=chosen):
        response = await handler(request)
    response.headers[HEADER] = chosen
    return response
