"""Tags of a domain."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from edge.api import tags
from edge.api.described.stats import AGGREGATE, SERIES, SPAN
from edge.api.describing import (
    COUNT,
    TEXT,
    Described,
    Operation,
    choice,
    many,
    number,
    page_of,
    said,
    shape,
    text,
)
from edge.store.facts import MAX_TAG

TITLE: Final = "Tags"

TAG: Final = shape(
    {
        "tag": TEXT,
        "description": TEXT,
        "first-seen": {"type": "string", "format": "date-time"},
        "last-seen": {"type": "string", "format": "date-time"},
    },
    title="Tag",
)
_WHICH: Final = text("tag", "The tag, where it is not in the path.", longest=MAX_TAG)
_KINDS: Final = ("country", "provider", "device")


def _aggregates(what: str) -> Operation:
    type_ = () if what else (choice("type", "By what; it has to be given.", *_KINDS),)
    answers = [shape({"tag": TEXT, one: AGGREGATE}) for one in ([what] if what else _KINDS)]
    return Operation(
        summary=f"Figures of a tag by {what or 'one dimension'}, of the last year",
        query=(_WHICH, *type_),
        answer={"anyOf": answers},
    )


def _values(what: str) -> Operation:
    return Operation(
        summary=f"The {what} that there are figures of", answer=shape({"items": many(TEXT)})
    )


OPERATIONS: Final[Mapping[Callable[..., Any], Described]] = {
    tags.list_tags: Operation(
        summary="Tags, in pages",
        query=(
            choice("page", "Which page; next and prev are seen from tag.", *tags.PAGES),
            text("tag", "The tag from which next and prev are seen."),
            text("prefix", "Only tags that begin like this.", longest=MAX_TAG),
            number("limit", "Tags at most.", 1, tags.MOST, 100),
        ),
        answer=page_of(TAG),
    ),
    tags.get_tag: Operation(summary="One tag", query=(_WHICH,), answer=TAG),
    tags.change_tag: Operation(
        summary="Describe a tag",
        text="A tag that was never seen is made.",
        form=(
            _WHICH,
            text("description", "What it is for.", longest=tags.LONGEST_DESCRIPTION),
        ),
        answer=said("Tag updated"),
    ),
    tags.delete_tag: Operation(
        summary="Hide a tag",
        text="Until it is seen again; its figures stay.",
        query=(_WHICH,),
        answer=said("Tag deleted"),
    ),
    tags.stats_of_tag: Operation(
        summary="Figures of a tag by time",
        query=(
            _WHICH,
            *SPAN,
            *(text(name, f"Only of this {name}.") for name in _KINDS),
        ),
        answer=shape({**SERIES, "tag": TEXT}),
    ),
    tags.aggregates_of_tag: _aggregates,
    tags.values_of: _values,
    tags.limits: Operation(
        summary="How many tags a domain has, and may have",
        answer=shape({"id": TEXT, "limit": COUNT, "count": COUNT}),
    ),
}
