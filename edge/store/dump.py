"""One consistent view of the database, shared with ``pg_dump``."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from edge.store.pool import Pool
from edge.store.sql import queries

_q = queries("dump")


class Snapshot(msgspec.Struct, frozen=True):
    """``name`` for ``pg_dump --snapshot``; the server's major version."""

    name: str
    major: int


@asynccontextmanager
async def exported(pool: Pool) -> AsyncIterator[Snapshot]:
    """A snapshot that other connections can use while the block lasts."""
    async with pool.acquire() as conn, conn.transaction(isolation="repeatable_read"):
        name = await conn.fetchval(_q["export"])
        yield Snapshot(name, await conn.fetchval(_q["major"]))


async def is_empty(pool: Pool) -> bool:
    """Whether the database has no tables of ours."""
    return bool(await pool.fetchval(_q["is_empty"]))


async def major(pool: Pool) -> int:
    """The server's major version."""
    found: int = await pool.fetchval(_q["major"])
    return found
