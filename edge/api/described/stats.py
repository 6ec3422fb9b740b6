"""Mailgun's older statistics, by time and aggregated."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from edge.api import stats
from edge.api.describing import (
    COUNT,
    DATE,
    TEXT,
    Described,
    Field,
    Operation,
    Schema,
    by_name,
    choice,
    date,
    many,
    number,
    repeated,
    shape,
    word,
)
from edge.api.stats_json import AGGREGATES, SHAPES

TITLE: Final = "Statistics"

_GROUPS: Final = ("domain", "tag", "country", "provider", "device")


def _figures(of: Mapping[str, Any]) -> Schema:
    return shape(
        {name: _figures(one) if isinstance(one, Mapping) else COUNT for name, one in of.items()}
    )


BUCKET: Final = shape(
    {"time": DATE},
    {event: _figures(one) for event, one in SHAPES.items()} | dict.fromkeys(_GROUPS, TEXT),
    title="Bucket",
)
SERIES: Final = {
    "description": TEXT,
    "start": DATE,
    "end": DATE,
    "resolution": word("hour", "day", "month"),
    "stats": many(BUCKET),
}
AGGREGATE: Final = by_name(shape(dict.fromkeys(AGGREGATES, COUNT), title="Aggregate"))

_EVENT: Final = Field("event", "What to count.", word(*SHAPES), required=True, repeated=True)
SPAN: Final = (
    _EVENT,
    date("start", "The first bucket; seven days ago unless told."),
    date("end", "The last bucket, which belongs to the answer; now unless told."),
    choice("resolution", "What a bucket is; a day unless told.", "hour", "day", "month"),
    Field("duration", "Counted back from end, as 24h, 7d or 2m (months); it goes before start."),
)


def _aggregates(what: str) -> Operation:
    return Operation(
        summary=f"Figures of the last year by {what}",
        text="Countries by their code in lower case; providers are the recipients' domains.",
        answer=shape({what: AGGREGATE}),
    )


OPERATIONS: Final[Mapping[Callable[..., Any], Described]] = {
    stats.of_domain: Operation(
        summary="Figures of a domain by time", query=SPAN, answer=shape(SERIES)
    ),
    stats.of_account: Operation(
        summary="Figures of all domains that the key may see", query=SPAN, answer=shape(SERIES)
    ),
    stats.of_domains: Operation(
        summary="Figures of each domain in one bucket",
        query=(
            _EVENT,
            Field("timestamp", "A time in the bucket.", required=True),
            choice("resolution", "What the bucket is; a day unless told.", "hour", "day", "month"),
            number("limit", "Domains at most.", 1, stats.MOST_GROUPS, 100),
            number("skip", "Domains to pass over.", 0, 1_000_000, 0),
        ),
        answer=shape(SERIES),
    ),
    stats.filtered: Operation(
        summary="Figures by time or by one dimension, of what meets filters",
        query=(
            *SPAN,
            repeated("filter", "As domain:mg.example.com, with a name that group has too."),
            choice("group", "By what.", "total", "time", "hour", "day", "month", *_GROUPS),
            number("limit", "Groups at most.", 1, stats.MOST_GROUPS, stats.MOST_GROUPS),
        ),
        answer=shape(SERIES),
    ),
    stats.legacy: Operation(
        summary="Statistics that were given up, always empty",
        answer=shape({"items": many(TEXT), "total_count": {"const": 0}}),
    ),
    stats.aggregates: _aggregates,
}
