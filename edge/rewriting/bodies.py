"""What is to be replaced in the body of one part: holes in its decoded bytes, and their links.

A hole is a stretch of decoded bytes (often an empty one) and the slot that fills it for each copy.
Holes are in order and never overlap: a variable inside a link belongs to the link.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from edge.rewriting import charsets, html_part, text_part
from edge.rewriting.html_part import FoundVariable
from edge.rewriting.links import MAX_LINKS, Judge, Judged
from edge.rewriting.report import Reason
from edge.rewriting.slots import Click, Constant, Copy, Joined, PersonalClick, Pixel, Slot, Variable
from edge.rewriting.switches import Clicks
from edge.rewriting.variables import ANY_UNSUBSCRIBE, parse


class Hole(msgspec.Struct, frozen=True, gc=False):
    """Decoded bytes from ``start`` to ``end``, and what stands there in each copy."""

    start: int
    end: int
    slot: Slot


class Link(msgspec.Struct, frozen=True):
    """One URL of the message, tracked or not; ``personal`` where that differs from copy to copy."""

    position: int
    part: str
    where: str
    judged: Judged
    personal: PersonalClick | None = None

    def in_copy(self, copy: Copy) -> tuple[Judged, str | None]:
        """What is true of it in one copy: how it was judged, and its tracking URL."""
        judged = self.judged if self.personal is None else self.personal.judged(copy)
        if judged.reason is not None:
            return judged, None
        return judged, Click(self.position, judged.destination).fill(copy).decode("ascii")


class Rules(msgspec.Struct, frozen=True):
    """What applies to every part of a message alike."""

    judge: Judge
    clicks: Clicks
    outlook: bool
    variable: "re.Pattern[str]"
    boundaries: tuple[bytes, ...]


class Page(msgspec.Struct, frozen=True):
    """What else is known of an HTML body after the search."""

    top: int | None
    bottom: int
    finished: bool


class Finder:
    """Finds the holes of one part; ``links`` are those of the whole message so far."""

    def __init__(
        self, rules: Rules, path: str, codec: str, line_break: bytes, links: list[Link]
    ) -> None:
        self._rules = rules
        self._path = path
        self._codec = codec
        self._line_break = line_break
        self._links = links
        self._holes: list[Hole] = []

    def html(self, data: bytes) -> tuple[list[Hole], Page]:
        """The holes of an HTML body, without the pixel."""
        found = html_part.scan(data.decode("latin-1"), self._codec, self._rules.variable)
        variables = _Variables(found.variables)
        for link in found.links:
            reason = link.reason
            if link.outlook and not self._rules.outlook:
                reason = reason or Reason.OUTLOOK_OFF
            if self._rules.clicks is Clicks.NO:
                reason = reason or Reason.CLICKS_OFF
            self._link(data, (link.start, link.end), link.where, link.value, reason, variables)
        self._variables(data, variables.left())
        return self._sorted(), Page(found.top, found.bottom, found.finished)

    def text(self, data: bytes, *, joined: bool) -> list[Hole]:
        """The holes of a plain text body; none where its bytes are not text in its charset."""
        read = charsets.read_exactly(data, self._codec)
        if read is None:
            return []
        text, codec = read
        found, variables = text_part.scan(text, self._rules.variable, joined=joined)
        offsets = _Offsets(text, codec)
        inside = _Variables(
            [
                FoundVariable(offsets.at(each.start), offsets.at(each.end), each.name, each.place)
                for each in variables
            ]
        )
        off = {Clicks.NO: Reason.CLICKS_OFF, Clicks.HTML_ONLY: Reason.HTML_ONLY}
        offsets = _Offsets(text, codec)
        for url in found:
            span = offsets.at(url.start), offsets.at(url.end)
            reason = url.reason or off.get(self._rules.clicks)
            self._link(data, span, "text", url.value, reason, inside)
        self._variables(data, inside.left())
        return self._sorted()

    def _sorted(self) -> list[Hole]:
        return sorted(self._holes, key=lambda hole: (hole.start, hole.end))

    def _link(
        self,
        data: bytes,
        span: tuple[int, int],
        where: str,
        value: str,
        reason: Reason | None,
        variables: "_Variables",
    ) -> None:
        position = len(self._links)
        if reason is None and position >= MAX_LINKS:
            reason = Reason.TOO_MANY_LINKS
        if reason is None and ANY_UNSUBSCRIBE.search(value):
            reason = Reason.UNSUBSCRIBE
        if reason is not None:
            self._keep(position, where, Judged(value, reason=reason))
            return
        if self._rules.variable.search(value):
            self._personal_link(data, span, where, value, variables.within(*span))
            return
        judged = self._rules.judge.judge(value)
        self._keep(position, where, judged)
        if judged.reason is None:
            variables.within(*span)
            self._holes.append(Hole(*span, Click(position, judged.destination)))

    def _personal_link(
        self,
        data: bytes,
        span: tuple[int, int],
        where: str,
        value: str,
        variables: Sequence[FoundVariable],
    ) -> None:
        position = len(self._links)
        plain: list[Slot] = []
        here = span[0]
        for each in variables:
            plain += (Constant(data[here : each.start]), self._variable(data, each))
            here = each.end
        plain.append(Constant(data[here : span[1]]))
        text = parse(value, self._rules.variable)
        click = PersonalClick(position, text, self._rules.judge, Joined(plain))
        self._keep(position, where, Judged(value), click)
        self._holes.append(Hole(*span, click))

    def _keep(
        self, position: int, where: str, judged: Judged, personal: PersonalClick | None = None
    ) -> None:
        self._links.append(Link(position, self._path, where, judged, personal))

    def _variables(self, data: bytes, found: Iterable[FoundVariable]) -> None:
        self._holes += (Hole(each.start, each.end, self._variable(data, each)) for each in found)

    def _variable(self, data: bytes, found: FoundVariable) -> Slot:
        return Variable(
            found.name,
            data[found.start : found.end],
            found.place,
            self._codec,
            self._line_break,
            self._rules.boundaries,
        )


class _Variables:
    """The variables of a body, of which links take theirs away; asked for in order."""

    def __init__(self, found: list[FoundVariable]) -> None:
        self._found = found
        self._taken: set[int] = set()
        self._next = 0

    def within(self, start: int, end: int) -> list[FoundVariable]:
        """Those inside this stretch; they are not :meth:`left` any more."""
        while self._next and self._found[self._next - 1].start >= start:
            self._next -= 1
        while self._next < len(self._found) and self._found[self._next].start < start:
            self._next += 1
        inside = []
        while self._next < len(self._found) and self._found[self._next].end <= end:
            inside.append(self._found[self._next])
            self._taken.add(self._next)
            self._next += 1
        return inside

    def left(self) -> list[FoundVariable]:
        """Those that no link took."""
        return [each for number, each in enumerate(self._found) if number not in self._taken]


class _Offsets:
    """Offsets of bytes for offsets of characters, asked for in rising order."""

    def __init__(self, text: str, codec: str) -> None:
        self._text = text
        self._codec = codec
        self._ascii = text.isascii()
        self._at = self._size = 0

    def at(self, offset: int) -> int:
        """The byte offset of a character."""
        if self._ascii:
            return offset
        self._size += len(self._text[self._at : offset].encode(self._codec))
        self._at = offset
        return self._size


PIXEL: Final = Pixel()


def with_pixel(holes: list[Hole], at: int) -> list[Hole]:
    """The holes, with the pixel at this offset; one that lies inside another goes before it."""
    for number, hole in enumerate(holes):
        if at <= hole.start or at < hole.end:
            return [
                *holes[:number],
                Hole(min(at, hole.start), min(at, hole.start), PIXEL),
                *holes[number:],
            ]
    return [*holes, Hole(at, at, PIXEL)]
