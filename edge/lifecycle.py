"""Tasks that are owned, loops that survive their errors, and a stop that drains.

The only module that makes asyncio tasks (ruff bans the calls elsewhere), so that nothing runs
unowned and every crash is logged once, at the top of its loop.
"""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

log = structlog.get_logger()


def backoff(first: float, limit: float, failures: int) -> float:
    """Seconds to wait after so many failures in a row: doubling from ``first`` up to ``limit``.

    The exponent is bounded: a dependency that is away for hours fails more often than a float has
    powers of two.
    """
    return min(limit, first * 2.0 ** min(failures, 32))


class Tasks:
    """The tasks of one child process.

    ``stopping`` is set once by the first of: SIGTERM, the supervisor's end, or :meth:`stop`. Loops
    watch it; :meth:`close` then waits for them, and cancels what is left after ``grace`` seconds.
    """

    def __init__(self, grace: float = 10.0, *, last_breath: int = 0) -> None:
        self.stopping = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._grace = grace
        self._last_breath = last_breath

    def spawn(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run ``work`` as a task of this group; an error in it is logged and stops the child."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def owned(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run ``work`` as a task whose caller awaits it, and so gets its errors."""
        return asyncio.get_running_loop().create_task(work, name=name)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task failed", task=task.get_name(), error=repr(error), exc_info=error)
            self.stop()

    def stop(self) -> None:
        """Ask every loop to finish what it holds and return.

        With ``last_breath`` (seconds) the kernel ends the process after that, whatever hangs: a
        child without a supervisor has nobody else to do it, and it holds the listening sockets.
        """
        if self._last_breath and not self.stopping.is_set():
            signal.alarm(self._last_breath)
        self.stopping.set()

    def on_signals(self) -> None:
        """Stop on SIGTERM."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.stop)

    def on_hangup(self, reload: Callable[[], None]) -> None:
        """Call ``reload`` on SIGHUP."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)

    def stop_with_parent(self, pipe: int) -> None:
        """Stop when the other end of ``pipe`` closes: the supervisor is gone, however it died."""
        asyncio.get_running_loop().add_reader(pipe, self._parent_gone, pipe)

    def _parent_gone(self, pipe: int) -> None:
        asyncio.get_running_loop().remove_reader(pipe)
        self.stop()

    async def pause(self, seconds: float) -> bool:
        """Sleep; True as soon as the group stops."""
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            return False
        return True

    async def every(self, seconds: float, work: Callable[[], Awaitable[Any]], name: str) -> None:
        """Run ``work`` every ``seconds`` until the group stops.

        An error is logged and the wait doubles, with jitter, up to 30 times the period: a broken
        dependency is neither hammered nor forgotten.
        """
        failures = 0
        while not self.stopping.is_set():
            try:
                await work()
                failures = 0
            except Exception as error:  # noqa: BLE001 - the one broad catch of this loop: it must outlive its work
                failures += 1
                log.warning("job failed", job=name, error=repr(error), failures=failures)
            delay = backoff(seconds, 30 * seconds, failures)
            if await self.pause(delay * random.uniform(0.9, 1.1)):  # noqa: S311 - jitter, not a secret
                return

    async def close(self) -> None:
        """Wait for the tasks to end; cancel what is left after the grace."""
        self.stop()
        if not self._tasks:
            return
        _, late = await asyncio.wait(set(self._tasks), timeout=self._grace)
        for task in late:
            log.warning("task cancelled at stop", task=task.get_name())
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=5)
