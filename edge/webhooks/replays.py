"""A replay, page by page: stored events once more, for one endpoint."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

from edge.clock import Clock
from edge.store import webhook_queue
from edge.store.filters import Filter
from edge.store.pool import Connection
from edge.store.webhook_queue import Replayed


async def pages(
    connect: Callable[[], AbstractAsyncContextManager[Connection]],
    endpoint: int,
    wanted: Filter,
    clock: Clock,
    *,
    dry: bool,
) -> AsyncIterator[Replayed]:
    """Every page of a replay, each committed; no connection is held between two of them.

    With ``dry`` the events are only counted.
    """
    after = None
    while True:
        async with connect() as conn:
            page = await webhook_queue.replay(
                conn, endpoint, wanted, now_us=clock.now_us(), after=after, dry=dry
            )
        yield page
        after = page.after
        if after is None:
            return
