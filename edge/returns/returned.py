"""The message that comes back in a report, or what is left of it."""

import re
from typing import Final

import re2

from edge.returns.mime import Headers, Part, fields_of, split
from edge.returns.report import Returned
from edge.returns.texts import addresses, first_address

MOST_ADDRESSES: Final = 50

PATH: Final = re2.compile(rb"(?i)\b[bu]-[a-z2-7]{29}@[a-z0-9][a-z0-9.-]{0,252}")
"""The form of our own return paths and unsubscribe addresses, unchecked."""

_ID = re.compile(r"<([^<>\s]{3,500})>")
_BARE_ID = re.compile(r"([^<>\s@]{1,250}@[^<>\s@]{1,250})")
_LOOSE_ID = re2.compile(rb"(?im)^[> \t]{0,10}message-id\s{0,5}:\s{0,80}<([^<>\s]{3,500})>")

_TYPES: Final = frozenset(
    {
        "message/rfc822",
        "message/global",
        "text/rfc822-headers",
        "message/rfc822-headers",
        "message/global-headers",
        "text/rfc822-header",
        "message/partial",
        "text/rfc822",
    }
)

# Where programs that know no MIME put the returned message. Each is a whole line or its start.
MARKS: Final = re2.compile(
    r"(?im)"
    r"^[ \t]{0,8}(?:"
    r"-{2,12} ?below (?:this line|the next line) is .{0,80}|-{2,12} ?enclosed (?:are|is) .{0,60}"
    r"|-{2,12} ?this is a copy of .{0,80}|-{2,12} ?the body of the message is .{0,80}"
    r"|-{2,12} ?(?:the )?(?:original|returned|unsent|undelivered|unsent message|message header)s? ?(?:message|mail|headers?|text)?(?: (?:follows|below|headers?|text|is|sent by you).{0,40})?:? ?-{0,60}"
    r"|-{2,12} ?(?:original|forwarded|returned) message ?-{2,12}"
    r"|-{2,12} ?(?:ursprüngliche nachricht|message (?:d'origine|original)|mensaje original|mensagem original|messaggio originale|исходное сообщение|原始邮件|元のメッセージ).{0,30}"
    r"|(?:-{1,5} ?)?original message (?:headers?|follows|text|header)[ :.-]{0,60}"
    r"|the (?:original message|header|headers|first \d+ lines|message|text of your) (?:was|of|follows?|are|is) ?(?:attached|included|returned|below|follow|the original|your original)?[^\n]{0,60}:"
    r"|message headers? (?:follow|of)[^\n]{0,40}|header of the original message:?|-{3,} ?header ?-{3,}"
    r"|(?:copy|text|header|headers|contents) of (?:the |your )?(?:original |returned |undelivered )?(?:message|mail|email)[^\n]{0,40}:"
    r"|ursprüngliche nachrichtenkopfzeilen:?|en-têtes de message d'origine ?:?|en-têtes du message d'origine ?:?|encabezados de mensaje originales:?|cabeçalhos originais[^\n]{0,30}|intestazioni originali[^\n]{0,40}|исходные заголовки[^\n]{0,30}|元のメッセージ ?ヘッダー:?|原始邮件头:?|oorspronkelijke berichtkoppen:?"
    r"|={5,60} ?(?:returned|original) message[^\n]{0,40}|your (?:original )?message (?:follows|reads|was)[^\n]{0,40}:"
    r"|(?:received: (?:from|by)|return-path: ?<|x-mozilla-status:|delivered-to: |dkim-signature: v=)[^\n]{0,200}"
    r")[ \t]{0,8}$",
)


def is_returned(part: Part) -> bool:
    """Whether a part is the returned message or its header."""
    return part.type in _TYPES


def head_of(part: Part) -> Headers:
    """The header of the returned message in a part."""
    return split(part.decoded.replace(b"\r\n", b"\n").lstrip(b"\n"))[0]


def cut(text: str) -> tuple[str, str]:
    """The notice, and the returned message that begins in its text, if any does."""
    for match in MARKS.finditer(text):
        before = text[: match.start()]
        if before.strip():
            return before, text[match.start() :]
    return text, ""


def of_text(text: str) -> Headers:
    """Fields of a message that is quoted in text, wherever its header begins."""
    lines = [line.lstrip("> \t") if line.startswith(">") else line for line in text.split("\n")]
    return Headers(fields_of("\n".join(lines[:200]).encode("utf-8", "replace")))


def known_of(head: Headers) -> Returned:
    """What a header says of its message."""
    found: dict[str, str] = {}
    for name in ("to", "cc", "bcc", "resent-to", "x-original-to", "apparently-to"):
        for value in head.all(name):
            for one in addresses(value[:8_000]):
                found.setdefault(one.lower(), one)
    return Returned(
        message_id=message_id(head.get("message-id")),
        recipients=tuple(list(found.values())[:MOST_ADDRESSES]),
        sender=first_address(head.get("from")) or first_address(head.get("return-path")),
        subject=head.get("subject")[:300],
        return_path=first_address(head.get("return-path")),
    )


def message_id(value: str) -> str:
    """A Message-ID without its brackets, or empty."""
    match = _ID.search(value) or _BARE_ID.search(value)
    return match[1] if match else ""


def loose_message_id(raw: bytes, own: str) -> str:
    """The first Message-ID anywhere in a mail that is not its own."""
    for match in _LOOSE_ID.finditer(raw):
        found: str = match.group(1).decode("utf-8", "replace")
        if found != own:
            return found
    return ""


def paths_in(raw: bytes) -> tuple[str, ...]:
    """Every address in a mail that has the form of our return paths, each once."""
    found = dict.fromkeys(match.group(0).decode().lower() for match in PATH.finditer(raw))
    return tuple(list(found)[:MOST_ADDRESSES])
