"""Ten million events of a month: how long the Events API and the metrics API take to answer.

Everything is asked over HTTP of the real control process on its own embedded Postgres, one request
at a time. The edge is restarted before the first pass, which is reported apart: Postgres' own
buffers are empty then (the kernel's file cache is not). The plan of one question of each kind is
kept beside the figures, in ``plans/``.
"""

import asyncio
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.asking import Asker, Kind, timed
from benchmarks.explaining import explain_all
from benchmarks.figure import Figure, Limit, Scale, Section
from benchmarks.history import History, make
from benchmarks.serving import serving

NAME = "reading"
PLANS = Path(__file__).parent / "plans"
DOMAINS = 50

KINDS: tuple[tuple[str, Kind, float | None, int], ...] = (
    ("first page of a domain's events", Asker.first_pages, 30, 170),
    ("deep page (after 5,000 events)", Asker.deep_pages, 30, 170),
    ("events of one recipient", Asker.recipients, 30, 170),
    ("events of one message", Asker.messages, 30, 170),
    ("events of one tag", Asker.tags, None, 160),
    ("metrics of 30 days by day and tag", Asker.figures, 100, 160),
    ("metrics of 30 days by day and country", Asker.countries, None, 60),
    ("events of one day by a word of the subject", Asker.subjects, None, 20),
)
"""What is asked, the limit for the 95th percentile (ms), and how often."""


def _percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def _figures(name: str, limit: float | None, values: Sequence[float]) -> list[Figure]:
    return [
        Figure(name=f"{name}, p50", value=statistics.median(values), unit="ms"),
        Figure(
            name=f"{name}, p95",
            value=_percentile(values, 0.95),
            unit="ms",
            limit=None if limit is None else Limit.VALUE_AT_MOST,
            accepted=limit,
        ),
    ]


def _pass(port: int, history: History, seed: int, share: float) -> dict[str, list[float]]:
    asker = Asker(port, history, seed)
    try:
        return {
            name: timed(asker, kind(asker), max(5, int(count * share)))
            for name, kind, _, count in KINDS
        }
    finally:
        asker.close()


def run(directory: Path, scale: Scale) -> Section:
    """Fill, restart, ask, and keep the plans."""
    count = scale.pick(10_000_000, 200_000)
    data_dir = directory / "edge"
    with serving(data_dir, role="control") as edge:
        began = time.time_ns() // 1000
        history = make(edge.url, events=count, count=DOMAINS, now_us=began)
    with serving(data_dir, role="control") as edge:
        first = _pass(edge.control_port, history, 1, 0.1)
        warm = _pass(edge.control_port, history, 2, 1.0)
        if not scale.quick:
            asyncio.run(explain_all(edge.url, history, PLANS, time.time_ns() // 1000))
    figures = []
    for name, _, limit, _ in KINDS:
        figures += _figures(name, limit, warm[name])
        figures.append(
            Figure(
                name=f"{name}, p95 of the first pass after a restart",
                value=_percentile(first[name], 0.95),
                unit="ms",
            )
        )
    took = ", ".join(f"{what} {seconds:.0f} s" for what, seconds in history.seconds.items())
    notes = [
        (
            f"{history.events:,} events of 30 days, {DOMAINS} domains, recipients, domains and "
            f"tags by Zipf's law, the message facts of each message; made in: {took}. "
            f"{sum(len(v) for v in warm.values()):,} questions in the second pass, pages of 100, "
            "one at a time."
        ),
        (
            "The first pass has the first tenth of the questions, with Postgres' buffers empty and "
            "the kernel's file cache as it is."
        ),
        (
            "Words of from and subject are in the message facts, for which there is no index: such "
            "a question reads what it skips. It is asked of one day here."
        ),
        "The plan of one question of each kind is in `benchmarks/plans/`.",
    ]
    return Section(name=NAME, title="Reading ten million events", figures=figures, notes=notes)
