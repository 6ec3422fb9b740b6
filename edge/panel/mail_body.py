"""A message taken apart for people: what it says, and its HTML. Pure."""

from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any, Final

import msgspec

from edge.rewriting.header_fields import Shown, first, shown_headers

SHOWN: Final = frozenset(
    {"from", "to", "cc", "subject", "date", "message-id", "reply-to", "list-unsubscribe"}
)
LONGEST_TEXT: Final = 200_000
"""Characters of a text part that a page shows."""


class Body(msgspec.Struct, frozen=True):
    """Header fields, the bodies (empty where there is none), and names of attachments."""

    headers: list[Shown]
    text: str
    html: str
    attachments: list[str]

    @property
    def subject(self) -> str:
        """Its subject, or words that say there is none."""
        return first(self.headers, "subject") or "(no subject)"


def subject_of(head: bytes) -> str:
    """The subject of a message of which only the beginning is there."""
    return first(shown_headers(head), "subject") or "(no subject)"


def take_apart(source: bytes) -> Body:
    """The parts of a message; broken ones are shown as far as they can be."""
    headers = [(name, value) for name, value in shown_headers(source) if name.lower() in SHOWN]
    parsed = BytesParser(policy=policy.default).parsebytes(source)
    assert isinstance(parsed, EmailMessage)
    names = [
        f"{part.get_filename() or 'without a name'} ({part.get_content_type()})"
        for part in _attachments(parsed)
    ]
    text, html = _body(parsed, "plain"), _body(parsed, "html")
    return Body(headers, text[:LONGEST_TEXT], html, names)


def _attachments(parsed: EmailMessage) -> list[Any]:
    try:
        return list(parsed.iter_attachments())
    except (AttributeError, LookupError, ValueError, TypeError):
        return []  # a broken tree of parts: the library gives up on it


def _body(parsed: EmailMessage, kind: str) -> str:
    try:
        part = parsed.get_body((kind,))
    except (AttributeError, LookupError, ValueError, TypeError):
        return ""
    if part is None:
        return ""
    try:
        return str(part.get_content())
    except (LookupError, ValueError, AttributeError):
        return bytes(part.get_payload(decode=True) or b"").decode("utf-8", "replace")
