"""Memory of a tracking worker after many requests."""

from pathlib import Path

from benchmarks.figure import Figure, Limit, Scale, Section
from benchmarks.load import Requests
from benchmarks.serving import Edge, serving
from benchmarks.traffic import asks, messages

NAME = "memory"
CONNECTIONS = 64
MIB = 2**20


def _ask_until(edge: Edge, load: Requests, have: int, want: int) -> int:
    worker = edge.children()["tracking"]
    while have < want:
        have += load.drive(edge.port, 2, connections=CONNECTIONS).requests
    if edge.children()["tracking"] != worker:
        raise RuntimeError("the worker was restarted")
    return have


def run(directory: Path, scale: Scale) -> Section:
    """Measure after some, more and a million requests."""
    steps = (100_000, 500_000, 1_000_000) if not scale.quick else (20_000, 60_000, 100_000)
    figures = []
    sizes = []
    with serving(directory / "edge") as edge:
        made = messages(edge.add_domains(50), 200_000)
        load = Requests(directory, "opens", asks(edge.keyring(), made, clicks=False))
        asked = 0
        for step in steps:
            asked = _ask_until(edge, load, asked, step)
            found = edge.worker_memory()
            sizes.append(found["Pss"] / MIB)
            last = step == steps[-1]
            figures.append(
                Figure(
                    name=f"PSS of the worker after {asked:,} requests",
                    value=sizes[-1],
                    unit="MiB",
                    limit=Limit.VALUE_AT_MOST if last else None,
                    accepted=60 if last else None,
                    aim=60 if last else None,
                )
            )
        figures.append(Figure(name="of it private", value=_private(found), unit="MiB"))
        figures.append(Figure(name="RSS then", value=found["Rss"] / MIB, unit="MiB"))
    notes = [
        (
            f"{len(made):,} different tokens over {CONNECTIONS} connections, embedded Postgres, "
            "one worker beside ingest and control. PSS divides what processes share by how many "
            "share it; with more workers each one's share is smaller."
        ),
        f"Growth from the first to the last row: {sizes[-1] - sizes[0]:+.1f} MiB.",
    ]
    return Section(name=NAME, title="Memory", figures=figures, notes=notes)


def _private(found: dict[str, int]) -> float:
    return (found["Private_Dirty"] + found["Private_Clean"]) / MIB
