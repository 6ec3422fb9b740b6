"""What serving ten thousand certificates costs a process, and how fast an authority is worked off.

``python -m benchmarks.certificates DIRECTORY`` is the process whose memory and times are looked at:
it serves the certificates of a directory and prints what it found.
"""

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median, quantiles

import msgspec

from benchmarks.figure import Figure, Limit, Scale, Section
from certs.clock import SystemClock
from certs.directory_storage import write_private
from certs.keys import self_signed
from certs.sni import Certificates

NAME = "certificates"
LIVE = 3000
"""Contexts that a worker keeps by default."""


class Found(msgspec.Struct):
    """MiB above a process that serves nothing, and times in milliseconds or microseconds."""

    listed_ms: float
    listed_mib: float
    live_mib: float
    all_mib: float
    misses_ms: list[float]
    hit_us: float
    unknown_us: float


def _pss() -> float:
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("the kernel does not tell PSS")


def look(place: Path) -> Found:
    """Serve the certificates of a directory, in this process."""
    default, hosts = (
        place / "default.pem",
        sorted(path.stem for path in (place / "hosts").iterdir()),
    )
    (place / "none").mkdir()
    Certificates(place / "none", default, SystemClock())
    start = _pss()
    began = time.perf_counter()
    served = Certificates(place / "hosts", default, SystemClock(), size=len(hosts))
    listed_ms, listed_mib = (time.perf_counter() - began) * 1e3, _pss() - start
    misses, live_mib = [], 0.0
    for number, host in enumerate(hosts):
        began = time.perf_counter()
        served.context(host)
        misses.append((time.perf_counter() - began) * 1e3)
        if number + 1 == min(LIVE, len(hosts)):
            live_mib = _pss() - start
    all_mib = _pss() - start
    began = time.perf_counter()
    for host in hosts:
        served.context(host)
    hit = time.perf_counter() - began
    began = time.perf_counter()
    for number in range(len(hosts)):
        served.context(f"{number}.unknown.example")
    unknown = time.perf_counter() - began
    each = 1e6 / len(hosts)
    return Found(listed_ms, listed_mib, live_mib, all_mib, misses, hit * each, unknown * each)


def _fill(place: Path, count: int) -> None:
    """A directory with that many different certificates."""
    from tests.unit.certs.authority import TestAuthority

    authority = TestAuthority()
    (place / "hosts").mkdir()
    write_private(place / "default.pem", self_signed("default.example", SystemClock().now()))
    for number in range(count):
        path = place / "hosts" / f"email.brand{number}.example.pem"
        path.write_text(authority.file(f"email.brand{number}.example"))
        path.chmod(0o600)


async def issue(count: int) -> float:
    """Seconds until so many hosts have their certificate from Pebble, 5 % of nonces refused."""
    from tests.integration.certs.pebble import pebble
    from tests.integration.certs.worlds import OPTIONS, world

    stopping, loop = asyncio.Event(), asyncio.get_running_loop()
    async with pebble() as ca, world(ca, options=replace(OPTIONS, workers=8)) as w:
        await w.authority.account()
        began = time.perf_counter()
        for number in range(count):
            await w.storage.add(f"email.brand{number}.example")
        running = loop.create_task(
            w.manager.run(lambda name, work: loop.create_task(work, name=name), stopping)
        )
        while len(w.storage.certificates) < count:
            await asyncio.sleep(0.005)
        taken = time.perf_counter() - began
        stopping.set()
        await running
    return taken


def run(directory: Path, scale: Scale) -> Section:
    """Serve, then issue."""
    count = scale.pick(10_000, 500)
    _fill(directory, count)
    command = [sys.executable, "-m", "benchmarks.certificates", str(directory)]
    done = subprocess.run(command, capture_output=True, check=True)
    found = msgspec.json.decode(done.stdout, type=Found)
    at_most = Limit.VALUE_AT_MOST
    figures = [
        Figure(name=f"PSS of {count:,} hosts, {LIVE:,} of them in use", value=found.live_mib,
               unit="MiB", limit=at_most, accepted=150, aim=100),
        Figure(name="of it the list of hosts", value=found.listed_mib, unit="MiB"),
        Figure(name="the same with all of them in use, were that allowed", value=found.all_mib,
               unit="MiB"),
        Figure(name=f"listing {count:,} files", value=found.listed_ms, unit="ms"),
        Figure(name="a handshake that misses: loading key and chain", value=median(found.misses_ms),
               unit="ms", limit=at_most, accepted=1.5, aim=1.0,
               spread=(min(found.misses_ms), quantiles(found.misses_ms, n=100)[-1])),
        Figure(name="one that does not", value=found.hit_us, unit="µs"),
        Figure(name="an unknown host name", value=found.unknown_us, unit="µs"),
    ]  # fmt: skip
    for hosts in (1, 20, 200):
        taken = [asyncio.run(issue(hosts)) for _ in range(scale.pick(3, 1))]
        figures.append(
            Figure(
                name=f"from asking to certificate, {hosts} at once",
                value=median(taken),
                unit="s",
                spread=(min(taken), max(taken)),
            )
        )
    notes = [
        (
            "P-256 keys, two certificates in each chain. A process of its own; PSS above that of "
            "the same process without hosts. A miss ranges to the 99th percentile."
        ),
        (
            "Issued by Pebble on this machine with real HTTP-01, 5 % of nonces refused; 8 workers "
            "on 4 threads, the account made before."
        ),
    ]
    return Section(name=NAME, title="Certificates", figures=figures, notes=notes)


if __name__ == "__main__":
    print(json.dumps(msgspec.to_builtins(look(Path(sys.argv[1])))))
