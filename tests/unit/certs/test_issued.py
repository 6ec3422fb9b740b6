"""What an authority issued counts only if it is exactly what was asked for."""

import base64
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from certs.errors import BadAnswer, ClockWrong, CustomerError
from certs.issued import choose_chain, imported, verify
from certs.keys import new_key
from tests.unit.certs.authority import DAY, HOST, NOW, TestAuthority, pem

CA = TestAuthority()
KEY = new_key()


def test_a_good_certificate_passes_with_its_times() -> None:
    """Key, name, chain and times fit: the values that renewing needs come out."""
    certificate = verify(CA.chain(KEY), KEY, HOST, NOW)
    assert (certificate.not_before, certificate.not_after) == (NOW - 3600, NOW + 90 * DAY)
    assert certificate.renewal_id is not None
    assert certificate.pem.startswith("-----BEGIN PRIVATE KEY")
    assert certificate.pem.count("BEGIN CERTIFICATE") == 2


@pytest.mark.parametrize(
    ("names", "changes", "text"),
    [
        (("evil.example.com",), {}, "names"),
        ((HOST, "evil.example.com"), {}, "names"),
        (("*.brand.example",), {}, "names"),
        ((), {}, "names"),
        ((HOST,), {"ca": True}, "authority's"),
        ((HOST,), {"usage": ExtendedKeyUsageOID.CLIENT_AUTH}, "servers"),
        ((HOST,), {"ends": NOW - 1}, "expired"),
    ],
)
def test_a_leaf_that_was_not_asked_for_is_refused(
    names: tuple[str, ...], changes: dict[str, Any], text: str
) -> None:
    """Other names, more names, no names, an authority's, a client's, an expired one."""
    leaf = CA.leaf(KEY, names, **changes)
    with pytest.raises(BadAnswer, match=text):
        verify(pem(leaf, CA.intermediate), KEY, HOST, NOW)


def test_another_key_is_refused() -> None:
    """A certificate for a key that we do not hold cannot be served."""
    with pytest.raises(BadAnswer, match="another key"):
        verify(CA.chain(new_key()), KEY, HOST, NOW)


def test_chains_must_be_whole_and_in_order() -> None:
    """Truncated, foreign, swapped, endless, or no PEM at all."""
    leaf = CA.leaf(KEY)
    other = TestAuthority("Other Root")
    for chain in (
        pem(leaf),
        pem(leaf, other.intermediate),
        pem(leaf, CA.root),
        pem(CA.intermediate, leaf),
        pem(leaf, *[CA.intermediate] * 10),
        pem(leaf)[:-100],
        "",
        "<html>",
        "x" * 300_000,
    ):
        with pytest.raises(BadAnswer):
            verify(chain, KEY, HOST, NOW)


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_a_serial_number_that_is_not_positive_is_refused() -> None:
    """RFC 5280 § 4.1.2.2; its renewal id could not be written either."""
    der = CA.leaf(KEY, serial=1).public_bytes(serialization.Encoding.DER)
    at = der.index(b"\x02\x01\x01")
    negative = x509.load_der_x509_certificate(der[: at + 2] + b"\xff" + der[at + 3 :])
    with pytest.raises(BadAnswer, match="serial"):
        verify(pem(negative, CA.intermediate), KEY, HOST, NOW)


def test_an_intermediate_that_expired_spoils_the_chain() -> None:
    """The end is that of the first certificate that ends."""
    with pytest.raises(BadAnswer, match="expired"):
        verify(CA.chain(KEY, ends=NOW + 2000 * DAY), KEY, HOST, NOW + 1500 * DAY)


def test_a_beginning_in_the_future_means_our_clock_is_wrong() -> None:
    """Beyond an hour of skew; within it the certificate is good."""
    with pytest.raises(ClockWrong):
        verify(CA.chain(KEY, starts=NOW + 7200), KEY, HOST, NOW)
    verify(CA.chain(KEY, starts=NOW + 1800), KEY, HOST, NOW)


@given(st.text() | st.binary(max_size=500).map(lambda octets: octets.decode("latin-1")))
def test_no_text_breaks_the_reader(text: str) -> None:
    """Anything that is no chain is a BadAnswer."""
    with pytest.raises(BadAnswer):
        verify(text, KEY, HOST, NOW)


DER = CA.leaf(KEY).public_bytes(serialization.Encoding.DER)


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@settings(max_examples=1000)
@given(st.lists(st.tuples(st.integers(0, len(DER) - 1), st.integers(0, 255)), min_size=1))
def test_no_damaged_certificate_breaks_the_reader(changes: list[tuple[int, int]]) -> None:
    """Any octets changed: it is refused as a BadAnswer, for its signature if for nothing else."""
    octets = bytearray(DER)
    for place, octet in changes:
        octets[place] = octet
    assume(bytes(octets) != DER)
    text = base64.encodebytes(octets).decode()
    damaged = f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n"
    with pytest.raises(BadAnswer):
        verify(damaged + pem(CA.intermediate), KEY, HOST, NOW)
    choose_chain([damaged], "Nobody")


def test_the_preferred_chain_is_found_by_its_topmost_issuer() -> None:
    """By common name; one that cannot be read is passed over, an unknown name means the first."""
    other = TestAuthority("Other Root")
    chains = ["broken", CA.chain(KEY), other.chain(KEY)]
    assert choose_chain(chains, "Other Root") == chains[2]
    assert choose_chain(chains, "Test Root") == chains[1]
    assert choose_chain(chains[1:], "Nobody") == chains[1]
    assert choose_chain(chains[1:], None) == chains[1]


# Certificates that somebody else ordered


@pytest.mark.parametrize(
    "names", [(HOST,), ("a.example", HOST), ("*.brand.example",), ("brand.example", HOST.upper())]
)
def test_an_imported_certificate_may_have_more_names(names: tuple[str, ...]) -> None:
    """One of several, or a wildcard; key and chain in either order."""
    chain = CA.chain(KEY, *names)
    for text in (KEY + chain, chain + KEY, chain.replace("\n", "\r\n") + KEY):
        certificate = imported(text, "Email.Brand.Example.", NOW)
        assert certificate.host == HOST
        assert certificate.key_pem == KEY
        assert certificate.not_after == NOW + 90 * DAY


def test_an_imported_key_may_be_in_openssls_own_form() -> None:
    """RSA and EC keys as ``openssl`` writes them; they are stored as PKCS #8."""
    for key in (
        rsa.generate_private_key(65537, 2048),
        ec.generate_private_key(ec.SECP256R1()),
    ):
        own = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        ).decode()
        leaf = CA.leaf(key.public_key())
        certificate = imported(own + pem(leaf, CA.intermediate), HOST, NOW)
        assert certificate.key_pem.startswith("-----BEGIN PRIVATE KEY")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no private key"),
        (CA.chain(KEY), "no private key"),
        (KEY, "not PEM"),
        (new_key() + CA.chain(KEY), "another key"),
        (KEY + CA.chain(KEY, "other.example"), "names"),
        (KEY + CA.chain(KEY, "*.example"), "names"),
        (KEY + CA.chain(KEY, "*.email.brand.example"), "names"),
        (KEY + pem(CA.leaf(KEY)), "truncated"),
        (KEY + CA.chain(KEY, ends=NOW - 1), "expired"),
        ("\n".join((KEY.splitlines()[0], "AAAA", KEY.splitlines()[-1])), "cannot be read"),
    ],
)
def test_what_cannot_be_served_is_not_imported(text: str, why: str) -> None:
    """Whoever brought it is told what is wrong."""
    with pytest.raises(CustomerError, match=why):
        imported(text, HOST, NOW)
