"""Renewal information, profiles, limits and broken connections, through the fault proxy."""

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest

from certs.errors import BadAnswer, RateLimited, Unavailable
from certs.host import Host
from certs.memory_storage import MemoryStorage
from tests.integration.certs.fault_proxy import URN, Faults, faulty
from tests.integration.certs.pebble import pebble
from tests.integration.certs.worlds import OPTIONS, World, world

NAME = "email.brand.example"


async def renew(w: World, name: str) -> None:
    """Make a host due for renewal information, and see the new certificate come."""
    before = w.storage.certificates[name].renewal_id
    await w.work(lambda: w.storage.certificates[name].renewal_id != before)


async def test_renewal_follows_the_window_and_names_what_it_replaces() -> None:
    """A window in the past renews at once, with ``replaces``; the profile goes along."""
    async with (
        pebble() as ca,
        faulty(ca) as proxy,
        world(ca, directory=proxy.directory, profile="shortlived") as w,
    ):
        proxy.window = (time.time() + 86_400, time.time() + 2 * 86_400)
        first = await w.issue(NAME)
        await w.work(lambda: (v := w.host(NAME).validity) is not None and v.window is not None)
        validity = w.host(NAME).validity
        assert validity is not None
        assert proxy.window[0] - 1 <= validity.renew_at <= proxy.window[1]
        proxy.window = (time.time() - 7200, time.time() - 3600)
        w.storage.hosts[NAME] = replace(w.host(NAME), due=0, validity=replace(validity, check_at=0))
        await renew(w, NAME)
        assert [order.get("replaces") for order in proxy.orders] == [None, first.renewal_id]
        assert {order["profile"] for order in proxy.orders} == {"shortlived"}


@pytest.mark.parametrize("why", ["replaced", "foreign"])
async def test_a_certificate_that_cannot_be_replaced_is_renewed_all_the_same(why: str) -> None:
    """It has its successor (``alreadyReplaced``, RFC 9773 § 5), or another account ordered it."""
    async with pebble() as ca, faulty(ca) as proxy, world(ca, directory=proxy.directory) as w:
        proxy.window = (time.time() - 7200, time.time() - 3600)
        first = await w.issue(NAME)
        assert first.renewal_id is not None
        getattr(proxy, why).add(first.renewal_id)
        await renew(w, NAME)
        assert w.host(NAME).failures == 0
        assert all("replaces" not in order for order in proxy.orders[:2])


async def test_an_unknown_profile_is_the_operators_fault() -> None:
    """It is refused before an order is made, and the host keeps its row."""
    async with (
        pebble() as ca,
        faulty(ca) as proxy,
        world(ca, directory=proxy.directory, profile="nonesuch") as w,
    ):
        await w.storage.add(NAME)
        await w.work(lambda: w.host(NAME).failure is not None)
        failure = w.host(NAME).failure
        assert failure is not None
        assert failure.who == "operator"
        assert not proxy.orders


async def test_a_rate_limit_keeps_its_time_and_its_type() -> None:
    """429 with Retry-After: the host waits that long, which is no failure of its own."""
    async with pebble() as ca, faulty(ca) as proxy, world(ca, directory=proxy.directory) as w:
        problem = {"type": URN + "rateLimited", "detail": "too many certificates"}
        proxy.answers["/order-plz"] = (429, problem, {"Retry-After": "3600"})
        with pytest.raises(RateLimited) as error:
            await w.authority.signed(lambda client, _: client.new_order(NAME))
        assert error.value.retry_after == 3600
        assert error.value.problem == URN + "rateLimited"
        await w.storage.add(NAME)
        await w.work(lambda: w.host(NAME).failure is not None)
        assert w.host(NAME).due >= time.time() + 3500
        assert w.host(NAME).failures == 0
        assert w.host(NAME).order is not None


async def test_an_authority_that_is_down_is_left_alone() -> None:
    """After three refusals in a row everything pauses: hosts do not ask one by one."""
    async with pebble() as ca, faulty(ca) as proxy:
        slow = replace(OPTIONS, policy=replace(OPTIONS.policy, outage=3600.0))
        async with world(ca, directory=proxy.directory, options=slow) as w:
            proxy.answers["/order-plz"] = (503, {"type": URN + "serverInternal"}, {})
            for number in range(20):
                await w.storage.add(f"host{number}.brand.example")
            while await w.manager.step():
                pass
            assert proxy.paths.count("/order-plz") == 3
            assert sum(host.failure is not None for host in w.storage.hosts.values()) == 3
            assert all(host.failures == 0 for host in w.storage.hosts.values())


async def test_a_hostile_challenge_token_is_refused() -> None:
    """Markup as token: the challenge is never answered, nothing is stored."""
    async with pebble() as ca, faulty(ca) as proxy, world(ca, directory=proxy.directory) as w:

        def hostile(path: str, answer: dict[str, Any]) -> None:
            for challenge in answer.get("challenges", ()):
                challenge["token"] = "<script>alert(1)</script>"

        proxy.rewrite = hostile
        await w.storage.add(NAME)
        await w.work(lambda: w.host(NAME).failures == 1)
        failure = w.host(NAME).failure
        assert failure is not None
        assert (failure.who, "token" in failure.text) == ("authority", True)
        assert not ca.responder.asked


async def test_an_order_for_another_name_is_refused() -> None:
    """The authority answers with an order for something else: nothing is signed for it."""
    async with pebble() as ca, faulty(ca) as proxy, world(ca, directory=proxy.directory) as w:
        other = await w.authority.signed(lambda client, _: client.new_order("evil.example.com"))
        with pytest.raises(BadAnswer, match=r"evil\.example\.com"):
            await w.authority.signed(lambda client, _: client.order(other.url, NAME))


async def test_a_clock_that_is_two_days_behind_keeps_the_order() -> None:
    """The certificate begins in the future: the operator must act, then the same order is used."""
    async with pebble() as ca, faulty(ca) as proxy, world(ca, directory=proxy.directory) as w:
        w.clock.offset = -2 * 86_400.0
        await w.storage.add(NAME, due=0)
        await w.work(lambda: w.host(NAME).failure is not None)
        failure, order = w.host(NAME).failure, w.host(NAME).order
        assert failure is not None
        assert order is not None
        assert (failure.who, "future" in failure.text) == ("operator", True)
        w.clock.offset = 0.0
        await w.work(lambda: NAME in w.storage.certificates)
        assert w.storage.certificates[NAME].key_pem == order.key_pem
        assert len(proxy.orders) == 1


async def test_broken_connections_make_no_second_order() -> None:
    """An order whose answer was lost is found again in the account's list, and used."""
    async with (
        pebble(reject=0) as ca,
        faulty(ca) as proxy,
        world(ca, directory=proxy.directory) as w,
    ):
        await w.authority.signed(lambda client, _: client.directory())
        proxy.faults.drop_after = 1.0
        with pytest.raises(Unavailable):
            await w.authority.signed(lambda client, _: client.new_order(NAME))
        proxy.faults.drop_after = 0.0
        assert len(proxy.orders) == 1
        found = await w.authority.signed(lambda client, url: client.open_orders(url, NAME))
        assert [order.names for order in found] == [(NAME,)]


async def test_an_address_that_is_not_https_is_refused() -> None:
    """A directory that sends us to plain http, or to a file."""
    async with pebble() as ca, world(ca) as w:
        for url in ("http://127.0.0.1/dir", "file:///etc/passwd"):
            with pytest.raises(BadAnswer, match="https"):
                await w.authority.signed(lambda client, _, u=url: client.order(u, NAME))  # type: ignore[misc]  # mypy cannot infer a lambda's default


async def issue_with_faults(count: int, seed: int) -> tuple[dict[str, Host], int]:
    """Issue for so many hosts through every fault at once; the rows, and the orders made."""
    faults = Faults(
        drop_before=0.01, drop_after=0.01, server_error=0.01, delay=0.05, rate_limit=0.02, seed=seed
    )
    async with pebble(reject=20) as ca, faulty(ca, faults) as proxy:
        proxy.window = (time.time() + 86_400, time.time() + 2 * 86_400)
        async with world(ca, directory=proxy.directory, storage=MemoryStorage()) as w:
            names = [f"host{number}.brand{number % 97}.example" for number in range(count)]
            for name in names:
                await w.storage.add(name)
            stopping = asyncio.Event()
            loop = asyncio.get_running_loop()
            running = loop.create_task(
                w.manager.run(lambda name, work: loop.create_task(work, name=name), stopping)
            )
            async with asyncio.timeout(60 + count):
                while len(w.storage.certificates) < count:
                    await asyncio.sleep(0.1)
            stopping.set()
            await running
            return w.storage.hosts, len(proxy.orders)


async def test_everything_is_issued_through_faults() -> None:
    """24 hosts, 20 % of nonces rejected, every fault: all valid, one accepted order for each."""
    rows, orders = await issue_with_faults(24, seed=3)
    assert all(row.validity is not None and row.order is None for row in rows.values())
    assert orders == len(rows)


@pytest.mark.soak
@pytest.mark.timeout(3000)
async def test_a_thousand_are_issued_through_faults() -> None:
    """The same for 1,000 hosts; of orders whose answer was lost only the first 200 are looked for.

    Pebble lists finished orders too (RFC 8555 § 7.1.2.1 asks for the others), so that one in a
    hundred answers lost, late in the run, costs another order.
    """
    rows, orders = await issue_with_faults(1000, seed=4)
    assert all(row.validity is not None and row.order is None for row in rows.values())
    assert len(rows) <= orders <= len(rows) + 30
