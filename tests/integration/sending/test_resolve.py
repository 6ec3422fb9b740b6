"""Mail exchangers from a DNS server of the test's own."""

import pytest

from edge.returns.reasons import Reason
from edge.sending.resolve import Exchangers, Undeliverable
from tests.integration.sending.servers import dns_server

ZONE: dict[tuple[str, str], list[str] | str] = {
    ("two.test", "MX"): ["20 b.test.", "10 a.test."],
    ("a.test", "A"): ["192.0.2.1"],
    ("a.test", "AAAA"): ["2001:db8::1"],
    ("b.test", "A"): ["192.0.2.2"],
    ("implicit.test", "A"): ["192.0.2.3"],
    ("six.test", "AAAA"): ["2001:db8::6"],
    ("alias.test", "CNAME"): ["two.test."],
    ("null.test", "MX"): ["0 ."],
    ("empty.test", "TXT"): ["nothing"],
    ("lost.test", "MX"): ["10 gone.test."],
    ("half.test", "MX"): ["10 gone.test.", "20 a.test."],
    ("self.test", "MX"): ["10 edge.test.", "20 a.test."],
    ("broken.test", "MX"): "servfail",
    ("mute.test", "MX"): "silence",
}


@pytest.mark.parametrize(
    ("domain", "hosts"),
    [
        ("two.test", ["a.test", "b.test"]),
        ("TWO.test", ["a.test", "b.test"]),
        ("implicit.test", ["implicit.test"]),
        ("six.test", ["six.test"]),
        ("alias.test", ["a.test", "b.test"]),
        ("half.test", ["a.test"]),
        ("[192.0.2.9]", ["192.0.2.9"]),
        ("[IPv6:2001:db8::9]", ["2001:db8::9"]),
    ],
)
async def test_exchangers_in_order(domain: str, hosts: list[str]) -> None:
    """Preference, implicit MX, aliases, hosts without address left out, literals."""
    async with dns_server(ZONE) as port:
        lookup = Exchangers([("127.0.0.1", port)], private_networks=True, timeout=2)
        found = await lookup.of(domain.lower() if domain[0] != "[" else domain)
    assert [each.host for each in found] == hosts


@pytest.mark.parametrize(
    ("domain", "reason", "evidence"),
    [
        ("null.test", Reason.NOT_ACCEPTING, "null-mx"),
        ("empty.test", Reason.NOT_ACCEPTING, "no-mx-no-address"),
        ("nowhere.test", Reason.HOST_UNKNOWN, "nxdomain"),
        ("a..test", Reason.HOST_UNKNOWN, "not-a-name"),
        ("[junk]", Reason.HOST_UNKNOWN, "not-a-name"),
        ("lost.test", Reason.NETWORK, "mx-without-address"),
        ("self.test", Reason.NETWORK, "mx-is-ourselves"),
        ("broken.test", Reason.NETWORK, "dns-failure"),
        ("mute.test", Reason.NETWORK, "dns-failure"),
    ],
)
async def test_domains_without_a_server(domain: str, reason: Reason, evidence: str) -> None:
    """What does not exist or takes no mail is hard; what DNS cannot say now is soft."""
    async with dns_server(ZONE) as port:
        lookup = Exchangers(
            [("127.0.0.1", port)], own_host="edge.test", private_networks=True, timeout=0.5
        )
        with pytest.raises(Undeliverable) as caught:
            await lookup.of(domain)
    assert (caught.value.verdict.reason, caught.value.verdict.evidence) == (reason, evidence)


async def test_private_addresses_are_not_connected_to() -> None:
    """A recipient's DNS cannot point the relay at this machine."""
    async with dns_server({("evil.test", "A"): ["127.0.0.1"]}) as port:
        with pytest.raises(Undeliverable, match="no public address"):
            await Exchangers([("127.0.0.1", port)]).of("evil.test")
