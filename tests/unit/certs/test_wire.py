"""What an authority's answers say is taken apart strictly."""

from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from certs import acme_wire
from certs.errors import BadAnswer

DIRECTORY = {
    name: f"https://ca.example/{name}"
    for name in ("newNonce", "newAccount", "newOrder", "revokeCert", "keyChange")
}
ORDER = {
    "status": "pending",
    "identifiers": [{"type": "dns", "value": "Email.Brand.Example"}],
    "authorizations": ["https://ca.example/authz/1"],
    "finalize": "https://ca.example/finalize/1",
}
TOKEN = "a" * 43
CHALLENGE = {"type": "http-01", "url": "https://ca/chal", "status": "pending", "token": TOKEN}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


def test_a_directory_without_extras_is_whole() -> None:
    """No terms, no renewal information, no profiles: RFC 8555 asks for none of them."""
    found = acme_wire.directory("https://ca.example/dir", DIRECTORY)
    assert (found.renewal_info, found.terms, found.profiles) == (None, None, ())
    assert not found.external_account_required


def test_a_directory_says_what_it_offers() -> None:
    """Terms, external accounts, profiles and renewal information."""
    meta = {
        "termsOfService": "https://ca.example/terms",
        "externalAccountRequired": True,
        "profiles": {"classic": "text", "shortlived": "text"},
        "caaIdentities": ["CA.example", "ca.example", "second.example", 7, "x y", "", "a" * 64],
    }
    value = {**DIRECTORY, "renewalInfo": "https://ca.example/ari", "meta": meta}
    found = acme_wire.directory("https://ca.example/dir", value)
    assert found.terms == "https://ca.example/terms"
    assert found.external_account_required
    assert found.profiles == ("classic", "shortlived")
    assert found.renewal_info == "https://ca.example/ari"
    assert found.caa_identities == ("ca.example", "second.example")


@pytest.mark.parametrize("value", ["ca.example", {"ca.example": 1}, None, 7])
def test_caa_identities_that_are_no_list_are_none(value: object) -> None:
    """A list of names is all that RFC 8555 knows."""
    found = acme_wire.directory("u", {**DIRECTORY, "meta": {"caaIdentities": value}})
    assert found.caa_identities == ()


@pytest.mark.parametrize("field", sorted(DIRECTORY))
def test_a_directory_needs_its_addresses(field: str) -> None:
    """Each that we use."""
    value = {key: one for key, one in DIRECTORY.items() if key != field}
    with pytest.raises(BadAnswer, match=field):
        acme_wire.directory("https://ca.example/dir", value)


def test_an_orders_names_have_one_spelling() -> None:
    """They are compared with the name that was asked for."""
    assert acme_wire.order("url", ORDER, 3.0).names == ("email.brand.example",)


@pytest.mark.parametrize(
    "token", ["", "short", "<script>alert(1)</script>", "a" * 129, "a" * 42 + "é", "../" * 10]
)
def test_a_token_outside_the_alphabet_is_refused(token: str) -> None:
    """RFC 8555 § 8.3; it would be reflected by whoever answers."""
    challenge = {**CHALLENGE, "token": token}
    with pytest.raises(BadAnswer, match="token"):
        acme_wire.authorization("url", {"status": "pending", "challenges": [challenge]})


def test_other_challenges_are_passed_over_but_their_errors_are_told() -> None:
    """Only HTTP-01 is answered; any challenge may say why an authorization is invalid."""
    other = {"type": "dns-01", "url": "u", "status": "invalid", "error": {"detail": "no record"}}
    value = {"status": "invalid", "challenges": ["nonsense", other]}
    found = acme_wire.authorization("url", value)
    assert found.challenge is None
    assert found.problem == {"detail": "no record"}


@given(st.dictionaries(st.sampled_from([*ORDER, "error", "certificate"]), JSON))
def test_no_order_breaks_the_reader(changes: dict[str, Any]) -> None:
    """It is read, or a BadAnswer."""
    try:
        acme_wire.order("url", {**ORDER, **changes}, None)
    except BadAnswer:
        pass


@given(st.dictionaries(st.sampled_from(["status", "challenges"]), JSON), st.lists(JSON))
def test_no_authorization_breaks_the_reader(changes: dict[str, Any], more: list[Any]) -> None:
    """It is read, or a BadAnswer."""
    value = {"status": "pending", "challenges": [CHALLENGE, *more], **changes}
    try:
        acme_wire.authorization("url", value)
    except BadAnswer:
        pass


def test_a_list_of_orders_is_a_list_of_addresses() -> None:
    """Anything else in it is passed over; anything else in its place is a bad answer."""
    assert acme_wire.order_addresses({"orders": ["https://a", 1, None]}) == ("https://a",)
    for odd in ({}, {"orders": 3}, {"orders": "https://a"}, {"orders": {"a": 1}}):
        with pytest.raises(BadAnswer):
            acme_wire.order_addresses(odd)


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"null", b'"x"', b"\xff", b"[" * 9999])
def test_an_answer_that_is_no_object_is_bad(content: bytes) -> None:
    """Whatever a proxy puts in its place."""
    response = requests.Response()
    response._content = content
    with pytest.raises(BadAnswer):
        acme_wire.body(response)
