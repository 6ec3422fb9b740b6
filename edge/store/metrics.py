"""The one way to every number: figures by metric and dimension, for API, command line and panel.

What a metric is says :mod:`edge.model.metrics`; where its events are counted,
:mod:`edge.store.metric_sources`. This module asks, sorts and pages, in one snapshot of the database
for everything in an answer.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec

from edge.model.conditions import Condition
from edge.model.metrics import METRICS, Metric, Sum, sums_of, values
from edge.model.providers import OTHER, PROVIDERS
from edge.store.metric_sources import (
    ROLLED,
    Sources,
    Span,
    State,
    counted_from,
    key_condition,
    state,
)
from edge.store.pool import Connection, in_time
from edge.store.sql import CUSTOM_PLANS, queries

_q = queries("metrics")

CONDITIONED: Final = (*ROLLED, "tag", "bot")
"""Attributes that a condition of a question may be on."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """Which figures.

    ``begin`` <= time < ``end`` in µs, both borders of ``resolution`` (hour, day, month). Of
    ``dimensions`` any but ``subaccount``, of ``conditions`` those on :data:`CONDITIONED`. A
    condition on tags counts an event once for each of its tags that matches. ``sort`` is a
    dimension or one of ``metrics``, and whether it descends.
    """

    domains: tuple[int, ...]
    begin: int
    end: int
    resolution: str
    metrics: tuple[str, ...]
    dimensions: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    sort: tuple[str, bool] | None = None
    skip: int = 0
    limit: int = 1500
    aggregates: bool = False


class Row(msgspec.Struct, frozen=True):
    """One group: the value of each dimension (time in µs) and its metrics."""

    values: tuple[Any, ...]
    metrics: dict[str, int | str]


class Answer(msgspec.Struct, frozen=True):
    """The groups of a page, how many there are in all, and the metrics of everything.

    ``counted_from`` (µs) is later than the question's ``begin`` where what is before it cannot be
    answered any more; groups and aggregates then begin there.
    """

    rows: list[Row]
    total: int
    aggregates: dict[str, int | str]
    counted_from: int


class Counted(msgspec.Struct, frozen=True):
    """Events of one key in one group."""

    values: tuple[Any, ...]
    key: str
    total: int
    unique: int


@asynccontextmanager
async def _snapshot(conn: Connection, now_us: int) -> AsyncIterator[State]:
    with in_time():
        async with conn.transaction(isolation="repeatable_read", readonly=True):
            await conn.execute(CUSTOM_PLANS)
            yield await state(conn, now_us=now_us)


async def ask(conn: Connection, asked: Question, *, now_us: int) -> Answer:
    """The figures; groups without any counted event are left out."""
    sums = sums_of(asked.metrics)
    keys = " OR ".join(f"({key_condition(one)})" for one in sums) or "false"
    async with _snapshot(conn, now_us) as now:
        asked, since = await _kept(conn, asked, now)
        span = _span(asked, f"({keys})")
        rows, total, aggregates = await _page(conn, asked, Sources(span, now), sums)
        if asked.aggregates and not aggregates:
            needed = tuple(dict.fromkeys(("time", *_rolled(asked.dimensions))))
            whole = msgspec.structs.replace(span, columns=needed)
            aggregates = await _whole(conn, asked, Sources(whole, now), sums)
    return Answer(rows, total, aggregates, since)


def _rolled(dimensions: Sequence[str]) -> list[str]:
    """Dimensions that decide where figures are read from: the sum of all is read there too."""
    return [name for name in dimensions if name in ROLLED]


async def counted(conn: Connection, asked: Question, *, now_us: int) -> list[Counted]:
    """Every key by itself, without sorting and pages; ``metrics`` of the question do not matter."""
    async with _snapshot(conn, now_us) as now:
        return await _counted(conn, asked, now)


async def counted_since(
    conn: Connection, asked: Question, *, now_us: int
) -> tuple[list[Counted], int]:
    """The same, cut as :func:`ask` cuts it, and the time from which on it is complete (µs).

    One reading of the counters from which every metric follows (:func:`edge.model.metrics.values`),
    of everything and of each group, where :func:`ask` would read them again for each.
    """
    async with _snapshot(conn, now_us) as now:
        asked, since = await _kept(conn, asked, now)
        return await _counted(conn, asked, now), since


async def _kept(conn: Connection, asked: Question, now: State) -> tuple[Question, int]:
    """The question without what is not kept any more, and from when on (µs) all of it is."""
    classes = [row[0] for row in await conn.fetch(_q["retentions"], list(asked.domains))]
    since = counted_from(_span(asked, ""), now, classes)
    if since > asked.begin:
        asked = msgspec.structs.replace(asked, begin=min(since, asked.end))
    return asked, since


async def _counted(conn: Connection, asked: Question, now: State) -> list[Counted]:
    sources = Sources(_span(asked, "true"), now)
    names = [_group(name) for name in asked.dimensions]
    number = len(names) + 1
    columns = ", ".join([*names, "key", "sum(total)::bigint", "sum(uniq)::bigint"])
    places = ", ".join(map(str, range(1, number + 1)))
    rows = await conn.fetch(
        f"WITH counted AS ({sources.text}) SELECT {columns} FROM counted "  # noqa: S608 - names from a fixed set, values are parameters
        f"{_joined(asked, sources)} GROUP BY {places} ORDER BY {places}",
        *sources.values,
    )
    return [
        Counted(tuple(row[: number - 1]), row[number - 1], row[number], row[number + 1])
        for row in map(tuple, rows)
    ]


def _span(asked: Question, keys: str) -> Span:
    conditions = tuple(
        _as_domains(one) if one.attribute == "recipient_provider" else one
        for one in asked.conditions
    )
    return Span(
        domains=asked.domains,
        begin=asked.begin,
        end=asked.end,
        resolution=asked.resolution,
        columns=asked.dimensions,
        conditions=conditions,
        keys=keys,
    )


def _as_domains(one: Condition) -> Condition:
    """A condition on providers as one on the domains of addresses."""
    names = {*PROVIDERS.values(), OTHER}
    wanted = {name for name in names if one.meets(name)}
    others = OTHER in wanted
    domains = [domain for domain, name in PROVIDERS.items() if (name in wanted) is not others]
    return Condition("recipient_domain", "!=" if others else "=", tuple(domains))


def _sum(one: Sum) -> str:
    what = "uniq" if one.unique else "total"
    keys = key_condition(one).replace("{key}", "key")
    return f"coalesce(sum({what}) FILTER (WHERE {keys}), 0)::bigint"


def _group(name: str) -> str:
    """A dimension's value as it is shown."""
    return {
        "domain": "shown.name",
        "recipient_provider": f"coalesce(known.provider, '{OTHER}')",
    }.get(name, f'counted."{name}"')


def _joined(asked: Question, sources: Sources) -> str:
    """What tells the values that are shown."""
    text = ""
    if "domain" in asked.dimensions:
        text += ' JOIN domains shown ON shown.number = counted."domain"'
    if "recipient_provider" in asked.dimensions:
        names = sources.bind(list(PROVIDERS)), sources.bind(list(PROVIDERS.values()))
        text += (
            f" LEFT JOIN unnest({names[0]}::text[], {names[1]}::text[]) AS known (name, provider)"
            ' ON known.name = counted."recipient_provider"'
        )
    return text


def _order(asked: Question, sums: Sequence[Sum]) -> str:
    """Sorted by what was asked for, then by time and the other dimensions."""
    width = len(asked.dimensions)
    order = []
    if asked.sort is not None:
        name, down = asked.sort
        way = "DESC" if down else "ASC"
        if name in asked.dimensions:
            order.append(f"d{asked.dimensions.index(name)} {way}")
        else:
            order.append(f"{_value(METRICS[name], sums)} {way}")
    elif "time" not in asked.dimensions and asked.metrics:
        order.append(f"{_value(METRICS[asked.metrics[0]], sums)} DESC")
    order += [f"d{place}" for place in range(width)]
    return ", ".join(order) or "1"


def _value(metric: Metric, sums: Sequence[Sum]) -> str:
    if isinstance(metric, Sum):
        return f"s{sums.index(metric)}"
    part, whole = f"s{sums.index(metric.part)}", f"s{sums.index(metric.whole)}"
    return f"coalesce({part}::numeric / nullif({whole}, 0), 0)"


async def _page(
    conn: Connection, asked: Question, sources: Sources, sums: Sequence[Sum]
) -> tuple[list[Row], int, dict[str, int | str]]:
    """Groups, their number, and the metrics of everything if they follow from the groups.

    They do where each event is in one group, so not by tag: reading everything once more would
    take as long again.
    """
    width = len(asked.dimensions)
    follow = asked.aggregates and "tag" not in asked.dimensions
    wholes = [f"(sum(s{place}) OVER ())::bigint" for place in range(len(sums) if follow else 0)]
    columns = [f"{_group(name)} AS d{place}" for place, name in enumerate(asked.dimensions)]
    columns += [f"{_sum(one)} AS s{place}" for place, one in enumerate(sums)]
    groups = ", ".join(str(place + 1) for place in range(width))
    grouped = (
        f"WITH counted AS ({sources.text}), grouped AS ("  # noqa: S608 - names from a fixed set, values are parameters
        f"SELECT {', '.join(columns)} FROM counted {_joined(asked, sources)} "
        + (f"GROUP BY {groups})" if width else "HAVING count(*) > 0)")
    )
    rows = await conn.fetch(
        f"{grouped} SELECT {', '.join(['*', 'count(*) OVER ()', *wholes])} FROM grouped "  # noqa: S608 - as above
        f"ORDER BY {_order(asked, sums)} "
        f"LIMIT {int(asked.limit)} OFFSET {int(asked.skip)}",
        *sources.values,
    )
    total = rows[0][width + len(sums)] if rows else 0
    if not rows and asked.skip:
        total = await conn.fetchval(f"{grouped} SELECT count(*) FROM grouped", *sources.values)  # noqa: S608 - as above
    found = [
        Row(tuple(row[:width]), _metrics(asked, sums, row[width:])) for row in map(tuple, rows)
    ]
    whole = tuple(rows[0])[width + len(sums) + 1 :] if rows else ()
    return found, total, _metrics(asked, sums, whole) if whole else {}


def _metrics(asked: Question, sums: Sequence[Sum], row: Sequence[Any]) -> dict[str, int | str]:
    known: Mapping[Sum, int] = dict(zip(sums, row, strict=False))
    return values(asked.metrics, known)


async def _whole(
    conn: Connection, asked: Question, sources: Sources, sums: Sequence[Sum]
) -> dict[str, int | str]:
    columns = ", ".join(map(_sum, sums)) or "1"
    row = await conn.fetchrow(
        f"WITH counted AS ({sources.text}) SELECT {columns} FROM counted",  # noqa: S608 - as above
        *sources.values,
    )
    return _metrics(asked, sums, tuple(row or ()))
