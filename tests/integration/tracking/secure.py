"""Certificates of two hosts for a tracking server in this process, and a client that asks it."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from certs.clock import SystemClock
from certs.directory_storage import write_private
from certs.keys import self_signed
from certs.sni import Certificates
from edge.roster.snapshot import FILE_NAME, save
from tests.integration.tracking.worlds import snapshot
from tests.threats.serving import OTHER, OURS, Answer, World, read_answer

SECOND = b"click.example.com"
"""Another host of the domain of ``OURS``; ``OTHER`` is of another domain."""
HOSTS = (OURS.decode(), SECOND.decode(), OTHER.decode())
THUMBPRINT = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
AGE = 5184000


def keys_of(directory: Path, *hosts: str) -> Certificates:
    """A key directory with a certificate of each host, and what serves it."""
    clock, keys = SystemClock(), directory / "certificates"
    keys.mkdir(exist_ok=True)
    for host in hosts:
        write_private(keys / f"{host}.pem", self_signed(host, clock.now()))
    default = directory / "default.pem"
    write_private(default, self_signed("edge.invalid", clock.now()))
    return Certificates(keys, default, clock)


def roster(directory: Path, *, version: int = 1, age: int = AGE, **switches: bool) -> None:
    """Write a roster: three hosts of two domains, HSTS for the first two of them."""
    found = snapshot(version, **switches)
    found.hosts[SECOND.decode()] = 1
    found.hsts.update({OURS.decode(): age, SECOND.decode(): 300})
    save(directory / FILE_NAME, replace(found, thumbprint=THUMBPRINT))


def anybody() -> ssl.SSLContext:
    """A client's context that checks no certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def head_of(path: str, host: bytes, method: str = "GET") -> bytes:
    """An ordinary request."""
    return f"{method} {path} HTTP/1.1\r\nHost: ".encode() + host + b"\r\nUser-Agent: test\r\n\r\n"


@dataclass
class Client:
    """One connection over TLS."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, request: bytes) -> Answer:
        """Send bytes; the first answer of what comes back until nothing does for 0.3 s."""
        self.writer.write(request)
        received = b""
        with contextlib.suppress(TimeoutError):
            while chunk := await asyncio.wait_for(self.reader.read(65536), 0.3 if received else 5):
                received += chunk
        return read_answer(received)

    async def get(self, path: str, host: bytes, method: str = "GET") -> Answer:
        """An ordinary request."""
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: ".encode() + host + b"\r\nUser-Agent: test\r\n\r\n"
        )
        return await self.ask(head)

    async def close(self) -> None:
        """Hang up."""
        self.writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await self.writer.wait_closed()


@contextlib.asynccontextmanager
async def connected(world: World, name: bytes | None) -> AsyncIterator[Client]:
    """A connection for a name, or without one."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1",
        world.https,
        ssl=anybody(),
        server_hostname=name.decode() if name else "",
    )
    client = Client(reader, writer)
    try:
        yield client
    finally:
        await client.close()
