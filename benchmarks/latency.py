"""p99 of an open at a modest fixed rate: all well, Postgres stopped, an hour's backlog draining."""

import asyncio
import time
from pathlib import Path
from statistics import median

from benchmarks import postgres
from benchmarks.backlog import Backlog
from benchmarks.figure import Figure, Limit, Scale, Section, ratio_figure
from benchmarks.load import Requests
from benchmarks.pacing import CONNECTIONS, Paced, pace
from benchmarks.serving import Edge, serving, store_facts
from benchmarks.traffic import asks, messages

NAME = "latency"
RATE = 1000
"""Requests per second."""


def _rounds(edge: Edge, load: Requests, count: int, seconds: int) -> list[Paced]:
    return [pace(load, edge.port, rate=RATE, seconds=seconds) for _ in range(count)]


def _draining(
    edge: Edge, load: Requests, backlog: Backlog, count: int, seconds: int
) -> list[Paced]:
    begin = edge.metric("edge_drain_events_total")
    backlog.release()
    time.sleep(1)
    found = _rounds(edge, load, count, seconds)
    done = edge.metric("edge_drain_events_total") - begin
    if not 0 < done < backlog.count:
        raise RuntimeError(f"{done:.0f} of {backlog.count} drained: not draining all the while")
    return found


def _figures(idle: list[Paced], dead: list[Paced], draining: list[Paced]) -> list[Figure]:
    before = [paced.p99 for paced in idle]
    figures = [
        ratio_figure(
            "p99 of an open while an hour's backlog drains",
            "ms",
            [paced.p99 for paced in draining],
            before,
            "with nothing to drain but these opens",
            limit=Limit.RATIO_AT_MOST,
            accepted=1.5,
            aim=1.5,
        ),
        ratio_figure(
            "p99 of an open with Postgres stopped",
            "ms",
            [paced.p99 for paced in dead],
            before,
            "with Postgres",
        ),
    ]
    for name, rounds in (("all well", idle), ("no Postgres", dead), ("draining", draining)):
        figures += [
            Figure(name=f"{name}: median", value=median(p.p50 for p in rounds), unit="ms"),
            Figure(name=f"{name}: 99.9 %", value=median(p.p999 for p in rounds), unit="ms"),
            Figure(name=f"{name}: slowest", value=max(p.worst for p in rounds), unit="ms"),
        ]
    return figures


def run(directory: Path, scale: Scale) -> Section:
    """Measure the three states."""
    count = scale.pick(3, 1)
    seconds = scale.pick(10, 3)
    records = scale.pick(3_600_000, 300_000)
    with postgres.running(directory) as server:
        url = server.create("edge")
        data_dir = directory / "edge"
        with serving(data_dir, database_url=url) as edge:
            made = messages(edge.add_domains(50), 200_000)
            asyncio.run(store_facts(url, made))
            load = Requests(directory, "opens", asks(edge.keyring(), made[:120_000], clicks=False))
            identity = (data_dir / "edge-id").read_text().strip()
            backlog = Backlog(data_dir / "spool", made, records, seconds=3600, edge_id=identity)
            pace(load, edge.port, rate=RATE, seconds=1)
            idle = _rounds(edge, load, count, seconds)
            server.stop()
            dead = _rounds(edge, load, count, seconds)
            server.start()
            edge.wait_ready()
            edge.wait_drained()  # of what was recorded while Postgres was away
            draining = _draining(edge, load, backlog, count, seconds)
    notes = [
        (
            f"{RATE:,} opens a second over {CONNECTIONS} keep-alive connections, {count} rounds of "
            f"{seconds} s for each state, one worker; a backlog of {records:,} records "
            f"({backlog.bytes / 2**30:.1f} GiB). An open loop: latency counts from when a request "
            "was due if its connection was still busy."
        ),
        (
            "The client is a Python process on the same two cores: while the backlog drains, "
            "ingest, its Postgres backend, the worker and the client want more than the machine "
            "has, so this row also measures the kernel's scheduler, and the client's own wait for "
            "a core."
        ),
    ]
    figures = _figures(idle, dead, draining)
    return Section(name=NAME, title="Waiting for an open", figures=figures, notes=notes)
