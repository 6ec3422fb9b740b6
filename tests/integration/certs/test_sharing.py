"""Several processes at one storage, and processes that are killed: one order for one need."""

import asyncio
import multiprocessing
import os
import signal
from dataclasses import replace
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest

from certs import directory_storage
from certs.authority import Authority
from certs.directory_storage import DirectoryStorage
from certs.host import Host
from certs.issued import verify
from certs.keys import new_key, thumbprint
from certs.manager import Manager
from certs.memory_storage import MemoryStorage
from certs.storage import Account
from tests.integration.certs import victim
from tests.integration.certs.fault_proxy import Proxy, faulty
from tests.integration.certs.pebble import Pebble, pebble
from tests.integration.certs.worlds import OPTIONS, SHORT_LEASES, MovedClock, terms, world

HOST = "email.brand.example"
Point = tuple[str, int, bool]
"""A place to die at: ``exchange`` or ``write``, its number, and before it or after."""


async def test_two_managers_make_one_order_for_each_host() -> None:
    """They share a storage as two machines would: 24 hosts, 24 orders, one account."""
    storage, clock = MemoryStorage(), MovedClock()
    names = [f"host{number}.brand.example" for number in range(24)]
    async with pebble() as ca, faulty(ca) as proxy:
        both = [Authority(terms(ca, directory=proxy.directory), storage, clock) for _ in range(2)]
        try:
            one, two = await asyncio.gather(*(authority.account() for authority in both))
            assert one.key_pem == two.key_pem
            ca.responder.thumbprint = thumbprint(one.key_pem)
            for name in names:
                await storage.add(name)
            managers = [
                Manager(storage, authority, clock, f"machine {number}", options=OPTIONS)
                for number, authority in enumerate(both)
            ]
            await run_until(managers, lambda: len(storage.certificates) == len(names))
        finally:
            for authority in both:
                authority.close()
        assert sorted(order["identifiers"][0]["value"] for order in proxy.orders) == sorted(names)
        assert len({account.key_pem for account in storage.accounts.values()}) == 1


async def run_until(managers: list[Manager], so: Any) -> None:
    """Run managers as a program does, until something is so; they end in order."""
    stopping, loop = asyncio.Event(), asyncio.get_running_loop()
    running = [
        loop.create_task(
            manager.run(lambda name, work: loop.create_task(work, name=name), stopping)
        )
        for manager in managers
    ]
    try:
        async with asyncio.timeout(60):
            while not so():
                await asyncio.sleep(0.05)
    finally:
        stopping.set()
        await asyncio.gather(*running)


async def test_a_holder_that_was_too_slow_stores_nothing() -> None:
    """Its lease ran out and somebody else finished: the certificate is the other's."""
    async with pebble() as ca, world(ca) as w:
        await w.storage.add(HOST)
        claim = await w.storage.claim("slow", w.clock.now(), 0.0)
        assert claim is not None
        certificate = await w.issue(HOST)
        row = w.host(HOST)
        with pytest.raises(Exception, match="other hands"):
            await w.storage.store_certificate(claim, certificate, Host(HOST))
        assert w.host(HOST) == row


async def test_the_loop_outlives_a_storage_that_fails() -> None:
    """Postgres is away for a moment: it is logged, and the work goes on afterwards."""

    class Flaky(MemoryStorage):
        left = 6

        async def claim(self, holder: str, now: float, seconds: float) -> Any:
            Flaky.left -= 1
            if Flaky.left > 0:
                raise RuntimeError("connection lost")
            return await super().claim(holder, now, seconds)

    async with pebble() as ca, world(ca, storage=Flaky()) as w:
        await w.storage.add(HOST)
        await run_until([w.manager], lambda: HOST in w.storage.certificates)


async def test_a_woken_manager_does_not_wait_until_it_would_look() -> None:
    """Somebody asked for a certificate: it is there at once, and the manager ends at once, too."""
    options = replace(OPTIONS, idle=60.0, grace=60.0)
    async with pebble() as ca, world(ca, options=options) as w:
        stopping, loop = asyncio.Event(), asyncio.get_running_loop()
        running = loop.create_task(
            w.manager.run(lambda name, work: loop.create_task(work, name=name), stopping)
        )
        await asyncio.sleep(0.2)
        await w.storage.add(HOST)
        w.manager.wake()
        async with asyncio.timeout(30):
            while HOST not in w.storage.certificates:
                await asyncio.sleep(0.05)
            stopping.set()
            await running


async def test_stopping_does_not_wait_for_an_authority() -> None:
    """What is under way is cancelled after its grace; the order is finished by the next one."""
    slow = {"PEBBLE_VA_NOSLEEP": "0", "PEBBLE_VA_SLEEPTIME": "3"}
    options = replace(SHORT_LEASES, grace=0.2)
    async with (
        pebble(environment=slow) as ca,
        faulty(ca) as proxy,
        world(ca, directory=proxy.directory, options=options) as w,
    ):
        await w.storage.add(HOST)
        before = w.clock.monotonic()
        await run_until([w.manager], lambda: len(proxy.orders) == 1)
        assert w.clock.monotonic() - before < 3
        order = w.host(HOST).order
        assert order is not None
        await run_until([w.manager], lambda: HOST in w.storage.certificates)
        assert w.storage.certificates[HOST].key_pem == order.key_pem
        assert len(proxy.orders) == 1


# Killed processes


class Killer:
    """Kills a process at an exchange with the authority, before Pebble sees it or after."""

    def __init__(self, number: int, after: bool) -> None:
        self.pid = 0
        self._left = number
        self._after = after

    def __call__(self, path: str, done: bool) -> None:
        """Count an exchange."""
        self._left -= not done
        if self._left == 0 and done == self._after and self.pid:
            os.kill(self.pid, signal.SIGKILL)


def processes() -> Any:
    """Where processes come from: one that has everything loaded already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.integration.certs.victim"])
    return context


def place_for(tmp_path: Path, point: Point) -> Path:
    """A place of its own for each point."""
    return tmp_path / "-".join(map(str, point)).lower()


async def die_at(ca: Pebble, proxy: Proxy, place: Path, point: Point) -> int:
    """Kill a process at a point, then let another go on; the orders that were made."""
    storage, host, key = DirectoryStorage(place), f"{place.name}.brand.example", new_key()
    ca.responder.thumbprints[host] = thumbprint(key)
    await storage.save_account(Account(proxy.directory, key))
    await storage.add(host)
    kind, number, after = point
    killer = Killer(number, after) if kind == "exchange" else None
    if killer is not None:
        proxy.exchanged = killer
    die = (number, after) if kind == "write" else None
    first: ForkServerProcess = processes().Process(
        target=victim.keep, args=(str(place), proxy.directory, ca.ca_file, host, die)
    )
    first.start()
    if killer is not None:
        killer.pid = first.pid or 0
    await asyncio.to_thread(first.join, 60)
    assert first.exitcode == -signal.SIGKILL, (point, first.exitcode)
    second: ForkServerProcess = processes().Process(
        target=victim.keep, args=(str(place), proxy.directory, ca.ca_file, host, None)
    )
    second.start()
    await asyncio.to_thread(second.join, 60)
    assert second.exitcode == 0, (point, second.exitcode)
    certificate = await storage.certificate(host)
    account = await storage.account(proxy.directory)
    assert certificate is not None
    assert account is not None
    verify(certificate.chain_pem, certificate.key_pem, host, MovedClock().now())
    assert (storage.key_directory / f"{host}.pem").read_text() == certificate.pem
    assert account.key_pem == key
    return len(proxy.orders)


async def survey(ca: Pebble, place: Path, monkeypatch: pytest.MonkeyPatch) -> list[Point]:
    """All points of one issuance: each exchange with the authority, each write."""
    writes: list[int] = []
    exchanges: list[str] = []
    async with faulty(ca) as proxy:
        proxy.exchanged = lambda path, done: exchanges.append(path) if done else None
        storage, key = DirectoryStorage(place), new_key()
        ca.responder.thumbprints[HOST] = thumbprint(key)
        await storage.save_account(Account(proxy.directory, key))
        await storage.add(HOST)

        def count(path: Path, content: str) -> None:
            writes.append(1)
            write(path, content)

        write = directory_storage.write_private
        monkeypatch.setattr(directory_storage, "write_private", count)
        try:
            await asyncio.to_thread(
                victim.keep, str(place), proxy.directory, ca.ca_file, HOST, None
            )
        finally:
            monkeypatch.undo()
    kinds = (("exchange", len(exchanges)), ("write", len(writes)))
    return [
        (kind, number, after)
        for kind, total in kinds
        for number in range(1, total + 1)
        for after in (False, True)
    ]


async def kill_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int) -> None:
    """Kill at every so-manieth point; each time one order, and the account's key kept."""
    async with pebble(reject=0) as ca:
        points = await survey(ca, tmp_path / "survey", monkeypatch)
        assert len(points) > 40
        limit = asyncio.Semaphore(4)

        async def one(point: Point) -> None:
            async with limit, faulty(ca) as proxy:
                orders = await die_at(ca, proxy, place_for(tmp_path, point), point)
                assert orders == 1, point

        async with asyncio.TaskGroup() as group:
            for point in points[::every]:
                group.create_task(one(point))


async def test_a_killed_process_leaves_one_order_and_no_orphan_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL at a third of all exchanges and writes; whoever comes next finishes the order."""
    await kill_everywhere(tmp_path, monkeypatch, 3)


@pytest.mark.soak
async def test_a_process_may_be_killed_at_every_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same at all of them."""
    await kill_everywhere(tmp_path, monkeypatch, 1)
