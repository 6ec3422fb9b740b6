"""What every number is: the one definition behind API, command line and panel.

Events are counted under keys: their kind, and for failures how and why (``failed/permanent/old``).
A count is a sum over some of these keys, of all events or of the unique ones; a rate is one sum
divided by another. Nothing else is ever counted. Names and meanings are those of Mailgun's metric
definitions; where this project has no such thing (routes, web hooks as destinations, send time
optimisation), the keys simply never occur, and the count is 0.
"""

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from types import MappingProxyType
from typing import Final

import msgspec

RETRIED: Final = "retried"
"""Reason of a delivery that needed more than one attempt: it is counted apart."""


class Sum(msgspec.Struct, frozen=True):
    """A count: of events whose key is one of ``keys``, or begins with one that ends in ``/``.

    What begins with one of ``but`` is left out. ``unique`` counts only events that are unique.
    """

    keys: tuple[str, ...]
    but: tuple[str, ...] = ()
    unique: bool = False

    def counts(self, key: str) -> bool:
        """Whether events with this key are part of it."""
        return _among(key, self.keys) and not _among(key, self.but)

    def of(self, counted: Mapping[str, tuple[int, int]]) -> int:
        """Its value, given the total and the unique number of each key."""
        place = 1 if self.unique else 0
        return sum(both[place] for key, both in counted.items() if self.counts(key))


class Rate(msgspec.Struct, frozen=True):
    """A fraction of one sum by another; 0 where the other is 0."""

    part: Sum
    whole: Sum


Metric = Sum | Rate


def _among(key: str, names: Iterable[str]) -> bool:
    return any(key.startswith(one) if one.endswith("/") else key == one for one in names)


def ratio(part: int, whole: int) -> str:
    """A rate as Mailgun writes it: a string with four decimals."""
    value = Decimal(part) / Decimal(whole) if whole else Decimal(0)
    return str(value.quantize(Decimal("0.0001"), rounding=ROUND_HALF_UP))


_PERMANENT: Final = "failed/permanent/"
_TEMPORARY: Final = "failed/temporary/"
_SUPPRESSED: Final = tuple(
    f"{_PERMANENT}suppress-{kind}" for kind in ("bounce", "unsubscribe", "complaint")
)
_DELAYED: Final = f"{_PERMANENT}delayed-bounce"
_WEBHOOK: Final = f"{_PERMANENT}webhook"
_DELIVERED: Final = ("delivered", "delivered/")
_LATER: Final = f"delivered/{RETRIED}"
_OLD: Final = f"{_PERMANENT}old"
_NEVER: Final = Sum(())

_SUMS: Final[Mapping[str, Sum]] = MappingProxyType(
    {
        "accepted_incoming_count": Sum(("accepted/incoming",)),
        "accepted_outgoing_count": Sum(("accepted",)),
        "accepted_count": Sum(("accepted", "accepted/")),
        "delivered_smtp_count": Sum(_DELIVERED, ("delivered/http",)),
        "delivered_http_count": Sum(("delivered/http",)),
        "delivered_optimized_count": _NEVER,
        "delivered_count": Sum(_DELIVERED),
        "delivered_first_attempt_count": Sum(_DELIVERED, (_LATER,)),
        "delivered_subsequent_count": Sum((_LATER,)),
        "delivered_two_plus_attempts_count": Sum((_LATER,)),
        "delayed_first_attempt_count": Sum((_LATER, _OLD)),
        "stored_count": Sum(("stored",)),
        "processed_count": Sum((*_DELIVERED, _PERMANENT), (_WEBHOOK, _DELAYED)),
        "sent_count": Sum((*_DELIVERED, _PERMANENT), _SUPPRESSED),
        "opened_count": Sum(("opened",)),
        "clicked_count": Sum(("clicked",)),
        "unique_opened_count": Sum(("opened",), unique=True),
        "unique_clicked_count": Sum(("clicked",), unique=True),
        "unsubscribed_count": Sum(("unsubscribed",)),
        "complained_count": Sum(("complained",)),
        "failed_count": Sum((_PERMANENT, _TEMPORARY)),
        "temporary_failed_count": Sum((_TEMPORARY,)),
        "permanent_failed_count": Sum((_PERMANENT,)),
        "temporary_failed_esp_block_count": Sum((f"{_TEMPORARY}espblock",)),
        "permanent_failed_esp_block_count": Sum((f"{_PERMANENT}espblock",)),
        "esp_block_count": Sum((f"{_PERMANENT}espblock",)),
        "webhook_count": Sum((_WEBHOOK,)),
        "rate_limit_count": _NEVER,
        "permanent_failed_optimized_count": _NEVER,
        "permanent_failed_old_count": Sum((_OLD,)),
        "bounced_count": Sum((_PERMANENT,), _SUPPRESSED),
        "hard_bounces_count": Sum((f"{_PERMANENT}bounce",)),
        "soft_bounces_count": Sum(
            tuple(
                f"{_PERMANENT}{why}" for why in ("generic", "greylisted", "blacklisted", "espblock")
            )
        ),
        "delayed_bounce_count": Sum((_DELAYED,)),
        "suppressed_bounces_count": Sum((_SUPPRESSED[0],)),
        "suppressed_unsubscribed_count": Sum((_SUPPRESSED[1],)),
        "suppressed_complaints_count": Sum((_SUPPRESSED[2],)),
    }
)

_RATES: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "delivered_rate": ("delivered_count", "sent_count"),
        "opened_rate": ("opened_count", "delivered_count"),
        "clicked_rate": ("clicked_count", "delivered_count"),
        "unique_opened_rate": ("unique_opened_count", "delivered_count"),
        "unique_clicked_rate": ("unique_clicked_count", "delivered_count"),
        "unsubscribed_rate": ("unsubscribed_count", "delivered_count"),
        "complained_rate": ("complained_count", "delivered_count"),
        "bounce_rate": ("bounced_count", "processed_count"),
        "fail_rate": ("failed_count", "processed_count"),
        "permanent_fail_rate": ("permanent_failed_count", "processed_count"),
        "temporary_fail_rate": ("temporary_failed_count", "processed_count"),
        "delayed_rate": ("delivered_two_plus_attempts_count", "delivered_count"),
        "delayed_first_attempt_rate": ("delayed_first_attempt_count", "processed_count"),
    }
)

METRICS: Final[Mapping[str, Metric]] = MappingProxyType(
    dict(_SUMS) | {name: Rate(_SUMS[part], _SUMS[whole]) for name, (part, whole) in _RATES.items()}
)
"""Every metric by its name in Mailgun's API."""


def sums_of(names: Iterable[str]) -> list[Sum]:
    """The different sums that some metrics are made of, in the order of their first use."""
    found: dict[Sum, None] = {}
    for name in names:
        metric = METRICS[name]
        parts = (metric,) if isinstance(metric, Sum) else (metric.part, metric.whole)
        found |= dict.fromkeys(parts)
    return list(found)


def values(names: Iterable[str], sums: Mapping[Sum, int]) -> dict[str, int | str]:
    """The metrics of these names, from the values of their sums."""
    found: dict[str, int | str] = {}
    for name in names:
        metric = METRICS[name]
        if isinstance(metric, Sum):
            found[name] = sums[metric]
        else:
            found[name] = ratio(sums[metric.part], sums[metric.whole])
    return found


RESOLUTIONS: Final = ("hour", "day", "month")

DIMENSIONS: Final = (
    "time",
    "domain",
    "tag",
    "bot",
    "recipient_domain",
    "recipient_provider",
    "country",
    "device",
    "client",
    "link",
    "subaccount",
)
"""What figures can be split by. ``client`` and ``link`` are additions to Mailgun's."""

MOST_DIMENSIONS: Final = 3
MOST_METRICS: Final = 10
