"""All edits of one message: its header, its bodies, and how each lies in its transfer encoding."""

from typing import Final

import msgspec

from edge.rewriting import bodies, charsets, headers, mime, text_part, variables
from edge.rewriting.bodies import Body, Entry, PartEdit, Survey
from edge.rewriting.html_part import HtmlFindings
from edge.rewriting.instructions import Instructions
from edge.rewriting.links import Judge
from edge.rewriting.mime import Part
from edge.rewriting.placing import place
from edge.rewriting.report import Caution, PartReport, Reason, Warned
from edge.rewriting.slots import Constant, Joined, Slot
from edge.rewriting.transfer import (
    Carrier,
    QuotedPrintable,
    open_body,
)

_AMP: Final = "text/x-amp-html"
_SEALED: Final = {
    "multipart/signed": Reason.SIGNED,
    "multipart/encrypted": Reason.ENCRYPTED,
    "application/pkcs7-mime": Reason.SIGNED,
    "application/x-pkcs7-mime": Reason.SIGNED,
}


class LineCheck(msgspec.Struct):
    """A line of a 7bit or 8bit body with edits in it; ``length`` is what it has without them."""

    path: str
    length: int
    edits: list[int]
    seven_bit: bool


class Made(msgspec.Struct, kw_only=True):
    """The edits of a message, and what its report says of them."""

    untouched: Reason | None = None
    edits: list[tuple[int, int, Slot]] = []
    lines: list[LineCheck] = []
    entries: list[Entry] = []
    parts: list[PartReport] = []
    warnings: list[Warned] = []
    pixel: str = ""
    html_size: int = 0


class _Leaf(msgspec.Struct):
    part: Part
    carrier: Carrier
    codec: str
    edits: list[PartEdit]
    found: HtmlFindings | None = None


def make(data: bytes, root: Part, instructions: Instructions) -> Made:
    """Find every edit. A message with a foreign signature, or that is none, has none at all."""
    given = instructions
    own_signatures, foreign = headers.signed_by(data, root, given.domain.name)
    if root.fault is not None or foreign:
        return Made(untouched=root.fault or Reason.FOREIGN_SIGNATURE, parts=_left_parts(root))
    variable = variables.pattern(personal=given.personal, unsubscribe=given.tracking.unsubscribes)
    survey = Survey(
        tracking=given.tracking,
        judge=Judge((given.domain.tracking_host, *given.own_hosts), given.excluded),
        variable=variable,
        outlook=given.outlook,
        secure=given.domain.web_scheme == "https",
        boundaries=_boundaries(root),
    )
    made = Made(warnings=survey.warnings, entries=survey.entries)
    leaves = _leaves(data, root, given, made)
    _edit_bodies(data, leaves, given, survey, made)
    _edit_header(data, root, given, survey, made)
    if made.edits and own_signatures:
        survey.warn(
            Caution.DKIM_STRIPPED, "the domain's DKIM signature was removed: sign the message again"
        )
        made.edits += [(one.start, one.end, Constant(b"")) for one in own_signatures]
    made.edits += [
        (one.start, one.end, Constant(b""))
        for one in root.headers
        if one.name.startswith(headers.CONTROL_PREFIX)
    ]
    _warn(data, root, given, survey)
    made.untouched = _SEALED.get(root.content_type)
    return made


def _boundaries(root: Part) -> tuple[bytes, ...]:
    found: list[bytes] = []
    stack = [root]
    while stack:
        part = stack.pop()
        stack += part.children
        if part.children:
            found.append(b"--" + part.parameters["boundary"].rstrip().encode("latin-1"))
    return tuple(found)


def _left_parts(root: Part) -> list[PartReport]:
    return [
        PartReport(part=leaf.path, content_type=leaf.content_type, reason=leaf.fault)
        for leaf in root.leaves()
    ]


def _why_not(part: Part, given: Instructions) -> Reason | None:
    """Why a leaf is not looked into, as far as its headers say; None if it may be."""
    for outer in (part, *part.ancestors()):
        if outer.content_type in _SEALED:
            return _SEALED[outer.content_type]
    if part.fault is not None:
        return part.fault
    if part.content_type.startswith("message/"):
        return Reason.NESTED_MESSAGE
    if part.attached:
        return Reason.ATTACHMENT
    if part.content_type == _AMP:
        return None if given.amp else Reason.AMP_OFF
    return None if part.content_type in ("text/html", "text/plain") else Reason.OTHER_TYPE


def _leaves(data: bytes, root: Part, given: Instructions, made: Made) -> list[_Leaf]:
    """The bodies to edit, decoded; every leaf is in the report."""
    leaves = []
    for part in root.leaves():
        reason, detail = _why_not(part, given), ""
        if reason is None:
            charset = part.parameters.get("charset", "").strip(" '\"")
            codec = charsets.codec(charset)
            carrier: Carrier | None = None
            if codec is None:
                reason, detail = Reason.CHARSET, charset[:60]
            else:
                try:
                    carrier = open_body(data, part.body, part.end, part.encoding)
                except ValueError as error:
                    reason, detail = Reason.BAD_ENCODING, str(error)
                else:
                    if carrier is None:
                        reason, detail = Reason.ENCODING, part.encoding[:60]
                    elif text_part.holds_pgp(carrier.decoded):
                        reason = Reason.INLINE_PGP
            if reason is None and carrier is not None and codec is not None:
                leaves.append(_Leaf(part, carrier, codec, []))
        made.parts.append(
            PartReport(
                part=part.path, content_type=part.content_type[:100], reason=reason, detail=detail
            )
        )
    return leaves


def _edit_bodies(
    data: bytes, leaves: list[_Leaf], given: Instructions, survey: Survey, made: Made
) -> None:
    """Links and variables of every body; pixel and HTML footer in one, text footer in one."""
    marked = [leaf for leaf in leaves if leaf.part.content_type in ("text/html", _AMP)]
    pages = [leaf for leaf in marked if leaf.part.content_type == "text/html"]
    pixel_in = (pages[0 if given.tracking.pixel_at_top else -1]) if pages else None
    footers = given.tracking.unsubscribes
    for leaf in marked:
        body = _body(data, leaf)
        try:
            leaf.edits, found = bodies.html_edits(body, survey)
        except ValueError as error:  # positions that are not those of the text: no place is safe
            made.parts = [
                msgspec.structs.replace(one, reason=Reason.BROKEN, detail=str(error))
                if one.part == leaf.part.path
                else one
                for one in made.parts
            ]
            continue
        made.html_size += len(body.raw) if leaf in pages else 0
        last = bool(pages) and leaf is pages[-1]
        added, pixel = bodies.html_additions(
            body,
            found,
            given.html_footer if footers and last else "",
            pixel=given.tracking.opens and leaf is pixel_in,
            survey=survey,
        )
        leaf.edits += added
        made.pixel = made.pixel or pixel
    if given.tracking.opens and not pages:
        survey.warn(Caution.NO_HTML, "there is no HTML part to put the pixel into")
    texts = [leaf for leaf in leaves if leaf.part.content_type == "text/plain"]
    footed = _footed(texts, pages) if footers and given.text_footer else None
    for leaf in texts:
        body = _body(data, leaf)
        exact = charsets.read_exactly(body.raw, leaf.codec)
        text, codec = exact or (body.raw.decode("latin-1"), "latin-1")
        body.codec = codec if exact else leaf.codec
        parameters = leaf.part.parameters
        joined = (
            parameters.get("format", "").lower() == "flowed"
            and parameters.get("delsp", "").lower() == "yes"
        )
        leaf.edits = bodies.text_edits(
            body, text, codec, survey, joined=joined, exact=exact is not None
        )
        if leaf is footed:
            leaf.edits.append(bodies.text_footer(body, given.text_footer, survey))
    line_break = mime.line_end(data)
    for leaf in leaves:
        first = len(made.edits)
        placed, lines = place(data, leaf.part, leaf.carrier, leaf.edits, line_break)
        made.edits += placed
        seven_bit = leaf.part.encoding == "7bit"
        made.lines += [
            LineCheck(leaf.part.path, length, [first + number for number in inside], seven_bit)
            for length, inside in lines
        ]


def _footed(texts: list[_Leaf], pages: list[_Leaf]) -> _Leaf | None:
    """The text body that gets the footer: the last one, or the alternative to the HTML."""
    if not pages:
        return texts[-1] if texts else None
    around = {
        id(outer)
        for outer in pages[-1].part.ancestors()
        if outer.content_type == "multipart/alternative"
    }
    inside = [leaf for leaf in texts if any(id(one) in around for one in leaf.part.ancestors())]
    return inside[-1] if inside else None


def _body(data: bytes, leaf: _Leaf) -> Body:
    """The body with the line break that its own lines have; in quoted-printable that is undone."""
    raw = leaf.carrier.decoded
    line_break = mime.line_end(raw) if b"\n" in raw else mime.line_end(data)
    if isinstance(leaf.carrier, QuotedPrintable):
        line_break = b"\n"
    return Body(path=leaf.part.path, raw=raw, codec=leaf.codec, line_break=line_break)


def _edit_header(data: bytes, root: Part, given: Instructions, survey: Survey, made: Made) -> None:
    line_break = mime.line_end(data)
    sealed = root.content_type in _SEALED
    if not sealed:
        for edit in headers.variable_edits(data, root, survey.variable, line_break):
            if edit is None:
                survey.warn(
                    Caution.ENCODED_VARIABLE,
                    "a variable inside an encoded word of an address header was left as it is",
                )
            else:
                made.edits.append(edit)
    names = {header.name: header for header in root.headers}
    added: list[Slot] = []
    if given.tracking.unsubscribes and not sealed:
        variable = "mailing_list_unsubscribe_url" if given.mailing_list else "unsubscribe_url"
        own = names.get("list-unsubscribe")
        if own is None:
            added.append(headers.ListUnsubscribe(line_break, variable))
        elif "list-unsubscribe-post" not in names:
            match = variables.ANY_UNSUBSCRIBE.search(mime.value_of(data, own))
            if match is not None and match[1].endswith("_url"):
                added.append(headers.ListUnsubscribe(line_break, match[1], post_only=True))
    if (made.edits or added) and "message-id" not in names and given.message_id:
        bare = given.message_id.strip().removeprefix("<").removesuffix(">")
        added.append(Constant(f"Message-Id: <{bare}>".encode() + line_break))
    if added:
        if not data[: root.blank].endswith(b"\n"):
            added.insert(0, Constant(line_break))
        made.edits.append((root.blank, root.blank, Joined(added)))


def _warn(data: bytes, root: Part, given: Instructions, survey: Survey) -> None:
    """Cautions about the message as a whole."""
    used = survey.unsubscribes
    if "tag_unsubscribe_url" in used and not given.tags:
        survey.warn(
            Caution.NO_TAGS, "%tag_unsubscribe_url% without tags unsubscribes from the domain"
        )
    if "mailing_list_unsubscribe_url" in used and not given.mailing_list:
        survey.warn(
            Caution.NO_LIST,
            "%mailing_list_unsubscribe_url% outside a list unsubscribes from the domain",
        )
    if not given.tracking.unsubscribes and variables.ANY_UNSUBSCRIBE.search(data.decode("latin-1")):
        survey.warn(
            Caution.UNSUBSCRIBE_OFF,
            "an unsubscribe variable stays as it is: unsubscribing is off for this domain",
        )
    if any(part.unclosed for leaf in root.leaves() for part in (leaf, *leaf.ancestors())):
        survey.warn(Caution.UNCLOSED, "the closing boundary of a multipart is missing")
