"""The error tree as HTTP, and the request's name in its log."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import asyncpg
import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestServer

from edge.api.errors import NotAllowed, TooLarge, TooMany, Unauthorized, errors_as_json
from edge.api.request_ids import request_ids
from edge.model.errors import CallerError, NotFound, OperatorError, PeerError

ERRORS = (
    (CallerError("wrong"), 400, "wrong"),
    (NotFound("gone"), 404, "gone"),
    (NotAllowed("not you"), 403, "not you"),
    (TooLarge("big"), 413, "big"),
    (TooMany("slow down", 0.2), 429, "slow down"),
    (PeerError("secret address"), 503, "not available"),
    (TimeoutError(), 503, "not available"),
    (asyncpg.CannotConnectNowError("secret"), 503, "not available"),
    (asyncpg.CharacterNotInRepertoireError("secret"), 400, "cannot be stored"),
    (OperatorError("secret path"), 500, "Internal Server Error"),
    (ZeroDivisionError("secret"), 500, "Internal Server Error"),
)


@asynccontextmanager
async def _serving(error: Exception | None) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    async def handler(_: web.Request) -> web.Response:
        if error is not None:
            raise error
        return web.json_response(structlog.contextvars.get_contextvars())

    app = web.Application(middlewares=[request_ids, errors_as_json])
    app.router.add_get("/", handler)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        yield session, str(server.make_url("/"))


@pytest.mark.parametrize("error, status, text", ERRORS, ids=lambda v: type(v).__name__)
async def test_every_error_has_its_answer(error: Exception, status: int, text: str) -> None:
    """JSON with a message; what is ours to know stays in the log."""
    async with _serving(error) as (session, url), session.get(url) as got:
        assert got.status == status
        body = await got.json()
        assert text in body["message"]
        assert "secret" not in await got.text()
        assert got.headers["X-Request-Id"]
        assert ("Retry-After" in got.headers) == (status in {429, 503})


async def test_unauthorized_is_mailguns_plain_text() -> None:
    """Not JSON, as recorded from the real service."""
    async with _serving(Unauthorized("why")) as (session, url), session.get(url) as got:
        assert (got.status, await got.text()) == (401, "Forbidden")
        assert got.headers["WWW-Authenticate"] == 'Basic realm="MG API"'


async def test_the_log_has_the_requests_name_for_that_request_only() -> None:
    """Two requests on one connection run in one task, and still have names of their own."""
    async with _serving(None) as (session, url):
        names = []
        for offered in ("first-request", "second-request"):
            async with session.get(url, headers={"X-Request-Id": offered}) as got:
                names.append((await got.json())["request_id"])
        assert names == ["first-request", "second-request"]
        async with session.get(url) as got:
            assert (await got.json())["request_id"] == got.headers["X-Request-Id"]
