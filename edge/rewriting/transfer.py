"""Content transfer encodings: decoded text, and where each of its bytes lies in the encoded one.

An edit is found in the decoded body and made in the encoded one. Quoted-printable keeps a map of
offsets, so that only the bytes of the edit are written anew. Base64 has no such places: from the
line of the first edit on the part is encoded again, with the same line width and line break.
"""

import binascii
import re
from bisect import bisect_right
from typing import Final, Protocol

MAX_LINE: Final = 998
"""Octets of a line without its line break (RFC 5321, section 4.5.3.1.6)."""
MAX_ENCODED_LINE: Final = 76
"""Characters of a line in quoted-printable and base64 (RFC 2045, sections 6.7 and 6.8)."""

_QP = re.compile(rb"=(?:([0-9A-Fa-f]{2})|[ \t]*\r*\n|[ \t]*\Z)")
_QP_TRAILING = re.compile(rb"=(?:([0-9A-Fa-f]{2})|[ \t]*\r*\n|[ \t]*\Z)|[ \t]+(?=\r?\n|\Z)")
"""Also white space before a line break, which is none of the text; several times slower."""
_TRAILING = (b" \r\n", b" \n", b"\t\r\n", b"\t\n")
_ESCAPE: Final = 3
"""Characters that stand for one octet: ``=3D``."""
_OCTETS: Final = {
    bytes((high, low)): bytes((int(bytes((high, low)), 16),))
    for high in b"0123456789ABCDEFabcdef"
    for low in b"0123456789ABCDEFabcdef"
}
_NEEDS_QP = re.compile(rb"[^\t\x20-\x3c\x3e-\x7e]|[\t ](?=\n)")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=\r\n\t ]")


class Carrier(Protocol):
    """A body in its transfer encoding: ``decoded``, and offsets from that into the message."""

    decoded: bytes

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Where in the message the decoded bytes from ``start`` to ``end`` lie."""
        ...


class Identity:
    """7bit, 8bit and binary: the body is what it is."""

    def __init__(self, data: bytes, start: int, end: int) -> None:
        self.decoded = data[start:end]
        self._start = start

    def place(self, start: int, end: int) -> tuple[int, int]:
        """The same offsets, counted from the start of the message."""
        return self._start + start, self._start + end


class QuotedPrintable:
    """A quoted-printable body and the runs of bytes that stand for themselves."""

    def __init__(self, data: bytes, start: int, end: int) -> None:
        self._data = data
        self._first, self._end = start, end
        pieces: list[bytes] = []
        starts: list[int] = []
        runs: list[tuple[int, int]] = []
        here, decoded = start, 0
        trailing = data[end - 1 : end] in (b" ", b"\t") or any(
            data.find(one, start, end) >= 0 for one in _TRAILING
        )
        for match in (_QP_TRAILING if trailing else _QP).finditer(data, start, end):
            begin, after = match.span()
            if begin > here:
                starts.append(decoded)
                runs.append((here, 0))
                pieces.append(data[here:begin])
                decoded += begin - here
            here = after
            if match.lastindex:
                starts.append(decoded)
                runs.append((begin, _ESCAPE))
                pieces.append(_OCTETS[match[1]])
                decoded += 1
        if here < end:
            starts.append(decoded)
            runs.append((here, 0))
            pieces.append(data[here:end])
        self.decoded = b"".join(pieces)
        self._from = starts
        """Decoded offsets at which runs begin."""
        self._run = runs
        """For each run: its encoded offset, and the encoded length of an escape or 0."""

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Encoded offsets of decoded ones; an insertion comes right before the byte after it."""
        if start == end:
            return (at := self._begin(start)), at
        return self._begin(start), self._begin(end - 1, after=True)

    def _begin(self, offset: int, *, after: bool = False) -> int:
        if offset >= len(self.decoded):
            return self._end
        run = bisect_right(self._from, offset) - 1
        encoded, escape = self._run[run]
        if escape:
            return encoded + (escape if after else 0)
        return encoded + offset - self._from[run] + after

    def room(self, start: int, end: int) -> tuple[int, int]:
        """Characters before ``start`` and after ``end`` (encoded offsets) on their lines."""
        data = self._data
        before = start - max(data.rfind(b"\n", self._first, start) + 1, self._first)
        line_break = data.find(b"\n", end, self._end)
        if line_break < 0:
            return before, self._end - end
        return before, line_break - end - (data[line_break - 1 : line_break] == b"\r")

    def last_before(self, offset: int) -> bytes:
        """The escape or character right before an encoded offset."""
        escape = self._data[max(offset - _ESCAPE, self._first) : offset]
        return escape if _QP.fullmatch(escape) else escape[-1:]


def fold_into_line(value: bytes, column: int, tail: int, line_break: bytes) -> bytes:
    """Quoted-printable ``value`` for a place with ``column`` characters before it on its line.

    ``tail`` characters follow on the line. Where all that fits into 76 nothing is added; else soft
    line breaks are put before, within and, if need be, after the value. Nothing around it changes.
    """
    if b"\n" not in value and column + len(value) + tail <= MAX_ENCODED_LINE:
        return value
    soft = b"=" + line_break
    if not value:
        return soft
    if b"=" not in value and b"\n" not in value:  # nearly all: a URL
        width = MAX_ENCODED_LINE - 1
        folded = soft.join([value[at : at + width] for at in range(0, len(value), width)])
        last = (len(value) - 1) % width + 1
        before, after = soft if column else b"", soft if tail and last + tail > width + 1 else b""
        return b"%b%b%b" % (before, folded, after)
    out: list[bytes] = []
    length = column
    for number, line in enumerate(value.split(line_break)):
        if number:
            out.append(line_break)
            length = 0
        here = 0
        while here < len(line):
            room = MAX_ENCODED_LINE - 1 - length
            if room < len(line) - here and length:
                out.append(soft)
                length = 0
                continue
            cut = len(line) if len(line) - here <= room else _before_escape(line, here + room)
            out.append(line[here:cut])
            length += cut - here
            here = cut
    if length + tail > MAX_ENCODED_LINE and tail and length:
        out.append(soft)
    return b"".join(out)


def _before_escape(line: bytes, cut: int) -> int:
    """The last place up to ``cut`` that is not inside an ``=XX``."""
    if line[cut - 1] == 0x3D:
        return cut - 1
    if line[cut - 2] == 0x3D:
        return cut - 2
    return cut


def escape_bytes(raw: bytes) -> bytes:
    """``raw`` in quoted-printable without soft breaks: line feeds and what is printable stay."""
    return _NEEDS_QP.sub(_escape, raw) if _NEEDS_QP.search(raw) else raw


def _escape(match: "re.Match[bytes]") -> bytes:
    byte = match[0]
    return byte if byte == b"\n" else b"=%02X" % byte[0]


def to_quoted_printable(body: bytes, line_break: bytes) -> bytes:
    """A whole body in quoted-printable; each line keeps its own end.

    Decoded it is ``body`` again, also where some lines of it end in a bare line feed; soft line
    breaks are ``line_break``. White space before a line break is encoded: a relay may strip it
    (RFC 2045, section 6.7).
    """
    out: list[bytes] = []
    *lines, last = body.split(b"\n")
    for line in lines:
        text = line.removesuffix(b"\r")
        out += (fold_into_line(_escaped_line(text), 0, 0, line_break), line[len(text) :] + b"\n")
    # No line feed follows, so a carriage return here ends no line: it is encoded.
    out.append(fold_into_line(_escaped_line(last), 0, 0, line_break))
    return b"".join(out)


def _escaped_line(text: bytes) -> bytes:
    encoded = escape_bytes(text)
    if encoded.endswith((b" ", b"\t")):
        return encoded[:-1] + b"=%02X" % encoded[-1]
    return encoded


class Base64:
    """A base64 body; raises ValueError for one that is none."""

    def __init__(self, data: bytes, start: int, end: int) -> None:
        body = data[start:end]
        if _NOT_BASE64.search(body):
            raise ValueError("characters that base64 does not have")
        packed = body.translate(None, b"\r\n\t ")
        if b"=" in packed[:-2]:
            raise ValueError("padding in the middle")
        if (lacking := -len(packed) % 4) == 3:
            raise ValueError("one character too many")
        self.decoded = binascii.a2b_base64(packed + b"=" * lacking)
        trailing = len(body) - len(body.rstrip(b"\r\n\t "))
        self.end = end - trailing
        """Where the encoded data ends: blank lines behind it stay."""
        first = body.find(b"\n")
        self.line_break = b"\n" if first >= 0 and body[first - 1 : first] != b"\r" else b"\r\n"
        self._start = start
        lines = data[start : self.end].split(self.line_break)
        self.width = len(lines[0]) if len(lines) > 1 else MAX_ENCODED_LINE
        regular = all(len(line) == self.width for line in lines[:-1])
        self._even = regular and len(lines) > 1 and self.width % 4 == 0 and b"=" not in lines[0]
        if not self._even:
            self.width = min(max(4, max(map(len, lines)) // 4 * 4), MAX_ENCODED_LINE)

    def place(self, start: int, end: int) -> tuple[int, int]:
        """The whole of the encoded data: there is no smaller place."""
        return self._start, self.end

    def line_of(self, offset: int) -> tuple[int, int]:
        """Decoded offset of the line that holds ``offset``, and its offset in the message.

        Lines before it need not be encoded again. Where lines differ in length there is no such
        line but the first.
        """
        if not self._even:
            return 0, self._start
        line = min(offset, len(self.decoded)) // (self.width // 4 * 3)
        return line * (self.width // 4 * 3), self._start + line * (
            self.width + len(self.line_break)
        )

    def encode(self, raw: bytes) -> bytes:
        """``raw`` in lines as wide as those of the body."""
        packed = binascii.b2a_base64(raw, newline=False)
        width = self.width
        return self.line_break.join(
            [packed[at : at + width] for at in range(0, len(packed), width)]
        )


def open_body(data: bytes, start: int, end: int, encoding: str) -> Carrier | None:
    """The body in its transfer encoding, None for an unknown one; ValueError for a broken one."""
    if encoding in ("7bit", "8bit", "binary"):
        return Identity(data, start, end)
    if encoding == "quoted-printable":
        return QuotedPrintable(data, start, end)
    if encoding == "base64":
        return Base64(data, start, end)
    return None
