"""A smarthost on loopback that outlives the edge: it counts each copy that it was given whole.

It runs in a thread beside the test. A copy arrives when its final dot has: from then on the server
has the message, whatever becomes of the answer. How it behaves can be changed at any moment.
"""

import asyncio
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from enum import Enum
from typing import Any, TypeVar

from tests.ports import free_port

T = TypeVar("T")

LONGEST = 64 * 2**20
PATIENCE = 30.0
"""Seconds that what the smarthost's thread is asked for may take."""


class Manners(Enum):
    """How it treats the edge."""

    GOOD = "takes everything"
    MUTE = "never greets"
    GARBAGE = "greets with something else than SMTP"
    CUT_IN_DATA = "closes in the middle of the message"
    CUT_AFTER_DOT = "takes the message and closes without an answer"
    MUTE_AFTER_DOT = "takes the message and never answers"
    LATE = "takes the message and answers when its manners have changed"


class Smarthost:
    """``arrived`` counts the final dots by recipient, ``unanswered`` those it never answered.

    ``dots`` are the moments of those that it answered or will, in seconds since the epoch,
    ``met`` counts who met with which manners.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.manners = Manners.GOOD
        self.arrived: Counter[str] = Counter()
        self.unanswered: Counter[str] = Counter()
        self.dots: dict[str, list[float]] = defaultdict(list)
        self.met: Counter[Manners] = Counter()

    @property
    def route(self) -> str:
        """What EDGE_ROUTE says."""
        return f"smtp://127.0.0.1:{self.port}?tls=off"

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            await self._converse(reader, writer)
        except (OSError, EOFError):
            pass  # whoever was there has died
        finally:
            writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is(Manners.MUTE):
            await _until_it_leaves(reader)
            return
        if self._is(Manners.GARBAGE):
            writer.write(b"\x16\x03\x01 HTTP/1.1 400 Bad Request\r\n\xff\xfe\r\n")
            await writer.drain()
            return
        writer.write(b"220 smarthost.test ESMTP\r\n")
        recipient = ""
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"RCPT":
                recipient = line.partition(b"<")[2].partition(b">")[0].decode().lower()
            if verb == b"DATA":
                if not await self._data(reader, writer, recipient):
                    return
            elif verb == b"QUIT":
                writer.write(b"221 bye\r\n")
                await writer.drain()
                return
            else:
                writer.write(b"250 ok\r\n")

    async def _data(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, recipient: str
    ) -> bool:
        """Take one message; whether the conversation goes on."""
        writer.write(b"354 go on\r\n")
        if self._is(Manners.CUT_IN_DATA):
            await reader.readline()
            return False
        await reader.readuntil(b"\r\n.\r\n")
        self.arrived[recipient] += 1
        at = time.time()
        await asyncio.sleep(random.uniform(0, 0.04))  # as if it wrote it to a disk
        if self._is(Manners.CUT_AFTER_DOT):
            self.unanswered[recipient] += 1
            return False
        if self._is(Manners.MUTE_AFTER_DOT):
            await _until_it_leaves(reader)
            self.unanswered[recipient] += 1
            return False
        self.dots[recipient].append(at)
        if self._is(Manners.LATE):
            while self.manners is Manners.LATE:
                await asyncio.sleep(0.02)
        writer.write(b"250 2.0.0 taken\r\n")
        await writer.drain()
        return True

    def _is(self, manners: Manners) -> bool:
        """Whether it behaves like this now; counted, so that a test sees that it was met."""
        if self.manners is manners:
            self.met[manners] += 1
            return True
        return False


async def _until_it_leaves(reader: asyncio.StreamReader) -> None:
    while await reader.read(65536):
        pass


@asynccontextmanager
async def smarthost() -> AsyncIterator[Smarthost]:
    """A smarthost that listens."""
    found = Smarthost()
    server = await asyncio.start_server(found.talk, "127.0.0.1", found.port, limit=LONGEST)
    try:
        yield found
    finally:
        server.close()


class Aside:
    """A thread with a loop of its own, for whatever has to go on while a test waits."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def start(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Begin a coroutine there."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    @contextmanager
    def within(self, manager: AbstractAsyncContextManager[T]) -> Iterator[T]:
        """Inside of something that lives there."""
        found = self.start(_entered(manager)).result(PATIENCE)
        try:
            yield found
        finally:
            self.start(_left(manager)).result(PATIENCE)

    @contextmanager
    def open(self) -> Iterator["Aside"]:
        """Run for the duration of a block; what is left then is cancelled."""
        self._thread.start()
        try:
            yield self
        finally:
            self.start(_cancel_all()).result(PATIENCE)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(PATIENCE)
            self._loop.close()


async def _entered(manager: AbstractAsyncContextManager[T]) -> T:
    return await manager.__aenter__()


async def _left(manager: AbstractAsyncContextManager[T]) -> None:
    await manager.__aexit__(None, None, None)


async def _cancel_all() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
