"""CPU per open and per click, keep-alive, beside nginx's and a plain aiohttp route's.

Rounds alternate: the edge (then wait until its drain has shipped everything), nginx, aiohttp. So
each is measured with nothing else running, but for the edge, whose own drain works beside it.
"""

import asyncio
import os
import signal
from pathlib import Path

from benchmarks.figure import Figure, Limit, Scale, Section, ratio_figure
from benchmarks.load import Requests
from benchmarks.rivals import Rival, nginx, python_module
from benchmarks.serving import Edge, serving, store_facts, stored
from benchmarks.traffic import asks, messages

NAME = "request-cost"
CONNECTIONS = 32
FEW = 4
_ACCEPTED = {"open": (1.4, 1.2), "click": (1.6, 1.4)}


class _Rounds:
    """CPU in µs per request of each round, by who used it."""

    def __init__(self) -> None:
        self.edge: dict[str, list[float]] = {}
        self.nginx: list[float] = []
        self.aiohttp: list[float] = []
        self.requests = 0

    def add_edge(self, before: dict[str, float], after: dict[str, float], requests: int) -> None:
        if before.keys() != after.keys():
            raise RuntimeError(f"a child was restarted: {before.keys()}, then {after.keys()}")
        self.requests += requests
        for role in after:
            self.edge.setdefault(role, []).append((after[role] - before[role]) / requests * 1e6)


def _edge_round(edge: Edge, load: Requests, seconds: int, connections: int, into: _Rounds) -> None:
    before = edge.cpu()
    done = load.drive(edge.port, seconds, connections=connections)
    edge.wait_drained()
    into.add_edge(before, edge.cpu(), done.requests)


def _alone_round(edge: Edge, load: Requests, seconds: int, into: _Rounds) -> None:
    """As a round of the edge, with its ingest halted until the load is over."""
    ingest = edge.children()["ingest"]
    os.kill(ingest, signal.SIGSTOP)
    try:
        before = edge.cpu()
        done = load.drive(edge.port, seconds, connections=CONNECTIONS)
        into.add_edge(before, edge.cpu(), done.requests)
    finally:
        os.kill(ingest, signal.SIGCONT)
    edge.wait_drained()


def _rival_round(rival: Rival, load: Requests, seconds: int, connections: int) -> float:
    before = rival.cpu()
    done = load.drive(rival.port, seconds, connections=connections, place=load.place)
    return (rival.cpu() - before) / done.requests * 1e6


def _figures(kind: str, rounds: _Rounds, few: _Rounds, alone: _Rounds) -> list[Figure]:
    accepted, aim = _ACCEPTED[kind]
    worker = rounds.edge["tracking"]
    found = [
        ratio_figure(
            f"{kind}: CPU of the worker per request",
            "µs",
            worker,
            rounds.nginx,
            "nginx `empty_gif` with `access_log`",
            limit=Limit.RATIO_AT_MOST,
            accepted=accepted,
            aim=aim,
        ),
        ratio_figure(
            f"{kind}: the same over {FEW} connections",
            "µs",
            few.edge["tracking"],
            few.nginx,
            "the same",
        ),
        ratio_figure(
            f"{kind}: the same over {CONNECTIONS} connections, ingest halted meanwhile",
            "µs",
            alone.edge["tracking"],
            alone.nginx,
            "the same",
        ),
        ratio_figure(
            f"{kind}: CPU of the worker per request",
            "µs",
            worker,
            rounds.aiohttp,
            "an aiohttp route that returns the pixel",
        ),
    ]
    for role in ("ingest", "postgres", "supervisor", "control"):
        values = sorted(rounds.edge[role])
        found.append(
            Figure(
                name=f"{kind}: beside it, CPU of {role} until the event is stored",
                value=values[len(values) // 2],
                unit="µs",
                spread=(values[0], values[-1]),
            )
        )
    return found


def run(directory: Path, scale: Scale) -> Section:
    """Measure both kinds of request."""
    count = scale.pick(5, 2)
    seconds = scale.pick(3, 1)
    figures: list[Figure] = []
    asked = 0
    with (
        serving(directory / "cost") as edge,
        nginx(directory) as gif,
        python_module("benchmarks.rivals") as plain,
    ):
        domains = edge.add_domains(50)
        made = messages(domains, 120_000)
        asyncio.run(store_facts(edge.url, made))
        keyring = edge.keyring()
        for kind in ("open", "click"):
            load = Requests(directory, kind, asks(keyring, made, clicks=kind == "click"))
            rounds, few, alone = _Rounds(), _Rounds(), _Rounds()
            asked += load.drive(edge.port, 1, connections=CONNECTIONS).requests
            edge.wait_drained()
            for into, connections in [(rounds, CONNECTIONS)] * count + [(few, FEW)] * 2:
                _edge_round(edge, load, seconds, connections, into)
                into.nginx.append(_rival_round(gif, load, seconds, connections))
                into.aiohttp.append(_rival_round(plain, load, seconds, connections))
            for _ in range(2):
                _alone_round(edge, load, seconds, alone)
                alone.nginx.append(_rival_round(gif, load, seconds, CONNECTIONS))
            asked += rounds.requests + few.requests + alone.requests
            figures += _figures(kind, rounds, few, alone)
        found = asyncio.run(stored(edge.url))
    if not asked <= found <= asked + (count + 5) * 2 * CONNECTIONS:
        raise RuntimeError(f"{asked} requests were answered, {found} are stored")
    notes = [
        (
            "`edge serve` with default settings and one worker on embedded Postgres; "
            f"{len(made):,} different tokens per kind, 50 domains, 2 tags per message, 1,000 user "
            f"agents; {count} rounds of {seconds} s over {CONNECTIONS} keep-alive connections, in "
            "turn with nginx (one worker, `combined` log unbuffered) and aiohttp (uvloop, no "
            "access log)."
        ),
        (
            "The load asks as fast as it is answered, so one tick of the worker's loop serves "
            f"several requests and its one `write` is shared; the row with {FEW} connections shows "
            "less of it."
        ),
        (
            "The edge's worker is measured while its drain and Postgres work on the same cores "
            "and caches; nginx and aiohttp have the machine to themselves and the load generator. "
            "The row with ingest halted shows the worker without that neighbour; it is not the "
            "promise."
        ),
        (
            f"Checked: {asked:,} answers, {found:,} stored (the difference was in flight when the "
            "load stopped)."
        ),
        (
            "All requests come from one loopback address, so the look-up of the place is always "
            "remembered here; the drain's figures use many addresses."
        ),
    ]
    return Section(name=NAME, title="Open and click", figures=figures, notes=notes)
