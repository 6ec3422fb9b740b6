"""Keys, signing requests and thumbprints."""

import josepy as jose
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from certs.errors import OperatorError
from certs.keys import (
    account_key,
    key_pem,
    load_key,
    new_key,
    self_signed,
    signing_request,
    thumbprint,
)


def test_a_request_has_its_one_name_in_the_san_only() -> None:
    """Profiles without a common name exist; the signature is the key's."""
    key = new_key()
    request = signing_request(key, "email.brand.example")
    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.DNSName("email.brand.example")]
    assert not list(request.subject)
    assert request.is_signature_valid
    assert request.public_key() == load_key(key).public_key()


def test_a_thumbprint_is_that_of_rfc_7638() -> None:
    """The key of RFC 8555's and RFC 7638's example."""
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknj"
        "hMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQ"
        "vRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    key = jose.JWKRSA.fields_from_json({"n": n, "e": "AQAB"})
    assert (
        jose.b64encode(key.thumbprint()).decode() == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    )


def test_account_keys_are_p256_or_rsa() -> None:
    """What the authority takes: ES256 and RS256; the thumbprint has 43 characters."""
    for key, algorithm in (
        (ec.generate_private_key(ec.SECP256R1()), jose.ES256),
        (rsa.generate_private_key(65537, 2048), jose.RS256),
    ):
        pem = key_pem(key)
        assert account_key(pem)[1] == algorithm
        assert len(thumbprint(pem)) == 43


def test_keys_that_cannot_be_used_are_the_operators_to_mend() -> None:
    """No PEM, another kind, another curve."""
    odd = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    for text in ("", "no key", odd.decode()):
        with pytest.raises(OperatorError):
            load_key(text)
    with pytest.raises(OperatorError, match="P-256"):
        account_key(key_pem(ec.generate_private_key(ec.SECP384R1())))


def test_a_self_signed_certificate_is_for_its_name_and_no_authority() -> None:
    """What a listener starts with."""
    both = self_signed("edge.example", 1_800_000_000.0)
    leaf = x509.load_pem_x509_certificate(both[both.index("-----BEGIN CERT") :].encode())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["edge.example"]
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert leaf.public_key() == load_key(both).public_key()
