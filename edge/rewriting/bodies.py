"""One body of a message: which edits it gets, as slots over its decoded bytes."""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from edge.rewriting import html_part, text_part
from edge.rewriting.html_part import FoundLink, FoundVariable, HtmlFindings
from edge.rewriting.links import MAX_LINKS, Judge, Judged, other_tracker
from edge.rewriting.report import Caution, LinkReport, Reason, Warned
from edge.rewriting.slots import Click, Constant, Joined, PersonalClick, Pixel, Slot, Variable
from edge.rewriting.switches import Clicks, Tracking
from edge.rewriting.text_part import FoundUrl
from edge.rewriting.variables import ANY_UNSUBSCRIBE, UNSUBSCRIBE_NAMES, Place, Text, parse

_MAX_SHOWN: Final = 2_000
"""Characters of a URL in the report."""

_CONSTANT: Final = Text(("",), ())
"""A URL without variables."""

PartEdit = tuple[int, int, Slot]
"""Offsets into the decoded body, and what stands there instead."""


class Entry(msgspec.Struct):
    """A line of the report that is finished when a copy is made."""

    report: LinkReport
    slot: Slot | None


class Survey(msgspec.Struct, kw_only=True):
    """What is the same for all bodies of a message, and what is counted over them."""

    tracking: Tracking
    judge: Judge
    variable: "re.Pattern[str]"
    outlook: bool
    secure: bool
    boundaries: tuple[bytes, ...]
    entries: list[Entry] = []
    warnings: list[Warned] = []
    unsubscribes: set[str] = set()

    def warn(self, code: Caution, text: str, position: int | None = None) -> None:
        """Note a caution once; about one link each."""
        if position is not None or all(one.code is not code for one in self.warnings):
            self.warnings.append(Warned(code=code, text=text, position=position))


class Body(msgspec.Struct, kw_only=True):
    """A body to edit: its path, its decoded bytes, how its text is encoded, its line break."""

    path: str
    raw: bytes
    codec: str
    line_break: bytes


def _link_slot(
    found: FoundLink | FoundUrl,
    where: str,
    original: Slot,
    survey: Survey,
    path: str,
    off: Reason | None,
) -> Slot | None:
    """The slot of a link that is tracked, None for one that is left; both go into the report."""
    position = len(survey.entries)
    personal = parse(found.value, survey.variable) if "%" in found.value else _CONSTANT
    judged: Judged | None = None
    slot: Click | PersonalClick | None = None
    reason: Reason | None = found.reason
    detail = ""
    if personal.names and personal.constants == ("", "") and personal.names[0] in UNSUBSCRIBE_NAMES:
        reason = Reason.UNSUBSCRIBE
    elif position >= MAX_LINKS:
        reason = Reason.TOO_MANY_LINKS
    elif reason is None and personal.names:
        reason = off
        if off is None:
            slot = PersonalClick(position, personal, survey.judge, original)
    elif reason is None:
        judged = survey.judge.judge(found.value)
        reason, detail = judged.reason or off, judged.detail
        if reason is None:
            slot = Click(position, judged.destination)
    shown = found.value if judged is None else judged.url
    survey.entries.append(
        Entry(
            LinkReport(
                position=position,
                part=path,
                where=where,
                before=shown[:_MAX_SHOWN],
                reason=reason,
                detail=detail,
            ),
            slot,
        )
    )
    if judged is not None and judged.destination:
        _warn_of(judged.destination, position, survey)
    return slot


def _warn_of(url: str, position: int, survey: Survey) -> None:
    if other_tracker(url):
        survey.warn(Caution.OTHER_TRACKER, f"leads through another tracker: {url[:200]}", position)
    if survey.secure and url.startswith("http://"):
        survey.warn(Caution.PLAIN_HTTP, f"leads to http from an https URL: {url[:200]}", position)


def _pieces(
    body: Body, start: int, end: int, variables: Sequence[FoundVariable], survey: Survey
) -> Slot:
    """A range of the body with its variables filled in and nothing else changed."""
    slots: list[Slot] = []
    here = start
    for found in variables:
        slots.append(Constant(body.raw[here : found.start]))
        slots.append(_variable(body, found, survey))
        here = found.end
    slots.append(Constant(body.raw[here:end]))
    return Joined(slots)


def _variable(body: Body, found: FoundVariable, survey: Survey) -> Slot:
    if found.name in UNSUBSCRIBE_NAMES:
        survey.unsubscribes.add(found.name)
    original = body.raw[found.start : found.end]
    return Variable(
        found.name, original, found.place, body.codec, body.line_break, survey.boundaries
    )


def _edits(
    body: Body,
    links: Sequence[tuple[FoundLink | FoundUrl, str, Reason | None]],
    variables: Sequence[FoundVariable],
    survey: Survey,
) -> list[PartEdit]:
    """Edits for links and variables; a variable inside a tracked link belongs to the link."""
    edits: list[PartEdit] = []
    next_variable = 0
    count = len(variables)
    for found, where, off in links:
        while next_variable < count and variables[next_variable].start < found.start:
            one = variables[next_variable]
            edits.append((one.start, one.end, _variable(body, one, survey)))
            next_variable += 1
        first = next_variable
        while next_variable < count and variables[next_variable].end <= found.end:
            next_variable += 1
        inner = variables[first:next_variable]
        original: Slot = (
            _pieces(body, found.start, found.end, inner, survey) if inner else Constant(b"")
        )
        slot = _link_slot(found, where, original, survey, body.path, off)
        if slot is not None:
            edits.append((found.start, found.end, slot))
        else:
            edits += [(one.start, one.end, _variable(body, one, survey)) for one in inner]
    edits += [
        (one.start, one.end, _variable(body, one, survey)) for one in variables[next_variable:]
    ]
    return edits


def html_edits(body: Body, survey: Survey) -> tuple[list[PartEdit], HtmlFindings]:
    """Edits of an HTML body without pixel and footer, and where those would go."""
    found = html_part.scan(body.raw.decode("latin-1"), body.codec, survey.variable)
    off = Reason.CLICKS_OFF if survey.tracking.clicks is Clicks.NO else None
    outlook = off if survey.outlook else Reason.OUTLOOK_OFF
    links = [(link, link.where, outlook if link.outlook else off) for link in found.links]
    links.sort(key=lambda one: one[0].start)
    return _edits(body, links, found.variables, survey), found


def text_edits(
    body: Body, text: str, codec: str, survey: Survey, *, joined: bool, exact: bool = True
) -> list[PartEdit]:
    """Edits of a plain text body; ``text`` is the body read with ``codec``.

    It is not ``exact`` where the body is not of its charset and was read as latin-1: then nothing
    is known of a URL beyond ASCII.
    """
    urls, variables = text_part.scan(text, survey.variable, joined=joined)
    if not exact:
        for url in urls:
            if not url.value.isascii():
                url.reason = Reason.UNDECODABLE
    if not text.isascii():
        _to_bytes(text, codec, [*urls, *variables])
    off = {Clicks.NO: Reason.CLICKS_OFF, Clicks.HTML_ONLY: Reason.HTML_ONLY}.get(
        survey.tracking.clicks
    )
    return _edits(body, [(url, "text", off) for url in urls], variables, survey)


def _to_bytes(text: str, codec: str, found: list[FoundUrl | FoundVariable]) -> None:
    """Turn offsets in characters into offsets in bytes, in one pass."""
    offsets = sorted({offset for one in found for offset in (one.start, one.end)})
    at: dict[int, int] = {}
    here = length = 0
    for offset in offsets:
        length += len(text[here:offset].encode(codec))
        at[offset] = length
        here = offset
    for one in found:
        one.start, one.end = at[one.start], at[one.end]


def html_additions(
    body: Body, found: HtmlFindings, footer: str, *, pixel: bool, survey: Survey
) -> tuple[list[PartEdit], str]:
    """Footer and pixel of an HTML body, and where the pixel is: ``top``, ``bottom`` or empty."""
    edits: list[PartEdit] = []
    seen = found.finished or found.bottom < len(body.raw)
    at_top = survey.tracking.pixel_at_top or not seen
    if not seen and (footer or pixel):
        survey.warn(
            Caution.UNFINISHED_HTML,
            "the HTML ends inside a tag, comment or script: the pixel is at the top, and there is "
            "no footer",
        )
    if footer and seen:
        edits.append((found.bottom, found.bottom, _footer(body, footer, survey, html=True)))
    if not pixel:
        return edits, ""
    if at_top and found.top is not None:
        edits.append((found.top, found.top, Pixel()))
        return edits, "top"
    edits.append((found.bottom, found.bottom, Pixel()))
    return edits, "bottom"


def text_footer(body: Body, footer: str, survey: Survey) -> PartEdit:
    """The footer of a plain text body, at its end."""
    end = len(body.raw)
    return end, end, _footer(body, footer, survey, html=False)


def _footer(body: Body, footer: str, survey: Survey, *, html: bool) -> Slot:
    """A footer is a small body of its own: its links are tracked, its variables filled in."""
    if ANY_UNSUBSCRIBE.search(body.raw.decode("latin-1")):
        survey.warn(
            Caution.TWO_UNSUBSCRIBES,
            "the message has an unsubscribe variable of its own and gets the footer as well",
        )
    lines = re.sub(r"\r\n?", "\n", footer)
    place = Place.HTML if html else Place.TEXT
    errors = "xmlcharrefreplace" if html else "replace"
    raw = lines.encode(body.codec, errors).replace(b"\n", body.line_break)
    small = Body(path=body.path, raw=raw, codec=body.codec, line_break=body.line_break)
    if place is Place.HTML:
        edits, _ = html_edits(small, survey)
    else:
        edits = text_edits(small, raw.decode(body.codec), body.codec, survey, joined=False)
    slots: list[Slot] = []
    here = 0
    for start, end, slot in edits:
        slots += (Constant(raw[here:start]), slot)
        here = end
    slots.append(Constant(raw[here:]))
    return Joined(slots)
