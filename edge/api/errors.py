"""Errors as Mailgun's clients read them: the one place where the error tree becomes HTTP.

Nearly every error is ``{"message": …}`` with the texts of Mailgun's documentation, which SDKs
parse. Two are not: a wrong key is the plain text ``Forbidden`` with a ``WWW-Authenticate`` header
(as recorded from the real service), and an unknown path below ``/v1/analytics/`` has the one key
``error`` (mailgun-python asserts that).
"""

import math
from typing import Any, Final

import structlog
from aiohttp import web

from edge.api import not_offered
from edge.api.request_ids import Handler
from edge.doctor.examine import Busy
from edge.model.errors import CallerError, EdgeError, NotFound, PeerError
from edge.sending.message import QueueFull
from edge.store.pool import REFUSED, UNAVAILABLE

log = structlog.get_logger()

REALM: Final = 'Basic realm="MG API"'
RETRY_SECONDS: Final = 5
"""What a client is told to wait while the database is away."""

_ANALYTICS: Final = "/v1/analytics/"


class Unauthorized(CallerError):
    """No key, or one that is not ours, expired or revoked."""


class NotAllowed(CallerError):
    """A good key that may not do this."""


class TooLarge(CallerError):
    """A body above the limit."""


class TooMany(CallerError):
    """Too many requests; ``seconds`` until the next may come."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = max(1, math.ceil(seconds))


def _json(status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response(
        body, status=status, headers={"Cache-Control": "no-store"} | (headers or {})
    )


def unauthorized() -> web.Response:
    """401 as the real service answers it."""
    return web.Response(
        status=401,
        text="Forbidden",
        headers={"WWW-Authenticate": REALM, "Cache-Control": "no-store"},
    )


def answer(error: EdgeError) -> web.Response:
    """The response for an error of the tree."""
    match error:
        case Unauthorized():
            return unauthorized()
        case TooMany():
            body = {"message": str(error), "retry-seconds": error.seconds}
            return _json(429, body, {"Retry-After": str(error.seconds)})
        case NotAllowed():
            return _json(403, {"message": str(error)})
        case TooLarge():
            return _json(413, {"message": str(error)})
        case NotFound():
            return _json(404, {"message": str(error)})
        case CallerError():
            return _json(400, {"message": str(error)})
        case QueueFull():
            log.warning("request refused", error=str(error))
            return _later("The sending queue is full; try again later")
        case Busy():
            return _later(str(error))
        case PeerError():
            return unavailable(error)
    log.error("request failed", error=str(error))
    return _json(500, {"message": "Internal Server Error"})


def unavailable(error: Exception) -> web.Response:
    """503 while the database is away; the reason is in the log, not in the answer."""
    log.warning("request refused: the database is away", error=repr(error))
    return _later("The database is not available; try again")


def _later(message: str) -> web.Response:
    return _json(503, {"message": message}, {"Retry-After": str(RETRY_SECONDS)})


def _of_http(request: web.Request, error: web.HTTPException) -> web.Response:
    """What aiohttp raises: unknown paths, wrong methods, bodies above its own limit."""
    if error.status in {404, 405} and request.path.startswith(_ANALYTICS):
        return _json(404, {"error": f"{request.path} not found"})
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    missing = not_offered.told(request.path) if error.status == 404 else None
    return _json(error.status, {"message": missing or error.reason}, headers)


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever a handler raises into its answer; log what nobody foresaw, once."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        return _of_http(request, error)
    except EdgeError as error:
        return answer(error)
    except UNAVAILABLE as error:
        return unavailable(error)
    except REFUSED as error:
        log.warning("request refused by the database", error=repr(error))
        return _json(400, {"message": "A value of this request cannot be stored"})
    except Exception as error:  # the one broad catch of the API: its answer must be JSON
        log.error("request failed", error=repr(error), exc_info=error)
        return _json(500, {"message": "Internal Server Error"})
