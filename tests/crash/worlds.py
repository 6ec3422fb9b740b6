"""An ingest station in this process, on a database of its own, and records to feed it."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from edge.clock import Clock, ManualClock, SystemClock
from edge.ingest.station import IngestStation
from edge.lifecycle import Tasks
from edge.model.capture import Act, Hit, Record
from edge.model.domain import Domain
from edge.model.tokens import OpenTarget
from edge.spool.writer import append_once
from edge.store import domains, partitions, pool
from edge.store.pool import Pool

DAY = 86_400.0
HEAD = b"GET /o/x HTTP/1.1\r\nHost: email.example.com\r\nUser-Agent: Mozilla/5.0\r\n\r\n"

_numbers = itertools.count(1)


def hit(
    at: float, *, message: str = "", domain: int = 1, recipient: str = "ann@example.net"
) -> Hit:
    """The record of one open at ``at`` seconds since the epoch; without ``message`` of its own."""
    number = next(_numbers)
    name = message or f"m{number}@example.com"
    target = msgspec.msgpack.encode(OpenTarget(1, domain, name, recipient))
    at_us = round(at * 1_000_000)
    record_id = (max(0, at_us) << 72 | number).to_bytes(16, "big")
    return Hit(record_id, at_us, Act.OPEN, "192.0.2.1", False, target, HEAD)


def write(spool: Path, records: list[Record], *, at: float | None = None) -> None:
    """One sealed segment, made under a clock that says ``at``."""
    clock: Clock = SystemClock() if at is None else ManualClock(at)
    append_once(spool, records, edge="test", clock=clock)


@asynccontextmanager
async def station(url: str, directory: Path, *, settle: float = 0.0) -> AsyncIterator[Tasks]:
    """An ingest station at work; its end is awaited, and its failure is an error here."""
    tasks = Tasks(grace=5.0)
    async with pool.opened(url) as opened:
        ingest = IngestStation(
            spool=directory / "spool",
            roster_path=directory / "roster.bin",
            ranges_path=directory / "ranges.mmdb",
            geo_path=directory / "geo.mmdb",
            gmail_image_proxy="human",
            settle=settle,
            trusted=lambda _: False,
            edge_id="test",
            name="test",
            pool=opened,
            clock=SystemClock(),
            tasks=tasks,
        )
        work = tasks.owned("station", ingest.run())
        try:
            yield tasks
            assert not work.done(), "the station ended by itself"
        finally:
            tasks.stop()
            await work
            await tasks.close()


async def prepare(db: Pool) -> None:
    """Domain 1, and partitions around today."""
    async with db.acquire() as conn:
        await partitions.ensure(conn, now_us=time.time_ns() // 1000)
        await domains.add(conn, Domain(number=0, name="example.com"), now_us=time.time_ns() // 1000)


async def until(check: Callable[[], Awaitable[Any]], text: str, seconds: float = 10.0) -> Any:
    """The first true result; AssertionError after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not (found := await check()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {text}"
        await asyncio.sleep(0.05)
    return found


def stored(db: Pool, count: int) -> Callable[[], Awaitable[bool]]:
    """Whether so many events are stored."""

    async def check() -> bool:
        return bool(await db.fetchval("SELECT count(*) FROM events") == count)

    return check


def emptied(directory: Path) -> Callable[[], Awaitable[bool]]:
    """Whether the spool has no segment left."""

    async def check() -> bool:
        return not list((directory / "spool").glob("*.seg"))

    return check
