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
from edge.store.metrics import CONDITIONED, Question, Row
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
    answer = await metrics.ask(conn, wanted, now_us=now_us)
    begin = asked.span.begin
    since = answer.counted_from if answer.counted_from > begin else None
    if not asked.compare:
        lines = [Line(row.values, row.metrics, None) for row in answer.rows]
        return Table(lines, answer.total, Line((), answer.aggregates, None), since, None)
    everywhere = _other(asked, wanted)
    other = everywhere
    if answer.total > len(answer.rows):
        other = _narrowed(asked, everywhere, answer.rows)
    found = await metrics.ask(conn, other, now_us=now_us)
    known = {row.values: row.metrics for row in found.rows}
    zero = figures.nothing(asked.columns)
    lines = [Line(row.values, row.metrics, known.get(row.values, zero)) for row in answer.rows]
    whole = found
    if other is not everywhere:
        plain = msgspec.structs.replace(everywhere, limit=1)
        whole = await metrics.ask(conn, plain, now_us=now_us)
    late = whole.counted_from if whole.counted_from > everywhere.begin else None
    everything = Line((), answer.aggregates, whole.aggregates or zero)
    return Table(lines, answer.total, everything, since, late)


def _other(asked: Asked, wanted: Question) -> Question:
    """The other side of a comparison."""
    span = asked.span.before if asked.compare == "before" else asked.span
    return msgspec.structs.replace(
        wanted,
        begin=span.begin,
        end=span.ending,
        conditions=_conditions(asked, asked.versus if asked.compare == "tag" else asked.tag),
        skip=0,
        limit=2 * MOST_LINES,
    )


def _narrowed(asked: Asked, other: Question, rows: Sequence[Row]) -> Question:
    """The same, only of the groups of a page, where there are more and a condition can say so."""
    values = tuple(dict.fromkeys(row.values[-1] for row in rows))
    if asked.split not in CONDITIONED or not 0 < len(values) <= _AS_CONDITION:
        return other
    conditions = (*other.conditions, Condition(asked.split, EQUAL, values))
    return msgspec.structs.replace(other, conditions=conditions)


def replace_page(asked: Asked) -> Asked:
    """The same from its first group on."""
    return msgspec.structs.replace(asked, page=1)
