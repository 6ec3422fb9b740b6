"""The events that sending makes: accepted, rejected, delivered, failed, in Mailgun's structure.

Field names, codes and reasons are Mailgun's; where a server's own words say more, they are in
``delivery-status``, with the verdict's reason and evidence beside them.
"""

import secrets
from typing import Any, Final

import msgspec

from edge.model.event import Event
from edge.model.metrics import RETRIED
from edge.returns.reasons import Reason
from edge.sending.message import Origin
from edge.sending.replies import Verdict
from edge.store.suppressions import Block

SUPPRESSED: Final = {
    Block.BOUNCE: (605, "Not delivering to previously bounced address"),
    Block.UNSUBSCRIBE: (606, "Not delivering to unsubscribed address"),
    Block.COMPLAINT: (607, "Not delivering to a user who marked your messages as spam"),
}
"""Code and text of what was never tried (Mailgun's event reference)."""

TOO_OLD: Final = (602, "Too old")

_WORDS: Final = {
    Reason.ON_HOLD: "greylisted",
    Reason.BLOCKED: "blacklisted",
    Reason.SPAM: "espblock",
    Reason.POLICY: "espblock",
    Reason.AUTH_FAILURE: "espblock",
    Reason.VIRUS: "espblock",
    Reason.CONTENT: "espblock",
    Reason.RATE_LIMITED: "espblock",
}
"""Mailgun's ``reason`` for ours; a hard one is ``bounce``, any other ``generic``."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What all events of one message have in common."""

    domain: int
    message_id: str
    sender: str
    key: str
    url: str
    test_mode: bool
    authenticated: bool


def event_id(at: int) -> bytes:
    """Sixteen bytes that begin with the time in µs, as the ids of opens and clicks do."""
    return at.to_bytes(7, "big") + secrets.token_bytes(9)


def _flags(told: Told) -> dict[str, Any]:
    return {
        "is-authenticated": told.authenticated,
        "is-test-mode": told.test_mode,
        "is-routed": False,
        "is-system-test": False,
    }


def _event(
    told: Told,
    name: str,
    recipient: str,
    at: int,
    detail: dict[str, Any],
    *,
    severity: str = "",
    reason: str = "",
) -> Event:
    return Event(
        id=event_id(at),
        event=name,
        at=at,
        domain=told.domain,
        recipient=recipient,
        message_id=told.message_id,
        severity=severity,
        reason=reason,
        detail=msgspec.json.encode(detail),
    )


def _sent(told: Told, recipient: str) -> dict[str, Any]:
    """Envelope, flags and storage: what accepted, delivered and failed tell alike."""
    return {
        "envelope": {"sender": told.sender, "transport": "smtp", "targets": recipient},
        "flags": _flags(told),
        "storage": {
            "key": told.key,
            "url": told.url,
            "region": "local",
            "env": "production",
        },
    }


def accepted(told: Told, origin: Origin, recipient: str, at: int, due: int) -> Event:
    """One for each recipient; ``due`` (µs) is told where the message is scheduled."""
    detail = {"method": origin.method} | _sent(told, recipient)
    if origin.api_key is not None:
        detail["api-key-id"] = str(origin.api_key)
    if origin.ip:
        detail["originating-ip"] = origin.ip
    if due > at:
        detail["scheduled-for"] = due // 1_000_000
    return _event(told, "accepted", recipient, at, detail)


def rejected(told: Told, origin: Origin, at: int, why: str) -> Event:
    """A message that an authorised sender gave and that cannot be sent."""
    detail = {
        "reject": {"reason": why, "description": ""},
        "flags": {"is-test-mode": told.test_mode},
        "method": origin.method,
    }
    return _event(told, "rejected", "", at, detail)


def suppressed(told: Told, recipient: str, at: int, block: Block) -> Event:
    """A recipient who is not written to."""
    code, text = SUPPRESSED[block]
    status = {
        "attempt-no": 1,
        "code": code,
        "message": "",
        "description": text,
        "session-seconds": 0,
        "enhanced-code": "",
    }
    detail = _sent(told, recipient) | {"delivery-status": status}
    reason = f"suppress-{block}"
    return _event(told, "failed", recipient, at, detail, severity="permanent", reason=reason)


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try: its number from 1, whom it spoke to, how long it took (seconds)."""

    number: int
    host: str
    tls: bool
    verified: bool
    seconds: float


def _status(attempt: Attempt, **said: Any) -> dict[str, Any]:
    return {
        "attempt-no": attempt.number,
        "mx-host": attempt.host,
        "tls": attempt.tls,
        "certificate-verified": attempt.verified,
        "session-seconds": round(attempt.seconds, 3),
        "utf8": True,
        **said,
    }


def delivered(
    told: Told, recipient: str, at: int, attempt: Attempt, *, code: int, enhanced: str, text: str
) -> Event:
    """The recipient's server took it; a later attempt than the first is counted apart."""
    status = _status(attempt, code=code, message=text or "OK", description="")
    status["enhanced-code"] = enhanced
    detail = _sent(told, recipient) | {"delivery-status": status}
    reason = RETRIED if attempt.number > 1 else ""
    return _event(told, "delivered", recipient, at, detail, reason=reason)


def failed(
    told: Told,
    recipient: str,
    at: int,
    attempt: Attempt,
    verdict: Verdict,
    *,
    retry_seconds: int | None,
    duplicate: bool = False,
    too_old: bool = True,
) -> Event:
    """One try that failed: temporary while ``retry_seconds`` says when the next one is.

    A soft failure without a next try is ``too_old``, or was never tried at all.
    """
    status = _status(
        attempt,
        code=verdict.code,
        message=verdict.text,
        description="",
        reason=verdict.reason.value,
        evidence=verdict.evidence,
    )
    status["enhanced-code"] = verdict.enhanced
    if duplicate:
        status["possible-duplicate"] = True
    severity, reason = "permanent", "bounce"
    if retry_seconds is not None:
        status["retry-seconds"] = retry_seconds
        severity = "temporary"
    if not verdict.hard:
        reason = _WORDS.get(verdict.reason, "generic")
        if retry_seconds is None and too_old:
            status["code"], status["description"] = TOO_OLD
            reason = "old"
    detail = _sent(told, recipient) | {"delivery-status": status}
    return _event(told, "failed", recipient, at, detail, severity=severity, reason=reason)


class Spoken(msgspec.Struct, frozen=True):
    """What a bounce says: reason, the server's code, status and words; the rule and its words."""

    reason: Reason
    code: int
    enhanced: str
    text: str
    evidence: str
    matched: str


DELAYED_BOUNCE: Final = "delayed-bounce"
"""Mailgun's reason of a hard failure that came back as mail."""


def returned(told: Told, recipient: str, at: int, spoken: Spoken, *, hard: bool) -> Event:
    """A bounce that came as mail, after the recipient's server had taken the message."""
    code = spoken.code or (550 if hard else 450)
    status = {
        "attempt-no": 1,
        "code": code,
        "bounce-code": spoken.enhanced or str(code),
        "message": spoken.text,
        "description": "",
        "session-seconds": 0,
        "enhanced-code": spoken.enhanced,
        "reason": spoken.reason.value,
        "evidence": spoken.evidence,
        "matched": spoken.matched,
    }
    detail = {
        "envelope": {},
        "flags": {"is-delayed-bounce": True, "is-test-mode": told.test_mode},
        "delivery-status": status,
    }
    severity = "permanent" if hard else "temporary"
    reason = DELAYED_BOUNCE if hard else _WORDS.get(spoken.reason, "generic")
    return _event(told, "failed", recipient, at, detail, severity=severity, reason=reason)


def complained(told: Told, recipient: str, at: int) -> Event:
    """A recipient called a message spam."""
    return _event(told, "complained", recipient, at, {"flags": {"is-test-mode": told.test_mode}})


def unsubscribed(told: Told, recipient: str, at: int) -> Event:
    """A recipient unsubscribed by mail; nothing is known of the program that sent it."""
    return Event(
        id=event_id(at),
        event="unsubscribed",
        at=at,
        domain=told.domain,
        recipient=recipient,
        message_id=told.message_id,
        method="SMTP",
    )
