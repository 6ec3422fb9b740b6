"""``edge stats metrics``: any metric by any dimension, as a table, JSON or CSV."""

import csv
import sys
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from edge.cli import session
from edge.cli.options import Config, DataDir, print_json, print_table, run
from edge.cli.times import format_time, parse_time
from edge.clock import SystemClock
from edge.model.conditions import EQUAL, UNEQUAL, Condition
from edge.model.errors import CallerError
from edge.model.metrics import DIMENSIONS, METRICS
from edge.model.periods import ceiling, floor
from edge.settings import load
from edge.store import domains, metrics
from edge.store.metrics import CONDITIONED, Answer, Question

MOST: Final = 1_000_000
_SPLIT: Final = tuple(name for name in DIMENSIONS if name != "subaccount")


class Resolution(StrEnum):
    """How finely figures are split."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


class Form(StrEnum):
    """How figures are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def show_metrics(
    metric: Annotated[
        list[str] | None, typer.Option("--metric", help="A metric's name; may be repeated.")
    ] = None,
    by: Annotated[
        list[str] | None, typer.Option("--by", help="A dimension; up to three, repeated.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", help="NAME=VALUE or NAME!=VALUE; may be repeated."),
    ] = None,
    domain: Annotated[
        list[str] | None, typer.Option("--domain", help="Only this domain; may be repeated.")
    ] = None,
    resolution: Annotated[
        Resolution, typer.Option("--resolution", help="What spans and times are cut to.")
    ] = Resolution.DAY,
    begin: Annotated[str, typer.Option("--begin", help="From this time on.")] = "7d",
    end: Annotated[str | None, typer.Option("--end", help="Before this time.")] = None,
    limit: Annotated[int, typer.Option("--limit", help="At most so many.", min=1, max=MOST)] = 1500,
    form: Annotated[Form, typer.Option("--format", help="How they are printed.")] = Form.TABLE,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Show metrics by time, domain, tag and other dimensions: the API's figures."""
    settings = load(config, data_dir=data_dir)
    now_us = SystemClock.now_us()
    span = parse_time(begin, now_us=now_us), parse_time(end, now_us=now_us) if end else now_us + 1
    if span[1] <= span[0]:
        raise CallerError("--end is before --begin")
    names = _known(metric or ["delivered_count", "opened_count", "clicked_count"], METRICS)
    split = _known(by or [], _SPLIT)
    if len(split) > 3:
        raise CallerError("--by: at most three dimensions")
    conditions = tuple(map(_condition, where or []))

    async def work() -> Answer:
        async with session.database(settings) as pool, pool.acquire() as conn:
            if domain:
                numbers = [(await domains.get(conn, name)).number for name in domain]
            else:
                numbers = [one.number for one in await domains.list_domains(conn)]
            asked = Question(
                domains=tuple(numbers),
                begin=floor(span[0], resolution.value),
                end=ceiling(span[1], resolution.value),
                resolution=resolution.value,
                metrics=names,
                dimensions=split,
                conditions=conditions,
                limit=limit,
            )
            return await metrics.ask(conn, asked, now_us=now_us)

    answer = run(work())
    if answer.counted_from > floor(span[0], resolution.value):
        since = format_time(answer.counted_from)
        typer.echo(f"What is asked for can only be counted from {since} on.", err=True)
    _print(answer, split, names, form)


def _known(given: list[str], known: Any) -> tuple[str, ...]:
    for name in given:
        if name not in known:
            raise CallerError(f"there is no {name!r}; there are {', '.join(known)}")
    return tuple(dict.fromkeys(given))


def _condition(text: str) -> Condition:
    name, comparator, value = text.partition("!=" if "!=" in text else "=")
    if not comparator or name not in CONDITIONED:
        raise CallerError(f"--where {text}: write NAME=VALUE with one of {', '.join(CONDITIONED)}")
    return Condition(name, UNEQUAL if comparator == "!=" else EQUAL, (value,))


def _print(answer: Answer, split: tuple[str, ...], names: tuple[str, ...], form: Form) -> None:
    columns = (*split, *names)
    rows = [
        (
            *(
                format_time(value) if name == "time" else value
                for name, value in zip(split, row.values, strict=True)
            ),
            *row.metrics.values(),
        )
        for row in answer.rows
    ]
    if form is Form.JSON:
        for row in rows:
            print_json(dict(zip(columns, row, strict=True)))
    elif form is Form.CSV:
        csv.writer(sys.stdout).writerows([columns, *rows])
    else:
        print_table(columns, rows, empty="Nothing was counted in that time.")
    if answer.total > len(answer.rows):
        typer.echo(f"{answer.total - len(answer.rows)} more; see --limit.", err=True)
