"""Figures in the shapes of Mailgun's v3 statistics: which metric stands where."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

_PERMANENT: Final = {
    "suppress-bounce": "suppressed_bounces_count",
    "suppress-unsubscribe": "suppressed_unsubscribed_count",
    "suppress-complaint": "suppressed_complaints_count",
    "bounce": "hard_bounces_count",
    "delayed-bounce": "delayed_bounce_count",
    "webhook": "webhook_count",
    "optimized": "permanent_failed_optimized_count",
    "total": "permanent_failed_count",
}

SHAPES: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "accepted": {
            "incoming": "accepted_incoming_count",
            "outgoing": "accepted_outgoing_count",
            "total": "accepted_count",
        },
        "delivered": {
            "smtp": "delivered_smtp_count",
            "http": "delivered_http_count",
            "optimized": "delivered_optimized_count",
            "total": "delivered_count",
        },
        "failed": {
            "temporary": {
                "espblock": "temporary_failed_esp_block_count",
                "total": "temporary_failed_count",
            },
            "permanent": _PERMANENT,
        },
        "stored": {"total": "stored_count"},
        "opened": {"total": "opened_count", "unique": "unique_opened_count"},
        "clicked": {"total": "clicked_count", "unique": "unique_clicked_count"},
        "unsubscribed": {"total": "unsubscribed_count"},
        "complained": {"total": "complained_count"},
    }
)
"""What each event's figures look like, with the names of metrics in the places of their values."""

AGGREGATES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "accepted": "accepted_count",
        "clicked": "clicked_count",
        "opened": "opened_count",
        "unique_clicked": "unique_clicked_count",
        "unique_opened": "unique_opened_count",
        "complained": "complained_count",
        "unsubscribed": "unsubscribed_count",
    }
)
"""What is told of each provider, device or country."""


def metrics_of(events: Iterable[str]) -> tuple[str, ...]:
    """The metrics that the figures of these events are made of."""
    found: dict[str, None] = {}
    for event in events:
        found |= dict.fromkeys(_leaves(SHAPES[event]))
    return tuple(found)


def _leaves(shape: Mapping[str, Any]) -> list[str]:
    return [
        leaf
        for value in shape.values()
        for leaf in (_leaves(value) if isinstance(value, Mapping) else [value])
    ]


def bucket(events: Iterable[str], values: Mapping[str, int | str]) -> dict[str, Any]:
    """The figures of these events; what is not in ``values`` is 0."""
    return {event: _filled(SHAPES[event], values) for event in events}


def _filled(shape: Mapping[str, Any], values: Mapping[str, int | str]) -> dict[str, Any]:
    return {
        name: _filled(value, values) if isinstance(value, Mapping) else values.get(value, 0)
        for name, value in shape.items()
    }
