"""Replays that were begun in the panel: counted first, then queued, in the background.

They live in the memory of this process, :data:`MOST` at most, :data:`MOST_AT_ONCE` of them at
work. One that ends with the process leaves queued what it has queued; nothing else is lost.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import Final

import structlog

from edge.clock import Clock
from edge.model.errors import CallerError, EdgeError
from edge.store import search
from edge.store.filters import Filter
from edge.store.pool import REFUSED, UNAVAILABLE, Connection
from edge.webhooks import replays

log = structlog.get_logger()

MOST: Final = 50
MOST_AT_ONCE: Final = 2
_FAILURES: Final[tuple[type[Exception], ...]] = (EdgeError, *UNAVAILABLE, *REFUSED)
"""A statement that takes too long is one of them."""


class State(StrEnum):
    """Where a replay stands."""

    COUNTING = "counting"
    COUNTED = "counted"
    QUEUEING = "queueing"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


AT_WORK: Final = frozenset({State.COUNTING, State.QUEUEING})


class Replay:
    """One replay. ``about`` says in words what is asked for, ``webhook`` is its number.

    Of ``total`` events ``found`` are looked at, of which the endpoint is told ``told``; ``counted``
    is what the count came to.
    """

    def __init__(self, webhook: int, endpoint: int, url: str, wanted: Filter, about: str) -> None:
        self.webhook, self.endpoint, self.url = webhook, endpoint, url
        self.wanted, self.about = wanted, about
        self.state = State.COUNTING
        self.total = self.found = self.told = self.counted = 0

    @property
    def at_work(self) -> bool:
        """Whether its page is worth looking at again."""
        return self.state in AT_WORK

    def begin(self) -> None:
        """From counting to queueing; raises CallerError if it is not counted, or begun already."""
        if self.state is not State.COUNTED:
            raise CallerError("This replay is not waiting to be begun.")
        self.counted, self.state = self.told, State.QUEUEING
        self.found = self.told = 0

    def stop(self) -> None:
        """After the page that it is at."""
        if self.at_work:
            self.state = State.STOPPED

    async def run(
        self,
        connect: Callable[[], AbstractAsyncContextManager[Connection]],
        clock: Clock,
        stopping: Callable[[], bool],
    ) -> None:
        """Count, or queue. What fails is told on its page, and in the log."""
        try:
            await self._through(connect, clock, stopping)
        except _FAILURES as error:
            log.warning("replay failed", error=repr(error), url=self.url, told=self.told)
            self.state = State.FAILED

    async def _through(
        self,
        connect: Callable[[], AbstractAsyncContextManager[Connection]],
        clock: Clock,
        stopping: Callable[[], bool],
    ) -> None:
        dry = self.state is State.COUNTING
        if dry:
            async with connect() as conn:
                self.total = await search.count(conn, self.wanted)
        async for page in replays.pages(connect, self.endpoint, self.wanted, clock, dry=dry):
            self.found += page.found
            self.told += page.told
            if stopping():
                self.stop()
            if not self.at_work:
                return
        self.state = State.COUNTED if dry else State.DONE
