"""Work of ``edge webhook`` on one place, while nobody else changes webhooks."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from edge.cli import session
from edge.cli.options import run
from edge.settings import Settings
from edge.store import webhooks
from edge.store.pool import Connection
from edge.webhooks.places import ACCOUNT, Place, find

T = TypeVar("T")


def on_account(
    settings: Settings, where: str, act: Callable[[Connection, Place], Awaitable[T]]
) -> T:
    """Do something with a place in one transaction, in which nobody else changes webhooks."""

    async def work() -> T:
        async with session.database(settings) as pool, pool.acquire() as conn, conn.transaction():
            await webhooks.lock(conn, ACCOUNT)
            return await act(conn, await find(conn, where))

    return run(work())
