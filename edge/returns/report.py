"""What a returned mail says, as values."""

from enum import StrEnum
from typing import Any

import msgspec

from edge.returns.reasons import HARD, Reason


class Kind(StrEnum):
    """What came back."""

    BOUNCE = "bounce"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"
    COMPLAINT = "complaint"
    NOT_SPAM = "not-spam"
    AUTH_REPORT = "auth-failure-report"
    UNSUBSCRIBE = "unsubscribe"
    READ_RECEIPT = "read-receipt"
    AUTO_REPLY = "auto-reply"
    CHALLENGE = "challenge-response"
    OTHER = "not-a-report"


class Evidence(msgspec.Struct, frozen=True):
    """Why: the rule's name, the words that it matched, and where the rule is documented."""

    rule: str
    matched: str
    source: str


class Recipient(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of one recipient. ``final`` is where it was delivered to, if that is another.

    ``status`` is the enhanced status ("5.1.1" or ""), ``code`` the basic one (0: none), ``reply``
    the server's words.
    """

    recipient: str
    reason: Reason
    status: str
    code: int
    reply: str
    evidence: Evidence
    action: str = "failed"
    final: str = ""

    @property
    def hard(self) -> bool:
        """Whether the address is to be suppressed."""
        return self.reason in HARD and self.action == "failed"

    @property
    def severity(self) -> str:
        """``permanent`` for hard, ``temporary`` for soft."""
        return "permanent" if self.hard else "temporary"


class Returned(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the message that came back; each empty where it is not."""

    message_id: str = ""
    recipients: tuple[str, ...] = ()
    sender: str = ""
    subject: str = ""
    return_path: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The reader's verdict. ``format`` is the rule that recognised it, ``source`` cites it.

    ``paths`` are all addresses in the mail that have the form of our return paths, unchecked.
    ``feedback_type`` is RFC 5965's.
    """

    kind: Kind
    format: str
    source: str
    recipients: tuple[Recipient, ...] = ()
    reporting_mta: str = ""
    returned: Returned = Returned()
    paths: tuple[str, ...] = ()
    feedback_type: str = ""
    subject: str = ""
    sender: str = ""
    message_id: str = ""
    why: str = ""
    """For what is no report: what is missing."""


def as_json(report: Report) -> dict[str, Any]:
    """The verdict as ``edge report explain --json`` and the API give it."""
    return {
        "kind": report.kind.value,
        "format": report.format,
        "source": report.source,
        "feedback_type": report.feedback_type,
        "reporting_mta": report.reporting_mta,
        "message_id": report.returned.message_id,
        "return_path": report.paths[0] if report.paths else "",
        "subject": report.subject,
        "recipients": [_recipient(one, report) for one in report.recipients],
        "why": report.why,
    }


def _recipient(one: Recipient, report: Report) -> dict[str, Any]:
    shown = {
        "recipient": one.recipient,
        "final_recipient": one.final or one.recipient,
        "action": one.action,
        "severity": one.severity,
        "reason": one.reason.value,
        "status": one.status,
        "code": one.code,
        "reply": one.reply,
        "evidence": msgspec.to_builtins(one.evidence),
    }
    if report.feedback_type:
        shown["type"] = report.feedback_type
    return shown
