"""From an order to a handshake: what the manager stores is what clients are served."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

from certs import decisions
from certs.authority import Authority
from certs.clock import SystemClock
from certs.directory_storage import DirectoryStorage, write_private
from certs.keys import self_signed
from certs.manager import Manager
from certs.sni import Certificates
from certs.storage import Claim
from tests.integration.certs.pebble import pebble
from tests.integration.certs.worlds import OPTIONS, terms

HOST = "email.brand.example"


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send every line back."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


@contextlib.asynccontextmanager
async def listening(served: Certificates) -> AsyncIterator[int]:
    """A TLS server with these certificates; its port."""
    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=served.listener)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


class Client:
    """A client that trusts the authority's root, and checks the host name."""

    def __init__(self, port: int, root: str, host: str) -> None:
        context = ssl.create_default_context(cadata=root)
        raw = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._socket = context.wrap_socket(raw, server_hostname=host)

    def ask(self) -> bytes:
        """Send a line and read it back."""
        self._socket.sendall(b"hello\n")
        return self._socket.recv(100)

    def serial(self) -> int:
        """The serial number of the certificate that was served."""
        found = self._socket.getpeercert()
        assert found is not None
        return int(str(found["serialNumber"]), 16)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


async def connect(port: int, root: str, host: str) -> Client:
    """Connect off the loop; ssl.SSLError or OSError if it is refused."""
    return await asyncio.to_thread(Client, port, root, host)


async def renew_now(storage: DirectoryStorage) -> None:
    """Make the host's renewal due."""
    claim: Claim | None = await storage.claim("test", 1e12, 0.0)
    assert claim is not None
    await storage.release(claim, decisions.asked(claim.host, 0.0))


async def test_a_renewal_is_served_without_dropping_a_connection(tmp_path: Path) -> None:
    """Issue, serve, renew, serve: clients verify name and chain under the authority's root."""
    clock, storage = SystemClock(), DirectoryStorage(tmp_path / "certificates")
    default = tmp_path / "default.pem"
    write_private(default, self_signed("edge.example", clock.now()))
    served = Certificates(storage.key_directory, default, clock)
    async with pebble() as ca, listening(served) as port:
        root = await ca.root()
        authority = Authority(terms(ca), storage, clock)
        try:
            ca.responder.thumbprint = await authority.thumbprint()
            manager = Manager(storage, authority, clock, "test", options=OPTIONS)
            await storage.add(HOST)
            refused = await asyncio.gather(connect(port, root, HOST), return_exceptions=True)
            assert isinstance(refused[0], OSError)
            while await storage.certificate(HOST) is None:
                await manager.step()
            served.refresh()
            old = await connect(port, root, HOST)
            first = old.serial()
            await renew_now(storage)
            before = await storage.certificate(HOST)
            while await storage.certificate(HOST) == before:
                await manager.step()
            served.refresh()
            new = await connect(port, root, HOST)
            assert new.serial() != first
            for client in (old, new):
                assert await asyncio.to_thread(client.ask) == b"hello\n"
                client.close()
            assert not served.faults
        finally:
            authority.close()
