"""SPF: RFC 7208's limits, and whether we may send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.doctor import spf
from edge.doctor.facts import Answer, Status

NAME, EDGE = "mg.example.com", "edge.example.org"
WANTED = f"v=spf1 a:{EDGE} ~all"
OURS = spf.Ours(frozenset({EDGE}), frozenset({"192.0.2.1", "2001:db8::1"}))


def _fetched(*own: str, **others: str) -> dict[str, Answer]:
    """The domain's TXT records, and one policy for each other name (``_`` for a dot)."""
    found = {NAME: Answer(NAME, "TXT", Status.FOUND if own else Status.EMPTY, own)}
    for key, text in others.items():
        name = key.replace("_", ".")
        found[name] = Answer(name, "TXT", Status.FOUND, (text,))
    return found


def _codes(*own: str, ours: spf.Ours = OURS, **others: str) -> list[str]:
    return [one.code for one in spf.check(NAME, _fetched(*own, **others), ours, WANTED)]


@pytest.mark.parametrize(
    "own, codes",
    [
        ((WANTED,), []),
        (("V=SPF1 A:EDGE.example.org. -all",), []),
        (("verification=1", WANTED), []),
        ((), ["spf-missing"]),
        (("v=spf10 a:edge.example.org",), ["spf-missing"]),
        ((WANTED, "v=spf1 -all"), ["spf-several"]),
        (("v=spf1 -all",), ["spf-not-ours"]),
        (("v=spf1",), ["spf-not-ours"]),
        ((f"v=spf1 -all a:{EDGE}",), ["spf-not-ours"]),
        ((f"v=spf1 -a:{EDGE} ~all",), ["spf-not-ours"]),
        ((f"v=spf1 ?a:{EDGE} ~all",), ["spf-not-ours"]),
        (("v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all",), []),
        (("v=spf1 ip4:192.0.2.0/24 -all",), ["spf-not-ours"]),
        ((f"v=spf1 a:{EDGE}/24 -all",), []),
        ((f"v=spf1 a:{EDGE} ipv4:192.0.2.1 -all",), ["spf-broken"]),
        ((f"v=spf1 a:{EDGE} ip4:nonsense -all",), ["spf-broken"]),
        ((f"v=spf1 a:{EDGE} include: -all",), ["spf-broken"]),
        ((f"v=spf1 a:{EDGE} redirect=a.test redirect=b.test",), ["spf-broken"]),
        ((f"v=spf1 a:{EDGE} exp=why.test x-y=z -all",), []),
        ((f"v=spf1 exists:%{{i}}.spf.test a:{EDGE} -all",), []),
    ],
)
def test_a_policy_alone(own: tuple[str, ...], codes: list[str]) -> None:
    """Selection, syntax, order, qualifiers, networks."""
    assert _codes(*own) == codes


def test_includes_and_redirects_are_followed() -> None:
    """We may be let through by another's policy, unless it is included with a sign."""
    assert _codes("v=spf1 include:o.test -all", o_test=WANTED) == []
    assert _codes("v=spf1 redirect=o.test", o_test=WANTED) == []
    assert _codes("v=spf1 -include:o.test -all", o_test=WANTED) == ["spf-not-ours"]
    assert _codes("v=spf1 redirect=o.test -all", o_test=WANTED) == ["spf-not-ours"]
    assert _codes(f"{WANTED[:-5]} include:o.test -all", o_test="nothing") == ["spf-broken"]
    assert _codes("v=spf1 include:mg.example.com -all") == ["spf-broken", "spf-not-ours"]


def test_the_exchangers_of_the_return_path_are_us() -> None:
    """``mx`` at a host whose MX is the edge names the edge."""
    exchanged = spf.Ours(OURS.names, OURS.addresses, frozenset({NAME}))
    assert _codes("v=spf1 mx -all", ours=exchanged) == []
    assert _codes("v=spf1 mx -all") == ["spf-not-ours"]


@pytest.mark.parametrize("number, codes", [(10, []), (11, ["spf-lookups"])])
def test_ten_lookups_and_not_one_more(number: int, codes: list[str]) -> None:
    """RFC 7208 § 4.6.4, counted through an include."""
    inner = "v=spf1 " + " ".join(f"a:h{n}.test" for n in range(number - 2)) + " ?all"
    assert _codes(f"v=spf1 a:{EDGE} include:o.test -all", o_test=inner) == codes


def test_a_domain_without_a_policy_counts_nothing() -> None:
    """Said elsewhere; here it is just not there."""
    assert spf.walk(NAME, _fetched(), OURS) == spf.Count()
    assert spf.walk("other.test", _fetched(), OURS).lookups == 0


def test_what_is_looked_up_next() -> None:
    """Includes and redirects that can be looked up without a message, each once."""
    fetched = _fetched("v=spf1 include:a.test include:%{d}.test redirect=b.test", a_test="v=spf1")
    assert spf.next_names(fetched) == {"b.test"}


_terms = st.sampled_from(
    [
        *("a", "mx", "ptr", f"a:{EDGE}", "include:o.test", "include:p.test", "exists:x.test"),
        *("redirect=o.test", "-all", "ip4:192.0.2.1", "ip6:::/0", "?mx/24//64", "junk", ""),
    ]
)
_policy = st.lists(_terms | st.text(max_size=12), max_size=15).map(
    lambda t: " ".join(["v=spf1", *t])
)


@given(_policy, _policy, _policy)
def test_any_tree_is_counted_to_an_end(own: str, one: str, two: str) -> None:
    """Circles and nonsense end; a longer record never needs fewer look-ups before its end."""
    fetched = _fetched(own, o_test=one, p_test=two)
    spf.check(NAME, fetched, OURS, WANTED)
    count = spf.walk(NAME, fetched, OURS)
    more = spf.walk(NAME, _fetched("v=spf1 a " + own[7:], o_test=one, p_test=two), OURS)
    assert more.lookups >= min(count.lookups, spf.STOP)
