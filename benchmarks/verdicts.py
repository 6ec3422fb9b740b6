"""Verdicts per second on one core: everything that enrichment says of a request.

Each run is a process of its own, so that a cold cache is cold: nothing of an earlier run is
remembered anywhere. Run as ``python -m benchmarks.verdicts RANGES GEO``; prints one JSON object.
"""

import random
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import msgspec

from benchmarks.data_files import write_geo, write_ranges
from benchmarks.figure import Figure, Limit, Scale, Section
from benchmarks.traffic import addresses, click_target, messages, open_target, user_agents
from edge.enrich.pipeline import Enricher, open_enricher
from edge.model.capture import Act, Capture

NAME = "verdicts"
AGENTS = 5000
STREAM = 100_000


class Rates(msgspec.Struct):
    """Verdicts per second: each user agent for the first time, again, and a stream from cold."""

    cold: float
    warm: float
    stream: float


def _captures(count: int) -> list[Capture]:
    """``count`` captures, in which each user agent comes before any comes again."""
    chosen = random.Random(6)
    agents, places = user_agents(AGENTS), addresses(20_000)
    made = messages({1: "email.brand.example"}, 2000)
    found = []
    for place in range(count):
        message = made[chosen.randrange(len(made))]
        click = chosen.random() < 0.25
        found.append(
            Capture(
                id=place.to_bytes(16, "big"),
                at=1_750_000_000_000_000 + place * 1000,
                act=Act.CLICK if click else Act.OPEN,
                method="GET",
                ip=places[chosen.randrange(len(places))],
                tls=True,
                headers={
                    "user-agent": agents[place % AGENTS],
                    "accept": "image/avif,image/webp,*/*;q=0.8",
                    "accept-language": "en-GB,en;q=0.9",
                    "accept-encoding": "gzip, deflate, br",
                    "host": message.host,
                },
                target=click_target(message) if click else open_target(message),
            )
        )
    return found


def _rate(enricher: Enricher, captures: list[Capture]) -> float:
    around = [[capture] for capture in captures]
    start = time.process_time()
    for capture, seen in zip(captures, around, strict=True):
        enricher.label(capture, seen)
    return len(captures) / (time.process_time() - start)


def _measure(ranges: Path, geo: Path, *, stream: bool) -> float | tuple[float, float]:
    enricher = open_enricher(ranges_path=ranges, geo_path=geo, gmail_image_proxy="human")
    if stream:
        return _rate(enricher, _captures(STREAM))
    captures = _captures(AGENTS)
    return _rate(enricher, captures), _rate(enricher, captures)


def _once(ranges: Path, geo: Path, kind: str) -> list[float]:
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.verdicts", str(ranges), str(geo), kind],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if done.returncode:
        raise RuntimeError(f"labelling failed: {done.stderr[-2000:]}")
    return msgspec.json.decode(done.stdout, type=list[float])


def run(directory: Path, scale: Scale) -> Section:
    """Measure in fresh processes."""
    ranges, geo = directory / "ranges.mmdb", directory / "geo.mmdb"
    write_ranges(ranges)
    write_geo(geo)
    rounds = scale.pick(5, 2)
    pairs = [_once(ranges, geo, "pair") for _ in range(rounds)]
    streams = [_once(ranges, geo, "stream")[0] for _ in range(rounds)]
    parts = (
        (f"{AGENTS:,} different user agents, each for the first time", [p[0] for p in pairs], True),
        ("the same again", [p[1] for p in pairs], False),
        (f"{STREAM:,} requests with {AGENTS:,} user agents, from a cold start", streams, False),
    )
    figures = [
        Figure(
            name=f"verdicts: {text}",
            value=median(values),
            unit="per s",
            limit=Limit.VALUE_AT_LEAST if judged else None,
            accepted=20_000 if judged else None,
            aim=20_000 if judged else None,
            spread=(min(values), max(values)),
        )
        for text, values, judged in parts
    ]
    notes = [
        (
            "CPU time of one process; client info, network, place, verdict and evidence of "
            "captures already read from their records, 20,000 addresses, range and geolocation "
            "files of realistic size. The first row is the hardest reading of a cold cache: no "
            "user agent in it was ever seen before, and hardly any address."
        ),
    ]
    return Section(name=NAME, title="Labels", figures=figures, notes=notes)


def main() -> None:
    """Measure once and print."""
    ranges, geo, kind = sys.argv[1:4]
    found = _measure(Path(ranges), Path(geo), stream=kind == "stream")
    print(msgspec.json.encode(found if isinstance(found, tuple) else [found]).decode())


if __name__ == "__main__":
    main()
