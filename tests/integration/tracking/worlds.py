"""A tracking server with everything that can be set, and what reads its spool."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from certs.sni import Certificates
from edge.clock import Clock, SystemClock
from edge.lifecycle import Tasks
from edge.model.capture import Capture, Hit, Repeat, capture_of
from edge.model.domain import Domain
from edge.model.roster import Snapshot
from edge.roster.snapshot import FILE_NAME, save
from edge.spool.writer import SpoolWriter
from edge.tracking.server import TrackingServer
from edge.tracking.well_known import Prober
from tests.threats.serving import OTHER, OURS, VAULT, World, keys


def snapshot(version: int = 1, **switches: bool) -> Snapshot:
    """Two domains with a tracking host each."""
    domains = [
        Domain(number=1, name="example.com", **switches),  # type: ignore[arg-type]  # all are flags
        Domain(number=2, name="example.net"),
    ]
    hosts = {OURS.decode(): 1, OTHER.decode(): 2}
    return Snapshot(version=version, domains=domains, hosts=hosts, keys=keys())


@asynccontextmanager
async def tracking(
    directory: Path,
    *,
    hot: bool = True,
    fsync: bool = False,
    repeat_limit: int = 600,
    max_bytes: int = 2**30,
    max_connections: int = 100,
    trusted: Callable[[str], bool] | None = None,
    certificates: Certificates | None = None,
    prober: Prober | None = None,
    clock: Clock | None = None,
    idle: float = 15.0,
    **switches: bool,
) -> AsyncIterator[World]:
    """A server on ports that the kernel chose; drained at the end."""
    clock = clock or SystemClock()
    path = directory / FILE_NAME
    if not path.exists():
        save(path, snapshot(**switches))
    spool = SpoolWriter(directory / "spool", edge="test", clock=clock, max_bytes=max_bytes)
    server = TrackingServer(
        roster_path=path,
        vault=VAULT,
        spool=spool,
        clock=clock,
        fsync=fsync,
        repeat_limit=repeat_limit,
        max_connections=max_connections,
        trusted=trusted,
        hot=hot,
        idle=idle,
        certificates=certificates,
        https_port=8443,
        prober=prober,
    )
    listeners = []
    for _ in range(2):
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(100)
        listeners.append(listener)
    tasks = Tasks(grace=2.0)
    await server.start(listeners[:1], listeners[1:], tasks)
    plain, secure = (listener.getsockname()[1] for listener in listeners)
    try:
        yield World(plain, server, directory, secure)
    finally:
        tasks.stop()
        await server.drain(grace=1.0)
        await tasks.close()
        for listener in listeners:
            listener.close()


def captures(world: World, trusted: Callable[[str], bool] | None = None) -> list[Capture]:
    """Every hit in the spool, read as ingest reads it."""
    trust = trusted or (lambda _: False)
    return [capture_of(record, trust) for record in world.records() if isinstance(record, Hit)]


def requests_recorded(world: World) -> int:
    """Hits, and what repeats stand for."""
    return sum(
        record.count if isinstance(record, Repeat) else 1
        for record in world.records()
        if isinstance(record, Hit | Repeat)
    )


async def pipeline(world: World, request: bytes, times: int, answer: bytes) -> None:
    """Send a request many times on one connection, and wait for as many answers of that start."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    missing = times
    part = 200
    async with asyncio.timeout(30):
        while missing:
            now = min(part, missing)
            writer.write(request * now)
            received = b""
            while received.count(answer) < now:
                chunk = await reader.read(1 << 16)
                assert chunk, "the server closed before it had answered"
                received += chunk
            missing -= now
    writer.close()
    await writer.wait_closed()
