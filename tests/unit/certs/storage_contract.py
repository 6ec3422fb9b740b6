"""What the manager needs of a storage: tests that every implementation has to pass.

A module that imports them gives them a fixture ``make``, which makes an empty storage.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import pytest

from certs.budgets import Charge, Limit
from certs.errors import CustomerError, LeaseLost
from certs.host import Host, PendingOrder
from certs.issued import Certificate
from certs.keys import new_key
from certs.storage import Account, Claim, Storage

KEY = new_key()
CERTIFICATE = Certificate("a.brand.example", "key\n", "chain\n", 1.0, 2.0, "id")


class Tried(Storage, Protocol):
    """A storage with what the tests do to it from outside."""

    async def add(self, name: str, tenant: str = "", due: float = 0.0) -> None:
        """Ask for a certificate; nothing if the host is there already."""

    async def remove(self, name: str) -> None:
        """Forget a host."""

    async def host(self, name: str) -> Host | None:
        """The row of a host."""


Make = Callable[[], Tried]


async def claimed(storage: Storage, now: float = 10.0) -> Claim:
    """The claim of what is due."""
    claim = await storage.claim("me", now, 60.0)
    assert claim is not None
    return claim


async def test_the_longest_due_host_is_claimed_first_and_once(make: Make) -> None:
    """In the order of ``due``; a leased one is nobody else's until its lease runs out."""
    storage = make()
    for name, due in (("b.brand.example", 2.0), ("a.brand.example", 1.0), ("c.brand.example", 99)):
        await storage.add(name, "tenant", due)
    names = [(await claimed(storage)).host.name for _ in range(2)]
    assert names == ["a.brand.example", "b.brand.example"]
    assert await storage.claim("you", 10.0, 60.0) is None
    assert (await claimed(storage, 70.1)).host.name == "a.brand.example"


async def test_adding_twice_changes_nothing(make: Make) -> None:
    """Also in another spelling; what cannot have a certificate is refused."""
    storage = make()
    await storage.add("a.brand.example", "one")
    await storage.add("A.Brand.Example.", "two")
    assert (await claimed(storage)).host.tenant == "one"
    assert await storage.claim("me", 10.0, 60.0) is None
    with pytest.raises(CustomerError):
        await storage.add("../../etc/passwd")


async def test_a_later_holder_fences_off_the_earlier_one(make: Make) -> None:
    """Every call of a claim that was taken over is refused, and changes nothing."""
    storage = make()
    await storage.add("a.brand.example")
    old = await claimed(storage)
    new = await claimed(storage, 80.0)
    assert old.token != new.token
    spoiled = replace(old.host, failures=99)
    for call in (
        storage.extend(old, 90.0, 60.0),
        storage.save(old, spoiled),
        storage.release(old, spoiled),
        storage.store_certificate(old, CERTIFICATE, spoiled),
    ):
        with pytest.raises(LeaseLost):
            await call
    assert await storage.host("a.brand.example") == new.host
    assert await storage.certificate("a.brand.example") is None


async def test_an_expired_lease_that_nobody_took_may_be_used(make: Make) -> None:
    """And extending it makes it a living one again."""
    storage = make()
    await storage.add("a.brand.example")
    claim = await claimed(storage)
    await storage.extend(claim, 100.0, 60.0)
    assert await storage.claim("you", 150.0, 60.0) is None
    await storage.release(claim, replace(claim.host, due=200.0))


async def test_a_released_claim_is_over(make: Make) -> None:
    """Its holder cannot write again, and the host can be claimed when it is due."""
    storage = make()
    await storage.add("a.brand.example")
    claim = await claimed(storage)
    await storage.release(claim, replace(claim.host, due=20.0))
    with pytest.raises(LeaseLost):
        await storage.save(claim, claim.host)
    assert await storage.claim("you", 19.0, 60.0) is None
    assert (await claimed(storage, 20.0)).host.due == 20.0


async def test_a_removed_host_is_lost_to_its_holder(make: Make) -> None:
    """Also when it was added anew meanwhile."""
    storage = make()
    await storage.add("a.brand.example")
    claim = await claimed(storage)
    await storage.remove("a.brand.example")
    with pytest.raises(LeaseLost):
        await storage.save(claim, claim.host)
    await storage.add("a.brand.example")
    with pytest.raises(LeaseLost):
        await storage.store_certificate(claim, CERTIFICATE, claim.host)
    assert await storage.certificate("a.brand.example") is None


async def test_a_row_is_saved_under_the_lease(make: Make) -> None:
    """An order's key is there before anything else happens."""
    storage = make()
    await storage.add("a.brand.example")
    claim = await claimed(storage)
    host = replace(claim.host, order=PendingOrder("https://ca/dir", "key", 1.0))
    await storage.save(claim, host)
    assert await storage.host("a.brand.example") == host
    assert await storage.claim("you", 11.0, 60.0) is None


async def test_a_certificate_is_stored_with_its_row(make: Make) -> None:
    """Both are there, and the lease is over."""
    storage = make()
    await storage.add("a.brand.example")
    claim = await claimed(storage)
    await storage.store_certificate(claim, CERTIFICATE, replace(claim.host, due=50.0))
    assert await storage.certificate("a.brand.example") == CERTIFICATE
    assert (await claimed(storage, 50.0)).host.due == 50.0


async def test_accounts_change_by_compare_and_set(make: Make) -> None:
    """The second of two writers with the same revision gets nothing."""
    storage = make()
    assert await storage.account("https://ca/dir") is None
    first = await storage.save_account(Account("https://ca/dir", KEY))
    assert first is not None
    assert await storage.save_account(Account("https://ca/dir", new_key())) is None
    second = await storage.save_account(replace(first, url="https://ca/1"))
    assert second is not None
    assert await storage.save_account(replace(first, url="https://ca/2")) is None
    assert await storage.account("https://ca/dir") == second
    assert await storage.account("https://other/dir") is None


async def test_buckets_are_taken_from_together(make: Make) -> None:
    """All or none, kept over calls."""
    storage = make()
    one, two = Charge("one", Limit(1, 100.0)), Charge("two", Limit(2, 100.0))
    assert await storage.take([one, two], 0.0) == 0
    assert await storage.take([one, two], 1.0) == pytest.approx(99.0)
    assert await storage.take([two], 1.0) == 0
    assert await storage.take([one], 100.0) == 0
