"""Edits of a message's own header: variables, unsubscribe headers, signatures, control headers.

Every other line keeps its bytes, its place and its folding. What a variable puts into a header can
never end the line: control characters are dropped, text beyond ASCII becomes encoded words
(RFC 2047), and in address headers a value stays one phrase or one address.
"""

import re
from binascii import Error as BinasciiError
from binascii import a2b_base64, a2b_qp, b2a_base64
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

from edge.rewriting import charsets
from edge.rewriting.mime import Header, Part, value_of
from edge.rewriting.slots import Copy, Slot
from edge.rewriting.variables import Text, parse

CONTROL_PREFIX: Final = "x-mailgun-"

_ADDRESSES: Final = frozenset(
    {"from", "to", "cc", "bcc", "reply-to", "sender", "resent-from", "resent-to", "resent-cc"}
)
_NEVER: Final = re.compile(
    r"content-.*|mime-version|message-id|date|received|return-path|references|in-reply-to|"
    r"dkim-.*|domainkey-.*|arc-.*|authentication-results|x-mailgun-.*"
)
_SIGNATURES: Final = frozenset({"dkim-signature", "domainkey-signature"})
_SEALS: Final = frozenset({"arc-seal", "arc-message-signature"})
_DOMAIN_TAG = re.compile(r"(?:^|;)\s*d\s*=\s*([^\s;]+)")
_UNSAFE = re.compile("[\x00-\x1f\x7f\ud800-\udfff\u2028\u2029\x80-\x9f]+")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")
_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?]*)\?=")
_WORD_BYTES: Final = 42
"""UTF-8 octets in one encoded word: it may have 75 characters (RFC 2047, section 2)."""
_MAX_VALUE: Final = 900
"""Characters of a plain value; a longer one is written as encoded words, which can be folded.

In a URL or an address there is no such way out: there the variable stays as it was written."""


def signed_by(data: bytes, root: Part, domain: str) -> tuple[list[Header], bool]:
    """DKIM signatures of this domain, and whether there is one of anybody else's (RFC 6376, 3.5).

    An ARC seal (RFC 8617) is always somebody else's: only a relay makes one.
    """
    own: list[Header] = []
    foreign = False
    for header in root.headers:
        if header.name in _SEALS:
            foreign = True
        elif header.name in _SIGNATURES:
            tag = _DOMAIN_TAG.search(value_of(data, header))
            if tag is not None and tag[1].lower().rstrip(".") == domain:
                own.append(header)
            else:
                foreign = True
    return own, foreign


def encoded_words(text: str, line_break: bytes) -> bytes:
    """Text as encoded words in base64 and UTF-8, folded (RFC 2047, section 2)."""
    words, chunk = [], b""
    for character in text:
        octets = character.encode()
        if len(chunk) + len(octets) > _WORD_BYTES:
            words.append(chunk)
            chunk = b""
        chunk += octets
    words.append(chunk)
    return (line_break + b" ").join(
        b"=?utf-8?b?" + b2a_base64(word, newline=False) + b"?=" for word in words
    )


def safe(value: str) -> str:
    """A value that stays on its line: each run of control characters becomes one space."""
    return _UNSAFE.sub(" ", value)


def phrase(value: str, line_break: bytes) -> bytes:
    """A display name: as it is, as a quoted string, or as encoded words (RFC 5322, 3.2.5)."""
    text = safe(value)
    if not text.isascii() or "=?" in text or len(text) > _MAX_VALUE:
        return encoded_words(text, line_break)
    if _ATOMS.fullmatch(text):
        return text.encode("ascii")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'.encode("ascii")


class InUnstructured:
    """The value of a Subject or any other free text."""

    def __init__(self, raw: Text, decoded: Text, line_break: bytes, *, encoded: bool) -> None:
        self._raw = raw
        self._decoded = decoded
        self._line_break = line_break
        self._encoded = encoded

    def fill(self, copy: Copy) -> bytes:
        """The line as it was but for its variables; wholly in encoded words if it must be."""
        values = [copy.value(name) for name in self._decoded.names]
        plain = all(value is None or _is_plain(value) for value in values)
        text = self._raw if plain and not self._encoded else self._decoded
        out = [text.constants[0]]
        for name, value, after in zip(text.names, values, text.constants[1:], strict=True):
            out += (f"%{name}%" if value is None else safe(value), after)
        joined = "".join(out)
        if text is self._raw:
            return joined.encode("latin-1")
        return encoded_words(safe(joined), self._line_break)


def _is_plain(value: str) -> bool:
    return value.isascii() and "=?" not in value and len(value) <= _MAX_VALUE


class QuotedPhrase:
    """A quoted string with variables in it, in an address header."""

    def __init__(self, text: Text, line_break: bytes) -> None:
        self._text = text
        self._line_break = line_break

    def fill(self, copy: Copy) -> bytes:
        """One phrase again, whatever the values hold."""
        out = [self._text.constants[0]]
        for name, after in zip(self._text.names, self._text.constants[1:], strict=True):
            value = copy.value(name)
            out += (f"%{name}%" if value is None else value, after)
        text = safe("".join(out))
        if text.isascii() and len(text) <= _MAX_VALUE and "=?" not in text:
            escaped = text.replace("\\", "\\\\").replace('"', '\\"')
            return f'"{escaped}"'.encode("ascii")
        return encoded_words(text, self._line_break)


class InAddresses:
    """A variable of an address header outside quotes; ``angle`` between ``<`` and ``>``."""

    def __init__(self, name: str, original: bytes, line_break: bytes, *, angle: bool) -> None:
        self._name = name
        self._original = original
        self._line_break = line_break
        self._angle = angle

    def fill(self, copy: Copy) -> bytes:
        """A phrase, an address, or for ``%recipient%`` both."""
        name = "recipient_email" if self._angle and self._name == "recipient" else self._name
        value = copy.value(name)
        if value is None:
            return self._original
        if name == "recipient_email":
            return value.encode()
        if self._angle:
            written = re.sub(r'[\x00-\x20\x7f<>,;:"()\\]', "", safe(value)).encode()
            return written if len(written) <= _MAX_VALUE else self._original
        if name == "recipient":
            address = copy.to.address.encode()
            if not copy.to.name:
                return address
            return phrase(copy.to.name, self._line_break) + b" <" + address + b">"
        return phrase(value, self._line_break)


class InUris:
    """A variable of a ``List-*`` header, which holds URLs in angle brackets (RFC 2369)."""

    def __init__(self, name: str, original: bytes) -> None:
        self._name = name
        self._original = original

    def fill(self, copy: Copy) -> bytes:
        """The value as part of a URL."""
        value = copy.value(self._name)
        if value is None:
            return self._original
        written = quote(safe(value), safe=":/?#@!$&'*+=~%[]").encode("ascii")
        return written if len(written) <= _MAX_VALUE else self._original


class ListUnsubscribe:
    """``List-Unsubscribe`` (RFC 2369) and ``List-Unsubscribe-Post`` (RFC 8058) of a message.

    The latter only with an https URL: RFC 8058 allows no other.
    """

    def __init__(self, line_break: bytes, variable: str, *, post_only: bool = False) -> None:
        self._line_break = line_break
        self._variable = variable
        self._post_only = post_only

    def fill(self, copy: Copy) -> bytes:
        """The header lines."""
        url = copy.value(self._variable) or ""
        lines = []
        if not self._post_only:
            places = [f"<{quote(url, safe=_URL_SAFE)}>"] if url else []
            if email := copy.value("unsubscribe_email"):
                places.append(f"<mailto:{quote(safe(email), safe='@+=.')}>")
            fold = "," + self._line_break.decode() + " "
            lines.append(f"List-Unsubscribe: {fold.join(places)}".encode())
        if url.startswith("https://"):
            lines.append(b"List-Unsubscribe-Post: List-Unsubscribe=One-Click")
        return b"".join(line + self._line_break for line in lines)


_URL_SAFE: Final = ":/?#@!$&'()*+,;=~%[]"
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)

Edit = tuple[int, int, Slot]
"""Offsets into the message, and what stands there instead."""


def variable_edits(
    data: bytes, root: Part, variable: "re.Pattern[str]", line_break: bytes
) -> Iterator[Edit | None]:
    """Edits for variables in header values; None for one that cannot be replaced."""
    for header in root.headers:
        if _NEVER.fullmatch(header.name):
            continue
        raw = data[header.value : header.end].decode("latin-1").rstrip("\r\n")
        if header.name in _ADDRESSES:
            yield from _address_edits(header, raw, variable, line_break)
        elif header.name.startswith("list-"):
            for match in variable.finditer(raw):
                yield (
                    header.value + match.start(),
                    header.value + match.end(),
                    InUris(match[1], match[0].encode("latin-1")),
                )
        elif "%" in raw or "=?" in raw:
            yield from _unstructured_edit(header, raw, variable, line_break)


def _unstructured_edit(
    header: Header, raw: str, variable: "re.Pattern[str]", line_break: bytes
) -> Iterator[Edit]:
    start = len(raw) - len(raw.lstrip(" \t\r\n"))
    body = raw[start:]
    encoded = "=?" in body
    text = decoded_text(body)
    if not variable.search(text):
        return
    yield (
        header.value + start,
        header.value + len(raw),
        InUnstructured(parse(body, variable), parse(text, variable), line_break, encoded=encoded),
    )


def decoded_text(raw: str) -> str:
    """A header's value with its encoded words decoded (RFC 2047); what is none stays.

    8-bit text is read as UTF-8 if it is. White space between two encoded words is none of the text.
    """
    unfolded = re.sub(r"\r?\n(?=[ \t])", "", raw)
    out: list[str] = []
    here = 0
    for match in _WORD.finditer(unfolded):
        decoded = _word(match[1], match[2], match[3])
        if decoded is None:
            continue
        between = unfolded[here : match.start()]
        if between.strip() or not here:
            out.append(charsets.read(between.encode("latin-1"), "ascii") or between)
        out.append(decoded)
        here = match.end()
    rest = unfolded[here:]
    out.append(charsets.read(rest.encode("latin-1"), "ascii") or rest)
    return "".join(out)


def _word(charset: str, encoding: str, text: str) -> str | None:
    """One encoded word, None where it cannot be decoded; a language tag is passed over."""
    codec = charsets.codec(charset.split("*", 1)[0])
    octets = text.encode("latin-1")
    try:
        if encoding in "bB":
            raw = a2b_base64(octets + b"=" * (-len(octets) % 4))
        else:
            raw = a2b_qp(octets, header=True)
    except BinasciiError:
        return None
    return charsets.read(raw, codec) if codec else None


def _address_edits(
    header: Header, raw: str, variable: "re.Pattern[str]", line_break: bytes
) -> Iterator[Edit | None]:
    """Variables of an address header, each where it stands: in quotes, in angle brackets, or not.

    One inside an encoded word is not replaced, since the word would have to be written anew.
    """
    if "=?" in raw and variable.search(decoded_text(raw)) and not variable.search(raw):
        yield None
        return
    here = 0
    for match in _QUOTED.finditer(raw):
        yield from _bare_edits(header, raw, here, match.start(), variable, line_break)
        here = match.end()
        if variable.search(match[1]):
            inner = re.sub(r"\\(.)", r"\1", re.sub(r"\r?\n(?=[ \t])", "", match[1]))
            text = charsets.read(inner.encode("latin-1"), "ascii") or inner
            slot = QuotedPhrase(parse(text, variable), line_break)
            yield header.value + match.start(), header.value + match.end(), slot
    yield from _bare_edits(header, raw, here, len(raw), variable, line_break)


def _bare_edits(
    header: Header,
    raw: str,
    start: int,
    end: int,
    variable: "re.Pattern[str]",
    line_break: bytes,
) -> Iterator[Edit]:
    angle = False
    for match in variable.finditer(raw, start, end):
        before = raw[start : match.start()]
        start = match.end()
        if "<" in before or ">" in before:
            angle = before.rfind("<") > before.rfind(">")
        slot = InAddresses(match[1], match[0].encode("latin-1"), line_break, angle=angle)
        yield header.value + match.start(), header.value + match.end(), slot
