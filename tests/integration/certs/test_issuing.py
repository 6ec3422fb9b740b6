"""Issuing, renewing and revoking at a real Pebble."""

from dataclasses import replace

import pytest
from cryptography import x509

from certs.acme_client import ExternalAccount
from certs.errors import AuthorityError, CustomerError, OperatorError
from certs.host import Host
from certs.keys import new_key
from certs.memory_storage import MemoryStorage
from certs.names import host_name
from certs.storage import Claim
from tests.integration.certs.pebble import pebble
from tests.integration.certs.worlds import world

HMAC = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"


async def test_a_certificate_is_issued_verified_and_stored() -> None:
    """Register, order, answer, finalize, with 20 % of all nonces rejected."""
    async with pebble(reject=20) as ca, world(ca) as w:
        certificate = await w.issue("email.brand.example")
        leaf = x509.load_pem_x509_certificate(certificate.chain_pem.encode())
        assert leaf.not_valid_after_utc.timestamp() == certificate.not_after
        assert w.host("email.brand.example").order is None
        assert w.host("email.brand.example").validity is not None
        assert w.host("email.brand.example").failures == 0


async def test_account_needs_agreement_and_external_binding() -> None:
    """Terms not agreed to, or no external account where one is wanted: the operator must act."""
    config = {"externalAccountBindingRequired": True, "externalAccountMACKeys": {"kid-1": HMAC}}
    async with pebble(config=config) as ca:
        with pytest.raises(OperatorError, match="terms"):
            async with world(ca, agree_terms=False) as w:
                await w.authority.signed(lambda client, _: client.directory())
        with pytest.raises(OperatorError, match="external account"):
            async with world(ca) as w:
                await w.authority.signed(lambda client, _: client.directory())
        async with world(ca, external=ExternalAccount("kid-1", HMAC)) as w:
            await w.issue("email.brand.example")


async def test_a_lost_account_is_registered_again_with_the_same_key() -> None:
    """A restarted Pebble knows nobody; key and thumbprint stay, so challenges are answered."""
    async with pebble() as ca, world(ca) as w:
        await w.issue("one.brand.example")
        before = await w.authority.account()
        ca.stop()
        await ca.start()
        await w.issue("two.brand.example")
        after = await w.authority.account()
        assert after.key_pem == before.key_pem
        assert after.revision > before.revision


async def test_the_account_key_changes() -> None:
    """After a rollover the old key is refused, the new one issues."""
    async with pebble() as ca, world(ca) as w:
        await w.issue("one.brand.example")
        before = await w.authority.account()
        ca.responder.thumbprint = await w.authority.change_key()
        after = await w.authority.account()
        assert after.key_pem != before.key_pem
        assert after.url == before.url
        assert after.next_key_pem is None
        await w.issue("two.brand.example")
        gone = await w.authority.call(lambda client: client.find_account(before.key_pem))
        assert gone is None


async def test_a_change_of_keys_that_broke_off_is_settled() -> None:
    """Killed before or after the authority changed it: the key that it knows is kept."""
    async with pebble() as ca, world(ca) as w:
        account = await w.authority.account()
        new = new_key()
        pending = await w.storage.save_account(replace(account, next_key_pem=new))
        assert pending is not None
        settled = await w.authority.account()
        assert (settled.key_pem, settled.next_key_pem) == (account.key_pem, None)
        pending = await w.storage.save_account(replace(settled, next_key_pem=new))
        assert pending is not None
        url = account.url or ""
        await w.authority.call(lambda client: client.change_key(account.key_pem, url, new))
        settled = await w.authority.account()
        assert (settled.key_pem, settled.url) == (new, account.url)


async def test_a_certificate_is_revoked_by_account_and_by_its_own_key() -> None:
    """Both ways work once; the second time the authority says that it is revoked already."""
    async with pebble() as ca, world(ca) as w:
        one, two = [await w.issue(f"{name}.brand.example") for name in ("one", "two")]
        await w.authority.revoke(one.chain_pem)
        await w.authority.revoke_with_key(two.chain_pem, two.key_pem)
        for certificate in (one, two):
            with pytest.raises(AuthorityError) as error:
                await w.authority.revoke(certificate.chain_pem)
            assert error.value.problem == "urn:ietf:params:acme:error:alreadyRevoked"


async def test_a_host_that_does_not_answer_is_its_owners_fault() -> None:
    """The row says who must act and why, and the order is given up."""
    async with pebble() as ca, world(ca) as w:
        ca.responder.silent.add("dead.brand.example")
        await w.storage.add("dead.brand.example")
        await w.work(lambda: w.host("dead.brand.example").failures == 2)
        row = w.host("dead.brand.example")
        assert row.failure is not None
        assert row.failure.who == "customer"
        assert row.failure.problem == "urn:ietf:params:acme:error:unauthorized"
        assert row.order is None
        ca.responder.silent.clear()
        await w.work(lambda: "dead.brand.example" in w.storage.certificates)
        assert w.host("dead.brand.example").failure is None


async def test_a_forbidden_name_is_its_owners_fault() -> None:
    """The authority's blocklist: rejectedIdentifier."""
    async with pebble() as ca, world(ca) as w:
        await w.storage.add("blocked-domain.example")
        await w.work(lambda: w.host("blocked-domain.example").failures == 1)
        failure = w.host("blocked-domain.example").failure
        assert failure is not None
        assert (failure.who, failure.problem) == (
            "customer",
            "urn:ietf:params:acme:error:rejectedIdentifier",
        )


async def test_the_first_failure_is_rehearsed_at_staging() -> None:
    """After a failure nothing is ordered for real until staging saw the challenge answered."""
    async with pebble() as ca, pebble() as staging, world(ca, staging=staging) as w:
        name = "late.brand.example"
        ca.responder.silent.add(name)
        staging.responder.silent.add(name)
        await w.storage.add(name)
        await w.work(lambda: w.host(name).failures == 1)
        asked = ca.responder.asked.count(name)
        await w.work(lambda: w.host(name).failures == 3)
        assert ca.responder.asked.count(name) == asked
        assert name in staging.responder.asked
        ca.responder.silent.clear()
        staging.responder.silent.clear()
        await w.work(lambda: name in w.storage.certificates)
        issuer = w.storage.certificates[name].chain_pem
        assert issuer
        root = x509.load_pem_x509_certificate((await ca.root()).encode())
        chain = x509.load_pem_x509_certificates(issuer.encode())
        chain[-1].verify_directly_issued_by(root)


async def test_the_preferred_chain_is_chosen() -> None:
    """An alternate chain is taken by its topmost issuer's name."""
    async with pebble() as ca:
        async with world(ca) as w:
            first = await w.issue("one.brand.example")
        url = f"https://localhost:{ca.management}/roots/1"
        other = x509.load_pem_x509_certificate(await ca.get(url))
        name = other.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
        async with world(ca, preferred_chain=str(name)) as w:
            second = await w.issue("two.brand.example")
        chains = [x509.load_pem_x509_certificates(c.chain_pem.encode()) for c in (first, second)]
        assert chains[1][-1].issuer == other.subject
        assert chains[0][-1].issuer != other.subject


async def test_a_closed_gate_orders_nothing() -> None:
    """A host whose gate does not open costs the authority no request."""

    async def gate(name: str) -> None:
        raise CustomerError(f"the CNAME of {name} leads elsewhere")

    async with pebble() as ca, world(ca, gate=gate) as w:
        await w.storage.add("elsewhere.example.com")
        await w.work(lambda: w.host("elsewhere.example.com").failures == 2)
        assert "/order" not in ca.log()
        assert not w.host("elsewhere.example.com").rehearse


class RemovedMeanwhile(MemoryStorage):
    """A storage whose owner removes the host between the order and its address."""

    async def save(self, claim: Claim, host: Host) -> None:
        """Remove the host when its order's address comes to be saved."""
        if host.order is not None and host.order.url is not None:
            await self.remove(host.name)
        await super().save(claim, host)


async def test_a_removed_host_is_put_down() -> None:
    """Removing a host while its order runs: the holder finds out and stores nothing."""
    async with pebble() as ca, world(ca, storage=RemovedMeanwhile()) as w:
        await w.storage.add("gone.brand.example")
        assert await w.manager.step()
        assert not w.storage.hosts
        assert not w.storage.certificates


@pytest.mark.parametrize(
    "name",
    ["*.example.com", "localhost", "192.0.2.1", "a..b", "../x.y", "ex_ample.com", "é.com", "a\0.b"],
)
def test_names_that_no_authority_issues_for(name: str) -> None:
    """Refused before anything is stored, with the customer to act."""
    with pytest.raises(CustomerError):
        host_name(name)


def test_a_name_has_one_spelling() -> None:
    """Lower case, without the final dot."""
    assert host_name("Email.Brand.EXAMPLE.") == "email.brand.example"
