"""Renewal information (RFC 9773)."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from certs.errors import BadAnswer
from certs.keys import load_key, new_key
from certs.renewal_info import LONGEST_WAIT, SHORTEST_WAIT, certificate_id, parse
from tests.unit.certs.authority import TestAuthority


def _with_key_id(key_id: bytes, serial: int) -> x509.Certificate:
    leaf = TestAuthority().leaf(new_key(), serial=serial)
    key = load_key(new_key())
    return (
        x509.CertificateBuilder()
        .subject_name(leaf.subject)
        .issuer_name(leaf.issuer)
        .public_key(leaf.public_key())
        .serial_number(serial)
        .not_valid_before(leaf.not_valid_before_utc)
        .not_valid_after(leaf.not_valid_after_utc)
        .add_extension(x509.AuthorityKeyIdentifier(key_id, None, None), critical=False)
        .sign(key, hashes.SHA256())
    )


def test_the_identifier_is_that_of_the_rfcs_example() -> None:
    """RFC 9773 § 4.1: key identifier and serial number, which gets a leading zero octet."""
    key_id = bytes.fromhex("69885b6b87464041e1b37b847ba0ae2cde01c8d4")
    certificate = _with_key_id(key_id, 0x87654321)
    assert certificate_id(certificate) == "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"


def test_a_serial_with_a_low_first_bit_has_no_zero_octet() -> None:
    """DER integers are signed: 0x7f… needs none."""
    found = certificate_id(_with_key_id(b"\1" * 20, 0x7FFF))
    assert found is not None
    assert found.endswith(".f_8")


def test_a_certificate_without_key_identifier_has_no_renewal_id() -> None:
    """The root of a private authority."""
    assert certificate_id(TestAuthority().root) is None


def test_a_window_is_read_with_its_zone() -> None:
    """Seconds since the epoch; the explanation is optional."""
    info = parse(
        {
            "suggestedWindow": {
                "start": "2025-01-02T04:00:00Z",
                "end": "2025-01-03T04:00:00+00:00",
            },
            "explanationURL": "https://ca.example/docs",
        },
        None,
    )
    assert info.end - info.start == 86_400.0
    assert info.explanation == "https://ca.example/docs"
    assert SHORTEST_WAIT <= info.retry_after <= LONGEST_WAIT


@pytest.mark.parametrize(
    "window",
    [
        None,
        "soon",
        {},
        {"start": "2025-01-02T04:00:00Z"},
        {"start": 1, "end": 2},
        {"start": "2025-01-02T04:00:00", "end": "2025-01-03T04:00:00"},
        {"start": "2025-01-03T04:00:00Z", "end": "2025-01-02T04:00:00Z"},
        {"start": "2025-01-02T04:00:00Z", "end": "2025-01-02T04:00:00Z"},
    ],
)
def test_a_window_that_is_none_is_a_bad_answer(window: object) -> None:
    """RFC 9773 § 4.2: treated as if there were no information."""
    with pytest.raises(BadAnswer):
        parse({"suggestedWindow": window}, None)


@pytest.mark.parametrize(("told", "kept"), [(0.0, 60.0), (3600.0, 3600.0), (1e9, 86_400.0)])
def test_waits_are_kept_within_bounds(told: float, kept: float) -> None:
    """RFC 9773 § 4.3.3: a minute at least, a day at most."""
    window = {"start": "2025-01-02T04:00:00Z", "end": "2025-01-03T04:00:00Z"}
    assert parse({"suggestedWindow": window}, told).retry_after == kept
