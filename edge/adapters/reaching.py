"""A child's way to the database: waiting for it, and giving the connections back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from edge.lifecycle import Tasks
from edge.model.errors import PeerError
from edge.store import migrate, pool

log = structlog.get_logger()


async def _connected(dsn: str, tasks: Tasks, size: int) -> pool.Pool | None:
    delay = 0.1
    while not tasks.stopping.is_set():
        try:
            opened = await pool.connect(dsn, max_size=size)
        except PeerError as error:
            tell = log.warning if delay > 1 else log.debug  # a start is not worth a warning
            tell("waiting for Postgres", error=str(error), retry_in=delay)
        else:
            try:
                async with opened.acquire() as conn:
                    await migrate.migrate(conn)
            except pool.UNAVAILABLE as error:
                log.warning("waiting for Postgres", error=repr(error), retry_in=delay)
                opened.terminate()
            except BaseException:
                opened.terminate()
                raise
            else:
                return opened
        await tasks.pause(delay)
        delay = min(delay * 2, 5.0)
    return None


@asynccontextmanager
async def database(dsn: str, tasks: Tasks, *, size: int = 4) -> AsyncIterator[pool.Pool | None]:
    """A pool on a database that is there and up to date; None when the child is to stop first.

    Waits as long as it takes, trying again after 0.1 s to 5 s.
    """
    opened = await _connected(dsn, tasks, size)
    try:
        yield opened
    finally:
        if opened is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(3):
                    await opened.close()
            opened.terminate()
