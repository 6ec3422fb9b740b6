"""Figures, logs and tags of the account."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from edge.api import analytics_logs, analytics_metrics, analytics_tags
from edge.api.analytics_body import COMPARATORS
from edge.api.described.events import COMMON, WHERE_IT_APPLIES
from edge.api.describing import (
    COUNT,
    DATE,
    SWITCH,
    TEXT,
    Described,
    Operation,
    Schema,
    by_name,
    many,
    nullable,
    said,
    shape,
    word,
)
from edge.model.metrics import DIMENSIONS, METRICS, MOST_DIMENSIONS, MOST_METRICS, RESOLUTIONS

TITLE: Final = "Analytics"

FIGURE: Final = {
    "anyOf": [COUNT, {"type": "string", "pattern": r"^\d+\.\d{4}$"}],
    "description": "Counts are numbers, rates texts with four decimals.",
}
GROUP: Final = shape(
    {
        "dimensions": many(
            shape({"dimension": TEXT, "value": nullable(TEXT), "display_value": nullable(TEXT)})
        ),
        "metrics": by_name(FIGURE),
    },
    title="Group",
)
FIGURES: Final = shape(
    {
        "start": DATE,
        "end": DATE,
        "resolution": word(*RESOLUTIONS),
        "duration": TEXT,
        "dimensions": many(TEXT),
        "pagination": shape({"sort": TEXT, "skip": COUNT, "limit": COUNT, "total": COUNT}),
        "items": many(GROUP),
        "aggregates": shape({"metrics": by_name(FIGURE)}),
    },
    title="Figures",
)
LOG: Final = shape(
    {
        **COMMON,
        "@timestamp": {"type": "string", "format": "date-time"},
        "account": shape({"id": TEXT}),
        "domain": shape({"name": TEXT}),
        "user-variables": TEXT,
        "flags": by_name(SWITCH),
    },
    {name: one for name, one in WHERE_IT_APPLIES.items() if name != "flags"},
    title="Log",
)
ACCOUNT_TAG: Final = shape(
    {
        "account_id": TEXT,
        "parent_account_id": TEXT,
        "account_name": TEXT,
        "tag": TEXT,
        "description": TEXT,
        "first_seen": DATE,
        "last_seen": DATE,
    },
    {"metrics": by_name(COUNT)},
    title="AccountTag",
)


def _asked(fields: Mapping[str, Schema]) -> Schema:
    """A JSON body of which every part may be left out."""
    return {"type": "object", "properties": dict(fields)}


_FILTER: Final = _asked(
    {
        "AND": many(
            {
                "type": "object",
                "properties": {
                    "attribute": TEXT,
                    "comparator": word(*COMPARATORS),
                    "values": many({"anyOf": [TEXT, _asked({"label": TEXT, "value": TEXT})]}),
                },
                "required": ["attribute", "values"],
            }
        )
    }
)
_PAGING: Final = {"sort": TEXT, "skip": COUNT, "limit": COUNT}
_SPAN: Final = {"start": TEXT, "end": TEXT, "duration": TEXT, "resolution": word(*RESOLUTIONS)}


def _figures(dimensions: tuple[str, ...], metrics: tuple[str, ...]) -> Schema:
    return _asked(
        {
            **_SPAN,
            "dimensions": {**many(word(*dimensions)), "maxItems": MOST_DIMENSIONS},
            "metrics": {**many(word(*metrics)), "maxItems": MOST_METRICS},
            "filter": _FILTER,
            "include_aggregates": SWITCH,
            "pagination": _asked(_PAGING),
        }
    )


OPERATIONS: Final[Mapping[Callable[..., Any], Described]] = {
    analytics_metrics.ask_metrics: Operation(
        summary="Figures by up to three dimensions",
        text="Only groups in which something happened are answered. Limit: 500 requests in 10 s.",
        json=_figures(DIMENSIONS, tuple(METRICS)),
        answer=FIGURES,
    ),
    analytics_metrics.ask_usage: Operation(
        summary="Figures of what Mailgun sells besides, all 0",
        json=_figures(("time", "subaccount"), (*analytics_metrics.USAGE, *METRICS)),
        answer=FIGURES,
    ),
    analytics_logs.ask_logs: Operation(
        summary="Events of all domains that the key may see",
        text="A token holds the whole question: whoever sends one back needs nothing else.",
        json=_asked(
            {
                "start": TEXT,
                "end": TEXT,
                "events": many(TEXT),
                "metric_events": many(word(*METRICS)),
                "filter": _FILTER,
                "include_totals": SWITCH,
                "pagination": _asked({"sort": TEXT, "limit": COUNT, "token": TEXT}),
            }
        ),
        answer=shape(
            {
                "start": TEXT,
                "end": TEXT,
                "items": many(LOG),
                "pagination": shape(
                    {},
                    dict.fromkeys(("previous", "next", "first", "last"), TEXT) | {"total": COUNT},
                ),
                "aggregates": shape({}, {"all": COUNT, "metrics": by_name(COUNT)}),
            }
        ),
    ),
    analytics_tags.list_tags: Operation(
        summary="Tags of all domains that the key may see",
        json=_asked(
            {
                "tag": {"type": "string", "description": "Only tags that begin like this."},
                "include_metrics": SWITCH,
                "pagination": _asked({**_PAGING, "include_total": SWITCH}),
            }
        ),
        answer=shape(
            {
                "items": many(ACCOUNT_TAG),
                "pagination": shape({"sort": TEXT, "limit": COUNT}, {"total": COUNT}),
            }
        ),
    ),
    analytics_tags.change_tag: Operation(
        summary="Describe a tag in every domain that has it",
        json=_asked({"tag": TEXT, "description": TEXT}),
        answer=said("Tag updated"),
    ),
    analytics_tags.delete_tag: Operation(
        summary="Hide a tag in every domain until it is seen again",
        json=_asked({"tag": TEXT}),
        answer=said("Tag deleted"),
    ),
    analytics_tags.limits: Operation(
        summary="How many tags there are, and may be",
        answer=shape({"limit": COUNT, "count": COUNT, "limit_reached": SWITCH}),
    ),
}
