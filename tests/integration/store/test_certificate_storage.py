"""The certificate library's storage on Postgres: its contract, and what only Postgres promises."""

import asyncio
import json
import time
from dataclasses import replace

import pytest

from certs.budgets import Charge, Limit
from certs.errors import LeaseLost, OperatorError, Unavailable
from certs.host import Failure, Host, PendingOrder, Validity
from certs.keys import new_key, thumbprint
from certs.names import host_name
from certs.storage import Account
from edge.adapters.certificate_storage import PostgresStorage, as_host
from edge.clock import SystemClock
from edge.model.domain import Domain
from edge.model.vault import Vault
from edge.store import certificates, domains, roster
from edge.store.pool import Pool, opened
from tests.unit.certs.storage_contract import (
    CERTIFICATE,
    Make,
    claimed,
    test_a_certificate_is_stored_with_its_row,
    test_a_later_holder_fences_off_the_earlier_one,
    test_a_released_claim_is_over,
    test_a_removed_host_is_lost_to_its_holder,
    test_a_row_is_saved_under_the_lease,
    test_accounts_change_by_compare_and_set,
    test_adding_twice_changes_nothing,
    test_an_expired_lease_that_nobody_took_may_be_used,
    test_buckets_are_taken_from_together,
    test_the_longest_due_host_is_claimed_first_and_once,
)

__all__ = [
    "test_a_certificate_is_stored_with_its_row",
    "test_a_later_holder_fences_off_the_earlier_one",
    "test_a_released_claim_is_over",
    "test_a_removed_host_is_lost_to_its_holder",
    "test_a_row_is_saved_under_the_lease",
    "test_accounts_change_by_compare_and_set",
    "test_adding_twice_changes_nothing",
    "test_an_expired_lease_that_nobody_took_may_be_used",
    "test_buckets_are_taken_from_together",
    "test_the_longest_due_host_is_claimed_first_and_once",
]
"""The tests of the contract run here, too."""

VAULT = Vault(bytes(32))
ACCOUNT_KEY = new_key()


class Tried(PostgresStorage):
    """With what the tests of the contract do to it from outside."""

    def __init__(self, pool: Pool, vault: Vault = VAULT) -> None:
        super().__init__(pool, vault, SystemClock())
        self.pool = pool

    async def add(self, name: str, tenant: str = "", due: float = 0.0) -> None:
        """Ask for a certificate, for a host of a domain made for it."""
        host = host_name(name)
        async with self.pool.acquire() as conn:
            if await certificates.show(conn, host) is None:
                prefix, _, domain = host.partition(".")
                wanted = Domain(number=0, name=f"{prefix}.{domain}", web_prefix="t")
                await domains.add(conn, wanted, now_us=time.time_ns() // 1000)
                await conn.execute(
                    "INSERT INTO hosts (host, domain) SELECT $1, max(number) FROM domains", host
                )
            await certificates.request(conn, host, tenant, due)

    async def remove(self, name: str) -> None:
        """Forget a host."""
        async with self.pool.acquire() as conn:
            await certificates.forget(conn, name)

    async def host(self, name: str) -> Host | None:
        """The row of a host."""
        async with self.pool.acquire() as conn:
            row = await conn.fetchrow(
                "SELECT state, order_key, token FROM certificate_hosts WHERE host = $1", name
            )
        if row is None:
            return None
        sealed = row["order_key"]
        key = sealed and VAULT.open(f"certificate-order:{name}", sealed).decode()
        return as_host(certificates.Leased(name, json.loads(row["state"]), key, row["token"]))


@pytest.fixture
def make(db: Pool) -> Make:
    """Makes one on the test's own database."""
    return lambda: Tried(db)


# What only Postgres promises

ORDER = PendingOrder("https://ca/dir", "the order's key", 1.5, "https://ca/1", "id", True)
EVERYTHING = Host(
    "a.brand.example",
    "7",
    12.25,
    3,
    11.125,
    Failure(10.1, "customer", "no CNAME \N{EM DASH} none", "urn:x"),
    True,
    True,
    ORDER,
    Validity(1.1, 2.2, "renewal", 3.3, 4.4, (5.5, 6.6)),
)


async def test_a_row_comes_back_as_it_was(db: Pool) -> None:
    """Every field, floats exactly."""
    storage = Tried(db)
    await storage.add("a.brand.example")
    claim = await claimed(storage)
    await storage.release(claim, EVERYTHING)
    assert await storage.host("a.brand.example") == EVERYTHING
    assert (await claimed(storage, 13.0)).host == EVERYTHING


async def test_no_private_key_is_stored_open(db: Pool) -> None:
    """Neither an order's, nor an account's, nor a certificate's; and none opens for another row."""
    storage = Tried(db)
    await storage.add("a.brand.example")
    await storage.save_account(Account("https://ca/dir", ACCOUNT_KEY, next_key_pem=ACCOUNT_KEY))
    claim = await claimed(storage)
    await storage.save(claim, replace(claim.host, order=ORDER))
    await storage.store_certificate(claim, CERTIFICATE, replace(claim.host, order=ORDER, due=50))
    async with db.acquire() as conn:
        for table in ("certificate_hosts", "certificates", "acme_accounts"):
            for row in await conn.fetch(f"SELECT * FROM {table}"):
                text = repr([bytes(v) if isinstance(v, bytes) else v for v in row.values()])
                assert "PRIVATE" not in text
                assert "the order's key" not in text
                assert "'key" not in text
        await storage.add("b.brand.example")
        await conn.execute(
            "INSERT INTO certificates SELECT 'b.brand.example', sealed_key, chain, digest, "
            "not_before, not_after, renewal_id, imported, healthy_since FROM certificates"
        )
    with pytest.raises(OperatorError, match="certificate:b"):
        await storage.certificate("b.brand.example")


async def test_a_wrong_master_key_says_so(db: Pool) -> None:
    """In the library's words, so that it is the operator who must act."""
    storage, other = Tried(db), Tried(db, Vault(bytes(31) + b"x"))
    await storage.add("a.brand.example")
    await storage.save_account(Account("https://ca/dir", ACCOUNT_KEY))
    claim = await claimed(storage)
    await storage.store_certificate(claim, CERTIFICATE, replace(claim.host, order=ORDER, due=50))
    for call in (
        other.certificate("a.brand.example"),
        other.account("https://ca/dir"),
        other.claim("me", 60.0, 60.0),
    ):
        with pytest.raises(OperatorError, match="master key"):
            await call


async def test_one_account_key_for_every_authority(db: Pool) -> None:
    """A new directory gets the key that answered before, so that the thumbprint stays."""
    storage = Tried(db)
    await storage.save_account(Account("https://ca/dir", ACCOUNT_KEY, "https://ca/1"))
    await storage.answer_as("https://ca/dir")
    await storage.answer_as("https://other/dir")
    account = await storage.account("https://other/dir")
    assert account is not None
    assert (account.key_pem, account.url) == (ACCOUNT_KEY, None)
    async with db.acquire() as conn:
        assert (await roster.read(conn)).thumbprint == thumbprint(ACCOUNT_KEY)
        before = await roster.version(conn)
        await storage.answer_as("https://other/dir")
        assert await roster.version(conn) == before


async def test_edges_never_claim_the_same_host(db: Pool, database_url: str) -> None:
    """Two pools, eight workers: every host goes to one of them, and no unit of a budget is lost."""
    storage = Tried(db)
    names = {f"host{number}.brand.example" for number in range(40)}
    for name in names:
        await storage.add(name)
    async with opened(database_url) as second:
        pools = (storage, Tried(second))
        taken: list[str] = []

        async def grab(number: int) -> None:
            mine = pools[number % 2]
            while (claim := await mine.claim(f"edge {number}", 10.0, 60.0)) is not None:
                taken.append(claim.host.name)
                keys = ["one", "two", "three"] if number % 3 else ["three", "one", "two"]
                charges = [Charge(key, Limit(1000, 1000.0)) for key in keys]
                assert await mine.take(charges, 0.0) == 0

        await asyncio.gather(*(grab(number) for number in range(8)))
    assert sorted(taken) == sorted(names)
    async with db.acquire() as conn:
        levels = [row["level"] for row in await conn.fetch("SELECT level FROM acme_budgets")]
    assert levels == pytest.approx([40.0] * 3)


async def test_while_postgres_is_away_nothing_is_due(db: Pool, database_url: str) -> None:
    """No claim, and a lease counts as lost: whoever holds one puts it down."""
    storage = Tried(db)
    await storage.add("a.brand.example")
    claim = await claimed(storage)
    async with opened(database_url) as pool:
        gone = Tried(pool)
        pool.terminate()
        assert await gone.claim("me", 99.0, 60.0) is None
        with pytest.raises(LeaseLost):
            await gone.save(claim, claim.host)
        with pytest.raises(Unavailable):
            await gone.account("https://ca/dir")
