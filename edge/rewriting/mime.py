"""Where the parts of a message are: a MIME splitter that works on byte offsets.

The grammar is that of RFC 5322 and RFC 2045 to 2047. Nothing is ever written anew from what is read
here; the offsets only say where to splice. So the reader is strict where a mistake would put bytes
in the wrong place (headers that are none, a boundary that is not there: the part has a ``fault``
and is left alone) and lenient where it would not (a missing closing boundary). Work is bounded: the
depth, the number of parts and the number of header lines each have a limit, and every scan is
linear.
"""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote_to_bytes

import msgspec

from edge.rewriting.report import Reason

MAX_DEPTH: Final = 20
MAX_PARTS: Final = 1_000
MAX_HEADERS: Final = 10_000

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:")
_FOLD = re.compile(r"\r?\n(?=[ \t])")
_PARAMETER = re.compile(r';\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))', re.DOTALL)
_CONTINUED = re.compile(r"([^*]+)\*(?:(\d{1,3})(\*)?)?")


class Header(msgspec.Struct, frozen=True, gc=False):
    """One header field: lower-case name, and the offsets of its line, its value and its end.

    ``end`` lies behind the line break of its last line.
    """

    name: str
    start: int
    value: int
    end: int


class Part(msgspec.Struct, kw_only=True):
    """A node of the MIME tree; offsets are into the whole message.

    Headers are ``start`` to ``body``, the content is ``body`` to ``end`` (without the line break
    that belongs to the boundary). ``parent`` is None for the message itself.
    """

    path: str
    start: int
    body: int
    end: int
    headers: list[Header]
    blank: int = 0
    content_type: str = "text/plain"
    parameters: dict[str, str] = {}
    encoding: str = "7bit"
    attached: bool = False
    parent: "Part | None" = None
    children: list["Part"] = []
    fault: Reason | None = None
    unclosed: bool = False

    def leaves(self) -> Iterator["Part"]:
        """Parts without children, in the order of the message."""
        if not self.children:
            yield self
        for child in self.children:
            yield from child.leaves()

    def ancestors(self) -> Iterator["Part"]:
        """The parts around this one, innermost first."""
        outer = self.parent
        while outer is not None:
            yield outer
            outer = outer.parent


def value_of(data: bytes, header: Header) -> str:
    """A header's value, unfolded, one character per byte."""
    raw = data[header.value : header.end].decode("latin-1").rstrip("\r\n")
    return _FOLD.sub("", raw).strip(" \t")


def line_end(data: bytes) -> bytes:
    """The line break that this message uses: that of its first line."""
    first = data.find(b"\n")
    return b"\n" if first >= 0 and data[first - 1 : first] != b"\r" else b"\r\n"


def split(data: bytes) -> Part:
    """The tree of a message; its root has a ``fault`` where the whole is no message."""
    splitter = _Splitter(data)
    root = splitter.part("", 0, len(data), None, "text/plain")
    if not root.headers:
        root.fault = Reason.BROKEN
    return root


class _Splitter:
    """One walk over one message."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._parts = 0

    def part(self, path: str, start: int, end: int, parent: Part | None, default: str) -> Part:
        """The part at these offsets, with all that is in it."""
        self._parts += 1
        headers, blank, body, sound = self._headers(start, end)
        part = Part(
            path=path or "1",
            start=start,
            body=body,
            end=end,
            headers=headers,
            blank=blank,
            content_type=default,
            parent=parent,
        )
        if not sound:
            part.fault = Reason.BROKEN
            return part
        self._describe(part)
        if part.fault is None and part.content_type.startswith("multipart/"):
            self._split_multipart(part, path)
        return part

    def _headers(self, start: int, end: int) -> tuple[list[Header], int, int, bool]:
        """Headers, where the blank line begins, where the body begins, and whether all is well."""
        data, here, found = self._data, start, list[Header]()
        if start == 0 and data.startswith((b"From ", b">From ")):  # an mbox line before the message
            here = _next_line(data, 0, end)
        while here < end:
            after = _next_line(data, here, end)
            if data[here:after] in (b"\n", b"\r\n"):
                return found, here, after, True
            match = _FIELD.match(data, here, after)
            if match is None or len(found) >= MAX_HEADERS:
                return found, here, here, False
            while after < end and data[after] in b" \t":
                after = _next_line(data, after, end)
            name = match[1].decode("ascii").lower()
            found.append(Header(name, here, match.end(), after))
            here = after
        return found, end, end, True

    def _describe(self, part: Part) -> None:
        """Content type, transfer encoding and disposition; two of a kind are a fault.

        Two readers would believe two different ones, so that a part could be text to us and an
        attachment to the mail reader.
        """
        seen = set()
        for header in part.headers:
            if not header.name.startswith("content-"):
                continue
            if header.name in seen and header.name in _STRUCTURAL:
                part.fault = Reason.BROKEN
                return
            seen.add(header.name)
            value = value_of(self._data, header)
            if header.name == "content-type":
                kind, parameters = parse_parameters(value)
                if re.fullmatch(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+", kind):
                    part.content_type = kind
                part.parameters = parameters
                part.attached = part.attached or "name" in parameters
            elif header.name == "content-transfer-encoding":
                part.encoding = value.split("(", 1)[0].strip().lower() or "7bit"
            elif header.name == "content-disposition":
                kind, parameters = parse_parameters(value)
                part.attached = part.attached or kind == "attachment" or "filename" in parameters

    def _split_multipart(self, part: Part, path: str) -> None:
        depth = path.count(".") + 1 if path else 0
        boundary = part.parameters.get("boundary", "").rstrip()
        if depth >= MAX_DEPTH:
            part.fault = Reason.TOO_DEEP
            return
        if not boundary or part.encoding not in ("7bit", "8bit", "binary"):
            part.fault = Reason.BROKEN
            return
        inner = "message/rfc822" if part.content_type == "multipart/digest" else "text/plain"
        children, begun, closed = list[Part](), -1, False
        for mark, after, last in self._delimiters(boundary, part.body, part.end):
            if begun >= 0:
                if self._parts >= MAX_PARTS:
                    part.fault = Reason.TOO_DEEP
                    return
                number = f"{path}.{len(children) + 1}" if path else str(len(children) + 1)
                children.append(self.part(number, begun, max(begun, mark), part, inner))
            begun = after
            if last:
                closed = True
                break
        if begun < 0:
            part.fault = Reason.BROKEN
            return
        if not closed:
            part.unclosed = True
            number = f"{path}.{len(children) + 1}" if path else str(len(children) + 1)
            children.append(self.part(number, begun, part.end, part, inner))
        part.children = children

    def _delimiters(self, boundary: str, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
        """Boundary lines: where the content before ends, where the next begins, whether the last.

        The line break before a boundary belongs to it (RFC 2046, section 5.1.1).
        """
        data = self._data
        line = re.compile(
            rb"(?<![^\n])--" + re.escape(boundary.encode("latin-1")) + rb"(--)?[ \t]*(?:\r?\n|\Z)"
        )
        for match in line.finditer(data, start, end):
            mark = match.start()
            if mark > start and data[mark - 1] == 0x0A:
                mark -= 1
                if mark > start and data[mark - 1] == 0x0D:
                    mark -= 1
            yield mark, match.end(), match[1] is not None


_STRUCTURAL: Final = frozenset({"content-type", "content-transfer-encoding", "content-disposition"})


def _next_line(data: bytes, here: int, end: int) -> int:
    found = data.find(b"\n", here, end)
    return end if found < 0 else found + 1


def parse_parameters(value: str) -> tuple[str, dict[str, str]]:
    """The value of a structured header before its first ``;``, and its parameters.

    Names in lower case; of two equal ones the first counts. Continued and encoded parameters
    (RFC 2231) are put together.
    """
    kind = value.split(";", 1)[0].split("(", 1)[0].strip().lower()
    plain: dict[str, str] = {}
    pieces: dict[str, dict[int, str]] = {}
    for match in _PARAMETER.finditer(value):
        name = match[1].lower()
        given = re.sub(r"\\(.)", r"\1", match[2]) if match[2] is not None else match[3]
        continued = _CONTINUED.fullmatch(name)
        if continued is None:
            plain.setdefault(name, given)
        else:
            encoded = continued[2] is None or continued[3] is not None
            if encoded:
                given = unquote_to_bytes(
                    given.rsplit("'", 1)[-1] if int(continued[2] or 0) == 0 else given
                ).decode("latin-1")
            pieces.setdefault(continued[1], {}).setdefault(int(continued[2] or 0), given)
    for name, numbered in pieces.items():
        plain.setdefault(name, "".join(numbered[number] for number in sorted(numbered)))
    return kind, plain
