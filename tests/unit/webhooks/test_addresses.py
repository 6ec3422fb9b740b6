"""Which addresses may be called, and which URLs may be configured."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.model.errors import CallerError
from edge.model.vault import Vault
from edge.model.webhook import checked_types, checked_url, full_url, sealed, shown_url
from edge.webhooks.addresses import carried, refusal

VAULT = Vault(bytes(32))


def wrapped(address: IPv4Address) -> list[str]:
    """Every IPv6 spelling that carries an IPv4 address."""
    number = int(address)
    found = [
        *(0xFFFF << 32, 0x64FF9B << 96, (0x64FF9B0001 << 80), 0),
    ]
    spellings = [str(IPv6Address(prefix | number)) for prefix in found]
    return [*spellings, str(IPv6Address(0x2002 << 112 | number << 80)), f"::{address}"]


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_alike_however_it_is_carried(address: IPv4Address) -> None:
    """Mapped, compatible, 6to4, NAT64: what is refused bare is refused in each of them."""
    if int(address) > 1 and refusal(str(address)):
        assert all(refusal(one) for one in wrapped(address))


@given(st.ip_addresses())
def test_only_global_unicast_is_called(address: IPv4Address | IPv6Address) -> None:
    """Whatever Python calls private, local, reserved or multicast is refused."""
    bare = carried(address)
    if not bare.is_global or bare.is_multicast or bare.is_reserved:
        assert refusal(str(address))


@given(st.ip_addresses(v=4))
def test_what_the_operator_lists_is_called(address: IPv4Address) -> None:
    """Also where IPv6 carries it, and no address beside it."""
    network = ip_network(f"{address}/32")
    assert refusal(str(address), [network]) == ""
    assert refusal(f"::ffff:{address}", [network]) == ""
    beside = ip_address((int(address) + 1) % 2**32)
    assert refusal(str(beside), [network]) == refusal(str(beside))


@pytest.mark.parametrize("text", ["", "localhost", "1.2.3", "127.0.0.1.", "fe80::1%eth0", "::%1"])
def test_what_is_no_public_address_is_refused(text: str) -> None:
    """Names, scopes and halves."""
    assert refusal(text)
    assert refusal("93.184.216.34") == refusal("2606:2800:220:1::1") == ""


@pytest.mark.parametrize(
    "text,kept",
    [
        ("https://i.ua", "https://i.ua"),
        (" HTTPS://Hooks.Example.com:8443/a?b=c#d ", "https://hooks.example.com:8443/a?b=c"),
        ("http://bücher.example/ü", "http://xn--bcher-kva.example/ü"),
        ("http://[::1]:80/", "http://[::1]:80/"),
        ("http://any:p%40ss@host/x", "http://any:p%40ss@host/x"),
        ("http://nohost.invalid/", "http://nohost.invalid/"),
    ],
)
def test_urls_that_are_taken(text: str, kept: str) -> None:
    """Any host and port, resolvable or not; asked again, the same comes out."""
    assert checked_url(text) == kept
    assert checked_url(kept) == kept


@pytest.mark.parametrize(
    "text,why",
    [
        *((text, "invalid URL scheme") for text in ("", "x", "ftp://a/", "javascript:1", "//a/")),
        *((text, "has no host") for text in ("http://", "https:///x", "http://:80/", "http:a")),
        *(
            (text, "percent-encoded")
            for text in ("http://a/b c", "http://a/\r\nX: y", "http://a\\b")
        ),
        *(
            (text, "percent-encoded")
            for text in ("http://a/\x00", "http://a/<b>", "http://a/\ud800")
        ),
        *(
            (text, "is not a valid url")
            for text in ("http://a:99999/", "http://a:x/", "http://[::1")
        ),
        *((text, "is not a valid url") for text in ("http://a:0/", "http://a,b/", "http://ex*/")),
        ("http://a/" + "x" * 2048, "longer than 2048"),
        ("http://a/" + "ü" * 1100, "longer than 2048"),
    ],
)
def test_urls_that_are_refused(text: str, why: str) -> None:
    """In Mailgun's words, and short, whatever was sent."""
    with pytest.raises(CallerError, match="is not a valid url: ") as raised:
        checked_url(text)
    assert why in str(raised.value)
    assert len(str(raised.value)) < 300


@given(st.text(max_size=100))
def test_no_text_breaks_the_check(text: str) -> None:
    """It is a URL or the caller's mistake, nothing else; and what is kept comes back whole."""
    try:
        url = checked_url(f"https://{text}")
    except CallerError:
        return
    assert full_url(VAULT, sealed(VAULT, url)) == url
    assert checked_url(url) == url


def test_a_password_is_sealed_and_hidden() -> None:
    """The same URL seals to the same bytes, so it can be found again."""
    url = "https://any:s3cret@host.example/x"
    kept = sealed(VAULT, url)
    assert kept == sealed(VAULT, url)
    assert kept.url == "https://host.example/x"
    assert b"s3cret" not in (kept.userinfo or b"")
    assert full_url(VAULT, kept) == url
    assert shown_url(kept) == "https://***@host.example/x"
    assert shown_url(sealed(VAULT, "https://host.example/x")) == "https://host.example/x"


def test_types_are_told_apart() -> None:
    """In their own order, each once, in any case; the names of old are no types any more."""
    assert checked_types(["opened", "CLICKED", "accepted", "opened"]) == (
        *("accepted", "opened", "clicked"),
    )
    for name in ("bounce", "open", "", "rejected"):
        with pytest.raises(CallerError, match="is not a webhook type"):
            checked_types([name])
