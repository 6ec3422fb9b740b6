"""The report: what was done to every URL and part of a message, and why.

Codes are stable: programs may depend on them, and ``docs/rewriting.md`` describes each one.
"""

from enum import StrEnum

import msgspec


class Reason(StrEnum):
    """Why a link, a part or a whole message was left alone."""

    # Of links.
    CLICKS_OFF = "clicks-off"
    """Click tracking is off for this message."""
    HTML_ONLY = "html-only"
    """Clicks are tracked in HTML only, and this URL is in a text part."""
    DISABLED = "disable-tracking"
    """The tag says ``disable-tracking=true``."""
    EXCLUDED = "excluded"
    """The URL is on the list of URLs that are not to be tracked."""
    OWN_LINK = "own-link"
    """Already a tracking URL of this domain (a reply, a forward, a resent message)."""
    UNSUBSCRIBE = "unsubscribe-variable"
    """An unsubscribe variable: it becomes an unsubscribe URL, which is not click-tracked."""
    SCHEME = "scheme"
    """Neither http nor https: mailto, tel, cid, javascript, data, ..."""
    NOT_ABSOLUTE = "not-absolute"
    """No scheme at all: a fragment, a path, or nothing."""
    MERGE_TAG = "merge-tag"
    """Holds a merge tag of another system, which that system still has to fill in."""
    OUTLOOK_OFF = "outlook-off"
    """In VML or a conditional comment for Outlook, and those are switched off."""
    UNSEALABLE = "unsealable"
    """No destination that a link can lead to: too long, user information, no usable host."""
    UNRESOLVED = "unresolved-variable"
    """Holds a recipient variable that has no value for this recipient."""
    UNDECODABLE = "undecodable"
    """Its bytes cannot be read in the charset of the part."""
    BROKEN_LINE = "broken-over-lines"
    """In quoted flowed text, broken over lines: where it ends cannot be known."""
    TOO_MANY_LINKS = "too-many-links"
    """Beyond the number of links that positions are given to."""

    # Of parts.
    ATTACHMENT = "attachment"
    """Content-Disposition says attachment, or the part has a file name."""
    NESTED_MESSAGE = "nested-message"
    """A message within the message."""
    SIGNED = "signed"
    """Inside multipart/signed (RFC 1847), or a PKCS #7 part: a change breaks the signature."""
    ENCRYPTED = "encrypted"
    """multipart/encrypted (RFC 1847)."""
    INLINE_PGP = "inline-pgp"
    """The text holds an OpenPGP message or signature (RFC 9580, section 6.2)."""
    CHARSET = "charset"
    """A charset in which ASCII bytes are not ASCII characters (utf-16, iso-2022-jp), or none."""
    ENCODING = "transfer-encoding"
    """A Content-Transfer-Encoding that RFC 2045 does not know."""
    BAD_ENCODING = "bad-encoding"
    """The body is not what its Content-Transfer-Encoding says."""
    AMP_OFF = "amp-off"
    """text/x-amp-html, which has a switch of its own."""
    OTHER_TYPE = "other-type"
    """Neither text/html nor text/plain."""
    BROKEN = "broken-mime"
    """Headers or boundaries that do not make a message."""
    TOO_DEEP = "too-deep"
    """Nested deeper, or into more parts, than is looked at."""

    # Of whole messages.
    FOREIGN_SIGNATURE = "foreign-signature"
    """A DKIM or ARC signature of another domain, which any change would break."""
    MESSAGE_ID = "message-id"
    """A Message-Id that no token can hold: with spaces, or longer than 255 octets."""
    TOO_LARGE = "too-large"
    """More than 25 MB."""


class Caution(StrEnum):
    """What a sender should know about a message that was instrumented all the same."""

    NO_HTML = "no-html-part"
    """Opens are to be tracked, but there is no HTML part to put the pixel into."""
    NEAR_CLIP = "near-gmail-clip"
    """The HTML is near or beyond 102 kB, where Gmail clips it and a pixel at the bottom is lost."""
    OTHER_TRACKER = "already-wrapped"
    """The link already leads through another tracker."""
    PLAIN_HTTP = "http-link"
    """A link to http, while this domain's tracking URLs are https."""
    TO_QUOTED_PRINTABLE = "to-quoted-printable"
    """The part was switched to quoted-printable: a line would have been too long, or 8 bit."""
    DKIM_STRIPPED = "dkim-stripped"
    """The domain's own DKIM signature was removed; the message must be signed again."""
    UNFINISHED_HTML = "unfinished-html"
    """The HTML ends inside a tag, comment or script, so the pixel is at the top."""
    NO_TAGS = "no-tags"
    """``%tag_unsubscribe_url%`` in a message without tags leads to the domain's unsubscribe."""
    NO_LIST = "no-list"
    """``%mailing_list_unsubscribe_url%`` outside a list leads to the domain's unsubscribe."""
    NO_EMAIL = "no-unsubscribe-email"
    """``%unsubscribe_email%`` where there is no such address; it is left as it is."""
    UNSUBSCRIBE_OFF = "unsubscribe-off"
    """An unsubscribe variable, while unsubscribing is switched off; it is left as it is."""
    TWO_UNSUBSCRIBES = "footer-and-variable"
    """The part holds an unsubscribe variable of its own and gets the footer as well."""
    ENCODED_VARIABLE = "variable-in-encoded-word"
    """A variable inside an encoded word of an address header; it is left as it is."""
    UNCLOSED = "unclosed-multipart"
    """The closing boundary is missing."""


class LinkReport(msgspec.Struct, frozen=True, kw_only=True):
    """One URL: ``position`` in the message from 0, ``before`` as it was read, ``after`` as sent.

    ``where`` is ``a``, ``area``, ``vml`` or ``text``; ``reason`` is None for a tracked link.
    """

    position: int
    part: str
    where: str
    before: str
    after: str | None = None
    reason: Reason | None = None
    detail: str = ""

    @property
    def tracked(self) -> bool:
        """Whether a click on it will be recorded."""
        return self.reason is None


class PartReport(msgspec.Struct, frozen=True, kw_only=True):
    """One leaf of the MIME tree, by its path (``1.2``); ``reason`` is None if it was read."""

    part: str
    content_type: str
    reason: Reason | None = None
    detail: str = ""


class Warned(msgspec.Struct, frozen=True, kw_only=True):
    """A caution with its words, and the position of the link it is about, if any."""

    code: Caution
    text: str
    position: int | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one instrumented message.

    ``untouched`` says why the whole message went out as it came in (but for ``X-Mailgun-*`` headers
    where it is signed or encrypted as a whole); ``pixel`` is ``top``,
    ``bottom`` or empty; sizes are in octets.
    """

    untouched: Reason | None
    pixel: str
    links: list[LinkReport]
    parts: list[PartReport]
    warnings: list[Warned]
    size_before: int
    size_after: int

    @property
    def added(self) -> int:
        """Octets that instrumenting added."""
        return self.size_after - self.size_before
