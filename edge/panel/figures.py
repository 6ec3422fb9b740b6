"""Figures for pages: which numbers are shown, what each is, and asking for them.

All are metrics of :mod:`edge.model.metrics`, asked by :mod:`edge.store.metrics`, as the API's are.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec

from edge.model.conditions import EQUAL, Condition
from edge.model.metrics import Sum, sums_of, values
from edge.panel.spans import Span
from edge.store import metrics
from edge.store.metrics import Counted, Question
from edge.store.pool import Connection

Values = Mapping[str, int | str]
PEOPLE: Final = Condition("bot", EQUAL, ("",))
"""Bots taken out: only events whose label is empty."""


class Kind(msgspec.Struct, frozen=True):
    """One kind of event on the overview; ``unique`` and ``rate`` are metrics, empty for none."""

    name: str
    title: str
    total: str
    rate: str
    unique: str = ""


KINDS: Final = (
    Kind("sent", "Sent", "sent_count", ""),
    Kind("delivered", "Delivered", "delivered_count", "delivered_rate"),
    Kind("opened", "Opened", "opened_count", "unique_opened_rate", "unique_opened_count"),
    Kind("clicked", "Clicked", "clicked_count", "unique_clicked_rate", "unique_clicked_count"),
    Kind("failed", "Failed", "failed_count", "fail_rate"),
    Kind("complained", "Complained", "complained_count", "complained_rate"),
    Kind("unsubscribed", "Unsubscribed", "unsubscribed_count", "unsubscribed_rate"),
)

BY_TIME: Final = tuple(name for kind in KINDS for name in (kind.total, kind.unique) if name)
IN_ALL: Final = (*BY_TIME, *(kind.rate for kind in KINDS if kind.rate))

DEFINITIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "sent_count": "Delivered, plus permanent failures, without those that were never tried "
        "because the address is suppressed.",
        "delivered_count": "Taken by the recipient's server, one for each recipient.",
        "opened_count": "Every time the message was opened, by people and machines: what loads "
        "its pictures. A request that stands for many counts so often.",
        "unique_opened_count": "Openings, at most one for each message, recipient and bot label "
        "in seven days.",
        "clicked_count": "Every time a tracked link was followed, by people and machines.",
        "unique_clicked_count": "Clicks, at most one for each message, recipient and bot label in "
        "seven days.",
        "failed_count": "Permanent and temporary failures; a temporary one for each attempt that "
        "will be repeated.",
        "complained_count": "Reports of recipients who called a message spam.",
        "unsubscribed_count": "Every time a recipient unsubscribed, from the domain or a tag.",
        "delivered_rate": "Delivered ÷ sent.",
        "opened_rate": "Openings ÷ delivered.",
        "clicked_rate": "Clicks ÷ delivered.",
        "unique_opened_rate": "Unique openings ÷ delivered.",
        "unique_clicked_rate": "Unique clicks ÷ delivered.",
        "fail_rate": "Failures ÷ processed (delivered and permanent failures, without bounces "
        "that came as mail).",
        "complained_rate": "Complaints ÷ delivered.",
        "unsubscribed_rate": "Unsubscribes ÷ delivered.",
    }
)
"""Each number in words, as docs/stats.md has it."""

PEOPLE_ARE: Final = (
    "People: the same without what was judged to be a machine (Apple's and Gmail's, scanners, "
    "previewers, scripts). Each event's page says why it was judged so."
)

TITLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "sent_count": "Sent",
        "delivered_count": "Delivered",
        "opened_count": "Opened",
        "unique_opened_count": "Unique opens",
        "clicked_count": "Clicked",
        "unique_clicked_count": "Unique clicks",
        "failed_count": "Failed",
        "complained_count": "Complained",
        "unsubscribed_count": "Unsubscribed",
        "unique_opened_rate": "Open rate",
        "unique_clicked_rate": "Click rate",
    }
)
"""Heads of columns."""


class Series(msgspec.Struct, frozen=True):
    """Figures of a span: by hour, day or month (zeros too), and of all of it.

    ``since`` (µs) is later than the span's begin where what is before it is not kept any more.
    """

    starts: list[int]
    rows: list[Values]
    whole: Values
    since: int


def nothing(names: tuple[str, ...]) -> dict[str, int | str]:
    """The metrics of no event."""
    return {name: "0.0000" if name.endswith("_rate") else 0 for name in names}


def question(
    domains: tuple[int, ...], span: Span, names: tuple[str, ...], conditions: tuple[Condition, ...]
) -> Question:
    """The question about a span, without a dimension."""
    return Question(
        domains=domains,
        begin=span.begin,
        end=span.ending,
        resolution=span.by,
        metrics=names,
        conditions=conditions,
    )


class Counts:
    """Metrics from counted keys: :func:`edge.model.metrics.values` of their sums."""

    def __init__(self, names: Sequence[str], uses: Mapping[str, Sequence[Sum]]) -> None:
        self._names = names
        self._zero = dict.fromkeys(sums_of(names), 0)
        self.uses = uses
        """The sums that the events of each key are part of."""

    @classmethod
    def of(cls, names: Sequence[str], found: Iterable[Counted]) -> "Counts":
        """For these metrics, and the keys that were found."""
        sums, keys = sums_of(names), {one.key for one in found}
        return cls(names, {key: [one for one in sums if one.counts(key)] for key in keys})

    def sum(self, found: Iterable[Counted]) -> dict[str, int | str]:
        """The metrics of what was counted."""
        sums = dict(self._zero)
        for one in found:
            for each in self.uses[one.key]:
                sums[each] += one.unique if each.unique else one.total
        return values(self._names, sums)


async def series(
    conn: Connection, domains: tuple[int, ...], span: Span, *, now_us: int
) -> tuple[Series, Series]:
    """The figures of the overview over time: of everybody, and of people only."""
    asked = question(domains, span, IN_ALL, ())
    asked = msgspec.structs.replace(asked, dimensions=("time", "bot"))
    found, since = await metrics.counted_since(conn, asked, now_us=now_us)
    counts, starts = Counts.of(IN_ALL, found), span.starts
    people = [one for one in found if not one.values[1]]
    both = []
    for chosen in (found, people):
        by_time: dict[int, list[Counted]] = {start: [] for start in starts}
        for one in chosen:
            by_time[one.values[0]].append(one)
        rows: list[Values] = [counts.sum(by_time[start]) for start in starts]
        both.append(Series(starts, rows, counts.sum(chosen), since))
    return both[0], both[1]


async def whole(
    conn: Connection, domains: tuple[int, ...], span: Span, *, now_us: int
) -> Values | None:
    """The figures of all of a span; None where not all of it can be counted any more."""
    asked = question(domains, span, IN_ALL, ())
    answer = await metrics.ask(conn, asked, now_us=now_us)
    if answer.counted_from > span.begin:
        return None
    return answer.rows[0].metrics if answer.rows else nothing(IN_ALL)


def change(now: int | str, before: int | str) -> str:
    """What a number became, in per cent; empty where there was nothing before."""
    new, old = float(now), float(before)
    if not old:
        return ""
    return f"{(new - old) / old * 100:+.0f} %".replace("-", "\N{MINUS SIGN}")


def per_cent(rate: int | str) -> str:
    """A rate as people read it."""
    return f"{float(rate) * 100:.1f} %"


def grouped(number: int | str) -> str:
    """A count with its thousands apart, or a rate in per cent."""
    return per_cent(number) if isinstance(number, str) else f"{number:,}".replace(",", "\u202f")
