"""The words in which the API is described: what a call takes, what it answers.

A description stands in :mod:`edge.api.described`, bound to the function that answers the call; from
it come ``/openapi.json``, the pages under ``/docs``, and what the tests hold every answer against.
Shapes are JSON Schema (draft 2020-12, as in OpenAPI 3.1). They are closed: what is not described is
not answered. A shape with a ``title`` becomes a component of that name.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

Schema = Mapping[str, Any]
"""A JSON Schema."""

JSON: Final = "application/json"
EMPTY: Final[Mapping[Any, Any]] = MappingProxyType({})

TEXT: Final[Schema] = {"type": "string"}
NUMBER: Final[Schema] = {"type": "number"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
SWITCH: Final[Schema] = {"type": "boolean"}
ANYTHING: Final[Schema] = {}
NOTHING: Final[Schema] = {"type": "null"}
DATE: Final[Schema] = {
    "type": "string",
    "pattern": r"^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d (GMT|UTC|[-+]0000)$",
    "examples": ["Tue, 05 Mar 2024 10:00:00 GMT"],
}
"""RFC 1123; which name UTC has depends on the resource."""


def shape(
    fields: Mapping[str, Schema], maybe: Mapping[str, Schema] = EMPTY, *, title: str = ""
) -> Schema:
    """An object with these fields, and those of ``maybe`` where they apply; no others."""
    made: dict[str, Any] = {
        "type": "object",
        "properties": {**fields, **maybe},
        "required": list(fields),
        "additionalProperties": False,
    }
    return {"title": title, **made} if title else made


def many(of: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": of}


def by_name(of: Schema) -> Schema:
    """An object whose keys are data."""
    return {"type": "object", "additionalProperties": of}


def word(*words: str | None) -> Schema:
    """One of some texts."""
    return {"enum": list(words)}


def nullable(of: Schema) -> Schema:
    """That, or null."""
    return {"anyOf": [of, NOTHING]}


def said(
    text: str, fields: Mapping[str, Schema] = EMPTY, maybe: Mapping[str, Schema] = EMPTY
) -> Schema:
    """An answer whose ``message`` is this text, word for word, and what stands beside it."""
    return shape({"message": {"const": text}, **fields}, maybe)


MESSAGE: Final = shape({"message": TEXT}, title="Error")
TOO_MANY: Final = shape(
    {"message": TEXT, "retry-seconds": {"type": "integer", "minimum": 1}}, title="TooMany"
)
DESCRIPTION: Final = shape({"Description": TEXT, "message": TEXT}, title="Description")
REASON: Final = shape({"Reason": TEXT, "message": TEXT}, {"reason": TEXT}, title="Reason")
PAGING: Final = shape(
    {name: {"type": "string", "format": "uri"} for name in ("first", "last", "next", "previous")},
    title="Paging",
)


def page_of(items: Schema) -> Schema:
    """A page with links."""
    return shape({"items": many(items), "paging": PAGING})


def list_of(items: Schema) -> Schema:
    """A list with its total, for ``skip`` and ``limit``."""
    return shape({"total_count": COUNT, "items": many(items)})


class Field(msgspec.Struct, frozen=True):
    """A parameter. ``repeated`` may be given more than once; ``prefix`` stands for all names."""

    name: str
    text: str
    schema: Schema = msgspec.field(default_factory=lambda: TEXT)
    required: bool = False
    repeated: bool = False
    prefix: bool = False
    file: bool = False


def text(name: str, about: str, *, required: bool = False, longest: int = 0) -> Field:
    """A text."""
    schema = {"type": "string", "maxLength": longest} if longest else TEXT
    return Field(name, about, schema, required)


def switch(name: str, about: str) -> Field:
    """A boolean as forms say it."""
    return Field(name, about, {"type": "string", "enum": ["yes", "no", "true", "false"]})


def choice(name: str, about: str, *words: str) -> Field:
    """One of some words."""
    return Field(name, about, {"type": "string", "enum": list(words)})


def number(name: str, about: str, low: int, high: int, default: int | None = None) -> Field:
    """A whole number."""
    schema: dict[str, Any] = {"type": "integer", "minimum": low, "maximum": high}
    return Field(name, about, schema if default is None else {**schema, "default": default})


def date(name: str, about: str) -> Field:
    """A point in time."""
    return Field(name, f"{about} RFC 2822, or seconds since 1970; empty counts as absent.")


def repeated(name: str, about: str, *, required: bool = False) -> Field:
    """A text that may be given more than once."""
    return Field(name, about, TEXT, required, repeated=True)


def upload(name: str, about: str, *, required: bool = True, more: bool = False) -> Field:
    """A file; ``more`` than one where it may be repeated."""
    return Field(name, about, {"type": "string", "format": "binary"}, required, more, file=True)


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One call.

    ``answer`` is the body of ``status``, ``others`` what else may be answered by status where that
    is not the common ``{"message": …}``, ``media`` further content types of the good answer.
    ``json`` is the body where JSON is what the call is made for; a form is then no way to make it.
    """

    summary: str
    answer: Schema
    text: str = ""
    query: tuple[Field, ...] = ()
    form: tuple[Field, ...] = ()
    json: Schema | None = None
    status: int = 200
    others: Mapping[int, Schema] = EMPTY
    media: Mapping[str, Schema] = EMPTY


Described = Operation | Callable[..., Operation]
"""An operation, or what makes it of the arguments that :func:`functools.partial` bound."""

LIMIT_AND_SKIP: Final = (
    number("limit", "Items at most.", 1, 1000, 100),
    number("skip", "Items to pass over.", 0, 10_000_000, 0),
)
