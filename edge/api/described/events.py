"""Events of a domain."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from edge.api import events
from edge.api.describing import (
    ANYTHING,
    NUMBER,
    PAGING,
    TEXT,
    Described,
    Operation,
    by_name,
    date,
    many,
    number,
    repeated,
    shape,
    switch,
    text,
    word,
)
from edge.store.expressions import FIELDS

TITLE: Final = "Events"

_ANY: Final = by_name(ANYTHING)
READER: Final = {
    "ip": TEXT,
    "geolocation": by_name(TEXT),
    "client-info": by_name(TEXT),
    "verdict": shape({"evidence": many(TEXT), "rules": TEXT}),
    "url": TEXT,
    "repeat": {"type": "integer", "minimum": 2},
}
SENDING: Final = {
    "envelope": _ANY,
    "flags": _ANY,
    "storage": _ANY,
    "method": TEXT,
    "api-key-id": TEXT,
    "originating-ip": TEXT,
    "severity": word("permanent", "temporary"),
    "reason": TEXT,
    "delivery-status": _ANY,
    "reject": _ANY,
}
COMMON: Final = {
    "event": TEXT,
    "id": {"type": "string", "pattern": "^[A-Za-z0-9_-]{22}$"},
    "log-level": word("info", "warn", "error"),
    "message": shape(
        {"headers": by_name(TEXT)},
        {
            "attachments": many(_ANY),
            "size": {"type": "integer"},
            "recipients": many(TEXT),
            "scheduled-for": NUMBER,
        },
    ),
    "tags": many(TEXT),
    "campaigns": {"type": "array", "maxItems": 0},
}
WHERE_IT_APPLIES: Final = {
    "recipient": TEXT,
    "recipient-domain": TEXT,
    "recipient-provider": TEXT,
    "mailing-list": shape({"address": TEXT, "list-id": TEXT}),
    "facts": {"const": "missing"},
    **READER,
    **SENDING,
}
EVENT: Final = shape(
    {**COMMON, "timestamp": NUMBER, "user-variables": by_name(TEXT)},
    WHERE_IT_APPLIES,
    title="Event",
)

OPERATIONS: Final[Mapping[Callable[..., Any], Described]] = {
    events.list_events: Operation(
        summary="Events, in pages",
        text="The links hold the whole question. Asked oldest first without end, next can be "
        "polled for ever: nothing is missed and nothing comes twice. Filters are expressions: "
        "AND, OR, NOT, quotes, brackets, and < and > for sizes.",
        query=(
            date("begin", "Where reading starts."),
            date("end", "Where it stops."),
            switch("ascending", "Oldest first."),
            number("limit", "Events at most.", 1, events.MOST, 100),
            switch("pretty", "JSON with indentation; yes unless told."),
            text("page", "The token of a page; it goes before everything else."),
            *(repeated(name, f"Only events whose {name} matches.") for name in FIELDS),
        ),
        answer=shape({"items": many(EVENT), "paging": PAGING}),
    ),
}
