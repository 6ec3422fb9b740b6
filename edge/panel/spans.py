"""The time that a page of figures is about: read from an address, written back into one. UTC.

The same hours, days and months as the API's (:mod:`edge.model.periods`): whole ones, both ends
included.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

import msgspec

from edge.model.metrics import RESOLUTIONS
from edge.model.params import Params
from edge.model.periods import DAY_US, buckets, ceiling, floor, following, months_before
from edge.store.retention import DAILY_DAYS, HOURLY_DAYS

SPANS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "today": "Today",
        "7d": "7 days",
        "30d": "30 days",
        "90d": "90 days",
        "1y": "1 year",
        "own": "Own days",
    }
)
_DAYS: Final = {"today": 1, "7d": 7, "30d": 30, "90d": 90, "1y": 365}
USUAL: Final = "7d"
MOST: Final = {"hour": 8, "day": 400, "month": 7_320}
"""Days that a page shows by hour, by day and by month: what people can still read, and one file of
a page can hold.
"""


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """``begin`` <= time < ``ending`` (µs), which are borders of ``by``; the rest is as written."""

    name: str
    by: str
    begin: int
    ending: int
    first: str = ""
    last: str = ""
    chosen: str = ""
    """The resolution that was asked for; empty for the one that suits the time."""

    @property
    def starts(self) -> list[int]:
        """The start of each hour, day or month."""
        return buckets(self.begin, self.ending, self.by, 10_000)

    @property
    def last_start(self) -> int:
        """The start of the last of them."""
        return floor(max(self.begin, self.ending - 1), self.by)

    @property
    def before(self) -> "Span":
        """As much time directly before; by hour the same hours of the days before."""
        if self.by == "month":
            begin = months_before(self.begin, len(self.starts))
            return msgspec.structs.replace(self, begin=begin, ending=self.begin)
        back = -(-(self.ending - self.begin) // DAY_US) * DAY_US
        begin, ending = max(0, self.begin - back), max(0, self.ending - back)
        return msgspec.structs.replace(self, begin=begin, ending=ending)

    def written(self) -> dict[str, str]:
        """As parameters of an address."""
        told = {"span": self.name, "from": self.first, "to": self.last, "by": self.chosen}
        return {name: value for name, value in told.items() if value}


def read(given: Params, now_us: int, *, hours: bool = True) -> Span:
    """The span of an address; what is wrong with it becomes mistakes.

    ``hours``: whether a short one is by hour where nothing else is asked for; by whole days more
    can be counted (:mod:`edge.store.metric_sources`).
    """
    name = given.choice("span", SPANS, "")
    first = given.text("from", "", longest=40).strip()
    last = given.text("to", "", longest=40).strip()
    chosen = given.choice("by", RESOLUTIONS, "")
    if not name:
        name = "own" if first or last else USUAL
    if name != "own":
        # What a form sends along from its fields of days is not meant.
        begin = floor(now_us, "day") - (_DAYS[name] - 1) * DAY_US
        return _cut(given, name, chosen or _suits(begin, now_us, now_us, hours), begin, now_us)
    begin, end = _own(given, first, last, now_us)
    span = _cut(given, name, chosen or _suits(begin, end, now_us, hours), begin, end)
    return msgspec.structs.replace(span, first=first, last=last)


def _suits(begin: int, end: int, now_us: int, hours: bool) -> str:
    """The resolution for so much time, of those that are still kept for it."""
    days, ago = (end - begin) // DAY_US + 1, now_us // DAY_US - begin // DAY_US
    if ago >= DAILY_DAYS or days > MOST["day"]:
        return "month"
    if hours and days > 120:
        return "month"
    return "hour" if hours and days <= 2 and ago < HOURLY_DAYS else "day"


def _cut(given: Params, name: str, by: str, begin: int, end: int) -> Span:
    """To whole hours, days or months; ``end`` is the last moment that belongs to it."""
    days = (end - begin) // DAY_US + 1
    if days > MOST[by]:
        coarser = {"hour": "day or month", "day": "month"}.get(by, "less time")
        given.mistake(f"by {by} a page shows at most {MOST[by]} days: choose {coarser}")
        by = "month"
    start = floor(begin, by)
    ending = following(floor(end, by), by)
    chosen = given.choice("by", RESOLUTIONS, "")
    return Span(name=name, by=by, begin=start, ending=ending, chosen=chosen)


def _own(given: Params, first: str, last: str, now_us: int) -> tuple[int, int]:
    """The first and the last moment of one's own days."""
    today = floor(now_us, "day")
    begin, end = _day(given, "from", first), _day(given, "to", last)
    if begin is None and not given.mistakes:
        given.mistake("from is missing: give the first day, such as 2026-03-31")
    begin = today if begin is None else begin
    end = today if end is None else end
    if begin > today:
        given.mistake("from is a day that is still to come")
        begin = today
    if end < begin:
        given.mistake("to is before from")
        end = begin
    # Days to come hold nothing; today counts as far as it has gone.
    return begin, min(end + DAY_US - 1, max(now_us, begin))


def _day(given: Params, name: str, text: str) -> int | None:
    """The start of a day (UTC) in µs."""
    if not text:
        return None
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        given.mistake(f"{name} has to be a day such as 2026-03-31")
        return None
    if day.year < 1970:
        given.mistake(f"{name} is before 1970")
        return None
    return ceiling(int(day.timestamp()) * 1_000_000, "day")


def label(at: int, by: str) -> str:
    """The start of an hour, day or month as people read it."""
    form = {"hour": "%Y-%m-%d %H:%M", "day": "%Y-%m-%d", "month": "%Y-%m"}[by]
    return datetime.fromtimestamp(at // 1_000_000, UTC).strftime(form)
