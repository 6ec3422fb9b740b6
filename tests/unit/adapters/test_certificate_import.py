"""Somebody's own certificate is looked at before it is stored."""

import pytest

from certs.keys import new_key
from edge.adapters.certificate_import import checked
from edge.model.errors import CallerError
from tests.unit.certs.authority import DAY, HOST, NOW, TestAuthority, pem

CA = TestAuthority()
KEY = new_key()


@pytest.mark.parametrize(
    "names",
    [(HOST,), ("a.example", HOST), ("*.brand.example",), (HOST.upper(),)],
)
def test_a_good_one_is_taken(names: tuple[str, ...]) -> None:
    """One name, many, or a wildcard; key and chain come out normalized."""
    stored = checked(HOST, "some text\n" + CA.chain(KEY, *names), KEY, NOW)
    assert stored.host == HOST
    assert stored.key == KEY
    assert stored.chain.startswith("-----BEGIN CERT")
    assert stored.chain.count("BEGIN CERT") == 2
    assert (stored.not_before, stored.not_after) == (NOW - 3600, NOW + 90 * DAY)
    assert KEY not in repr(stored)


def test_a_leaf_alone_is_the_operators_affair() -> None:
    """Devices that trust it directly need no intermediate."""
    assert checked(HOST, pem(CA.leaf(KEY)), KEY, NOW).chain.count("BEGIN CERT") == 1


@pytest.mark.parametrize(
    "chain, key, reason",
    [
        (CA.chain(KEY), new_key(), "does not belong"),
        (CA.chain(KEY, "other.example"), KEY, "is for other.example, not"),
        (CA.chain(KEY, "*.example"), KEY, "not email.brand.example"),
        (CA.chain(KEY, "*.email.brand.example"), KEY, "not email.brand.example"),
        (CA.chain(KEY, ends=NOW - 1), KEY, "not valid now"),
        (CA.chain(KEY, starts=NOW + 1), KEY, "not valid now"),
        (pem(CA.leaf(KEY), TestAuthority("Other").intermediate), KEY, "not signed by the next"),
        (pem(CA.leaf(KEY), CA.root), KEY, "not signed by the next"),
        ("", KEY, "not PEM"),
        (CA.chain(KEY)[:-60], KEY, "cut off"),
        ("x" * 300_000, KEY, "bytes"),
        (CA.chain(KEY), "nonsense", "key file"),
        (CA.chain(KEY), "", "key file"),
    ],
)
def test_a_bad_one_is_refused_with_its_reason(chain: str, key: str, reason: str) -> None:
    """Before anything is stored."""
    with pytest.raises(CallerError, match=reason):
        checked(HOST, chain, key, NOW)
