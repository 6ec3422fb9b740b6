"""Bounces, unsubscribes, complaints and the allowlist."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from edge.api import suppressions
from edge.api.described.lists import PAGE
from edge.api.describing import (
    COUNT,
    DATE,
    TEXT,
    Described,
    Field,
    Operation,
    Schema,
    choice,
    date,
    many,
    page_of,
    repeated,
    said,
    shape,
    text,
    upload,
    word,
)
from edge.store.suppressed import Kind
from edge.store.suppression_entries import COLUMNS

TITLE: Final = "Suppressions"

ENTRIES: Final[Mapping[Kind, Schema]] = MappingProxyType(
    {
        Kind.BOUNCES: shape(
            {"address": TEXT, "code": TEXT, "error": TEXT, "created_at": DATE}, title="Bounce"
        ),
        Kind.UNSUBSCRIBES: shape(
            {"address": TEXT, "tags": many(TEXT), "created_at": DATE}, title="Unsubscribe"
        ),
        Kind.COMPLAINTS: shape({"address": TEXT, "created_at": DATE}, title="Complaint"),
        Kind.WHITELISTS: shape(
            {"type": word("address", "domain"), "value": TEXT, "reason": TEXT, "createdAt": DATE},
            title="Allowed",
        ),
    }
)
_WHEN: Final = date("created_at", "Since when; now unless told.")
_FIELDS: Final[Mapping[Kind, tuple[Field, ...]]] = MappingProxyType(
    {
        Kind.BOUNCES: (
            text("address", "The address.", required=True),
            text("code", "SMTP code; 550 unless told."),
            text("error", "What the mail server said."),
            _WHEN,
        ),
        Kind.UNSUBSCRIBES: (
            text("address", "The address.", required=True),
            repeated("tag", "A tag; * is all mail of the domain, and so is none."),
            repeated("tags", "The same."),
            _WHEN,
        ),
        Kind.COMPLAINTS: (text("address", "The address.", required=True), _WHEN),
        Kind.WHITELISTS: (
            text("address", "An address, or else"),
            text("domain", "a whole domain."),
            text("reason", "Why."),
        ),
    }
)
_TAG: Final = text("tag", "Only this tag of it; an empty one is no tag.")


def _named(kind: Kind) -> dict[str, Schema]:
    return {"value": TEXT} if kind is Kind.WHITELISTS else {"address": TEXT}


def _tags(kind: Kind) -> tuple[Field, ...]:
    return (_TAG,) if kind is Kind.UNSUBSCRIBES else ()


def _list(kind: Kind) -> Operation:
    return Operation(
        summary=f"The {kind.value} of a domain, in pages",
        text="Or the whole list as a CSV file, with format=csv: an addition to Mailgun's API.",
        query=(
            *PAGE,
            text("term", "Only those that begin like this.", longest=suppressions.LONGEST_TERM),
            choice("format", "JSON pages, or a CSV file.", "json", "csv"),
        ),
        answer=page_of(ENTRIES[kind]),
        media={"text/csv": TEXT},
    )


def _add(kind: Kind) -> Operation:
    texts = suppressions.TEXTS[kind]
    entry = {"type": word("address", "domain")} if kind is Kind.WHITELISTS else {}
    pattern = "^" + texts.many.replace("{}", r"\d+") + "$"
    return Operation(
        summary=f"Add to the {kind.value}",
        text="One by a form or a JSON object; up to 1,000 by a JSON list of such objects, of "
        "which all are taken or none.",
        form=_FIELDS[kind],
        answer={
            "anyOf": [
                said(texts.added, {**entry, **_named(kind)}),
                shape({"message": {"type": "string", "pattern": pattern}}),
            ]
        },
    )


def _import(kind: Kind) -> Operation:
    return Operation(
        summary=f"A CSV file of {kind.value}",
        text=f"The first line names the columns: {', '.join(COLUMNS[kind])}. Up to 25 MB; "
        "everything is stored when the answer comes, or nothing is.",
        form=(upload("file", "The file."),),
        status=202,
        answer=said(suppressions.UPLOADED, {"imported": COUNT}),
    )


def _get(kind: Kind) -> Operation:
    return Operation(summary=f"One of the {kind.value}", answer=ENTRIES[kind])


def _delete(kind: Kind) -> Operation:
    return Operation(
        summary=f"Remove one of the {kind.value}",
        query=_tags(kind),
        answer=said(suppressions.TEXTS[kind].removed, _named(kind)),
    )


def _clear(kind: Kind) -> Operation:
    return Operation(
        summary=f"Remove all {kind.value} of a domain",
        query=_tags(kind),
        answer=said(suppressions.TEXTS[kind].cleared),
    )


OPERATIONS: Final[Mapping[Callable[..., Any], Described]] = {
    suppressions.list_entries: _list,
    suppressions.add: _add,
    suppressions.delete_all: _clear,
    suppressions.upload: _import,
    suppressions.get_entry: _get,
    suppressions.delete_entry: _delete,
}
