"""A message compiled once and rendered for each recipient, so that nothing else changes.

How to think about it: the message is never parsed into something that is written out again. Its
parts are found by their offsets (:mod:`edge.rewriting.mime`), URLs and variables in them by theirs
(:mod:`edge.rewriting.bodies`), and what goes out is the bytes that came in, with a few of them
replaced. What cannot be read with certainty is left alone and reported; a message that must not be
changed at all goes out as it came in.
"""

import re
from typing import Final

import msgspec
from msgspec import structs

from edge.rewriting import charsets, mime, text_part, variables
from edge.rewriting.bodies import Finder, Hole, Link, Rules, with_pixel
from edge.rewriting.html_part import Misread
from edge.rewriting.links import Judge, other_tracker
from edge.rewriting.report import Caution, LinkReport, PartReport, Reason, Report, Warned
from edge.rewriting.slots import (
    Constant,
    Copy,
    InBase64,
    InQuotedPrintable,
    ListHeaders,
    Requoted,
    Slot,
)
from edge.rewriting.switches import Tracking
from edge.rewriting.transfer import (
    MAX_ENCODED_LINE,
    MAX_LINE,
    Base64,
    Carrier,
    QuotedPrintable,
    open_body,
)

MAX_MESSAGE: Final = 25 * 2**20
"""Octets; larger messages go out as they came in."""
CLIP: Final = 102 * 1024
"""Octets of HTML after which Gmail shows "[Message clipped]"."""
NEAR_CLIP: Final = CLIP - 7 * 1024

_SIGNER = re.compile(r"(?:^|;)\s*d\s*=\s*([^;\s]+)")


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted for a message.

    ``own_hosts`` are the hosts of this domain's tracking URLs, so that none is wrapped twice;
    ``excluded`` are patterns of URLs that are not to be tracked
    (:func:`edge.rewriting.links.exclusions`). ``https`` tells that the tracking URLs are https;
    ``personal`` whether ``%recipient.x%`` is replaced; ``amp`` whether AMP parts are instrumented;
    ``list_headers`` whether a message that can be unsubscribed from says so in its header.
    """

    domain: str
    tracking: Tracking
    own_hosts: tuple[str, ...] = ()
    outlook: bool = True
    amp: bool = False
    personal: bool = True
    list_headers: bool = True
    excluded: tuple[str, ...] = ()
    https: bool = False


class _Splice(msgspec.Struct, frozen=True, gc=False):
    """Octets of the message from ``start`` to ``end``, and the slot that takes their place."""

    start: int
    end: int
    slot: Slot


class _Line(msgspec.Struct, frozen=True, gc=False):
    """A line of a plain body with slots in it: its constant octets, and its first and last slot.

    ``narrow``: the part is 7bit, so what the slots give must be too.
    """

    part: str
    narrow: bool
    constant: int
    first: int
    last: int


class Compiled:
    """A message that is ready for any number of recipients. Immutable to its callers."""

    def __init__(self, message: bytes, options: Options, requoted: frozenset[str]) -> None:
        self._message = message
        self._options = options
        self._requoted = requoted
        self._again: dict[str, Compiled] = {}
        self._links: list[Link] = []
        self._parts: list[PartReport] = []
        self._warnings: list[Warned] = []
        self._lines: list[_Line] = []
        self._pixel = ""
        self._html = 0
        self._splices: list[_Splice] = []
        self._untouched = self._compile()
        if self._untouched is not None:
            self._splices = []
        self._pieces, self._slots = _template(message, self._splices)

    def render(self, copy: Copy) -> bytes:
        """The message for one recipient. Raises what sealing raises."""
        filled = [slot.fill(copy) for slot in self._slots]
        if (part := self._outgrown(filled)) is not None:
            return self._with_requoted(part).render(copy)
        out = self._pieces.copy()
        out[1::2] = filled
        return b"".join(out)

    def _outgrown(self, filled: list[bytes]) -> str | None:
        """A plain part in which this copy has a line too long, or octets that 7bit cannot hold."""
        for line in self._lines:
            put = filled[line.first : line.last + 1]
            if line.constant + sum(map(len, put)) > MAX_LINE:
                return line.part
            if line.narrow and not all(map(bytes.isascii, put)):
                return line.part
        return None

    def _with_requoted(self, part: str) -> "Compiled":
        if part not in self._again:
            self._again[part] = Compiled(self._message, self._options, self._requoted | {part})
        return self._again[part]

    def report(self, copy: Copy, rendered: bytes) -> Report:
        """What was done for one recipient; ``rendered`` is what :meth:`render` gave."""
        filled = [slot.fill(copy) for slot in self._slots]
        if (part := self._outgrown(filled)) is not None:
            return self._with_requoted(part).report(copy, rendered)
        links, warnings = [], list(self._warnings)
        for link in self._links if self._untouched is None else ():
            judged, after = link.in_copy(copy)
            links.append(
                LinkReport(
                    position=link.position,
                    part=link.part,
                    where=link.where,
                    before=judged.url or link.judged.url,
                    after=after,
                    reason=judged.reason,
                    detail=judged.detail,
                )
            )
            if after is not None:
                warnings += self._about(judged.destination, link.position)
        size = self._html + len(rendered) - len(self._message)
        if self._html and size >= NEAR_CLIP:
            text = f"about {size} octets of HTML: Gmail clips a message at {CLIP}"
            warnings.append(Warned(code=Caution.NEAR_CLIP, text=text))
        return Report(
            untouched=self._untouched,
            pixel=self._pixel if self._untouched is None else "",
            links=links,
            parts=self._parts,
            warnings=warnings,
            size_before=len(self._message),
            size_after=len(rendered),
        )

    def _about(self, url: str, position: int) -> list[Warned]:
        found = []
        if other_tracker(url):
            text = f"leads through another tracker: {url}"
            found.append(Warned(code=Caution.OTHER_TRACKER, text=text, position=position))
        if self._options.https and url.startswith("http://"):
            text = f"leads to http, from an https link: {url}"
            found.append(Warned(code=Caution.PLAIN_HTTP, text=text, position=position))
        return found

    def _warn(self, code: Caution, text: str) -> None:
        self._warnings.append(Warned(code=code, text=text))

    def _compile(self) -> Reason | None:
        """Find every splice; the reason when the message must go out as it came in."""
        if len(self._message) > MAX_MESSAGE:
            return Reason.TOO_LARGE
        root = mime.split(self._message)
        if (reason := self._forbidden(root)) is not None:
            return reason
        boundaries = tuple(sorted({*mime.boundaries(root)}))
        tracking = self._options.tracking
        if tracking.unsubscribes and self._options.list_headers:
            self._add_list_headers(root)
        rules = Rules(
            Judge(self._options.own_hosts, self._options.excluded),
            tracking.clicks,
            self._options.outlook,
            variables.pattern(personal=self._options.personal, unsubscribe=tracking.unsubscribes),
            boundaries,
        )
        opened = [(part, body) for part in root.leaves() if (body := self._open(part)) is not None]
        pages = [pair for pair in opened if pair[0].content_type != "text/plain"]
        main = next((part for part, _ in pages if part.content_type == "text/html"), None)
        for part, body in pages:
            self._html_part(rules, part, body, pixel=part is main and tracking.opens)
        for part, body in opened:
            if part.content_type == "text/plain":
                self._text_part(rules, part, body)
        if tracking.opens and main is None:
            self._warn(Caution.NO_HTML, "no HTML part: opens cannot be seen")
        self._splices.sort(key=lambda splice: (splice.start, splice.end))
        self._lines = self._long_lines(opened)
        return None

    def _forbidden(self, root: mime.Part) -> Reason | None:
        """Why the whole message must not be changed; the domain's own signatures are taken out."""
        if root.fault is not None:
            return root.fault
        if root.content_type == "multipart/signed" or root.content_type in mime.PKCS7:
            return Reason.SIGNED
        if root.content_type == "multipart/encrypted":
            return Reason.ENCRYPTED
        own = self._options.domain.lower()
        for header in root.headers:
            if header.name in {"arc-seal", "arc-message-signature"}:
                return Reason.FOREIGN_SIGNATURE
            if header.name != "dkim-signature":
                continue
            found = _SIGNER.search(mime.value_of(self._message, header))
            signer = found[1].lower() if found else ""
            if signer != own and not signer.endswith(f".{own}"):
                return Reason.FOREIGN_SIGNATURE
            self._splices.append(_Splice(header.start, header.end, Constant(b"")))
        if self._splices:
            self._warn(Caution.DKIM_STRIPPED, f"a signature of {own} was removed: sign again")
        return None

    def _add_list_headers(self, root: mime.Part) -> None:
        """Behind the other fields; a sender's own ``List-Unsubscribe`` stays the only one."""
        names = {header.name for header in root.headers}
        if "list-unsubscribe" in names or not self._message[: root.blank].endswith(b"\n"):
            return
        fields = ListHeaders(self._options.https, mime.line_end(self._message))
        self._splices.append(_Splice(root.blank, root.blank, fields))

    def _open(self, part: mime.Part) -> Carrier | None:
        """The part's body; None, and a reason in the report, where it is left alone."""
        reason, body = mime.left_alone(part, amp=self._options.amp), None
        if reason is None and charsets.codec(part.parameters.get("charset", "")) is None:
            reason = Reason.CHARSET
        if reason is None:
            try:
                body = open_body(self._message, part.body, part.end, part.encoding)
            except ValueError:
                reason = Reason.BAD_ENCODING
            else:
                reason = Reason.ENCODING if body is None else None
        if body is not None and text_part.holds_pgp(body.decoded):
            reason, body = Reason.INLINE_PGP, None
        if part.unclosed:
            self._warn(Caution.UNCLOSED, f"part {part.path}: the closing boundary is missing")
        kind = part.content_type
        self._parts.append(PartReport(part=part.path, content_type=kind, reason=reason))
        return body

    def _finder(self, rules: Rules, part: mime.Part, body: Carrier) -> Finder:
        codec = charsets.codec(part.parameters.get("charset", "")) or "ascii"
        # In quoted-printable what a slot gives has line feeds; see InQuotedPrintable.
        plain = mime.line_end(self._message) if not isinstance(body, Base64) else b"\r\n"
        end = b"\n" if isinstance(body, QuotedPrintable) else plain
        return Finder(rules, part.path, codec, end, self._links)

    def _html_part(self, rules: Rules, part: mime.Part, body: Carrier, *, pixel: bool) -> None:
        try:
            holes, page = self._finder(rules, part, body).html(body.decoded)
        except Misread:
            self._parts = [
                structs.replace(one, reason=Reason.MISREAD) if one.part == part.path else one
                for one in self._parts
            ]
            return
        if part.content_type == "text/html":
            self._html = max(self._html, len(body.decoded))
        if pixel:
            top = page.top if self._options.tracking.pixel_at_top or not page.finished else None
            if not page.finished:
                text = "the HTML ends inside a tag, comment or script: the pixel is at the top"
                self._warn(Caution.UNFINISHED_HTML, text)
            holes = with_pixel(holes, page.bottom if top is None else top)
            self._pixel = "bottom" if top is None else "top"
        self._place(part, body, holes)

    def _text_part(self, rules: Rules, part: mime.Part, body: Carrier) -> None:
        flowed = part.parameters.get("format", "").lower() == "flowed"
        joined = flowed and part.parameters.get("delsp", "").lower() == "yes"
        self._place(part, body, self._finder(rules, part, body).text(body.decoded, joined=joined))

    def _place(self, part: mime.Part, body: Carrier, holes: list[Hole]) -> None:
        """Holes of a part's decoded bytes as splices of the message."""
        if not holes:
            return
        end = mime.line_end(self._message)
        if isinstance(body, Base64):
            first, start = body.line_of(holes[0].start)
            pieces, slots = _template(body.decoded, holes, first)
            slot = InBase64(pieces, [(2 * n + 1, s) for n, s in enumerate(slots)], body)
            self._splices.append(_Splice(start, body.end, slot))
        elif isinstance(body, QuotedPrintable):
            self._quoted(body, holes, end)
        elif part.path in self._requoted:
            pieces, slots = _template(body.decoded, holes)
            requoted = Requoted(pieces, [(2 * n + 1, s) for n, s in enumerate(slots)], end)
            self._splices += (
                self._declare(part, end),
                _Splice(part.body, part.end, requoted),
            )
            text = f"part {part.path}: a line longer than {MAX_LINE} octets, or 8 bit in 7bit"
            self._warn(Caution.TO_QUOTED_PRINTABLE, text)
        else:
            self._splices += (_Splice(*body.place(h.start, h.end), h.slot) for h in holes)

    def _quoted(self, body: QuotedPrintable, holes: list[Hole], end: bytes) -> None:
        line = -1
        for hole in holes:
            start, stop = body.place(hole.start, hole.end)
            column, tail = body.room(start, stop)
            begin = start - column
            if begin <= line:  # a hole before it on this line: where this one will be is unknown
                column = MAX_ENCODED_LINE
            line = stop
            self._splices.append(
                _Splice(start, stop, InQuotedPrintable(hole.slot, column, tail, end))
            )

    def _declare(self, part: mime.Part, end: bytes) -> _Splice:
        for header in part.headers:
            if header.name == "content-transfer-encoding":
                field = Constant(b" quoted-printable" + end)
                return _Splice(header.value, header.end, field)
        field = Constant(b"Content-Transfer-Encoding: quoted-printable" + end)
        return _Splice(part.blank, part.blank, field)

    def _long_lines(self, opened: list[tuple[mime.Part, Carrier]]) -> list[_Line]:
        """The lines of plain bodies that hold slots: they may grow too long."""
        lines: list[_Line] = []
        for part, _ in opened:
            if part.encoding not in ("7bit", "8bit") or part.path in self._requoted:
                continue
            narrow = part.encoding == "7bit"
            begun = -1
            for number, splice in enumerate(self._splices):
                if not part.body <= splice.start <= part.end:
                    continue
                begin = self._message.rfind(b"\n", 0, splice.start) + 1
                finish = self._message.find(b"\n", splice.end)
                finish = len(self._message) if finish < 0 else finish
                taken = splice.end - splice.start
                if begin == begun and lines:
                    last = lines.pop()
                    lines.append(
                        _Line(part.path, narrow, last.constant - taken, last.first, number)
                    )
                else:
                    lines.append(_Line(part.path, narrow, finish - begin - taken, number, number))
                    begun = begin
        return lines


def compile_message(message: bytes, options: Options) -> Compiled:
    """Read a message once. Raises CallerError for a pattern in ``excluded`` that names no host."""
    return Compiled(message, options, frozenset())


def _template(
    data: bytes, splices: "list[_Splice] | list[Hole]", start: int = 0
) -> tuple[list[bytes], list[Slot]]:
    """Pieces of ``data`` from ``start`` on, with an empty one for each slot, and the slots."""
    pieces, slots, here = list[bytes](), list[Slot](), start
    for splice in splices:
        pieces += (data[here : splice.start], b"")
        slots.append(splice.slot)
        here = splice.end
    pieces.append(data[here:])
    return pieces, slots
