"""A tracking server of two domains in this process, asked over loopback with raw bytes."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from edge.clock import SystemClock
from edge.lifecycle import Tasks
from edge.model.capture import Hit, Record
from edge.model.domain import Domain
from edge.model.roster import SealedKey, Snapshot
from edge.model.tokens import (
    ClickTarget,
    Key,
    Keyring,
    KeyState,
    Level,
    OpenTarget,
    UnsubscribeTarget,
)
from edge.model.vault import Vault
from edge.roster.snapshot import FILE_NAME, save
from edge.spool.writer import SpoolWriter
from edge.tracking.server import IDLE_SECONDS, TrackingServer
from tests.unit.spool_records import stored

SECRET = bytes(range(32))
VAULT = Vault(bytes(32))
KEYRING = Keyring([Key(id=1, state=KeyState.CURRENT, secret=SECRET)])
OURS, OTHER = b"email.example.com", b"email.example.net"
OPEN = OpenTarget(1, 1, "m@example.com", "ada@example.org")
CLICK = ClickTarget(1, 1, "m@example.com", "ada@example.org", 0, "https://example.com/a?b=%20c&d")
UNSUBSCRIBE = UnsubscribeTarget(1, 1, "m@example.com", "ada@example.org", Level.DOMAIN, [])


@dataclass
class Answer:
    """Status, headers (lower-case names) and body of one answer."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class World:
    """A running server and its spool."""

    port: int
    server: TrackingServer
    directory: Path
    https: int = 0

    async def ask(self, request: bytes) -> Answer:
        """Send these bytes on a connection of their own; the first answer."""
        return read_answer(await self.raw(request))

    async def raw(self, request: bytes, *, seconds: float = 5.0) -> bytes:
        """Everything that comes back until the server closes, or nothing comes for 0.3 s."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        received = b""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    wait = 0.3 if received else seconds
                    chunk = await asyncio.wait_for(reader.read(65536), wait)
                    if not chunk:
                        break
                    received += chunk
        except (TimeoutError, ConnectionResetError):
            pass  # the peer keeps the connection or cut it: what came is what there is
        await hang_up(writer)
        return received

    async def get(self, path: str, host: bytes = OURS, method: str = "GET") -> Answer:
        """An ordinary request."""
        head = f"{method} {path} HTTP/1.1\r\nHost: ".encode() + host
        return await self.ask(head + b"\r\nUser-Agent: test\r\nConnection: close\r\n\r\n")

    async def post(self, path: str, body: bytes, more: bytes = b"") -> Answer:
        """A form."""
        head = f"POST {path} HTTP/1.1\r\nHost: ".encode() + OURS
        head += b"\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: "
        head += str(len(body)).encode() + b"\r\nConnection: close\r\n" + more + b"\r\n"
        return await self.ask(head + body)

    def records(self) -> list[Record]:
        """Everything in the spool."""
        return stored(self.directory / "spool")

    def acts(self) -> list[str]:
        """What the recorded requests asked for."""
        return [record.act.name for record in self.records() if isinstance(record, Hit)]


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Close our end, and wait until that is done."""
    writer.close()
    with contextlib.suppress(ConnectionError):  # the server may have cut it already
        await writer.wait_closed()


def read_answer(data: bytes) -> Answer:
    """The first answer in what came back."""
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Answer(int(lines[0].split(" ")[1]), headers, body)


def keys() -> list[SealedKey]:
    """The key ring as the roster carries it."""
    return [SealedKey(1, KeyState.CURRENT, VAULT.seal("key:1", SECRET))]


@asynccontextmanager
async def serving(
    directory: Path,
    *,
    hot: bool = True,
    on_get: bool = False,
    max_connections: int = 100,
    idle: float = IDLE_SECONDS,
) -> AsyncIterator[World]:
    """A server on a port that the kernel chose; drained at the end."""
    clock = SystemClock()
    (directory / "spool").mkdir()
    domains = [
        Domain(number=1, name="example.com", unsubscribe_on_get=on_get),
        Domain(number=2, name="example.net"),
    ]
    hosts = {OURS.decode(): 1, OTHER.decode(): 2}
    roster = Snapshot(
        version=1, domains=domains, hosts=hosts, keys=keys(), thumbprint="account-key"
    )
    save(directory / FILE_NAME, roster)
    spool = SpoolWriter(directory / "spool", edge="test", clock=clock, max_bytes=2**30)
    server = TrackingServer(
        roster_path=directory / FILE_NAME,
        vault=VAULT,
        spool=spool,
        clock=clock,
        fsync=False,
        repeat_limit=600,
        max_connections=max_connections,
        hot=hot,
        idle=idle,
    )
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    tasks = Tasks(grace=2.0)
    await server.start([listener], [], tasks)
    try:
        yield World(listener.getsockname()[1], server, directory)
    finally:
        await server.drain(grace=1.0)
        await tasks.close()
