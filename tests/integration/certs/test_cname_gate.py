"""The gate asks DNS, and says what to create; against the DNS server that comes with Pebble."""

import pytest

from certs.errors import CustomerError, Unavailable
from edge.adapters.cname_gate import CnameGate
from tests.integration.certs.pebble import pebble
from tests.ports import free_port

OURS, HOST = "edge.example.org", "email.mg.brand.example"


async def test_a_cname_may_lead_over_others_and_must_end_here() -> None:
    """Directly, over two hops, elsewhere, in a circle, too far, or not at all."""
    async with pebble(responding=False) as ca:
        gate = CnameGate("Edge.Example.Org.", [("127.0.0.1", ca.dns_port)])

        async def lead(name: str, target: str) -> None:
            await ca.dns("set-cname", host=f"{name}.", target=f"{target}.")

        with pytest.raises(CustomerError, match="has no CNAME record; create: email"):
            await gate(HOST)
        await lead(HOST, OURS)
        await gate(HOST)
        await gate(HOST.upper())
        await lead(HOST, "Over.Brand.example")
        with pytest.raises(CustomerError, match=r"leads to over.brand.example; create"):
            await gate(HOST)
        await lead("over.brand.example", "EDGE.example.org")
        await gate(HOST)
        await lead("over.brand.example", HOST)
        with pytest.raises(CustomerError, match="in a circle"):
            await gate(HOST)
        for number in range(12):
            await lead(f"n{number}.brand.example", f"n{number + 1}.brand.example")
        with pytest.raises(CustomerError, match=r"leads to n\d+.brand.example"):
            await gate("n0.brand.example")
        await ca.dns("set-servfail", host=f"{HOST}.")
        with pytest.raises(Unavailable, match="EDGE_RESOLVERS"):
            await gate(HOST)


async def test_a_resolver_that_is_not_there_is_no_fault_of_the_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is tried again; the customer has nothing to mend."""
    monkeypatch.setattr("edge.adapters.cname_gate.TIMEOUT", 0.5)
    with pytest.raises(Unavailable):
        await CnameGate(OURS, [("127.0.0.1", free_port())])(HOST)
