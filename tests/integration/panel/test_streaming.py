"""Files that are written while they are read: whole, or visibly broken."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from edge.panel import streaming
from edge.store import pool
from edge.store.panel_users import Role
from edge.store.pool import Pool
from tests.integration.panel.seeding import DOMAIN, seed
from tests.integration.panel.worlds import serving


async def _broken() -> AsyncIterator[str]:
    yield "first\r\n"
    raise OSError("the database went away")


async def _nothing() -> AsyncIterator[str]:
    pieces: tuple[str, ...] = ()
    for piece in pieces:
        yield piece


async def test_half_a_file_does_not_look_like_a_whole_one() -> None:
    """The connection breaks, so that a browser says that the download failed."""

    async def handler(request: web.Request) -> web.StreamResponse:
        pieces = _broken() if request.path == "/broken" else _nothing()
        return await streaming.attachment(request, "x.csv", "text/csv", pieces)

    app = web.Application()
    app.router.add_get("/{name}", handler)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        async with session.get(server.make_url("/empty")) as got:
            assert (got.status, await got.read()) == (200, b"")
            assert got.headers["X-Content-Type-Options"] == "nosniff"
        async with session.head(server.make_url("/broken")) as got:
            assert got.status == 200
        with pytest.raises(aiohttp.ClientError):
            async with session.get(server.make_url("/broken")) as got:
                await got.read()


async def test_a_search_that_takes_too_long_is_given_up_with_advice(
    db: Pool, database_url: str
) -> None:
    """The server ends the statement, which waits for a lock here; the page says what helps."""
    async with db.acquire() as conn:
        await seed(conn, attacks=False, more=1)
        name = await conn.fetchval("SELECT current_database()")
        await conn.execute(f"ALTER DATABASE {name} SET statement_timeout = 1500")
    async with (
        pool.opened(f"{database_url}&statement_cache_size=0") as impatient,
        serving(db, database=impatient) as world,
        world.visitor(Role.OWNER) as visitor,
        db.acquire() as conn,
    ):
        assert (await visitor.get(f"/logs?domain={DOMAIN}")).status == 200
        async with conn.transaction():
            await conn.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
            page = await visitor.get(f"/logs?domain={DOMAIN}")
        assert (page.status, "shorter span of time" in page.words) == (400, True)
        assert "Search" in page.words
        assert (await visitor.get(f"/logs?domain={DOMAIN}")).status == 200
