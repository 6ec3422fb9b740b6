"""What a compiled message leaves open: each slot gives its bytes for one copy of the message."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from edge.model.tokens import (
    FORMAT_VERSION,
    ClickTarget,
    Kind,
    Level,
    OpenTarget,
    Target,
    UnsubscribeTarget,
)
from edge.rewriting.links import Judge, Judged
from edge.rewriting.report import Reason
from edge.rewriting.transfer import Base64, escape_bytes, fold_into_line
from edge.rewriting.variables import (
    Place,
    Recipient,
    Text,
    recipient_variable,
    write,
)

UnsubscribeEmail = Callable[[Recipient], str]


class Seal(Protocol):
    """Turns a target into its tracking URL.

    Must be deterministic, and must give printable ASCII without white space, quotes, angle brackets
    or equals signs. Raises
    an :class:`~edge.model.errors.EdgeError` where nothing can be sealed at all.
    """

    def __call__(self, kind: Kind, target: Target, /) -> str:
        """The absolute URL."""
        ...


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the tokens of one message have in common; ``message_id`` is packed."""

    domain: int
    message_id: Any
    tags: tuple[str, ...] = ()
    mailing_list: str = ""


class Copy:
    """One recipient's copy while it is made: facts, recipient, variables, and how to seal."""

    __slots__ = ("_email", "_made", "_variables", "domain", "facts", "message_id", "seal", "to")

    def __init__(
        self,
        facts: Facts,
        seal: Seal,
        recipient: Recipient,
        variables: Mapping[str, Any],
        unsubscribe_email: UnsubscribeEmail | None,
    ) -> None:
        self.facts = facts
        self.domain = facts.domain
        self.message_id = facts.message_id
        self.seal = seal
        self.to = recipient
        self._variables = variables
        self._email = unsubscribe_email
        self._made: dict[str, str | None] = {}

    def value(self, name: str) -> str | None:
        """The value of a variable, None where this copy has none."""
        if name not in self._made:
            self._made[name] = self._value(name)
        return self._made[name]

    def _value(self, name: str) -> str | None:
        if name.startswith("recipient."):
            return recipient_variable(self._variables, name.removeprefix("recipient."))
        if name.startswith("recipient"):
            return self.to.builtin(name)
        if name == "unsubscribe_email":
            return self._email(self.to) if self._email else None
        tags, mailing_list = self.facts.tags, self.facts.mailing_list
        if name == "tag_unsubscribe_url" and tags:
            return self._unsubscribe(Level.TAG, list(tags))
        if name == "mailing_list_unsubscribe_url" and mailing_list:
            return self._unsubscribe(Level.LIST, [mailing_list])
        return self._unsubscribe(Level.DOMAIN, [])

    def _unsubscribe(self, level: Level, names: list[str]) -> str:
        target = UnsubscribeTarget(
            FORMAT_VERSION, self.domain, self.message_id, self.to.address, level, names
        )
        return self.seal(Kind.UNSUBSCRIBE, target)


class Slot(Protocol):
    """A place whose bytes differ from copy to copy."""

    def fill(self, copy: Copy) -> bytes:
        """The bytes for one copy."""
        ...


class Constant:
    """Bytes that are put in, the same for every copy."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def fill(self, _: Copy) -> bytes:
        """The bytes."""
        return self._value


class Joined:
    """Several slots in a row."""

    __slots__ = ("_slots",)

    def __init__(self, slots: Sequence[Slot]) -> None:
        self._slots = slots

    def fill(self, copy: Copy) -> bytes:
        """Their bytes in order."""
        return b"".join([slot.fill(copy) for slot in self._slots])


class Click:
    """A tracked link whose destination is the same for every copy."""

    __slots__ = ("_position", "_url")

    def __init__(self, position: int, url: str) -> None:
        self._position = position
        self._url = url

    def fill(self, copy: Copy) -> bytes:
        """The tracking URL; it needs no escaping in HTML."""
        target = ClickTarget(
            FORMAT_VERSION, copy.domain, copy.message_id, copy.to.address, self._position, self._url
        )
        return copy.seal(Kind.CLICK, target).encode("ascii")


class PersonalClick:
    """A link with variables in it; where its destination cannot be sealed, ``plain`` stands."""

    __slots__ = ("_judge", "_plain", "_position", "_text")

    def __init__(self, position: int, text: Text, judge: Judge, plain: Slot) -> None:
        self._position = position
        self._text = text
        self._judge = judge
        self._plain = plain

    def judged(self, copy: Copy) -> Judged:
        """Where the link leads in this copy, or why it is not tracked."""
        url = self._text.fill(copy)
        if url is None:
            return Judged("", reason=Reason.UNRESOLVED)
        return self._judge.judge(url)

    def fill(self, copy: Copy) -> bytes:
        """The tracking URL, or the URL with its variables filled in."""
        judged = self.judged(copy)
        if judged.reason is not None:
            return self._plain.fill(copy)
        return Click(self._position, judged.destination).fill(copy)


class Variable:
    """A variable in a body; one without a value stays as it was written.

    A value never holds one of the message's boundaries: it could end its part and begin another.
    """

    __slots__ = ("_boundaries", "_codec", "_line_break", "_name", "_original", "_place")

    def __init__(
        self,
        name: str,
        original: bytes,
        place: Place,
        codec: str,
        line_break: bytes,
        boundaries: Sequence[bytes],
    ) -> None:
        self._name = name
        self._original = original
        self._place = place
        self._codec = codec
        self._line_break = line_break
        self._boundaries = boundaries

    def fill(self, copy: Copy) -> bytes:
        """The value, written as its place demands."""
        value = copy.value(self._name)
        if value is None:
            return self._original
        written = write(value, self._place, self._codec, self._line_break)
        for boundary in self._boundaries:
            while boundary in written:
                written = written.replace(boundary, b"")
        return written


_PIXEL: Final = b'<img width="1" height="1" alt="" src="%b">'


class Pixel:
    """The transparent image whose loading is an open."""

    __slots__ = ()

    def fill(self, copy: Copy) -> bytes:
        """An ``img`` element of one by one pixel, without a text for those who see no images."""
        target = OpenTarget(FORMAT_VERSION, copy.domain, copy.message_id, copy.to.address)
        return _PIXEL % copy.seal(Kind.OPEN, target).encode("ascii")


class InQuotedPrintable:
    """A slot inside a quoted-printable body: see :func:`~edge.rewriting.transfer.fold_into_line`.

    What the inner slot gives has line feeds for line breaks. ``lead`` is what was in the body right
    before it and moves along, already encoded.
    """

    __slots__ = ("_column", "_inner", "_lead", "_line_break", "_plain", "_tail")

    def __init__(
        self, inner: Slot, column: int, tail: int, line_break: bytes, lead: bytes = b""
    ) -> None:
        self._inner = inner
        self._lead = lead
        self._plain = isinstance(inner, Click)
        self._column = column
        self._tail = tail
        self._line_break = line_break

    def fill(self, copy: Copy) -> bytes:
        """The bytes, escaped and folded."""
        value = self._inner.fill(copy)
        if self._plain:
            return fold_into_line(value, self._column, self._tail, self._line_break)
        value = self._lead + escape_bytes(value)
        if self._line_break != b"\n" and b"\n" in value:
            value = value.replace(b"\n", self._line_break)
        return fold_into_line(value, self._column, self._tail, self._line_break)


class InBase64:
    """The rest of a base64 body from the line of its first edit on."""

    __slots__ = ("_carrier", "_holes", "_pieces")

    def __init__(
        self, pieces: list[bytes], holes: Sequence[tuple[int, Slot]], carrier: Base64
    ) -> None:
        self._pieces = pieces
        self._holes = holes
        self._carrier = carrier

    def fill(self, copy: Copy) -> bytes:
        """The body with its slots filled, encoded."""
        out = self._pieces.copy()
        for index, slot in self._holes:
            out[index] = slot.fill(copy)
        return self._carrier.encode(b"".join(out))
