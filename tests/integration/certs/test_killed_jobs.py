"""The jobs of an edge on Postgres, killed at every exchange with the authority."""

import asyncio
import multiprocessing
import signal
from pathlib import Path

import pytest

from certs.issued import verify
from edge.clock import SystemClock
from edge.model.certificate import Status
from edge.store import certificates
from tests.integration.certs.edges import VAULT, Edge, Seen, edge, wait_for, work
from tests.integration.certs.fault_proxy import Proxy, faulty
from tests.integration.certs.pebble import Pebble, pebble
from tests.integration.certs.test_account import thumbprint_of
from tests.integration.certs.test_sharing import Killer
from tests.integration.certs.worlds import SHORT_LEASES

WHOLE = 40
"""More exchanges than one order has: the survey finds where they end."""


async def die_at(
    ca: Pebble, proxy: Proxy, one: Edge, url: str, place: Path, point: tuple[int, bool]
) -> bool:
    """Kill the jobs at a point of an order, let others go on; False if they were done before it."""
    number, after = point
    host = await one.add_host(f"mg.brand{number}{'after' if after else 'before'}.example")
    await one.request(host)
    before = len(proxy.orders)
    killer = Killer(number, after)
    proxy.exchanged = killer
    seen = Seen(proxy.directory, ca.ca_file, ca.http_port, ca.dns_port)
    child = multiprocessing.get_context("spawn").Process(target=work, args=(seen, url, str(place)))
    child.start()
    killer.pid = child.pid or 0

    async def ended() -> bool:
        if not child.is_alive():
            return True
        return (await one.shown(host)).status(SystemClock.now()) is Status.ACTIVE

    await wait_for(ended, lambda: f"{point}: neither killed nor done")
    await asyncio.to_thread(child.join, 0.5)
    killed = child.exitcode == -signal.SIGKILL
    child.kill()
    child.join(10)
    proxy.exchanged = lambda path, done: None
    async with edge(
        ca, url, place, name="two", options=SHORT_LEASES, acme_directory=proxy.directory
    ):
        await one.until(host, Status.ACTIVE)
    assert len(proxy.orders) - before == 1, point
    async with one.pool.acquire() as conn:
        stored = await certificates.get(conn, VAULT, host)
        left = await conn.fetchval("SELECT count(*) FROM certificate_hosts WHERE order_key <> ''")
    assert stored is not None
    verify(stored.chain, stored.key, host, SystemClock.now())
    assert left == 0
    return killed


@pytest.mark.soak
@pytest.mark.timeout(1500)
async def test_jobs_may_be_killed_at_every_exchange(database_url: str, tmp_path: Path) -> None:
    """One order for one need, one key, which is the certificate's, and none left over."""
    async with (
        pebble(reject=0) as ca,
        faulty(ca) as proxy,
        edge(
            ca,
            database_url,
            tmp_path / "watcher",
            name="watcher",
            orders=False,
            acme_directory=proxy.directory,
        ) as one,
    ):
        died = 0
        for number in range(1, WHOLE):
            killed = [
                await die_at(ca, proxy, one, database_url, tmp_path / "jobs", (number, after))
                for after in (False, True)
            ]
            died += sum(killed)
            if not any(killed):
                break
        assert died > 12
        assert thumbprint_of(one)
