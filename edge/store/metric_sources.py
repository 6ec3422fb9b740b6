"""Where figures are read from: counters, roll-ups of other dimensions, or the events themselves.

All three count the same events under the same keys, so they can be added up where each covers
another span of time. Which one is read depends on what is asked:

* by time, domain, tag and bot: from the counters, for as long as those are kept;
* by one further dimension and whole days: from its daily roll-up, and from the events of the days
  that are not rolled up yet;
* by more of them, or by hour: from the events, for as long as those are kept.
"""

import datetime
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from edge.model.conditions import CONTAINS, LACKS, Condition
from edge.model.metrics import Sum
from edge.store.partitions import DAY_US
from edge.store.pool import Connection
from edge.store.retention import DAILY_DAYS, HOURLY_DAYS
from edge.store.sql import queries

_q = queries("metrics")
_EPOCH: Final = datetime.date(1970, 1, 1)
_LAST_DAY: Final = (datetime.date(9999, 12, 30) - _EPOCH).days

ROLLED: Final = {
    "recipient_domain": "provider",
    "recipient_provider": "provider",
    "country": "country",
    "device": "device",
    "client": "client",
    "link": "link",
}
"""Dimensions that are rolled up by day, and under which name."""

_OF_EVENTS: Final = {
    "provider": "lower(split_part(e.recipient, '@', -1))",
    "country": "e.country",
    "device": "e.device_type",
    "client": "e.client_name",
    "link": "e.url",
}

_EXACT: Final = frozenset({"tag", "bot"})
"""Stored in one spelling, lower case."""


MOST_LOOKS: Final = 5_000
"""Into the key of the dimensions' roll-up for one question."""

_UNITS: Final = {"hourly": "hour", "daily": "day", "daily_dimensions": "day", "monthly": "month"}
"""What a row of each table stands for."""


class Span(msgspec.Struct, frozen=True):
    """What is to be read: ``begin`` <= time < ``end`` (µs), which are borders of the resolution."""

    domains: tuple[int, ...]
    begin: int
    end: int
    resolution: str
    columns: tuple[str, ...]
    """Of ``time``, ``domain``, ``tag``, ``bot`` and the values of :data:`ROLLED`."""
    conditions: tuple[Condition, ...]
    """On ``tag``, ``bot`` and the values of :data:`ROLLED`."""
    keys: str
    """A condition on ``{key}``, the key under which is counted."""


class State(msgspec.Struct, frozen=True):
    """What is rolled up and kept now; days since the epoch.

    ``closed``: daily counters before this day are right, but for the days in ``late``. ``first`` is
    the first day of each retention class whose events are there, ``open`` the days of each whose
    further dimensions are only in its events.
    """

    today: int
    closed: int
    late: frozenset[int]
    first: dict[int, int]
    open: dict[int, list[int]]


def date_of(day: int) -> datetime.date:
    """The UTC date of a day given as days since the epoch."""
    return _EPOCH + datetime.timedelta(min(day, _LAST_DAY))


def day_of(date: datetime.date) -> int:
    """Inverse of :func:`date_of`."""
    return (date - _EPOCH).days


async def state(conn: Connection, *, now_us: int) -> State:
    """How things are; in the transaction in which the figures are read."""
    today = now_us // DAY_US
    run = await conn.fetchval(queries("rollups")["last_run"])
    late = {day_of(row["day"]) for row in await conn.fetch(_q["late_days"])}
    first: dict[int, int] = {}
    waiting: dict[int, list[int]] = {}
    for row in await conn.fetch(_q["classes"]):
        begin, ending = row["first"] // DAY_US, min(row["ending"] // DAY_US, today + 2)
        rolled = {day_of(date) for date in row["rolled"]} - late
        first[row["retention"]] = begin
        waiting[row["retention"]] = [day for day in range(begin, ending) if day not in rolled]
    # What the hourly counters no longer have, the daily ones do.
    closed = max(0 if run is None else day_of(run) - 2, today - HOURLY_DAYS + 1)
    return State(today, closed, frozenset(late), first, waiting)


def further(span: Span) -> list[str]:
    """The dimensions of :data:`ROLLED` that are needed, by the name under which they are stored."""
    needed = (*span.columns, *(one.attribute for one in span.conditions))
    return sorted({ROLLED.get(name, name) for name in needed} & set(ROLLED.values()))


def counted_from(span: Span, now: State, classes: Iterable[int]) -> int:
    """From which time on (µs) everything that is asked for can be counted."""
    needed = further(span)
    if not needed:
        kept = {"hour": HOURLY_DAYS - 1, "day": DAILY_DAYS - 1}.get(span.resolution)
        return 0 if kept is None else (now.today - kept) * DAY_US
    if len(needed) == 1 and span.resolution != "hour":
        return (now.today - DAILY_DAYS + 1) * DAY_US
    return max((now.first.get(one, now.today) for one in classes), default=0) * DAY_US


class Sources:
    """One statement's parts: rows of the columns, the key, the total and the unique number."""

    def __init__(self, span: Span, now: State) -> None:
        self.values: list[Any] = []
        self._span = span
        self._now = now
        self._domains = self.bind(list(span.domains))
        self._further = further(span)
        self._by_tag = "tag" in span.columns or any(
            one.attribute == "tag" for one in span.conditions
        )
        if not self._further:
            parts = self._counters()
        elif len(self._further) == 1 and span.resolution != "hour":
            parts = self._rolled(self._further[0])
        else:
            parts = [self._events(None, span.begin, span.end)]
        self.text = "\n    UNION ALL\n    ".join(parts)

    def bind(self, value: Any) -> str:
        """Take a parameter's value, give its place in the statement."""
        self.values.append(value)
        return f"${len(self.values)}"

    def _select(
        self, table: str, time: str, named: dict[str, str], where: Sequence[str], key: str
    ) -> str:
        """One source; ``named`` says what each column is in it."""
        span = self._span
        counts = ("e.repeat", "e.is_unique::int") if table.startswith("events") else None
        total, uniq = counts or ("total", "uniq")
        if span.resolution != _UNITS.get(table):
            time = f"date_trunc('{span.resolution}', {time}, 'UTC')"
        named = named | {"time": time}
        columns = [f'{named[ROLLED.get(name, name)]} AS "{name}"' for name in span.columns]
        columns += [f"{key} AS key", f"{total} AS total", f"{uniq} AS uniq"]
        conditions = [self._condition(one, named) for one in span.conditions]
        every = [*where, span.keys.replace("{key}", key), *conditions]
        return f"SELECT {', '.join(columns)} FROM {table} WHERE {' AND '.join(every)}"  # noqa: S608 - names and conditions made here, values are parameters

    def _condition(self, one: Condition, named: dict[str, str]) -> str:
        column = named[ROLLED.get(one.attribute, one.attribute)]
        if one.comparator in {CONTAINS, LACKS}:
            text = (
                f"{column} ILIKE ANY ({self.bind([like(value) for value in one.values])}::text[])"
            )
        else:
            folded = column if one.attribute in _EXACT else f"lower({column})"
            lowered = [value.lower() for value in one.values]
            text = f"{folded} = ANY ({self.bind(lowered)}::text[])"
        return f"NOT ({text})" if one.negated else text

    def _counters(self) -> list[str]:
        span, now = self._span, self._now
        begin, end = span.begin // DAY_US, -(-span.end // DAY_US)
        where = [f"domain = ANY ({self._domains})", "tag <> ''" if self._by_tag else "tag = ''"]
        named = {"domain": "domain", "tag": "tag", "bot": "bot"}
        if span.resolution == "hour":
            hours = self._hours(span.begin, span.end)
            return [self._select("hourly", "hour", named, where + hours, "event")]
        parts = []
        if span.resolution == "month":
            kept = date_of(now.today - DAILY_DAYS + 2)
            whole = day_of((kept.replace(day=1) + datetime.timedelta(31)).replace(day=1))
            if begin < whole:
                months = self._dates("month", begin, min(end, whole))
                time = "month::timestamp AT TIME ZONE 'UTC'"
                parts.append(self._select("monthly", time, named, where + months, "event"))
            begin = max(begin, whole)
        if begin < now.closed:
            days = self._dates("day", begin, min(end, now.closed))
            if now.late:
                days.append(f"day <> ALL ({self._late()})")
            time = "day::timestamp AT TIME ZONE 'UTC'"
            parts.append(self._select("daily", time, named, where + days, "event"))
        begin = max(begin, now.closed)
        if end > begin:
            hours = self._hours(begin * DAY_US, span.end)
            parts.append(self._select("hourly", "hour", named, where + hours, "event"))
        for day in sorted(now.late):
            if span.begin // DAY_US <= day < min(end, now.closed):
                hours = self._hours(day * DAY_US, (day + 1) * DAY_US)
                parts.append(self._select("hourly", "hour", named, where + hours, "event"))
        return parts or [self._select("hourly", "hour", named, [*where, "false"], "event")]

    def _hours(self, begin: int, end: int) -> list[str]:
        return [f"hour >= {self.bind(begin)}", f"hour < {self.bind(end)}"]

    def _dates(self, column: str, begin: int, end: int) -> list[str]:
        return [
            f"{column} >= {self.bind(date_of(begin))}",
            f"{column} < {self.bind(date_of(end))}",
        ]

    def _days(self, begin: int, end: int) -> list[str]:
        """Days one by one while they are few: then each is one look into the key, which has the
        dimension behind the day. As a range, the key's pages of all dimensions would be read.
        """
        if (end - begin) * len(self._span.domains) > MOST_LOOKS:
            return self._dates("day", begin, end)
        days = [date_of(day) for day in range(begin, end)]
        return [f"day = ANY ({self.bind(days)}::date[])"]

    def _late(self) -> str:
        return f"{self.bind([date_of(day) for day in sorted(self._now.late)])}::date[]"

    def _rolled(self, stored: str) -> list[str]:
        """The roll-up of one dimension, and events of the days that it does not have yet."""
        span = self._span
        begin, end = span.begin // DAY_US, -(-span.end // DAY_US)
        where = [
            f"domain = ANY ({self._domains})",
            *self._days(begin, end),
            f"dimension = '{stored}'",
            "tag <> ''" if self._by_tag else "tag = ''",
        ]
        events = []
        for retention, days in sorted(self._now.open.items()):
            for first, ending in runs(day for day in days if begin <= day < end):
                dates = " AND ".join(self._dates("day", first, ending))
                where.append(f"NOT (retention = {retention} AND {dates})")
                events.append(self._events(retention, first * DAY_US, ending * DAY_US))
        named = {"domain": "domain", "tag": "tag", "bot": "bot", stored: "value"}
        time = "day::timestamp AT TIME ZONE 'UTC'"
        return [self._select("daily_dimensions", time, named, where, "event"), *events]

    def _events(self, retention: int | None, begin: int, end: int) -> str:
        where = [
            f"e.domain = ANY ({self._domains})",
            f"e.at >= {self.bind(begin)}",
            f"e.at < {self.bind(end)}",
        ]
        if retention is not None:
            where.append(f"e.retention = {retention}")
        if "link" in self._further:
            where.append("e.url <> ''")
        table = "events e"
        if self._by_tag:
            table += " CROSS JOIN LATERAL unnest(e.tags) AS t (tag)"
        named = {"domain": "e.domain", "tag": "t.tag", "bot": "e.bot"} | _OF_EVENTS
        return self._select(
            table, "e.at", named, where, "counted_as(e.event, e.severity, e.reason)"
        )


def key_condition(one: Sum) -> str:
    """Whether ``{key}`` is counted in a sum, as SQL; keys are constants of the model."""
    text = " OR ".join(map(_key, one.keys)) or "false"
    return f"({text})" + "".join(f" AND NOT {_key(but)}" for but in one.but)


def _key(name: str) -> str:
    return f"starts_with({{key}}, '{name}')" if name.endswith("/") else f"{{key}} = '{name}'"


def like(text: str) -> str:
    """A pattern of LIKE that finds a text anywhere."""
    for character in "\\%_":
        text = text.replace(character, "\\" + character)
    return f"%{text}%"


def runs(days: Iterable[int]) -> list[tuple[int, int]]:
    """Days in order as spans without gaps, each with its first day and the day after its last."""
    found: list[tuple[int, int]] = []
    for day in days:
        if found and found[-1][1] == day:
            found[-1] = (found[-1][0], day + 1)
        else:
            found.append((day, day + 1))
    return found
