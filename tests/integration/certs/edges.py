"""Edges of one installation for the tests: their certificate jobs and keepers, on one Postgres."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from certs.manager import Options
from edge.adapters import certificate_jobs
from edge.adapters.certificate_jobs import CertificateJobs
from edge.clock import SystemClock
from edge.ingest.keeper import Keeper
from edge.ingest.key_files import KEY_DIRECTORY, KeyFiles
from edge.lifecycle import Tasks
from edge.model.certificate import HostCertificate, Status
from edge.model.domain import Domain
from edge.model.errors import OperatorError
from edge.model.roster import Snapshot
from edge.model.vault import Vault
from edge.roster.snapshot import FILE_NAME, load
from edge.settings import Settings
from edge.store import certificates, domains
from edge.store.pool import Pool, opened
from tests.integration.certs.pebble import Pebble, Responder
from tests.integration.certs.worlds import OPTIONS, SHORT_LEASES

OURS = "edge.example.org"
VAULT = Vault(bytes(32))


@dataclass
class Seen:
    """What another process needs to know of a Pebble; its own answers nobody's challenges."""

    directory: str
    ca_file: str
    http_port: int
    dns_port: int
    responder: Responder = field(default_factory=Responder)


def settings(ca: Pebble | Seen, place: Path, **changes: Any) -> Settings:
    """Settings that order from a Pebble."""
    given: dict[str, Any] = {
        "data_dir": place,
        "public_host": OURS,
        "acme_directory": ca.directory,
        "acme_agree_tos": True,
        "acme_ca_file": ca.ca_file,
        "acme_http_port": ca.http_port,
        "resolvers": f"127.0.0.1:{ca.dns_port}",
    }
    return Settings(**(given | changes))


@dataclass
class Edge:
    """One edge: ``place`` is its data directory."""

    ca: Pebble | Seen
    pool: Pool
    place: Path
    keys: KeyFiles

    async def add_host(self, name: str, *, cname: str = OURS, **fields: Any) -> str:
        """A domain whose tracking host's CNAME leads to us, or elsewhere; the host."""
        async with self.pool.acquire() as conn:
            wanted = Domain(number=0, name=name, **fields)
            domain = await domains.add(conn, wanted, now_us=time.time_ns() // 1000)
        host = domain.tracking_host
        assert isinstance(self.ca, Pebble)
        await self.ca.dns("set-cname", host=f"{host}.", target=f"{cname}.")
        return host

    async def request(self, host: str) -> None:
        """Ask for a certificate."""
        async with self.pool.acquire() as conn:
            assert await certificates.request(conn, host, "1", time.time())

    async def shown(self, host: str) -> HostCertificate:
        """What is known of a host."""
        async with self.pool.acquire() as conn:
            found = await certificates.show(conn, host)
        assert found is not None
        return found

    async def until(self, host: str, status: Status) -> HostCertificate:
        """Wait until a host stands there."""
        shown = None

        async def there() -> bool:
            nonlocal shown
            shown = await self.shown(host)
            return shown.status(time.time()) is status

        await wait_for(there, lambda: f"{host} is not {status}: {shown}")
        assert shown is not None
        return shown

    def file(self, host: str) -> Path:
        """Where the host's key file is."""
        return self.place / KEY_DIRECTORY / f"{host}.pem"

    async def until_file(self, host: str) -> Path:
        """Wait for the host's key file."""
        file = self.file(host)
        await wait_for(lambda: asyncio.to_thread(file.exists), lambda: f"no {file}")
        return file

    async def until_hsts(self, expected: dict[str, int]) -> Snapshot:
        """Wait until the roster on disk says this of HSTS; that roster."""
        snapshot = None

        async def there() -> bool:
            nonlocal snapshot
            snapshot = load(self.place / FILE_NAME)
            return snapshot is not None and snapshot.hsts == expected

        await wait_for(there, lambda: f"the roster is {snapshot}")
        assert snapshot is not None
        return snapshot


async def wait_for(what: Callable[[], Any], text: Callable[[], str], seconds: float = 40) -> None:
    """Until ``what()`` (awaited) is true."""
    deadline = time.monotonic() + seconds
    while not await what():
        assert time.monotonic() < deadline, text()
        await asyncio.sleep(0.05)


@asynccontextmanager
async def edge(
    ca: Pebble | Seen,
    url: str,
    place: Path,
    *,
    name: str = "one",
    options: Options = OPTIONS,
    orders: bool = True,
    vault: Vault = VAULT,
    **changes: Any,
) -> AsyncIterator[Edge]:
    """An edge that runs; the Pebble's responder answers by the newest roster of any of them."""
    place.mkdir(parents=True, exist_ok=True)
    chosen = settings(ca, place, **changes)
    ca.responder.vault = VAULT
    async with opened(url, max_size=8) as pool:
        clock = SystemClock()
        keeper = Keeper(pool=pool, path=place / FILE_NAME, edge_id=name, name=name)
        keys = KeyFiles(place / KEY_DIRECTORY, pool, vault)
        jobs = CertificateJobs(
            settings=chosen,
            pool=pool,
            vault=vault,
            clock=clock,
            holder=name,
            gate=certificate_jobs.gate_of(chosen, VAULT),
            options=options,
        )
        tasks = Tasks(grace=10.0)

        async def keep() -> None:
            await keeper.refresh()
            snapshot = load(place / FILE_NAME)
            ca.responder.thumbprint = snapshot.thumbprint if snapshot else ""
            await keys.refresh()

        with contextlib.suppress(OperatorError):
            await keep()
        tasks.spawn("keep", tasks.every(0.1, keep, "keep"))
        if orders:
            tasks.spawn("certificates", jobs.run(tasks))
        try:
            yield Edge(ca, pool, place, keys)
        finally:
            await tasks.close()


def work(seen: Seen, url: str, place: str) -> None:
    """The life of a process with the jobs of one edge, until it is killed."""

    async def live() -> None:
        async with edge(seen, url, Path(place), options=SHORT_LEASES):
            await asyncio.sleep(60)

    asyncio.run(live())
