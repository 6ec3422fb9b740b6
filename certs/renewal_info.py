"""ACME renewal information (ARI, RFC 9773): the authority says when it wants to be asked again.

It spreads the load of millions of renewals, and is how an authority recalls certificates: after a
mass revocation the window lies in the past. Orders that name the certificate they replace inside
its window are exempt from all of Let's Encrypt's rate limits.
"""

import base64
import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography import x509

from certs.errors import BadAnswer

# RFC 9773 § 4.3.3 wants clients to bound what they are told; these are its own suggestions.
SHORTEST_WAIT = 60.0
LONGEST_WAIT = 86_400.0
DEFAULT_WAIT = 21_600.0


@dataclass(frozen=True, slots=True)
class RenewalInfo:
    """The suggested window (seconds since the epoch) and the seconds until it may have changed."""

    start: float
    end: float
    retry_after: float
    explanation: str | None = None


def certificate_id(certificate: x509.Certificate) -> str | None:
    """RFC 9773 § 4.1: key identifier of the issuer, a dot, the serial's DER octets; or None."""
    try:
        issuer = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    except x509.ExtensionNotFound:
        return None
    if issuer.key_identifier is None:
        return None
    serial = certificate.serial_number
    # One more bit than the number has: DER integers are signed, 0x80 is written 00 80.
    octets = serial.to_bytes((serial.bit_length() + 8) // 8, "big")
    return f"{_b64(issuer.key_identifier)}.{_b64(octets)}"


def _b64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def parse(body: Mapping[str, Any], retry_after: float | None) -> RenewalInfo:
    """The renewal information of an answer's JSON; BadAnswer if the window is none."""
    window = body.get("suggestedWindow")
    try:
        start, end = _time(window["start"]), _time(window["end"])  # type: ignore[index]  # checked by the except below
    except (TypeError, KeyError, ValueError) as error:
        raise BadAnswer(f"renewal information without a window: {str(body)[:200]}") from error
    if end <= start:
        raise BadAnswer("renewal information whose window ends before it starts")
    wait = DEFAULT_WAIT if retry_after is None else retry_after
    explanation = body.get("explanationURL")
    return RenewalInfo(
        start,
        end,
        min(LONGEST_WAIT, max(SHORTEST_WAIT, wait)),
        explanation if isinstance(explanation, str) else None,
    )


def _time(text: str) -> float:
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without its zone")
    return moment.timestamp()
