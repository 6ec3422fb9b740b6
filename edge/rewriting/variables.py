"""Mailgun's variables: ``%recipient.x%``, ``%recipient_email%``, ``%unsubscribe_url%`` and so on.

Mailgun replaces text by text. Here a value is also made safe for the place where it is put: it
ends neither a tag nor an attribute, nor a header line, nor a MIME part.
"""

import re
from collections.abc import Mapping
from enum import Enum, auto
from html import escape
from typing import Any, Final, Protocol

import msgspec

from edge.model.errors import CallerError
from edge.model.tokens import check_recipient

UNSUBSCRIBE_NAMES: Final = (
    "unsubscribe_url",
    "tag_unsubscribe_url",
    "mailing_list_unsubscribe_url",
    "unsubscribe_email",
)
MAX_NAME: Final = 128

_UNSUBSCRIBE = "|".join(UNSUBSCRIBE_NAMES)
_RECIPIENT = (
    r"recipient(?:_email|_name|_fname|_lname|\.[^%\x00-\x20\x7f<>\"'&=]{1," + str(MAX_NAME) + "})?"
)
_PATTERNS: Final = {
    (True, True): re.compile(f"%({_RECIPIENT}|{_UNSUBSCRIBE})%"),
    (True, False): re.compile(f"%({_RECIPIENT})%"),
    (False, True): re.compile(f"%({_UNSUBSCRIBE})%"),
    (False, False): re.compile(r"(?!)"),
}
ANY_UNSUBSCRIBE: Final = _PATTERNS[False, True]
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_ADDRESS = re.compile(
    r"""(?:"(?:[^"\\]|\\.)*"|[^\s"(),:;<>@\[\\\]]+)@(?:[^\s"(),:;<>@\[\\\]]+|\[[^\s\[\]]*\])"""
)
_NOT_BARE = re.compile(r"[^A-Za-z0-9_.:/~-]")


class Place(Enum):
    """Where a variable stands, which decides how its value is written."""

    HTML = auto()
    """Text, or an attribute value in quotes."""
    BARE = auto()
    """Inside a tag, not in quotes: every odd character becomes a numeric reference."""
    TEXT = auto()
    """A plain text body."""


def pattern(*, personal: bool, unsubscribe: bool) -> "re.Pattern[str]":
    """What is a variable: recipient variables, unsubscribe variables, both or none."""
    return _PATTERNS[personal, unsubscribe]


class Recipient(msgspec.Struct, frozen=True):
    """Who a copy is for; ``name`` is the display name, if known."""

    address: str
    name: str = ""

    def builtin(self, name: str) -> str | None:
        """The value of ``recipient``, ``recipient_email`` and so on, None for another name."""
        if name == "recipient":
            return f"{self.name} <{self.address}>" if self.name else self.address
        if name == "recipient_email":
            return self.address
        if name == "recipient_name":
            return self.name
        words = self.name.split()
        if name == "recipient_fname":
            return words[0] if words else ""
        if name == "recipient_lname":
            return " ".join(words[1:])
        return None


def recipient_of(given: Recipient | str) -> Recipient:
    """A checked recipient; CallerError for an address that cannot be sealed or written."""
    recipient = Recipient(given) if isinstance(given, str) else given
    check_recipient(recipient.address)
    if not _ADDRESS.fullmatch(recipient.address):
        raise CallerError(f"recipient must be one bare address: {recipient.address!r}")
    return recipient


def value_text(value: Any) -> str:
    """A variable's value as text: texts as they are, nothing for None, the rest as JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, UnicodeError) as error:
        raise CallerError(f"a variable's value has no JSON: {error}") from None


def recipient_variable(variables: Mapping[str, Any], name: str) -> str | None:
    """The value of ``%recipient.<name>%``, or None."""
    return value_text(variables[name]) if name in variables else None


def write(value: str, place: Place, codec: str, line_break: bytes) -> bytes:
    """A value in the bytes of its part.

    Control characters but tab and line feed are dropped. Characters that the charset lacks become
    numeric references in HTML and ``?`` in text.
    """
    clean = _CONTROL.sub("", value)
    if place is Place.TEXT:
        encoded = clean.encode(codec, "replace")
    else:
        if place is Place.HTML:
            clean = escape(clean)
        else:
            # An empty value would make the attribute behind it the value.
            clean = _NOT_BARE.sub(lambda match: f"&#{ord(match[0])};", clean or " ")
        encoded = clean.encode(codec, "xmlcharrefreplace")
    return encoded if b"\n" not in encoded else encoded.replace(b"\n", line_break)


class Text(msgspec.Struct, frozen=True):
    """Text with variables in it: ``constants`` are around and between ``names``."""

    constants: tuple[str, ...]
    names: tuple[str, ...]

    def fill(self, values: "Values") -> str | None:
        """The text with every value put in; None where one is missing."""
        out = [self.constants[0]]
        for name, after in zip(self.names, self.constants[1:], strict=True):
            value = values.value(name)
            if value is None:
                return None
            out += (value, after)
        return "".join(out)


def parse(text: str, variable: "re.Pattern[str]") -> Text:
    """Text split at its variables."""
    parts = variable.split(text)
    return Text(tuple(parts[::2]), tuple(parts[1::2]))


class Values(Protocol):
    """What variables stand for; one object per copy of a message."""

    def value(self, name: str) -> str | None:
        """The value of a variable, None where it has none."""
        ...
