"""Making a message of its parts: what ``POST …/messages`` is given as fields.

Nothing that a caller gives can end a header line or a part: header values lose their control
characters or are refused, boundaries are random. Text that is not 7 bit becomes quoted-printable,
or base64 where most of it would have to be escaped; both are what the instrumenter edits in place.
"""

import base64
import binascii
import re
import secrets
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final
from urllib.parse import quote

import msgspec

from edge.model.addresses import Mailbox, mailboxes
from edge.model.errors import CallerError
from edge.rewriting import mime
from edge.rewriting.headers import decoded_text, encoded_words, phrase, safe

CRLF: Final = b"\r\n"
MAX_LINE: Final = 998
"""Octets of a line without its CRLF (RFC 5322 section 2.1.1)."""

_FOLD_AT: Final = 76
_MANY: Final = 6
"""Text of which more than one in so many octets is not ASCII is shorter as base64."""

_NAME = re.compile(r"[!-9;-~]{1,76}")
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,80}/[a-z0-9!#$&^_.+-]{1,80}", re.IGNORECASE)
_ONE = r'\s*;\s*([A-Za-z0-9_.*-]+=(?:[!#$&-+\--.0-9A-Z^-z~]+|"[^"\\\r\n]*"))'
_PARAMETER, _PARAMETERS = re.compile(_ONE), re.compile(f"(?:{_ONE})*")
_MESSAGE_ID = re.compile(r"<[^<>\s\x00-\x1f\x7f]{1,250}>")
_LINE_ENDS = re.compile(r"\r\n|\r|\n")
_STRUCTURE: Final = re.compile(
    r"content-.*|mime-version|bcc|received|return-path|dkim-.*|domainkey-.*|arc-.*|"
    r"authentication-results|resent-.*"
)
"""Headers that say how the message is built or where it has been: not the caller's."""

_OF_ADDRESSES: Final = frozenset({"from", "to", "cc", "reply-to", "sender"})
_UNFOLDED: Final = frozenset({"message-id", "references", "in-reply-to", "list-unsubscribe"})


class Attachment(msgspec.Struct, frozen=True):
    """A file of a message; an inline one is shown by the HTML part as ``cid:`` and its name."""

    filename: str
    content_type: str
    data: bytes
    inline: bool = False


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What a message is made of.

    ``to`` is what stands in its header: ``None`` for each recipient's own address
    (``%recipient%``). ``headers`` are further ones by name, which replace those of the same name.
    ``message_id`` is without angle brackets, ``at`` in seconds since the epoch.
    """

    sender: Sequence[Mailbox]
    to: Sequence[Mailbox] | None
    cc: Sequence[Mailbox] = ()
    subject: str | None = None
    text: str | None = None
    html: str | None = None
    amp: str | None = None
    attachments: Sequence[Attachment] = ()
    headers: Sequence[tuple[str, str]] = ()
    message_id: str
    at: float


def compose(parts: Parts) -> bytes:
    """The message, with CRLF line ends. Raises CallerError for a header that cannot be."""
    given = _given(parts.headers)
    lines = [
        _line(b"From", _addresses(parts.sender)),
        _line(b"To", b"%recipient%" if parts.to is None else _addresses(parts.to)),
    ]
    if parts.cc:
        lines.append(_line(b"Cc", _addresses(parts.cc)))
    if parts.subject is not None:
        lines.append(_line(b"Subject", _unstructured(parts.subject)))
    lines += [
        _line(b"Date", format_datetime(datetime.fromtimestamp(parts.at, UTC)).encode()),
        _line(b"Message-Id", f"<{parts.message_id}>".encode()),
        _line(b"MIME-Version", b"1.0"),
    ]
    kept = [line for line in lines if line.partition(b":")[0].decode().lower() not in given]
    own = [line for same in given.values() for line in same]
    return b"".join((*kept, *own, _body(parts)))


def with_headers(source: bytes, headers: Sequence[tuple[str, str]]) -> bytes:
    """A whole message with a caller's own headers, which replace those of the same name.

    Raises CallerError for a header that cannot be.
    """
    given, own = _given(headers), b""
    fields = mime.split(source).headers
    if not given or not fields:
        return source
    here = fields[0].start
    kept = [source[:here]]
    for lines in given.values():
        own += b"".join(lines)
    kept.append(own.replace(CRLF, mime.line_end(source)))
    for field in fields:
        if field.name in given:
            kept.append(source[here : field.start])
            here = field.end
    return b"".join((*kept, source[here:]))


def message_id_given(headers: Iterable[tuple[str, str]]) -> str | None:
    """The Message-Id that a caller wants, without angle brackets; raises CallerError."""
    for name, value in headers:
        if name.lower() == "message-id":
            bare = value.strip()
            whole = bare if bare.startswith("<") else f"<{bare}>"
            if not _MESSAGE_ID.fullmatch(whole):
                raise CallerError(f"h:{name} is not a Message-Id like <1@mg.example.com>")
            return whole[1:-1]
    return None


def _given(headers: Sequence[tuple[str, str]]) -> dict[str, list[bytes]]:
    """The caller's own header lines by lower-case name."""
    found: dict[str, list[bytes]] = {}
    for name, value in headers:
        key = name.lower()
        if not _NAME.fullmatch(name):
            raise CallerError(f"h:{name[:60]} is not the name of a header")
        if _STRUCTURE.fullmatch(key):
            raise CallerError(f"h:{name} cannot be set: the message's structure depends on it")
        found.setdefault(key, []).append(_line(name.encode(), _own(key, value)))
    return found


def _own(name: str, value: str) -> bytes:
    if name == "message-id":
        return f"<{message_id_given([(name, value)])}>".encode()
    if name in _OF_ADDRESSES and ("=?" in value or not value.isascii()):
        try:
            return _addresses(mailboxes(value))
        except CallerError:
            if "%" not in value:  # a variable may stand for what makes it an address
                raise
    if name in _UNFOLDED and value.isascii() and len(value) <= MAX_LINE - 80:
        return safe(value).strip().encode()
    return _unstructured(value)


def _line(name: bytes, value: bytes) -> bytes:
    return name + b": " + value + CRLF


def _addresses(boxes: Sequence[Mailbox]) -> bytes:
    """One mailbox a line, so that no line is too long and no name is broken."""
    return b",\r\n ".join(map(_address, boxes))


def _address(box: Mailbox) -> bytes:
    address = box.address.encode()
    return phrase(_decoded(box.name), CRLF) + b" <" + address + b">" if box.name else address


def _decoded(value: str) -> str:
    """The text of encoded words that the caller made already: it is encoded once, not twice."""
    return decoded_text(value) if "=?" in value and value.isascii() else value


def _unstructured(value: str) -> bytes:
    """Free text, folded at its spaces; as encoded words where it must be (RFC 2047)."""
    text = safe(_decoded(value)).strip()
    if not text.isascii() or "=?" in text or max(map(len, text.split(" "))) > MAX_LINE - 80:
        return encoded_words(text, CRLF)
    lines, line = [], ""
    for word in text.split(" "):
        # A line of white space alone would end the header for some readers (RFC 5322, 3.2.2).
        if line.strip() and word and len(line) + len(word) > _FOLD_AT:
            lines.append(line)
            line = ""
        line = f"{line} {word}" if line or lines or word == "" else word
    return "\r\n".join([*lines, line]).encode("ascii")


def _body(parts: Parts) -> bytes:
    """Content headers, the blank line and the content."""
    readable = [
        _text(kind, text)
        for kind, text in (
            ("text/plain", parts.text),
            ("text/x-amp-html", parts.amp),
            ("text/html", parts.html),
        )
        if text is not None
    ]
    content = readable[0] if len(readable) == 1 else _multipart("alternative", readable)
    inline = [_file(one) for one in parts.attachments if one.inline]
    if inline:
        content = _multipart("related", [content, *inline])
    attached = [_file(one) for one in parts.attachments if not one.inline]
    return _multipart("mixed", [content, *attached]) if attached else content


def _multipart(subtype: str, children: Sequence[bytes]) -> bytes:
    """A multipart; RFC 2046 section 5.1.1. "=_" never occurs in quoted-printable or base64."""
    boundary = b"=_" + secrets.token_hex(12).encode()
    head = b'Content-Type: multipart/%b; boundary="%b"\r\n\r\n' % (subtype.encode(), boundary)
    body = b"".join(b"--" + boundary + CRLF + child + CRLF for child in children)
    return head + body + b"--" + boundary + b"--" + CRLF


def _text(kind: str, text: str) -> bytes:
    raw = _LINE_ENDS.sub("\r\n", text).encode("utf-8", "surrogatepass")
    raw = raw.replace(b"\0", b"")
    if raw and not raw.endswith(CRLF):
        raw += CRLF
    ascii_only = raw.isascii()
    if ascii_only and max(map(len, raw.split(CRLF))) <= MAX_LINE:
        encoding, body = b"7bit", raw
    elif not ascii_only and sum(byte > 127 for byte in raw[:65536]) * _MANY > min(len(raw), 65536):
        encoding, body = b"base64", _base64(raw)
    else:
        encoding, body = b"quoted-printable", binascii.b2a_qp(raw, istext=True)
    head = b"Content-Type: %b; charset=utf-8\r\nContent-Transfer-Encoding: %b\r\n\r\n"
    return head % (kind.encode(), encoding) + body


def _base64(raw: bytes) -> bytes:
    return base64.encodebytes(raw).replace(b"\n", CRLF)


def _file(file: Attachment) -> bytes:
    disposition = b"inline" if file.inline else b"attachment"
    lines = [
        _line(b"Content-Type", _type(file.content_type) + _parameter("name", file.filename)),
        _line(b"Content-Disposition", disposition + _parameter("filename", file.filename)),
        _line(b"Content-Transfer-Encoding", b"base64"),
    ]
    if file.inline:
        lines.append(_line(b"Content-Id", b"<" + _cid(file.filename) + b">"))
    return b"".join((*lines, CRLF, _base64(file.data)))


def _type(given: str) -> bytes:
    """A content type that a file may have; what is none, or has parts itself, is just bytes."""
    kind, semicolon, rest = given.strip().partition(";")
    if not _TYPE.fullmatch(kind) or kind.lower().startswith(("multipart/", "message/")):
        return b"application/octet-stream"
    parameters = semicolon + rest
    if not parameters.isascii() or not _PARAMETERS.fullmatch(parameters):
        return kind.encode()
    return (kind + _without_name(parameters)).encode()


def _without_name(parameters: str) -> str:
    kept = (one.strip() for one in _PARAMETER.findall(parameters))
    return "".join(f"; {one}" for one in kept if not one.lower().startswith("name"))


def _parameter(name: str, value: str) -> bytes:
    """A parameter on a line of its own; RFC 2231 where it is not plain ASCII."""
    clean = safe(value).strip() or "file"
    if clean.isascii() and len(clean) <= _FOLD_AT * 2:
        escaped = clean.replace("\\", "\\\\").replace('"', '\\"')
        return f';\r\n {name}="{escaped}"'.encode()
    whole = quote(clean.encode("utf-8", "replace"), safe="")
    # An octet is never cut in two: some readers decode each piece by itself.
    pieces = re.findall(r"(?:%..|[^%]){1,20}", whole)
    pieces[0] = "utf-8''" + pieces[0]
    if len(pieces) == 1:
        return f";\r\n {name}*={pieces[0]}".encode()
    return "".join(f";\r\n {name}*{place}*={piece}" for place, piece in enumerate(pieces)).encode()


def _cid(filename: str) -> bytes:
    """The name as it stands behind ``cid:`` in the HTML part (RFC 2392)."""
    return re.sub(r"[\x00-\x20<>\x7f-\U0010ffff]", "_", filename).encode() or b"file"
