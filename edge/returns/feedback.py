"""Reports of mailbox providers' feedback loops (RFC 5965, RFC 6650), and those before it."""

import re
from typing import Final

from edge.returns.mime import Headers, Part, fields_of, split
from edge.returns.reasons import Reason
from edge.returns.report import Evidence, Kind, Recipient
from edge.returns.texts import addresses

TYPE: Final = "message/feedback-report"

KINDS: Final = {
    "not-spam": Kind.NOT_SPAM,
    "auth-failure": Kind.AUTH_REPORT,
    "dmarc": Kind.AUTH_REPORT,
    "opt-out": Kind.UNSUBSCRIBE,
    "opt-out-list": Kind.UNSUBSCRIBE,
}
"""What is no complaint (RFC 5965 § 7.3, RFC 6591, RFC 6430); any other type is one."""

SOURCE: Final = "RFC 5965 § 3 (Feedback-Type, Original-Rcpt-To)"

_REDACTED = re.compile(r"redact|anonym|unknown|removed|undisclosed|hidden|x{4,}|\*{2,}", re.I)
_COMPLAINT_SUBJECT = re.compile(
    r"complaint about message from|abuse report|spam complaint|fw: ?\[?spam|email feedback report",
    re.I,
)
_FROM_PROVIDER = re.compile(
    r"staff@(hotmail|outlook|live)\.com|scomp@aol|feedback@|fbl[-.@]|arf@|abuse@", re.I
)
_HEADS: Final = (
    "x-hmxmroriginalrecipient",
    "x-original-recipient",
    "x-rcpt-to",
    "x-original-to",
    "delivered-to",
    "x-envelope-to",
    "envelope-to",
)


def fields(part: Part) -> Headers:
    """The fields of a feedback report."""
    text = part.decoded[: 64 * 1024].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return Headers([one for block in text.split(b"\n\n") for one in fields_of(block)])


def feedback_type(head: Headers) -> str:
    """RFC 5965's type in lower case; ``other`` where it is not said."""
    value = head.get("feedback-type").strip().lower().partition(" ")[0].strip(";\"'")
    return value[:40] or "other"


def is_old_style(headers: Headers, returned: Headers | None) -> bool:
    """A complaint without RFC 5965's part: the returned message, and who sends it says the rest.

    Hotmail's programme before 2020: staff@hotmail.com, with X-HmXmrOriginalRecipient in what comes
    back.
    """
    if returned is None:
        return False
    if returned.has("x-hmxmroriginalrecipient"):
        return True
    sender, subject = headers.get("from"), headers.get("subject")
    return bool(_FROM_PROVIDER.search(sender) and _COMPLAINT_SUBJECT.search(subject))


def recipients(report: Headers | None, returned: Headers | None) -> list[str]:
    """Who complains: as the report says, else as what is returned does; none that is redacted."""
    found: list[str] = []
    if report is not None:
        for name in (
            "original-rcpt-to",
            "removal-recipient",
            "original-recipient",
            "x-original-to",
        ):
            for value in report.all(name):
                found += addresses(value)
            if found := _known(found):
                return found
    if returned is not None:
        for name in _HEADS:
            for value in returned.all(name):
                found += addresses(value)
            if found := _known(found):
                return found[:1]
        for value in returned.all("to"):
            found += addresses(value)
        found = _known(found)
        return found if len(found) == 1 else []
    return []


def _known(found: list[str]) -> list[str]:
    kept = {one.lower(): one for one in found if not _REDACTED.search(one)}
    return list(kept.values())


def verdict(recipient: str, kind: str) -> Recipient:
    """What a complaint says of one recipient."""
    return Recipient(
        recipient=recipient,
        reason=Reason.SPAM,
        status="",
        code=0,
        reply="",
        evidence=Evidence(f"feedback-{kind}", kind, SOURCE),
        action=kind,
    )


def text_head(part: Part) -> Headers:
    """Fields that a report without its own part has in its text (some programmes)."""
    return split(part.text.encode("utf-8", "replace").lstrip(b"\n"))[0]
