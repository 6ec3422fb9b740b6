"""What an authority should never say, and what a machine should never do; and slow ones."""

import asyncio
import errno
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from certs.acme_client import AcmeClient
from certs.authority import Authority
from certs.clock import SystemClock
from certs.errors import BadAnswer, OperatorError, Unavailable
from certs.host import Host
from certs.issued import Certificate
from certs.keys import new_key
from certs.memory_storage import MemoryStorage
from certs.storage import Claim
from tests.integration.certs.fault_proxy import faulty
from tests.integration.certs.pebble import pebble
from tests.integration.certs.worlds import OPTIONS, World, terms, world
from tests.ports import free_port
from tests.unit.certs.authority import TestAuthority
from tests.unit.certs.simulation import JumpingClock

NAME = "email.brand.example"
END = "-----END CERTIFICATE-----\n"


async def refused(w: World, text: str) -> None:
    """Work until the row of the host says so; nothing may be stored."""
    await w.storage.add(NAME)
    await w.work(lambda: w.host(NAME).failure is not None)
    failure = w.host(NAME).failure
    assert failure is not None
    assert text in failure.text
    assert failure.who == "authority"
    assert w.host(NAME).order is None
    assert not w.storage.certificates


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda chain: chain[: chain.index(END) + len(END)], "truncated"),
        (lambda chain: TestAuthority().chain(new_key(), NAME), "another key"),
        (lambda chain: chain[::-1], "not PEM"),
        (lambda chain: "", "not PEM"),
        (lambda chain: "x" * 300_000, "300000 bytes"),
        (lambda chain: "x" * 1_000_001, "more than 1000000 bytes"),
        (lambda chain: chain * 10, "certificates"),
    ],
)
async def test_a_certificate_that_was_not_asked_for_is_not_stored(
    change: Callable[[str], str], text: str
) -> None:
    """A truncated chain, a foreign key, garbage: a new order later, by the back-off."""
    async with pebble() as ca, faulty(ca) as proxy, world(ca, directory=proxy.directory) as w:
        proxy.certificate = change
        await refused(w, text)
        proxy.certificate = None
        await w.work(lambda: NAME in w.storage.certificates)


async def test_a_certificate_with_another_name_is_not_stored() -> None:
    """Our key and a good chain, but somebody else's name."""
    async with pebble() as ca, faulty(ca) as proxy, world(ca, directory=proxy.directory) as w:

        def evil(_: str) -> str:
            order = w.host(NAME).order
            assert order is not None
            return TestAuthority().chain(order.key_pem, "evil.example.com")

        proxy.certificate = evil
        await refused(w, "evil.example.com")


@pytest.mark.parametrize(
    ("header", "text"), [("Replay-Nonce", "no nonces"), ("Location", "lacks the address")]
)
async def test_answers_without_their_headers_are_bad(header: str, text: str) -> None:
    """A proxy in between that drops them, most likely."""
    async with pebble() as ca, faulty(ca) as proxy, world(ca, directory=proxy.directory) as w:
        proxy.without = frozenset({header})
        with pytest.raises(BadAnswer, match=text):
            await w.authority.account()


async def test_a_directory_is_asked_for_once_a_day() -> None:
    """Not with each order; and again when profiles or terms may have changed."""
    clock = JumpingClock()
    async with pebble() as ca, faulty(ca) as proxy:
        client = AcmeClient(proxy.directory, clock, user_agent="test", ca_file=ca.ca_file)
        try:
            for days, asked in ((0.0, 1), (0.9, 1), (0.2, 2)):
                clock.passed += days * 86_400
                await asyncio.to_thread(client.directory)
                assert proxy.paths.count("/dir") == asked
        finally:
            client.close()


async def test_renewing_in_vain_leaves_what_is_served() -> None:
    """A failure changes the row, never the stored certificate."""
    async with pebble() as ca, faulty(ca) as proxy, world(ca, directory=proxy.directory) as w:
        certificate = await w.issue(NAME)
        proxy.certificate = lambda chain: "garbage"
        validity = w.host(NAME).validity
        assert validity is not None
        w.storage.hosts[NAME] = replace(w.host(NAME), due=0, validity=replace(validity, renew_at=0))
        await w.work(lambda: w.host(NAME).failures == 2)
        assert w.storage.certificates[NAME] == certificate
        assert w.host(NAME).validity is not None


class FullDisk(MemoryStorage):
    """A storage whose disk is full when a certificate comes."""

    full = True

    async def store_certificate(self, claim: Claim, certificate: Certificate, host: Host) -> None:
        """Fail as a file system does."""
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        await super().store_certificate(claim, certificate, host)


async def test_a_full_disk_is_the_operators_and_costs_no_order() -> None:
    """The order's certificate is fetched again when there is room."""
    storage = FullDisk()
    async with (
        pebble() as ca,
        faulty(ca) as proxy,
        world(ca, directory=proxy.directory, storage=storage) as w,
    ):
        await storage.add(NAME)
        await w.work(lambda: w.host(NAME).failure is not None)
        failure, order = w.host(NAME).failure, w.host(NAME).order
        assert failure is not None
        assert order is not None
        assert (failure.who, "No space left" in failure.text) == ("operator", True)
        storage.full = False
        await w.work(lambda: NAME in storage.certificates)
        assert storage.certificates[NAME].key_pem == order.key_pem
        assert len(proxy.orders) == 1


async def test_an_authority_under_another_root_is_the_operators_to_mend(tmp_path: Path) -> None:
    """The machine's own roots do not know Pebble's; a file that is no roots helps nobody."""
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("no certificate")
    missing = str(tmp_path / "missing.pem")
    async with pebble() as ca:
        for roots in (None, str(garbage), missing):
            authority = Authority(replace(terms(ca), ca_file=roots), MemoryStorage(), SystemClock())
            try:
                with pytest.raises(OperatorError, match="ca_file"):
                    await authority.account()
            finally:
                authority.close()


async def test_an_authority_that_is_not_there_is_unavailable() -> None:
    """Nobody listens: time must pass, nothing to mend."""
    async with pebble() as ca:
        url = f"https://localhost:{free_port()}/dir"
        authority = Authority(replace(terms(ca), directory=url), MemoryStorage(), SystemClock())
        try:
            with pytest.raises(Unavailable):
                await authority.account()
        finally:
            authority.close()


async def test_a_slow_validation_is_waited_for_over_several_goes() -> None:
    """The deadline passes, the order stays, and is resumed until it is done: one order."""
    options = replace(OPTIONS, deadline=0.3)
    async with (
        pebble(environment={"PEBBLE_VA_NOSLEEP": "0", "PEBBLE_VA_SLEEPTIME": "2"}) as ca,
        faulty(ca) as proxy,
        world(ca, directory=proxy.directory, options=options) as w,
    ):
        await w.storage.add(NAME)
        await w.work(lambda: w.host(NAME).failure is not None)
        failure = w.host(NAME).failure
        assert failure is not None
        assert "the order is still" in failure.text
        await w.work(lambda: NAME in w.storage.certificates)
        assert len(proxy.orders) == 1


async def test_an_authorization_that_is_still_valid_is_used() -> None:
    """Authorities reuse them for days: the order arrives ready, no challenge is answered."""
    async with pebble(environment={"PEBBLE_AUTHZREUSE": "100"}) as ca, world(ca) as w:
        first = await w.issue(NAME)
        asked = len(ca.responder.asked)
        validity = w.host(NAME).validity
        assert validity is not None
        w.storage.hosts[NAME] = replace(w.host(NAME), due=0, validity=replace(validity, renew_at=0))
        await w.work(lambda: w.storage.certificates[NAME] != first)
        assert len(ca.responder.asked) == asked


async def test_dns_decides_where_the_authority_looks() -> None:
    """A CNAME to us is followed; a name without address is its owner's to mend."""
    async with pebble() as ca, world(ca) as w:
        await ca.dns("set-default-ipv4", ip="")
        await ca.dns("add-a", host="edge.example", addresses=["127.0.0.1"])
        await ca.dns("set-cname", host="good.brand.example", target="edge.example")
        await w.storage.add("lost.brand.example")
        await w.work(lambda: w.host("lost.brand.example").failures == 1)
        failure = w.host("lost.brand.example").failure
        assert failure is not None
        assert failure.who == "customer"
        await w.issue("good.brand.example")


async def test_half_of_all_nonces_may_be_rejected() -> None:
    """The library alone gives up after one retry."""
    async with pebble(reject=50) as ca, world(ca) as w:
        await w.issue(NAME)
