"""What a tracking host's records mean, from facts alone."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.doctor import tracking
from edge.doctor.facts import Answer, Chain, Outcome, Probe, Status, TrackingFacts
from edge.doctor.findings import Severity, is_wrong, shown
from edge.doctor.networks import CLOUDFLARE, is_cloudflare, is_preloaded

HOST, EDGE = "email.mg.example.com", "edge.example.org"
V4, V6 = "192.0.2.1", "2001:db8::1"
GOOD = Chain((HOST, EDGE), Status.FOUND)


def _answer(kind: str, *values: str) -> Answer:
    return Answer(HOST, kind, Status.FOUND if values else Status.EMPTY, values)


def _facts(*chains: Chain, a: tuple[str, ...] = (), aaaa: tuple[str, ...] = (), **more: Any) -> Any:
    fields = {"edges": (EDGE,), "edge_addresses": frozenset({V4, V6})} | more
    return TrackingFacts(
        host=HOST,
        chains=chains or (Chain((HOST,), Status.EMPTY),),
        v4=_answer("A", *a),
        v6=_answer("AAAA", *aaaa),
        **fields,
    )


def _codes(facts: TrackingFacts) -> list[str]:
    return [one.code for one in tracking.check(facts)]


def _chain(*links: str, end: Status = Status.EMPTY, **more: Any) -> Chain:
    return Chain((HOST, *links), end, **more)


@pytest.mark.parametrize(
    "facts, codes",
    [
        (_facts(GOOD, GOOD, a=(V4,), aaaa=(V6,)), []),
        (_facts(_chain("a.example.com", EDGE), a=(V4,)), ["cname-chain"]),
        (_facts(), ["cname-missing"]),
        (_facts(_chain(end=Status.ABSENT)), ["cname-missing"]),
        (_facts(_chain("other.example")), ["cname-wrong"]),
        (_facts(_chain("other.example"), a=("198.51.100.1",)), ["cname-wrong"]),
        (_facts(_chain("other.example"), a=(V4,)), ["addresses-copied"]),
        (_facts(_chain("a.example", HOST, end=Status.FOUND, loop=True)), ["cname-loop"]),
        (_facts(_chain("a.example", end=Status.FOUND, too_long=True)), ["cname-loop"]),
        (_facts(is_zone=True), ["cname-at-apex"]),
        (_facts(is_zone=True, a=("198.51.100.1",)), ["cname-at-apex"]),
        (_facts(is_zone=True, a=(V4,)), ["addresses-copied"]),
        (_facts(a=(V4,)), ["addresses-copied"]),
        (_facts(a=(V4,), aaaa=("2001:db8::bad",)), ["aaaa-elsewhere"]),
        (_facts(aaaa=("2001:db8::bad",)), ["addresses-elsewhere"]),
        (_facts(a=("198.51.100.1",)), ["addresses-elsewhere"]),
        (_facts(a=("104.16.1.1",)), ["cloudflare-proxy"]),
        (_facts(aaaa=("2606:4700::1",), a=("188.114.97.3",)), ["cloudflare-proxy"]),
        (_facts(_chain(f"{HOST}.cdn.cloudflare.net")), ["cloudflare-proxy"]),
        (_facts(_chain(end=Status.BOGUS)), ["dnssec-bogus"]),
        (_facts(_chain(end=Status.FAILED)), ["dns-failed"]),
        (_facts(_chain(end=Status.FAILED), GOOD), []),
        (_facts(_chain("slow.example", end=Status.FAILED), GOOD), []),
        (_facts(_chain("slow.example", end=Status.FAILED)), ["dns-failed"]),
        (_facts(_chain(end=Status.BOGUS), GOOD), ["dnssec-bogus"]),
        (_facts(Chain((HOST,), Status.EMPTY), edges=(HOST,), a=(V4,)), []),
        (_facts(_chain(), GOOD), ["resolvers-disagree"]),
        (_facts(GOOD, edge_addresses=frozenset()), ["edge-name-unresolved"]),
        (_facts(edges=()), ["edge-name-missing"]),
    ],
)
def test_the_fault_is_named(facts: TrackingFacts, codes: list[str]) -> None:
    """One fault, one finding; each with what was seen, what was expected, and the mend."""
    found = tracking.check(facts)
    assert [one.code for one in found] == codes
    assert all(one.seen and one.expected and one.mend.endswith((".", "!")) for one in found)
    assert is_wrong(found) == (codes not in ([], ["cname-chain"]))


def test_a_forgotten_final_dot_is_recognised() -> None:
    """The zone's own name was added to the target."""
    (finding,) = tracking.check(_facts(_chain(f"{EDGE}.mg.example.com", end=Status.ABSENT)))
    assert "final dot" in finding.mend
    assert "does not exist" in finding.seen


def test_wildcards() -> None:
    """Harmless when they lead here, the reason when they lead elsewhere, nothing if unrelated."""

    def beside(target: str) -> Answer:
        return Answer("x.mg.example.com", "CNAME", Status.FOUND, (target,))

    (finding,) = tracking.check(_facts(GOOD, beside=beside(EDGE)))
    assert (finding.code, finding.severity) == ("wildcard", Severity.NOTE)
    assert _codes(_facts(_chain("o.example"), beside=beside("o.example"))) == [
        "cname-wrong",
        "wildcard",
    ]
    assert _codes(_facts(GOOD, beside=beside("o.example"))) == []


@pytest.mark.parametrize(
    "probes, codes",
    [
        ([Probe(V4, Outcome.OURS)], []),
        ([Probe(V4, Outcome.OTHER, "status 200")], ["port-80"]),
        ([Probe(V4, Outcome.REDIRECT)], ["port-80"]),
        ([Probe(V4, Outcome.UNREACHABLE)], ["port-80"]),
        ([Probe(V4, Outcome.OURS), Probe(V6, Outcome.UNREACHABLE)], ["ipv6-not-us"]),
        ([Probe(V4, Outcome.OURS), Probe(V6, Outcome.NO_ROUTE)], ["address-untested"]),
        ([Probe(V4, Outcome.OTHER), Probe(V6, Outcome.OURS)], ["port-80"]),
    ],
)
def test_port_80(probes: list[Probe], codes: list[str]) -> None:
    """Each address that is not us is named; an IPv6 that this machine cannot test is a note."""
    found = tracking.check(_facts(GOOD, probes=tuple(probes)))
    assert [one.code for one in found] == codes
    assert is_wrong(found) == (codes not in ([], ["address-untested"]))


_name = st.sampled_from([HOST, EDGE, "a.example", "b.example", "c.cdn.cloudflare.net"])
_chains = st.builds(
    lambda rest, end, loop: Chain((HOST, *rest), end, loop=loop),
    st.lists(_name, max_size=4),
    st.sampled_from(Status),
    st.booleans(),
)
_v4 = st.lists(st.sampled_from([V4, "198.51.100.1", "104.16.0.1"]), max_size=3).map(tuple)
_v6 = st.lists(st.sampled_from([V6, "2001:db8::2", "2606:4700::1"]), max_size=2).map(tuple)


@given(st.lists(_chains, min_size=1, max_size=2), _v4, _v6, st.booleans())
def test_whatever_does_not_reach_us_has_an_error_or_a_warning(
    chains: list[Chain], a: tuple[str, ...], aaaa: tuple[str, ...], is_zone: bool
) -> None:
    """No way of leading elsewhere goes without a finding, and no good way gets an error."""
    facts = _facts(*chains, a=a, aaaa=aaaa, is_zone=is_zone)
    found = tracking.check(facts)
    if tracking.reaches(facts):
        assert not is_wrong(found)
    elif all(one.end is not Status.FAILED for one in chains):
        assert is_wrong(found)


def test_tables() -> None:
    """Cloudflare's networks as published, and whole preloaded top-level domains."""
    assert len(CLOUDFLARE) == 22
    assert is_cloudflare("104.27.255.255")
    assert not is_cloudflare("104.28.0.0")
    assert not is_cloudflare("no address")
    assert is_preloaded("email.x.dev")
    assert not is_preloaded("dev.example")


def test_a_strangers_text_is_shown_harmlessly() -> None:
    """Cut, and without what moves a cursor or breaks a line."""
    assert shown("a\x1b[31m\nb\0") == "a\ufffd[31m\ufffdb\ufffd"
    assert len(shown("x" * 10_000)) <= 501
