"""Where the links, variables, top and bottom of an HTML body are.

The body is read as latin-1, one character per byte, by a tokenizer that follows the HTML standard
(https://html.spec.whatwg.org/, "Tokenization"): comments, scripts, styles and titles are what a
browser takes them for, and character references in attributes are decoded by the rule for
attributes, by which ``&copy=2`` stays as it is. The tokenizer says where a tag is; the attribute's
value inside it is found here by the same standard. Nothing is written; the offsets are for
splicing.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate
from typing import Final

import msgspec
from turbohtml import Token, TokenType, tokenize

from edge.rewriting import charsets
from edge.rewriting.report import Reason
from edge.rewriting.variables import Place

_ATTRIBUTE = re.compile(
    r"""[\t\n\f\r /]*(=?[^\t\n\f\r />=]*)"""
    r"""(?:[\t\n\f\r ]*=[\t\n\f\r ]*(?:"([^"]*)"|'([^']*)'|([^\t\n\f\r >]*)))?"""
)
_CONDITION = re.compile(r"<!--\[if\s[^\]>]*\]>")
_PROBE: Final = "<edge-probe>"
"""Put behind the markup: it is a tag again only where the markup ends in plain content."""
_MAX_NESTING: Final = 3
"""Conditional comments in noscript in a conditional comment: deeper is nothing real."""
_WHITE: Final = "\t\n\f\r "
_BOM: Final = "\xef\xbb\xbf"
"""UTF-8's byte order mark, one character per byte."""


class FoundLink(msgspec.Struct, gc=False):
    """A URL in the markup: offsets of its value without white space around it.

    ``value`` is the value with character references decoded; ``reason`` is set where the markup
    itself forbids tracking. ``outlook`` is set in VML and in conditional comments.
    """

    start: int
    end: int
    where: str
    value: str
    reason: Reason | None = None
    outlook: bool = False


class FoundVariable(msgspec.Struct, gc=False):
    """A variable: offsets with its percent signs, its name, and how its value is written."""

    start: int
    end: int
    name: str
    place: Place


class HtmlFindings(msgspec.Struct):
    """What an edit of this body needs to know.

    ``top`` is None where a pixel at the top could change the structure. ``finished`` is False
    where the markup ends inside a tag, comment or script, so that nothing added is seen.
    """

    links: list[FoundLink]
    variables: list[FoundVariable]
    top: int | None
    bottom: int
    finished: bool


def scan(text: str, charset: str, variable: "re.Pattern[str]") -> HtmlFindings:
    """Read a body (one character per byte) in one pass; the time is linear in its length."""
    scanner = _Scanner(text, charset, personal=variable.search(text) is not None)
    finished = scanner.read(0, len(text), 0)
    variables = [
        FoundVariable(
            match.start(), match.end(), _name(match[1], charset), scanner.place(match.start())
        )
        for match in variable.finditer(text)
    ]
    return HtmlFindings(scanner.links, variables, scanner.top(), scanner.bottom(), finished)


def _name(raw: str, charset: str) -> str:
    """A variable's name; beyond ASCII it is in the charset of the part."""
    return raw if raw.isascii() else charsets.read(raw.encode("latin-1"), charset) or raw


class _Scanner:
    """State of one pass."""

    def __init__(self, text: str, charset: str, *, personal: bool) -> None:
        self._text = text
        self._personal = personal
        """Whether there are variables at all: then it matters where in a tag they stand."""
        # The tokenizer turns each kind of line break into a line feed; this keeps the lengths.
        self._flat = text.replace("\r\n", " \n").replace("\r", "\n") if "\r" in text else text
        self._charset = charset
        self.links: list[FoundLink] = []
        self._bare: list[tuple[int, int]] = []
        """Ranges inside tags that are not quoted values, of tags that hold a percent sign."""
        self._body_end = self._html_end = -1
        self._after_body = self._after_head = self._after_html = self._after_doctype = -1
        self._head = False

    def read(self, start: int, end: int, nesting: int) -> bool:
        """Tokenize a range; whether it ends in plain content."""
        flat = self._flat[start:end]
        lines = [start, *accumulate((len(line) + 1 for line in flat.split("\n")), initial=start)]
        noscript = -1
        token: Token | None = None
        for token in tokenize(flat + _PROBE, capture_source=True):
            kind = token.type
            tag = token.tag
            if kind is TokenType.START_TAG:
                if not (self._personal or tag in _WANTED or (tag and tag.startswith("v:"))):
                    continue
            elif kind is TokenType.END_TAG:
                if tag not in _WANTED:
                    continue
            elif kind is not TokenType.COMMENT and kind is not TokenType.DOCTYPE:
                continue
            source = token.source or ""
            at = lines[token.line] + token.col
            if at + len(source) > end:
                break  # the probe itself, or what never ends and has swallowed it
            if kind is TokenType.START_TAG:
                noscript = at + len(source) if tag == "noscript" else noscript
                self._start_tag(token, at, source, nesting)
            elif kind is TokenType.COMMENT:
                if nesting < _MAX_NESTING and source.startswith("<!--[if"):
                    self._conditional(at, source, nesting)
            elif kind is TokenType.DOCTYPE:
                if nesting == 0:
                    self._after_doctype = at + len(source)
            elif tag == "noscript" and noscript >= 0 and nesting < _MAX_NESTING:
                # Mail readers run no scripts: for them this content is markup.
                self.read(noscript, at, nesting + 1)
                noscript = -1
            elif nesting == 0:
                self._end_tag(tag, at, source)
        return token is not None and token.source == _PROBE

    def _conditional(self, at: int, source: str, nesting: int) -> None:
        """Inside ``<!--[if mso]> … <![endif]-->``, which only Outlook reads."""
        condition = _CONDITION.match(source)
        if condition is None:
            return
        before = len(self.links)
        end = at + len(source) - (3 if source.endswith("-->") else 0)
        self.read(at + condition.end(), max(end, at + condition.end()), nesting + 1)
        for link in self.links[before:]:
            link.outlook = True

    def _start_tag(self, token: Token, at: int, source: str, nesting: int) -> None:
        tag = token.tag or ""
        if self._personal and "%" in source:
            self._note_bare(at, source)
        if tag in ("a", "area") or tag.startswith("v:"):
            self._link(token, tag, at, source)
        elif nesting == 0:
            if tag == "head":
                self._head = True
            elif tag == "html" and self._after_html < 0:
                self._after_html = at + len(source)
            elif tag == "body" and self._after_body < 0:
                self._after_body = at + len(source)

    def _end_tag(self, tag: str | None, at: int, source: str) -> None:
        if tag == "body":
            self._body_end = at
        elif tag == "html":
            self._html_end = at
        elif tag == "head" and self._after_head < 0:
            self._after_head = at + len(source)

    def _link(self, token: Token, tag: str, at: int, source: str) -> None:
        if not self._flat.startswith(source, at):
            raise ValueError("the tokenizer's positions are not those of the text")
        span, disabled = None, False
        opt_out = "disable-tracking" in source.lower()
        for name, start, end, _ in attributes(source):
            if name == "href" and span is None:
                span = (start, end)
                if not opt_out:
                    break
            elif name == "disable-tracking":
                # The seed of this rule, Mailgun's documentation, has `true\` in its example.
                disabled = disabled or source[start:end].lower() in ("true", "true\\")
        if span is None:
            return
        start, end = span
        while start < end and source[start] in _WHITE:
            start += 1
        while start < end and source[end - 1] in _WHITE:
            end -= 1
        raw = self._text[at + start : at + end]
        if not raw.isascii():
            value = self._decoded(raw)
        elif "&" in raw:
            value = token.attr("href")
        else:
            value = raw
        reason = Reason.DISABLED if disabled else None
        if value is None:
            value, reason = raw, reason or Reason.UNDECODABLE
        elif "\0" in value:
            value = value.replace("\0", "\ufffd")  # as the tokenizer does in every attribute
        where = "vml" if tag.startswith("v:") else tag
        self.links.append(FoundLink(at + start, at + end, where, value, reason, where == "vml"))

    def _decoded(self, raw: str) -> str | None:
        """An attribute's value: bytes by the charset, references by the rule for attributes."""
        text = charsets.read(raw.encode("latin-1"), self._charset)
        if text is None or "&" not in text:
            return text
        # A value holds at most one kind of quote, or none of white space and ">".
        for before, after in (('"', '">'), ("'", "'>"), ("", ">")):
            if not before or before not in text:
                for token in tokenize(f"<a x={before}{text}{after}"):
                    return token.attr("x")
        return None

    def _note_bare(self, at: int, source: str) -> None:
        """Remember where in this tag a variable would not be in quotes."""
        here = 0
        for _, start, end, quoted in attributes(source):
            if quoted:
                self._bare.append((at + here, at + start))
                here = end
        self._bare.append((at + here, at + len(source)))

    def place(self, offset: int) -> Place:
        """How a variable at this offset is written."""
        if not self._bare:
            return Place.HTML
        index = bisect_left(self._bare, (offset + 1, 0)) - 1
        if index >= 0 and self._bare[index][0] <= offset < self._bare[index][1]:
            return Place.BARE
        return Place.HTML

    def top(self) -> int | None:
        """Where something visible may come first without changing the structure."""
        for at in (self._after_body, self._after_head):
            if at >= 0:
                return at
        if self._head:
            return None
        mark = len(_BOM) if self._text.startswith(_BOM) else 0
        return max(self._after_html, self._after_doctype, mark)

    def bottom(self) -> int:
        """Before the last real ``</body>``, else the last ``</html>``, else at the end."""
        return next((at for at in (self._body_end, self._html_end) if at >= 0), len(self._text))


_WANTED: Final = frozenset({"a", "area", "body", "head", "html", "noscript"})


def attributes(source: str) -> Iterator[tuple[str, int, int, bool]]:
    """Attributes of a start tag's source: lower-case name, offsets of the value, whether quoted.

    The source is one that the tokenizer found to be a start tag.
    """
    here = re.match(r"<[^\t\n\f\r />]*", source)
    at = here.end() if here else 0
    end = len(source)
    while at < end:
        match = _ATTRIBUTE.match(source, at, end)
        if match is None or match.end() == at:
            return
        at = match.end()
        if match[1]:
            group = match.lastindex or 1
            start, stop = match.span(group) if group > 1 else (at, at)
            yield match[1].lower(), start, stop, group in (2, 3)
