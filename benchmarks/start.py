"""From the command ``edge serve`` to the first answer, on a data directory that was used before."""

import socket
import time
from pathlib import Path
from statistics import median

from benchmarks.figure import Figure, Limit, Scale, Section
from benchmarks.load import Ask
from benchmarks.processes import wait_until
from benchmarks.serving import Edge, serving
from benchmarks.traffic import asks, messages
from edge.tracking.answers import PIXEL

NAME = "start"


def _answered(port: int, ask: Ask) -> bool:
    """Whether an open gets its pixel now."""
    request = f"GET {ask.path} HTTP/1.1\r\nHost: {ask.host}\r\nUser-Agent: {ask.user_agent}\r\n\r\n"
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(request.encode())
            answer = b""
            while PIXEL not in answer:
                if not (data := connection.recv(4096)):
                    return False
                answer += data
    except OSError:
        return False
    return answer.startswith(b"HTTP/1.1 200")


def _start(data_dir: Path, ask: Ask) -> tuple[float, float]:
    """Seconds to the first answer, and until Postgres and all else is well; stopped again."""
    edge = Edge(data_dir)
    try:
        while not _answered(edge.port, ask):
            if time.perf_counter() - edge.started > 60:
                raise TimeoutError("edge serve did not answer within 60 s")
            time.sleep(0.002)
        answered = time.perf_counter() - edge.started
        edge.wait_ready()
        ready = time.perf_counter() - edge.started
        wait_until(lambda: edge.metric("edge_records_written_total") > 0, 5, "the first record")
    finally:
        edge.stop()
    return answered, ready


def run(directory: Path, scale: Scale) -> Section:
    """Start it several times."""
    data_dir = directory / "edge"
    with serving(data_dir) as edge:
        made = messages(edge.add_domains(50), 1)
        ask = next(iter(asks(edge.keyring(), made, clicks=False)))
    times = [_start(data_dir, ask) for _ in range(scale.pick(5, 2))]
    figures = []
    for place, (name, limit) in enumerate((("the first answer", 2.0), ("all well", None))):
        values = [pair[place] for pair in times]
        figures.append(
            Figure(
                name=f"`edge serve` to {name}",
                value=median(values),
                unit="s",
                limit=Limit.VALUE_AT_MOST if limit else None,
                accepted=limit,
                aim=limit,
                spread=(min(values), max(values)),
            )
        )
    notes = [
        (
            "Embedded Postgres, second and later starts; the first answer is a recorded open on a "
            "new connection. Workers serve from the roster on disk and do not wait for Postgres, "
            "which the second row does (`/readyz` says ok)."
        ),
    ]
    return Section(name=NAME, title="Start", figures=figures, notes=notes)
