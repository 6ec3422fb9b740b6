"""Edits of decoded bodies as edits of the message: what each transfer encoding makes of them."""

from collections.abc import Sequence
from typing import Final

from edge.rewriting import mime
from edge.rewriting.bodies import PartEdit
from edge.rewriting.mime import Part
from edge.rewriting.slots import InBase64, InQuotedPrintable, Joined, Slot
from edge.rewriting.transfer import (
    MAX_ENCODED_LINE,
    MAX_LINE,
    Base64,
    Carrier,
    QuotedPrintable,
    to_quoted_printable,
)

Edit = tuple[int, int, Slot]
"""Offsets into the message, and what stands there instead."""

_NEVER_TOO_LONG: Final = -(1 << 40)
"""The length of a line that is not to be checked."""


def place(
    data: bytes, part: Part, carrier: Carrier, edits: Sequence[PartEdit], line_break: bytes
) -> tuple[list[Edit], list[tuple[int, list[int]]]]:
    """Turn edits of a decoded body into edits of the message.

    Also the lines to check: of each its length without its edits, and which of the edits are in it.
    """
    if not edits:
        return [], []
    ordered = sorted(edits, key=lambda edit: edit[:2])
    if isinstance(carrier, Base64):
        return [_in_base64(carrier, ordered)], []
    if isinstance(carrier, QuotedPrintable):
        return _in_quoted_printable(carrier, _merged(ordered), line_break), []
    placed = [(*carrier.place(start, end), slot) for start, end, slot in ordered]
    return placed, _lines(data, part, placed)


def _merged(edits: list[PartEdit]) -> list[PartEdit]:
    """Edits that touch each other as one, so that each has bytes of its own around it."""
    out: list[PartEdit] = []
    for start, end, slot in edits:
        if out and out[-1][1] == start:
            before = out.pop()
            out.append((before[0], end, Joined([before[2], slot])))
        else:
            out.append((start, end, slot))
    return out


def _in_quoted_printable(
    carrier: QuotedPrintable, edits: Sequence[PartEdit], line_break: bytes
) -> list[Edit]:
    placed = [(*carrier.place(start, end), slot) for start, end, slot in edits]
    out: list[Edit] = []
    last_end = -1
    for number, (start, end, slot) in enumerate(placed):
        column, tail = carrier.room(start, end)
        lead = b""
        if start == end and column == MAX_ENCODED_LINE:
            # The line is full: not even a soft break fits, unless one character moves along.
            lead = carrier.last_before(start)
            start, column = start - len(lead), column - len(lead)
        if start - column <= last_end:
            # An edit earlier on this line: its end is not known here, so begin a new line.
            column = MAX_ENCODED_LINE
        if number + 1 < len(placed) and placed[number + 1][0] <= end + tail:
            tail = placed[number + 1][0] - end + 1
        out.append((start, end, InQuotedPrintable(slot, column, tail, line_break, lead)))
        last_end = end
    return out


def _in_base64(carrier: Base64, edits: Sequence[PartEdit]) -> Edit:
    decoded, start = carrier.line_of(edits[0][0])
    pieces: list[bytes] = []
    holes: list[tuple[int, Slot]] = []
    here = decoded
    for begin, end, slot in edits:
        pieces.append(carrier.decoded[here:begin])
        holes.append((len(pieces), slot))
        pieces.append(b"")
        here = end
    pieces.append(carrier.decoded[here:])
    return start, carrier.end, InBase64(pieces, holes, carrier)


def _lines(data: bytes, part: Part, edits: Sequence[Edit]) -> list[tuple[int, list[int]]]:
    """The lines with edits. One that was too long before stays as it was, whatever it gets."""
    lines: list[tuple[int, list[int]]] = []
    line_end = -1
    for number, (start, end, _) in enumerate(edits):
        if start > line_end or not lines:
            line_start = max(data.rfind(b"\n", part.body, start) + 1, part.body)
            found = data.find(b"\n", end, part.end)
            line_end = part.end if found < 0 else found
            length = line_end - line_start
            lines.append((_NEVER_TOO_LONG if length > MAX_LINE else length, []))
        length, inside = lines[-1]
        inside.append(number)
        lines[-1] = (length - (end - start), inside)
    return lines


def reencode(data: bytes, root: Part, paths: frozenset[str]) -> bytes:
    """The message with these parts in quoted-printable, and their headers saying so."""
    line_break = mime.line_end(data)
    out: list[bytes] = []
    here = 0
    for part in root.leaves():
        if part.path not in paths:
            continue
        old = next((h for h in part.headers if h.name == "content-transfer-encoding"), None)
        if old is not None:
            out.append(data[here : old.value])
            out.append(b" quoted-printable" + line_break)
            here = old.end
        else:
            out.append(data[here : part.blank])
            if part.parent is None and all(h.name != "mime-version" for h in part.headers):
                out.append(b"MIME-Version: 1.0" + line_break)
            out.append(b"Content-Transfer-Encoding: quoted-printable" + line_break)
            here = part.blank
        out.append(data[here : part.body])
        out.append(to_quoted_printable(data[part.body : part.end], line_break))
        here = part.end
    out.append(data[here:])
    return b"".join(out)
