"""Whole examinations against a resolver and an edge of the test's own."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from edge.doctor.examine import MOST_WAITING, Busy
from edge.doctor.facts import Outcome, Status
from edge.doctor.findings import Validity
from edge.doctor.look import Looker
from edge.doctor.wanted import Issuer, WantedRecord
from tests.integration.doctor import port_80
from tests.integration.doctor.nameserver import resolver, signed
from tests.integration.doctor.port_80 import listening
from tests.integration.doctor.worlds import (
    BOUNCES,
    DKIM,
    DKIM_NAME,
    DOMAIN,
    EDGE,
    GOOD,
    HOST,
    SPF,
    changed,
    codes,
    doctor,
    wanted,
)
from tests.integration.sending.servers import certificate

CNAME = (HOST, "CNAME")
Zone = dict[tuple[str, str], list[str] | str]


async def test_a_domain_that_is_well() -> None:
    """Every record valid, with what was there; nothing to mend; the host itself was asked for."""
    async with listening(port_80.edge) as (port, hosts), doctor(GOOD, GOOD, port=port) as (one, _):
        report = await one.examine(wanted())
    assert codes(report) == []
    assert not report.wrong
    assert {state.valid for state in report.states} == {Validity.VALID}
    assert [state.cached for state in report.states] == [
        *((EDGE,), (DKIM,), (SPF,), (SPF,), (f"10 {EDGE}",)),
    ]
    assert hosts == [HOST]
    assert report.as_json()["ok"] is True


@pytest.mark.parametrize(
    "zone, expected",
    [
        (changed(CNAME), ["cname-missing"]),
        (changed(CNAME) | {CNAME: ["other.example."]}, ["cname-wrong"]),
        (changed(CNAME) | {CNAME: [f"{HOST}."]}, ["cname-loop", "caa-unanswered"]),
        (
            changed(CNAME) | {CNAME: ["a.example.com."], ("a.example.com", "CNAME"): [f"{HOST}."]},
            ["cname-loop", "caa-unanswered"],
        ),
        (
            changed(CNAME) | {CNAME: ["a.example.com."], ("a.example.com", "CNAME"): [f"{EDGE}."]},
            ["cname-chain"],
        ),
        (changed(CNAME) | {(HOST, "A"): ["127.0.0.1"]}, ["addresses-copied"]),
        (
            changed(CNAME) | {(HOST, "A"): ["127.0.0.1"], (HOST, "AAAA"): ["2001:db8::5"]},
            ["aaaa-elsewhere"],
        ),
        (changed(CNAME) | {(HOST, "A"): ["127.0.0.9"]}, ["addresses-elsewhere"]),
        (
            changed(CNAME) | {(HOST, "SOA"): [f"ns.{HOST}. a.{HOST}. 1 2 3 4 5"]},
            ["cname-at-apex"],
        ),
        (changed(CNAME) | {CNAME: "servfail"}, ["dns-failed", "caa-unanswered"]),
        (changed(CNAME) | {(f"*.{DOMAIN}", "CNAME"): [f"{EDGE}."]}, ["wildcard"]),
        (
            changed(CNAME) | {(f"*.{DOMAIN}", "CNAME"): ["parking.example."]},
            ["cname-wrong", "wildcard"],
        ),
        (changed((EDGE, "A")), ["edge-name-unresolved"]),
        (GOOD | {(DOMAIN, "CAA"): ['0 issue "ca.example.net"']}, ["caa-forbids"]),
        (GOOD | {("com", "CAA"): ['0 issue ";"']}, ["caa-forbids"]),
        (GOOD | {(DOMAIN, "CAA"): ['0 issue "letsencrypt.org"']}, []),
        (GOOD | {(EDGE, "CAA"): ['0 issue ";"']}, ["caa-forbids"]),
        (GOOD | {(DOMAIN, "CAA"): "servfail"}, ["caa-unanswered"]),
        (changed((DKIM_NAME, "TXT")), ["dkim-missing"]),
        (changed((DOMAIN, "TXT")), ["spf-missing"]),
        (GOOD | {(BOUNCES, "TXT"): [f'"{SPF}"', '"v=spf1 -all"']}, ["spf-several"]),
        (changed((BOUNCES, "MX")), ["mx-missing"]),
        (GOOD | {(BOUNCES, "MX"): ["0 ."]}, ["mx-elsewhere"]),
        (GOOD | {(BOUNCES, "MX"): ["1 mx.example.", f"10 {EDGE}."]}, ["mx-not-first"]),
        (GOOD | {(DKIM_NAME, "TXT"): "servfail"}, ["dns-failed"]),
    ],
)
async def test_one_fault_one_finding(zone: Zone, expected: list[str]) -> None:
    """Each fault alone is named as itself and as nothing else."""
    async with listening(port_80.edge) as (port, _), doctor(zone, port=port) as (one, _resolvers):
        report = await one.examine(wanted(web_scheme="https"))
    assert sorted(codes(report)) == sorted(expected)
    assert all(one.seen and one.expected and one.mend for one in report.findings)


async def test_spf_through_includes_and_its_limit() -> None:
    """The tree is fetched level by level; eleven look-ups are one too many."""
    deep: Zone = {
        (f"s{n}.example", "TXT"): [f'"v=spf1 include:s{n + 1}.example ?all"'] for n in range(30)
    }
    zone = GOOD | deep | {(DOMAIN, "TXT"): [f'"v=spf1 a:{EDGE} include:s0.example -all"']}
    async with listening(port_80.edge) as (port, _), doctor(zone, port=port) as (one, used):
        report = await one.examine(wanted())
        assert codes(report) == ["spf-lookups"]
        assert len({name for name, _ in used[0].asked if name.endswith(".example")}) <= 20
        (state,) = [one for one in report.states if (one.type, one.name) == ("TXT", DOMAIN)]
        assert state.valid is Validity.INVALID


@pytest.mark.parametrize(
    "answers, detail",
    [
        (port_80.stranger, "status 200"),
        (port_80.other_installation, "status 200"),
        (port_80.redirecting, f"301 to https://{HOST}/"),
        (port_80.endless, "status 200"),
        (port_80.garbage, "no HTTP answer"),
    ],
)
async def test_a_port_80_that_is_not_ours(answers: port_80.Answers, detail: str) -> None:
    """An echo, another edge, a redirect, a flood, no HTTP: none of them passes, none hangs."""
    async with listening(answers) as (port, _), doctor(GOOD, port=port) as (one, _resolvers):
        report = await one.examine(wanted())
    (finding,) = report.findings
    assert finding.code == "port-80"
    assert detail in finding.seen


async def test_our_answer_through_a_proxy_counts() -> None:
    """Chunks and another status do not matter: nobody else could have given the answer."""
    async with listening(port_80.chunked) as (port, _), doctor(GOOD, port=port) as (one, _r):
        assert codes(await one.examine(wanted())) == []


async def test_a_closed_port_and_an_ipv6_that_is_not_us() -> None:
    """Refused connections are named per address; IPv4 being well does not hide IPv6."""
    both = GOOD | {(EDGE, "AAAA"): ["::1"]}
    async with listening(port_80.edge) as (port, _), doctor(both, port=port) as (one, _resolvers):
        facts = await one.tracking_facts(HOST, [EDGE])
        report = await one.examine(wanted())
    outcomes = {probe.address: probe.outcome for probe in facts.probes}
    assert outcomes["127.0.0.1"] is Outcome.OURS
    if outcomes["::1"] is Outcome.UNREACHABLE:
        assert codes(report) == ["ipv6-not-us"]
    else:
        assert codes(report) == ["address-untested"]
    async with doctor(GOOD, port=port) as (one, _resolvers):
        assert codes(await one.examine(wanted())) == ["port-80"]


async def test_a_customers_dns_cannot_make_us_connect() -> None:
    """Only the edge's own addresses are probed, whatever a host's records say."""
    zone = changed(CNAME) | {(HOST, "A"): ["127.0.0.2"]}
    async with listening(port_80.edge, "127.0.0.2") as (port, hosts):
        async with doctor(zone, port=port, https_port=port) as (one, _resolvers):
            report = await one.examine(wanted())
        evil = GOOD | {("example.com", "A"): ["127.0.0.2"], (DOMAIN, "A"): ["127.0.0.2"]}
        async with doctor(evil, port=port, https_port=port) as (one, _resolvers):
            await one.examine(wanted())
    assert "addresses-elsewhere" in codes(report)
    assert hosts == []


async def test_resolvers_that_disagree_or_are_dead() -> None:
    """Two answers are compared; one that is silent does not stand for anything."""
    async with listening(port_80.edge) as (port, _):
        async with doctor(GOOD, changed(CNAME), port=port) as (one, _resolvers):
            assert codes(await one.examine(wanted())) == ["resolvers-disagree"]
        async with doctor(lambda _: None, GOOD, port=port, timeout=0.5) as (one, _resolvers):
            report = await one.examine(wanted())
            assert codes(report) == []
            assert {state.valid for state in report.states} == {Validity.VALID}
        async with doctor(lambda _: None, port=port, timeout=0.1) as (one, _resolvers):
            report = await one.examine(wanted())
            assert {state.valid for state in report.states} == {Validity.UNKNOWN}
            assert report.wrong


async def test_an_examination_ends() -> None:
    """What takes too long is cut off and said; the rest stands."""
    async with doctor(lambda _: None, port=9, timeout=30, part_seconds=0.1) as (one, _resolvers):
        report = await one.examine(wanted())
    assert set(codes(report)) == {"not-finished"}
    assert {state.valid for state in report.states} == {Validity.UNKNOWN}


async def test_examinations_wait_for_their_turn_but_not_without_end() -> None:
    """More than a few at a time wait; more than many are refused, and leave room again."""
    async with doctor(lambda _: None, port=9, timeout=30, part_seconds=0.2) as (one, _resolvers):
        asked = [one.examine(wanted()) for _ in range(MOST_WAITING + 3)]
        ended = await asyncio.gather(*asked, return_exceptions=True)
        refused = [each for each in ended if isinstance(each, Busy)]
        assert (len(refused), len(ended) - len(refused)) == (3, MOST_WAITING)
        assert "not-finished" in codes(await one.examine(wanted()))


SIGNED = f"""
$TTL 60
@ IN SOA ns.example.com. a.example.com. 1 2 3 4 5
@ IN NS ns.example.com.
email.mg IN CNAME {EDGE}.
well IN CNAME {EDGE}.
"""


async def test_a_broken_signature_is_told_from_a_dead_server() -> None:
    """SERVFAIL that ends with checking disabled is DNSSEC; the resolver's own words are kept."""
    async with resolver(signed("example.com", SIGNED, broken=HOST)) as one:
        look = Looker([one.server])
        bad, good = await look.ask(HOST, "CNAME"), await look.ask("well.example.com", "CNAME")
        chain = await look.chain(HOST, until=[EDGE])
    assert (bad.status, good.status, good.signed) == (Status.BOGUS, Status.FOUND, True)
    assert (good.values, chain.end) == ((EDGE,), Status.BOGUS)
    assert "no valid RRSIG" in bad.why
    async with resolver(signed("example.com", SIGNED)) as one:
        well = await Looker([one.server]).ask(HOST, "CNAME")
    assert (well.status, well.values, well.signed) == (Status.FOUND, (EDGE,), True)


async def test_dnssec_is_a_finding() -> None:
    """The tracking host's records cannot be verified: readers' resolvers refuse it."""
    async with doctor(signed("example.com", SIGNED, broken=HOST), port=9) as (one, _resolvers):
        report = await one.examine(wanted(records=wanted().records[:1]))
    assert "dnssec-bogus" in codes(report)
    assert report.states[0].valid is Validity.UNKNOWN
    key = wanted(records=(WantedRecord("TXT", HOST, DKIM),), tracking_host="well.example.com")
    async with doctor(signed("example.com", SIGNED, broken=HOST), port=9) as (one, _resolvers):
        report = await one.examine(key)
    assert HOST in {one.about for one in report.findings if one.code == "dnssec-bogus"}


@pytest.mark.parametrize(
    "header, expected",
    [
        ("max-age=31536000; includeSubDomains; preload", ["hsts-preloaded"]),
        ("max-age=31536000; includeSubDomains", ["hsts-parent"]),
        ("max-age=31536000", []),
    ],
)
async def test_hsts_above(tmp_path: Path, header: str, expected: list[str]) -> None:
    """A name above that wants https for all below it, over verified https; not when links are."""

    def site(host: str, path: str) -> bytes:
        return port_80.page(b"", "301 Moved", f"Strict-Transport-Security: {header}")

    context, ca_file = certificate(tmp_path, "example.com")
    zone = GOOD | {("example.com", "A"): ["127.0.0.1"]}
    async with (
        listening(port_80.edge) as (port, _),
        listening(site, context=context) as (https, _hosts),
    ):
        trusting: dict[str, Any] = {"https_port": https, "private": True, "ca_file": ca_file}
        async with doctor(zone, port=port, **trusting) as (one, _resolvers):
            assert codes(await one.examine(wanted())) == expected
            assert codes(await one.examine(wanted(web_scheme="https"))) == []
        async with doctor(zone, port=port, https_port=https, private=True) as (one, _resolvers):
            assert codes(await one.examine(wanted())) == []  # nobody's browser believes it


async def test_an_account_in_caa() -> None:
    """Ours passes, another's does not, an unknown one is a note."""
    zone = GOOD | {(DOMAIN, "CAA"): ['0 issue "letsencrypt.org; accounturi=https://ca.test/7"']}
    accounts = {None: ["caa-account"], "https://ca.test/7": [], "x": ["caa-forbids"]}
    async with listening(port_80.edge) as (port, _), doctor(zone, port=port) as (one, _resolvers):
        for account, expected in accounts.items():
            issuer = Issuer(account=account)
            assert codes(await one.examine(wanted(issuer=issuer))) == expected


async def test_the_sandbox_and_an_edge_without_a_name() -> None:
    """Nothing is looked up for .localhost; without EDGE_PUBLIC_HOST only the key can be checked."""
    async with doctor(GOOD, port=9) as (one, used):
        report = await one.examine(wanted(domain="sandbox.localhost"))
        assert (codes(report), report.wrong, used[0].asked) == (["local-name"], False, [])
        report = await one.examine(wanted(edges=()))
    assert codes(report) == ["edge-name-missing"]
    assert [state.valid.value for state in report.states] == [
        *("unknown", "valid", "unknown", "unknown", "unknown"),
    ]


async def test_odd_names_and_dead_ports_do_not_raise() -> None:
    """No name and no resolver makes a question raise."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        look = Looker([bound.getsockname()], timeout=0.05)
        assert (await look.ask("a.test", "A")).status is Status.FAILED
        for name in ("a..b", "x" * 64 + ".test", "é.test", ".".join(["a"] * 200)):
            assert (await look.ask(name, "A")).status in {Status.FAILED, Status.ABSENT}
    named = Looker([("localhost", 53)], timeout=0.05)
    assert (await named.ask("a.test", "A")).status is Status.FAILED
