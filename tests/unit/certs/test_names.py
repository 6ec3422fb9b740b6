"""Host names that can have a certificate, and the registered domain each counts under."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certs.errors import CustomerError
from certs.names import host_name, registered_domain


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "localhost", "192.0.2.1", "[::1]", "*.example.com", "a..b", ".example.com"),
        *("../x.y", "a/b.example", "ex_ample.com", "-a.example", "a-.example", "é.com"),
        *("a\0.example", "a b.example", "a.example\n", f"{'a' * 64}.example", "a.example.."),
        ".".join(["abcdefgh"] * 29),
    ],
)
def test_what_no_authority_issues_for_is_the_customers_to_mend(text: str) -> None:
    """Refused before anything is stored."""
    with pytest.raises(CustomerError):
        host_name(text)


def test_a_name_has_one_spelling() -> None:
    """Lower case, without the final dot."""
    assert host_name("Email.Brand.EXAMPLE.") == "email.brand.example"
    assert host_name("xn--bcher-kva.example") == "xn--bcher-kva.example"


@given(st.text(max_size=300))
def test_whatever_passes_is_safe_as_a_file_name(text: str) -> None:
    """Any text is refused, or becomes a name without separators that stays as it is."""
    try:
        name = host_name(text)
    except CustomerError:
        return
    assert host_name(name) == name
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-")
    assert not name.startswith((".", "-"))
    assert ".." not in name


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("email.brand.com", "brand.com"),
        ("a.b.brand.co.uk", "brand.co.uk"),
        ("customer.github.io", "customer.github.io"),
        ("x.customer.github.io", "customer.github.io"),
        ("co.uk", "co.uk"),
        ("email.brand.example", "brand.example"),
    ],
)
def test_domains_are_counted_by_the_public_suffix_list(host: str, domain: str) -> None:
    """With its private section, as Let's Encrypt counts."""
    assert registered_domain(host) == domain
