"""A returned mail taken apart, in time linear in its size and within fixed bounds.

Not a general MIME parser: a bounce is often broken (boundaries that never close, a header without
its blank line, bare CRs), its sender may be hostile, and all that is wanted is its texts, its
machine-readable parts and the head of the message that comes back. Nothing here fails: what cannot
be understood is text.
"""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from edge.returns.charsets import decode, header_text
from edge.returns.transfer import decode_transfer

MOST_OCTETS: Final = 1 << 20
"""Octets of a mail that are looked at; what a report says stands before what it returns."""

MOST_HEADER: Final = 64 * 1024
MOST_FIELDS: Final = 400
MOST_PARTS: Final = 60
MOST_DEPTH: Final = 8
MOST_TEXT: Final = 128 * 1024
"""Octets of one text part that are decoded."""

_FIELD = re.compile(r"([!-9;-~]{1,76})[ \t]*:(.*)", re.DOTALL)
_PARAMETER = re.compile(
    r';\s*([A-Za-z0-9_-]{1,40})\*?0?\*?\s*=\s*(?:"([^"]{0,400})"|([^\s;"]{1,400}))'
)


class Headers:
    """Fields of a header by name in lower case, in order, unfolded; the first of a name counts."""

    __slots__ = ("fields",)

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        self.fields = fields

    def get(self, name: str) -> str:
        """The first field of this name (lower case), with encoded words decoded; or empty."""
        for known, value in self.fields:
            if known == name:
                return header_text(value)
        return ""

    def all(self, name: str) -> list[str]:
        """All fields of this name."""
        return [header_text(value) for known, value in self.fields if known == name]

    def has(self, name: str) -> bool:
        """Whether there is such a field."""
        return any(known == name for known, _ in self.fields)


class Part(msgspec.Struct, frozen=True):
    """One leaf: its type in lower case, its header, its body as it came."""

    type: str
    headers: Headers
    body: bytes
    depth: int

    @property
    def decoded(self) -> bytes:
        """The body without its transfer encoding."""
        return decode_transfer(self.body, self.headers.get("content-transfer-encoding"))

    @property
    def text(self) -> str:
        """The body as text, cut off after :data:`MOST_TEXT` octets."""
        raw = decode_transfer(
            self.body[: MOST_TEXT * 2], self.headers.get("content-transfer-encoding")
        )
        charset = parameters(self.headers.get("content-type")).get("charset", "")
        return decode(raw[:MOST_TEXT], charset)


def lines_of(raw: bytes) -> bytes:
    """A mail with LF at the end of each line, whatever it had, cut off at its bound."""
    return raw[:MOST_OCTETS].replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def split(raw: bytes) -> tuple[Headers, bytes]:
    """Header and body of an entity with LF line ends."""
    if raw.startswith(b"\n"):
        return Headers([]), raw[1:]
    end = raw.find(b"\n\n", 0, MOST_HEADER)
    head = raw[:MOST_HEADER] if end < 0 else raw[:end]
    body = raw[end + 2 :] if end >= 0 else raw[MOST_HEADER:]
    return Headers(fields_of(head)), body


def fields_of(head: bytes) -> list[tuple[str, str]]:
    """Fields of a header block; lines that are no field are passed over."""
    found: list[tuple[str, list[str]]] = []
    for raw in head.split(b"\n"):
        line = decode(raw)
        if line[:1] in (" ", "\t"):
            if found:
                found[-1][1].append(line.strip())
            continue
        match = _FIELD.match(line)
        if match and len(found) < MOST_FIELDS:
            found.append((match[1].lower(), [match[2].strip()]))
    return [(name, " ".join(part for part in value if part)) for name, value in found]


def parameters(value: str) -> dict[str, str]:
    """Parameters of a Content-Type or the like, by name in lower case."""
    return {
        match[1].lower(): match[2] if match[2] is not None else match[3]
        for match in _PARAMETER.finditer(value[:2_000])
    }


def type_of(headers: Headers) -> str:
    """The media type in lower case; text/plain where there is none."""
    value = headers.get("content-type").partition(";")[0].strip().lower()
    return value if "/" in value else "text/plain"


def leaves(headers: Headers, body: bytes) -> list[Part]:
    """The leaves of a message, in order; a message inside it is a leaf."""
    found: list[Part] = []
    _walk(headers, body, 0, found)
    return found


def _walk(headers: Headers, body: bytes, depth: int, found: list[Part]) -> None:
    if len(found) >= MOST_PARTS:
        return
    kind = type_of(headers)
    if kind.startswith("multipart/") and depth < MOST_DEPTH:
        boundary = parameters(headers.get("content-type")).get("boundary", "")
        pieces = list(_pieces(body, boundary)) if boundary else []
        if pieces:
            for piece in pieces:
                _walk(*split(piece), depth + 1, found)
            return
        kind = "text/plain"
    found.append(Part(kind, headers, body, depth))


def _pieces(body: bytes, boundary: str) -> Iterator[bytes]:
    """The pieces between delimiter lines; the last one may lack its end."""
    mark = b"\n--" + boundary.encode("utf-8", "replace").rstrip()
    body = b"\n" + body
    at = _delimiter(body, mark, 0)
    for _ in range(MOST_PARTS):
        if at < 0 or body.startswith(b"--", at + len(mark)):
            return
        start = body.find(b"\n", at + 1)
        if start < 0:
            return
        following = _delimiter(body, mark, start)
        yield body[start + 1 :] if following < 0 else body[start + 1 : following]
        at = following


def _delimiter(body: bytes, mark: bytes, start: int) -> int:
    """Where the next delimiter line begins; a longer boundary that begins alike is none."""
    at = body.find(mark, start)
    while at >= 0 and body[at + len(mark) : at + len(mark) + 1] not in b"\n- \t":
        at = body.find(mark, at + 1)
    return at
