"""CPU of everything, from the request to the committed row, beside one INSERT per request.

Both write into the same Postgres (full durability), into databases of the same migrations, for
the same requests. The edge's CPU counts every process of it, from the first request until its drain
has shipped the last; Postgres' CPU counts the whole server on both sides. The database with nobody
asking it is idle, so what runs is the side being measured; the edge is stopped for the other's
rounds.
"""

import asyncio
from pathlib import Path

from benchmarks import postgres
from benchmarks.figure import Figure, Limit, Scale, Section, ratio_figure
from benchmarks.load import Requests
from benchmarks.pacing import pace
from benchmarks.rivals import python_module
from benchmarks.serving import Edge, serving, store_facts, stored
from benchmarks.traffic import asks, messages

NAME = "whole-line"
CONNECTIONS = 32
RATE = 1000
"""Requests per second of the paced round: well below what one INSERT per request can do here."""


class _Side:
    """µs of CPU per request, one number per round; the last round's parts."""

    def __init__(self) -> None:
        self.total: list[float] = []
        self.parts: dict[str, list[float]] = {}

    def add(self, parts: dict[str, float], requests: int) -> None:
        self.total.append(sum(parts.values()) / requests * 1e6)
        for name, seconds in parts.items():
            self.parts.setdefault(name, []).append(seconds / requests * 1e6)


def _edge_round(
    edge: Edge, server: postgres.Postgres, load: Requests, side: _Side, seconds: int, rate: int
) -> int:
    before, database = edge.cpu(), server.cpu()
    if rate:
        asked = pace(load, edge.port, rate=rate, seconds=seconds).requests
    else:
        asked = load.drive(edge.port, seconds, connections=CONNECTIONS).requests
    edge.wait_drained()
    after = edge.cpu()
    if before.keys() != after.keys():
        raise RuntimeError("a child was restarted")
    parts = {role: after[role] - before[role] for role in after}
    side.add(parts | {"postgres": server.cpu() - database}, asked)
    return asked


def _insert_round(
    data_dir: Path,
    url: str,
    commit: str,
    server: postgres.Postgres,
    load: Requests,
    side: _Side,
    seconds: int,
    rate: int,
) -> int:
    with python_module("benchmarks.inserting", str(data_dir), url, commit) as handler:
        before, database = handler.cpu(), server.cpu()
        if rate:
            asked = pace(load, handler.port, rate=rate, seconds=seconds).requests
        else:
            asked = load.drive(handler.port, seconds, connections=CONNECTIONS).requests
        parts = {"handler": handler.cpu() - before, "postgres": server.cpu() - database}
    side.add(parts, asked)
    return asked


def _parts(name: str, side: _Side) -> list[Figure]:
    return [
        Figure(
            name=f"{name}: of it {role}",
            value=sorted(values)[len(values) // 2],
            unit="µs",
            spread=(min(values), max(values)),
        )
        for role, values in side.parts.items()
    ]


def _figures(sides: dict[str, _Side]) -> list[Figure]:
    third = 1 / 3
    figures = [
        ratio_figure(
            f"request to committed row, against INSERT with `synchronous_commit` {commit}",
            "µs",
            sides["edge"].total,
            sides[commit].total,
            "INSERT per request",
            limit=Limit.RATIO_AT_MOST,
            accepted=third,
            aim=third,
        )
        for commit in ("on", "off")
    ]
    figures += [
        ratio_figure(
            f"the same at only {RATE:,} requests a second",
            "µs",
            sides["edge paced"].total,
            sides["on paced"].total,
            "INSERT per request, `synchronous_commit` on",
        )
    ]
    for name, label in (
        ("edge", "edge"),
        ("on", "INSERT, commit on"),
        ("off", "INSERT, commit off"),
    ):
        figures += _parts(label, sides[name])
    return figures


def run(directory: Path, scale: Scale) -> Section:
    """Measure both sides in turn."""
    rounds = scale.pick(3, 1)
    seconds = scale.pick(8, 2)
    sides = {name: _Side() for name in ("edge", "on", "off", "edge paced", "on paced")}
    inserted = 0
    with postgres.running(directory) as server:
        edge_url = server.create("edge")
        data_dir = directory / "line"
        with serving(data_dir, database_url=edge_url) as edge:
            made = messages(edge.add_domains(50), 120_000)
            asyncio.run(store_facts(edge_url, made))
            load = Requests(directory, "opens", asks(edge.keyring(), made, clicks=False))
        insert_url = server.create("inserting", template="edge")
        for place in range(rounds):
            paced = RATE if place == rounds - 1 else 0
            with serving(data_dir, database_url=edge_url) as edge:
                _edge_round(edge, server, load, sides["edge"], seconds, 0)
                if paced:
                    _edge_round(edge, server, load, sides["edge paced"], seconds, paced)
            for commit in ("on", "off"):
                inserted += _insert_round(
                    data_dir, insert_url, commit, server, load, sides[commit], seconds, 0
                )
            if paced:
                inserted += _insert_round(
                    data_dir, insert_url, "on", server, load, sides["on paced"], seconds, paced
                )
        found = asyncio.run(stored(insert_url))
    if found < inserted:
        raise RuntimeError(f"{inserted} were answered, {found} are stored")
    notes = [
        (
            f"Opens over {CONNECTIONS} keep-alive connections, {rounds} rounds of {seconds} s; "
            "Postgres with `fsync`, `full_page_writes` and default `synchronous_commit`, 50 "
            "domains, 2 tags per message, the same indexes."
        ),
        (
            "The INSERT handler: aiohttp on uvloop, one process, asyncpg pool of 16, one prepared "
            "statement that does row, unique, tags and counters in one round trip; the same "
            "opening of the token, the same reading of the head, the same enrichment (without "
            "hindsight, which needs the wait that the drain has)."
        ),
        (
            "The edge's number ends when the last event is committed, so its drain's settle time "
            "and its idle polling are in it. At full load its batches are full; the paced row "
            "shows it with small ones."
        ),
    ]
    return Section(name=NAME, title="The whole line", figures=_figures(sides), notes=notes)
