"""From what a library or an authority says to the errors of :mod:`certs.errors`.

By problem type, never by text: authorities translate and reword. Types that are not in the table
(RFC 8555 § 9.7.8 and the registry it opened) blame the authority, which is the one that sent them.
"""

import datetime
import email.utils
from collections.abc import Mapping
from typing import Any

from certs.errors import (
    AccountMissing,
    AlreadyReplaced,
    AuthorityError,
    BadAnswer,
    CertificateError,
    CustomerError,
    OperatorError,
    OrderGone,
    RateLimited,
    Unavailable,
)

LONGEST_WAIT = 31 * 86_400.0  # seconds that a Retry-After is believed
URN = "urn:ietf:params:acme:error:"

_CUSTOMER = {
    "caa": "a CAA record forbids this authority",
    "connection": "the authority could not reach the host on port 80",
    "dns": "the authority could not look the host up",
    "dnssec": "DNSSEC validation of the host's zone failed",
    "incorrectResponse": "the challenge was answered by something else",
    "rejectedIdentifier": "the authority does not issue for this name",
    "tls": "the authority met a TLS error at the host",
    "unauthorized": "the challenge was answered wrongly: is the host served by us, unproxied?",
    "unknownHost": "the authority could not look the host up",
    "unsupportedIdentifier": "the authority does not issue for names of this kind",
}
_OPERATOR = {
    "badPublicKey": "the authority does not take our key",
    "badSignatureAlgorithm": "the authority does not take our key's algorithm",
    "externalAccountRequired": "the authority wants an external account: give its id and key",
    "invalidContact": "the authority does not take our contact address",
    "invalidProfile": "the authority has no such profile",
    "unsupportedContact": "the authority does not take contacts of this kind",
    "userActionRequired": "its terms have changed: read and agree at the address in the text",
}
_OTHERS: dict[str, type[CertificateError]] = {
    "accountDoesNotExist": AccountMissing,
    "alreadyReplaced": AlreadyReplaced,
    "rateLimited": RateLimited,
    "serverInternal": Unavailable,
    "badNonce": Unavailable,
    "orderNotReady": OrderGone,
}


def from_problem(
    problem: Mapping[str, Any],
    *,
    status: int | None = None,
    retry_after: float | None = None,
    of_challenge: bool = False,
) -> CertificateError:
    """The error for a problem document (RFC 9457; RFC 8555 § 6.7).

    ``of_challenge``: it was found in a challenge or authorization. There ``unauthorized`` means a
    wrong answer of the host; anywhere else it means that the account may not do that.
    """
    kind = str(problem.get("type", "about:blank"))[:200]
    name = kind.removeprefix(URN)
    detail = _detail(problem)
    if name == "unauthorized" and not of_challenge:
        return OperatorError(f"the authority refuses our account: {detail}", problem=kind)
    if name in _CUSTOMER:
        return CustomerError(f"{_CUSTOMER[name]}: {detail}", problem=kind, retry_after=retry_after)
    if name in _OPERATOR:
        return OperatorError(f"{_OPERATOR[name]}: {detail}", problem=kind)
    if name in _OTHERS:
        return _OTHERS[name](detail, problem=kind, retry_after=retry_after)
    if status == 429:
        return RateLimited(detail, problem=kind, retry_after=retry_after)
    if status is not None and status >= 500:
        return Unavailable(detail, problem=kind, retry_after=retry_after)
    if status == 404:
        return OrderGone(detail, problem=kind)
    return AuthorityError(detail, problem=kind, retry_after=retry_after)


def _detail(problem: Mapping[str, Any]) -> str:
    """The text, with those of subproblems (RFC 8555 § 6.7.1): they name the host at fault."""
    texts = [str(problem.get("detail") or problem.get("title") or problem.get("type") or "?")]
    below = problem.get("subproblems")
    details = (
        [one.get("detail") for one in below if isinstance(one, dict)]
        if isinstance(below, list)
        else []
    )
    texts += [str(detail) for detail in details[:5] if detail]
    return "; ".join(texts)


def from_status(status: int, retry_after: float | None, body: str) -> CertificateError:
    """The error for an answer without a problem document: a proxy's, most likely."""
    text = f"status {status} without a problem document: {body[:200]!r}"
    if status == 429:
        return RateLimited(text, retry_after=retry_after)
    if status >= 500:
        return Unavailable(text, retry_after=retry_after)
    return BadAnswer(text)


def retry_after(header: str | None, now: float) -> float | None:
    """Seconds of a Retry-After header, given as such or as a date (RFC 9110 § 10.2.3)."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:12]), LONGEST_WAIT)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:  # RFC 5322's "-0000": UTC, of no known zone
        moment = moment.replace(tzinfo=datetime.UTC)
    return min(max(0.0, moment.timestamp() - now), LONGEST_WAIT)
