"""Compile a message once, make a copy for each recipient.

:func:`compile_message` parses the message and finds every edit; a :class:`Template` is constant
pieces of bytes with slots between them; :meth:`Template.render` fills the slots and joins. The
bytes between the slots are those of the original, whatever they are. A message that cannot be
edited without damage is a template without slots.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from edge.model.errors import CallerError
from edge.model.tokens import pack_message_id
from edge.rewriting import mime
from edge.rewriting.bodies import Entry
from edge.rewriting.edits import LineCheck, Made, make
from edge.rewriting.instructions import Instructions
from edge.rewriting.placing import reencode
from edge.rewriting.report import Caution, LinkReport, Reason, Report, Warned
from edge.rewriting.slots import Constant, Copy, Facts, PersonalClick, Seal, Slot, UnsubscribeEmail
from edge.rewriting.transfer import MAX_LINE
from edge.rewriting.variables import Recipient, recipient_of

MAX_MESSAGE: Final = 25 * 1024 * 1024
"""Octets; Mailgun's limit. A larger message goes out untouched."""
GMAIL_CLIP: Final = 102 * 1024
"""Octets of HTML from which Gmail shows only the beginning."""
_NEAR: Final = 0.9
_REMEMBERED: Final = 8
"""Variants of one message with some of its parts in quoted-printable."""


class Instrumented(msgspec.Struct, frozen=True):
    """One copy of a message, and what was done to it."""

    message: bytes
    report: Report


def message_id_of(message: bytes) -> str:
    """The Message-Id of a message without its angle brackets, or an empty string."""
    return _message_id(message, mime.split(message))


def _message_id(message: bytes, root: mime.Part) -> str:
    header = next((one for one in root.headers if one.name == "message-id"), None)
    if header is None:
        return ""
    value = mime.value_of(message, header)
    bracketed = re.search(r"<([^<>]*)>", value)
    return bracketed[1].strip() if bracketed else value


def compile_message(message: bytes, instructions: Instructions, seal: Seal) -> "Template":
    """Parse a message once; the template makes any number of copies of it.

    Raises CallerError for a message without a Message-Id where the instructions have none that can
    be sealed, and for a bad exclusion. A message that cannot be edited is no error:
    its template gives it back as it is, and the report says why.
    """
    return Template(message, instructions, seal)


class Template:
    """A compiled message; safe to share between tasks, since copies change nothing of it."""

    def __init__(self, message: bytes, instructions: Instructions, seal: Seal) -> None:
        self._message = message
        self._instructions = instructions
        self._seal = seal
        self._rewritten: dict[frozenset[str], Template] = {}
        if len(message) > MAX_MESSAGE:
            made = Made(untouched=Reason.TOO_LARGE)
            root = None
        else:
            root = mime.split(message)
            made = make(message, root, instructions)
        self._root = root
        self._facts = self._facts_of(message, root, made) if root and made.edits else None
        if made.edits and self._facts is None:
            made = Made(untouched=Reason.MESSAGE_ID, parts=made.parts)
        self._made = made
        self._pieces, self._holes, self._index = _pieces(message, made.edits)
        self._lines = [(check, self._indices(check)) for check in made.lines]

    def _facts_of(self, message: bytes, root: mime.Part, made: Made) -> Facts | None:
        """What is sealed of the message; None where its own id is one that cannot be."""
        given = self._instructions
        own = _message_id(message, root)
        bare = own or given.message_id
        if not bare and all(isinstance(slot, Constant) for _, _, slot in made.edits):
            bare = "none"  # nothing will be sealed
        if not bare:
            raise CallerError("the message has no Message-Id header, and none was given")
        try:
            packed = pack_message_id(bare, given.domain.name)
        except CallerError:
            if own:
                return None
            raise
        return Facts(
            domain=given.domain.number,
            message_id=packed,
            tags=given.tags,
            mailing_list=given.mailing_list,
        )

    def _indices(self, check: LineCheck) -> list[int]:
        return [self._index[number] for number in check.edits]

    @property
    def untouched(self) -> Reason | None:
        """Why every copy is the original, or None."""
        return self._made.untouched

    def render(
        self,
        recipient: Recipient | str,
        variables: Mapping[str, Any] | None = None,
        *,
        unsubscribe_email: UnsubscribeEmail | None = None,
    ) -> bytes:
        """One recipient's copy; ``variables`` are what ``%recipient.<name>%`` stands for.

        Raises CallerError for an address that cannot be sealed or a value that has no JSON, and
        what sealing raises.
        """
        copy = self._copy(recipient, variables, unsubscribe_email)
        if copy is None:
            return self._message
        template, out = self._fill(copy)
        return b"".join(out) if template is self else template._join(copy)

    def instrument(
        self,
        recipient: Recipient | str,
        variables: Mapping[str, Any] | None = None,
        *,
        unsubscribe_email: UnsubscribeEmail | None = None,
    ) -> Instrumented:
        """As :meth:`render`, with the report of that copy."""
        copy = self._copy(recipient, variables, unsubscribe_email)
        if copy is None:
            return Instrumented(self._message, self._report(None, self._message, []))
        template, out = self._fill(copy)
        message = b"".join(out) if template is self else template._join(copy)
        switched = [path for path in self._overlong(out) if template is not self]
        return Instrumented(message, template._report(copy, message, sorted(switched)))

    def _copy(
        self,
        recipient: Recipient | str,
        values: Mapping[str, Any] | None,
        email: UnsubscribeEmail | None,
    ) -> Copy | None:
        checked = recipient_of(recipient)
        if self._facts is None:
            return None
        return Copy(self._facts, self._seal, checked, values or {}, email)

    def _join(self, copy: Copy) -> bytes:
        return b"".join(self._filled(copy))

    def _filled(self, copy: Copy) -> list[bytes]:
        out = self._pieces.copy()
        for index, slot in self._holes:
            out[index] = slot.fill(copy)
        return out

    def _fill(self, copy: Copy) -> tuple["Template", list[bytes]]:
        """The filled pieces, and the template to use: another where a line became too long."""
        out = self._filled(copy)
        paths = self._overlong(out)
        if not paths:
            return self, out
        return self._in_quoted_printable(frozenset(paths)), out

    def _overlong(self, out: list[bytes]) -> set[str]:
        """Parts with a line that an edit pushed over the limit, or that is no longer 7 bit."""
        found = set()
        for check, indices in self._lines:
            if check.path in found:
                continue
            length = check.length
            for index in indices:
                value = out[index]
                length += len(value) if b"\n" not in value else max(map(len, value.split(b"\n")))
                if check.seven_bit and not value.isascii():
                    length = MAX_LINE + 1
            if length > MAX_LINE:
                found.add(check.path)
        return found

    def _in_quoted_printable(self, paths: frozenset[str]) -> "Template":
        assert self._root is not None, "only a message that was split has lines to check"
        known = self._rewritten.get(paths)
        if known is None:
            if len(self._rewritten) >= _REMEMBERED:
                self._rewritten.clear()
            message = reencode(self._message, self._root, paths)
            known = self._rewritten[paths] = Template(message, self._instructions, self._seal)
        return known

    def _report(self, copy: Copy | None, message: bytes, switched: list[str]) -> Report:
        made = self._made
        warnings = list(made.warnings)
        warnings += [
            Warned(
                code=Caution.TO_QUOTED_PRINTABLE,
                text=f"part {path} was switched to quoted-printable: a line would have had more "
                f"than {MAX_LINE} octets, or octets above 127 in 7bit",
            )
            for path in switched
        ]
        size = made.html_size + len(message) - len(self._message)
        if made.html_size and size > GMAIL_CLIP * _NEAR:
            warnings.append(
                Warned(
                    code=Caution.NEAR_CLIP,
                    text=f"about {size:,} octets of HTML; Gmail clips at {GMAIL_CLIP:,}, and what "
                    "is at the bottom then, the pixel too, is not loaded",
                )
            )
        return Report(
            untouched=made.untouched,
            pixel=made.pixel,
            links=[_finished(entry, copy) for entry in made.entries],
            parts=made.parts,
            warnings=warnings,
            size_before=len(self._message),
            size_after=len(message),
        )


def _finished(entry: Entry, copy: Copy | None) -> LinkReport:
    """A link's report for one copy."""
    slot, report = entry.slot, entry.report
    if slot is None or copy is None:
        return report
    if isinstance(slot, PersonalClick):
        judged = slot.judged(copy)
        report = msgspec.structs.replace(
            report,
            before=judged.url or report.before,
            reason=judged.reason,
            detail=judged.detail,
        )
        if judged.reason is not None:
            return report
    return msgspec.structs.replace(report, after=slot.fill(copy).decode("ascii"))


def _pieces(
    message: bytes, edits: list[tuple[int, int, Slot]]
) -> tuple[list[bytes], list[tuple[int, Slot]], list[int]]:
    """Constant pieces with empty ones for the slots, the slots by index, and each edit's index."""
    order = sorted(range(len(edits)), key=lambda number: edits[number][:2])
    pieces: list[bytes] = []
    holes: list[tuple[int, Slot]] = []
    index = [0] * len(edits)
    here = 0
    for number in order:
        start, end, slot = edits[number]
        assert start >= here, "edits never overlap"
        pieces.append(message[here:start])
        index[number] = len(pieces)
        holes.append((len(pieces), slot))
        pieces.append(b"")
        here = end
    pieces.append(message[here:])
    return pieces, holes, index
