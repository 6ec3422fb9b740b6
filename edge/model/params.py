"""The one way from a request's fields to typed values; every mistake is reported at once. Pure.

    params = Params(fields)
    name = params.text("name", required=True)
    limit = params.number("limit", default=100, low=1, high=1000)
    params.check()

What is absent comes back as its default; ``""`` counts as absent but for text. A mistake comes back
as the default too, and :meth:`Params.check` raises one CallerError that tells them all. Unknown
fields are ignored, as at Mailgun: its own SDKs send some.
"""

import math
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar, overload

import msgspec

from edge.model.errors import CallerError

TRUE: Final = frozenset({"yes", "true", "1", "on"})
FALSE: Final = frozenset({"no", "false", "0", "off"})

MAX_FIELDS: Final = 5_000
MAX_NAME: Final = 256
LONGEST_TEXT: Final = 1_000
_SHOWN: Final = 100
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""C0, DEL, C1, and lone surrogates, which no database takes."""

_CONTROL_BUT_LINES = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_LATEST_US: Final = 253_402_300_799_000_000
"""The end of the year 9999, in µs: what a date may be at most."""

T = TypeVar("T")


@dataclass(frozen=True)
class File:
    """One uploaded file."""

    name: str
    filename: str
    content_type: str
    data: bytes


@dataclass
class Fields:
    """What a body says: text by name in order, files, and the JSON value if it was one."""

    texts: dict[str, list[str]] = field(default_factory=dict)
    files: list[File] = field(default_factory=list)
    document: Any = None
    count: int = 0

    def add(self, name: str, text: str) -> None:
        """Add one value; a trailing ``[]`` of its name is dropped (Ruby's clients send it)."""
        self.counted(name)
        self.texts.setdefault(name.removesuffix("[]"), []).append(text)

    def counted(self, name: str) -> None:
        """Count one field; CallerError when there are too many, or its name is absurd."""
        self.count += 1
        if self.count > MAX_FIELDS:
            raise CallerError(f"The request has more than {MAX_FIELDS} fields")
        if not name or len(name) > MAX_NAME or not name.isprintable():
            raise CallerError(f"Every field needs a name of at most {MAX_NAME} plain characters")


def fields_of(document: dict[str, Any]) -> Fields:
    """A JSON object as the form that says the same; raises CallerError."""
    fields = Fields(document=document)
    add_object(document, fields)
    return fields


def add_object(document: dict[str, Any], fields: Fields) -> None:
    """Add the members of a JSON object, one value for each of a list's."""
    for name, value in document.items():
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                fields.add(name, _as_text(one))


def _as_text(value: Any) -> str:
    """A JSON value as a form would carry it; objects stay JSON."""
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()


class Params:
    """The parameters of one request. See the module's text."""

    def __init__(self, fields: Fields) -> None:
        self.fields = fields
        self._mistakes: list[str] = []

    def check(self) -> None:
        """Raise one CallerError that tells every mistake; nothing when there was none."""
        if self._mistakes:
            raise CallerError("; ".join(self._mistakes))

    @property
    def mistakes(self) -> tuple[str, ...]:
        """What was wrong so far."""
        return tuple(self._mistakes)

    def mistake(self, text: str) -> None:
        """Add a mistake that only the handler can see."""
        self._mistakes.append(text)

    def has(self, name: str) -> bool:
        """Whether the parameter was given, be it empty."""
        return name in self.fields.texts

    def _one(self, name: str, required: bool) -> str | None:
        """The single value; the same value twice is one, different ones are a mistake."""
        given = self.fields.texts.get(name, [])
        if len(set(given)) > 1:
            self.mistake(f"{name} is given more than once")
            return None
        if not given and required:
            self.mistake(f"{name} is missing")
        return given[0] if given else None

    @overload
    def text(
        self,
        name: str,
        default: str,
        *,
        required: bool = ...,
        longest: int = ...,
        lines: bool = ...,
    ) -> str: ...

    @overload
    def text(
        self,
        name: str,
        default: None = ...,
        *,
        required: bool = ...,
        longest: int = ...,
        lines: bool = ...,
    ) -> str | None: ...

    def text(
        self,
        name: str,
        default: str | None = None,
        *,
        required: bool = False,
        longest: int = LONGEST_TEXT,
        lines: bool = False,
    ) -> str | None:
        """Text without control characters; ``lines`` allows tabs and line ends."""
        value = self._one(name, required)
        if value is None:
            return default
        if len(value) > longest:
            self.mistake(f"{name} is longer than {longest} characters")
        elif (_CONTROL_BUT_LINES if lines else _CONTROL).search(value):
            self.mistake(f"{name} holds a control character")
        elif required and not value.strip():
            self.mistake(f"{name} is empty")
        else:
            return value
        return default

    @overload
    def boolean(self, name: str, default: bool) -> bool: ...

    @overload
    def boolean(self, name: str, default: None = ...) -> bool | None: ...

    def boolean(self, name: str, default: bool | None = None) -> bool | None:
        """``yes/no``, ``true/false``, ``1/0`` or ``on/off``, in any case."""
        value = (self._one(name, required=False) or "").strip().lower()
        if value in TRUE or value in FALSE:
            return value in TRUE
        if value:
            self.mistake(f"{name} has to be yes, no, true or false, not {_shown(value)}")
        return default

    @overload
    def choice(self, name: str, allowed: Collection[str], default: str) -> str: ...

    @overload
    def choice(self, name: str, allowed: Collection[str], default: None = ...) -> str | None: ...

    def choice(self, name: str, allowed: Collection[str], default: str | None = None) -> str | None:
        """One of some words, in any case."""
        value = (self._one(name, required=False) or "").strip().lower()
        if value in allowed:
            return value
        if value:
            self.mistake(f"{name} has to be one of {', '.join(allowed)}, not {_shown(value)}")
        return default

    @overload
    def number(self, name: str, default: int, *, low: int, high: int) -> int: ...

    @overload
    def number(self, name: str, default: None = ..., *, low: int, high: int) -> int | None: ...

    def number(self, name: str, default: int | None = None, *, low: int, high: int) -> int | None:
        """A whole number from ``low`` to ``high``."""
        value = (self._one(name, required=False) or "").strip()
        if not value:
            return default
        digits = value.removeprefix("-")
        if (
            len(digits) <= 18
            and digits.isascii()
            and digits.isdigit()
            and low <= int(value) <= high
        ):
            return int(value)
        self.mistake(f"{name} has to be a whole number from {low} to {high}, not {_shown(value)}")
        return default

    def time(self, name: str) -> int | None:
        """A point in time in µs since the epoch: RFC 2822, or epoch seconds (``1709632800.5``)."""
        value = (self._one(name, required=False) or "").strip()
        if not value:
            return None
        try:
            return parse_time(value)
        except ValueError:
            self.mistake(f"{name} has to be an RFC 2822 date or epoch seconds, not {_shown(value)}")
            return None

    def texts(self, name: str, *, longest: int = LONGEST_TEXT, most: int = MAX_FIELDS) -> list[str]:
        """Every value of a parameter that may be repeated."""
        given = self.fields.texts.get(name, [])
        if len(given) > most:
            self.mistake(f"{name} is given more than {most} times")
        elif any(len(value) > longest for value in given):
            self.mistake(f"{name} is longer than {longest} characters")
        elif any(_CONTROL.search(value) for value in given):
            self.mistake(f"{name} holds a control character")
        else:
            return given
        return []


def _shown(value: str) -> str:
    """A wrong value in an error: short, and escaped."""
    return repr(value if len(value) <= _SHOWN else value[:_SHOWN] + "…")


def parse_time(text: str) -> int:
    """Microseconds since the epoch; raises ValueError. Without a zone it is UTC (``-0000``)."""
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
            seconds = moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
        except OverflowError:
            raise ValueError(text) from None
    if not math.isfinite(seconds) or not 0 <= seconds * 1e6 <= _LATEST_US:
        raise ValueError(text)
    return round(seconds * 1_000_000)


def rfc1123(at: int, zone: str = "GMT") -> str:
    """A point in time (µs) as Mailgun writes it; which zone's name depends on the resource."""
    return datetime.fromtimestamp(at // 1_000_000, UTC).strftime(f"%a, %d %b %Y %H:%M:%S {zone}")
