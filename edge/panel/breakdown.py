"""What the page of analytics asks: figures split by one dimension, over time or not, compared.

Read from an address and written back into one, so that every answer can be shared. Questions are
those of ``/v1/analytics/metrics``, and so are the answers.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import msgspec

from edge.model.conditions import EQUAL, Condition
from edge.model.params import Params
from edge.panel import figures, spans
from edge.panel.figures import PEOPLE, Values
from edge.panel.spans import Span
from edge.store import metrics
from edge.store.metrics import Answer, Counted, Question, Row
from edge.store.pool import Connection

SPLITS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "tag": "Tag",
        "link": "Link",
        "country": "Country",
        "device": "Device",
        "client": "Client",
        "recipient_provider": "Provider",
        "recipient_domain": "Recipient's domain",
        "bot": "Bot",
        "domain": "Domain",
        "time": "Time",
    }
)
_OF_MAIL: Final = (
    "delivered_count",
    "failed_count",
    "opened_count",
    "unique_opened_count",
    "unique_opened_rate",
    "clicked_count",
    "unique_clicked_count",
    "unique_clicked_rate",
    "unsubscribed_count",
    "complained_count",
)
_OF_READING: Final = (
    "opened_count",
    "unique_opened_count",
    "clicked_count",
    "unique_clicked_count",
    "unsubscribed_count",
)
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    dict.fromkeys(SPLITS, _OF_MAIL)
    | dict.fromkeys(("country", "device", "client", "bot"), _OF_READING)
    | {"link": ("clicked_count", "unique_clicked_count")}
)
"""Which metrics there are by what: nobody delivers to a link."""

COMPARISONS: Final[Mapping[str, str]] = MappingProxyType(
    {"before": "With the time before", "tag": "With another tag"}
)
LONGEST_TAG: Final = 128
MOST_LINES: Final = 10_000
"""Groups of a file, and the last one that a page can be turned to."""

FEW: Final = frozenset(SPLITS) - {"tag", "link", "recipient_domain"}
"""Splits with so few groups that they are sorted here."""

_AS_CONDITION: Final = 100
"""Groups up to which the other side of a comparison is asked only for them."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A question, as it was understood. ``sort`` is a metric or ``split``; ``page`` from 1."""

    span: Span
    split: str
    timed: bool
    people: bool
    tag: str
    compare: str
    versus: str
    sort: str
    descending: bool
    page: int

    @property
    def dimensions(self) -> tuple[str, ...]:
        """What groups are made of."""
        return ("time", self.split) if self.timed and self.split != "time" else (self.split,)

    @property
    def columns(self) -> tuple[str, ...]:
        """The metrics that are shown."""
        return COLUMNS[self.split]

    def written(self, **other: str) -> dict[str, str]:
        """As parameters of an address, some of them changed."""
        told = self.span.written() | {
            "split": self.split,
            "people": "yes" if self.people else "",
            "tag": self.tag,
            "compare": self.compare,
            "versus": self.versus,
            "sort": self.sort,
            "way": "desc" if self.descending else "asc",
        }
        return {name: value for name, value in (told | other).items() if value}


class Line(msgspec.Struct, frozen=True):
    """A group; ``other`` are the figures that it is compared with, None without comparison."""

    values: tuple[Any, ...]
    metrics: Values
    other: Values | None


class Table(msgspec.Struct, frozen=True):
    """Groups of a page, how many there are, and the line of everything."""

    lines: list[Line]
    total: int
    whole: Line
    since: int | None
    """From when on (µs) it is complete, where that is later than asked for."""
    other_since: int | None


def read(given: Params, now_us: int) -> Asked:
    """The question of an address; mistakes are left to the parameters' own ``check``."""
    split = given.choice("split", SPLITS, "tag")
    timed = split == "time" or bool(given.text("by", ""))
    span = spans.read(given, now_us, hours=split == "time")
    sorts = (*COLUMNS[split], "split")
    default = "split" if timed else COLUMNS[split][0]
    # A column that another split had is no mistake of whoever changed the split.
    asked_sort = given.text("sort", "").strip().lower()
    everywhere = {name for names in COLUMNS.values() for name in names}
    sort = default if asked_sort in everywhere - set(sorts) else given.choice("sort", sorts, "")
    sort = sort or default
    asked = Asked(
        span=span,
        split=split,
        timed=timed,
        people=given.boolean("people", default=False),
        tag=given.text("tag", "", longest=LONGEST_TAG).strip().lower(),
        compare=given.choice("compare", COMPARISONS, ""),
        versus=given.text("versus", "", longest=LONGEST_TAG).strip().lower(),
        sort=sort,
        descending=given.choice("way", ("asc", "desc"), "asc" if sort == "split" else "desc")
        == "desc",
        page=given.number("page", 1, low=1, high=MOST_LINES),
    )
    if asked.compare == "before" and timed:
        given.mistake("the time before is compared as a whole: choose no hours, days or months")
    if asked.compare == "tag" and not (asked.tag and asked.versus):
        given.mistake("give two tags to be compared: the tag, and the one it is compared with")
    return asked


def _conditions(asked: Asked, tag: str) -> tuple[Condition, ...]:
    found = [PEOPLE] if asked.people else []
    if tag:
        found.append(Condition("tag", EQUAL, (tag,)))
    return tuple(found)


def _compared(asked: Asked) -> tuple[Condition, ...]:
    """The conditions of the other side."""
    return _conditions(asked, asked.versus if asked.compare == "tag" else asked.tag)


def question(asked: Asked, domains: tuple[int, ...], limit: int) -> Question:
    """What is asked of the store."""
    plain = figures.question(domains, asked.span, asked.columns, _conditions(asked, asked.tag))
    name = asked.dimensions[0] if asked.sort == "split" else asked.sort
    return msgspec.structs.replace(
        plain,
        dimensions=asked.dimensions,
        sort=(name, asked.descending),
        skip=(asked.page - 1) * limit,
        limit=limit,
        aggregates=True,
    )


async def ask(
    conn: Connection, asked: Asked, domains: Mapping[int, str], *, limit: int, now_us: int
) -> Table:
    """The groups of a page, and of what they are compared with; ``domains``: names by number."""
    wanted = question(asked, tuple(domains), limit)
    answer = await _answer(conn, asked, wanted, now_us)
    begin = asked.span.begin
    since = answer.counted_from if answer.counted_from > begin else None
    if not asked.compare:
        lines = [Line(row.values, row.metrics, None) for row in answer.rows]
        return Table(lines, answer.total, Line((), answer.aggregates, None), since, None)
    other = _other(asked, wanted, answer.rows)
    found = await _answer(conn, asked, other, now_us)
    known = {row.values: row.metrics for row in found.rows}
    zero = figures.nothing(asked.columns)
    lines = [Line(row.values, row.metrics, known.get(row.values, zero)) for row in answer.rows]
    whole = found
    if asked.split not in FEW:
        # What was asked of some groups only is asked of everything once more.
        plain = msgspec.structs.replace(other, conditions=_compared(asked), limit=1)
        whole = await metrics.ask(conn, plain, now_us=now_us)
    late = whole.counted_from if whole.counted_from > other.begin else None
    everything = Line((), answer.aggregates, whole.aggregates or zero)
    return Table(lines, answer.total, everything, since, late)


async def _answer(conn: Connection, asked: Asked, wanted: Question, now_us: int) -> Answer:
    """What :func:`edge.store.metrics.ask` answers, where there are few groups by reading once.

    The page and the sum of everything are two readings for the store, and each may go through the
    events of days that are not rolled up yet.
    """
    if asked.split not in FEW:
        return await metrics.ask(conn, wanted, now_us=now_us)
    found, since = await metrics.counted_since(conn, wanted, now_us=now_us)
    grouped: dict[tuple[Any, ...], list[Counted]] = {}
    counts = figures.Counts.of(asked.columns, found)
    for one in found:
        if counts.uses[one.key]:
            grouped.setdefault(one.values, []).append(one)
    rows = [Row(key, counts.sum(grouped[key])) for key in sorted(grouped)]
    name, descending = wanted.sort or (asked.split, False)
    place = asked.dimensions.index(name) if name in asked.dimensions else -1
    rows.sort(
        key=lambda row: row.values[place] if place >= 0 else float(row.metrics[name]),
        reverse=descending,
    )
    page = rows[wanted.skip : wanted.skip + wanted.limit]
    whole = counts.sum(found) if found else {}
    return Answer(page, len(rows), whole, since)


def _other(asked: Asked, wanted: Question, rows: Sequence[Row]) -> Question:
    """The other side of a comparison, for the groups that this one has where there are many."""
    span = asked.span.before if asked.compare == "before" else asked.span
    conditions = _compared(asked)
    values = tuple(dict.fromkeys(row.values[-1] for row in rows))
    if asked.split not in FEW and 0 < len(values) <= _AS_CONDITION:
        conditions += (Condition(asked.split, EQUAL, values),)
    return msgspec.structs.replace(
        wanted,
        begin=span.begin,
        end=span.ending,
        conditions=conditions,
        skip=0,
        limit=2 * MOST_LINES,
    )


def replace_page(asked: Asked) -> Asked:
    """The same from its first group on."""
    return msgspec.structs.replace(asked, page=1)
