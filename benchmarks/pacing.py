"""A client that asks at a fixed rate, whatever the answers take.

Each connection has a schedule of its own; a request that is due while the one before is still
unanswered is sent as soon as it can be, and its latency counts from when it was due (a closed loop
would leave out exactly the slow moments). Where the client itself woke late on a free connection,
the latency counts from the sending: that lateness is not the server's.

Run as ``python -m benchmarks.pacing PORT REQUESTS HEADERS RATE SECONDS FIRST``; prints one JSON
object.
"""

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import cast

import msgspec
import uvloop

from benchmarks.load import Requests

CONNECTIONS = 64


class Paced(msgspec.Struct):
    """Latencies in ms; ``requests`` were all answered."""

    requests: int
    p50: float
    p99: float
    p999: float
    worst: float


class _Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request under way."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[None] | None = None
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        if not end or self._answer is None:
            return
        if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 302")):
            self._answer.set_exception(RuntimeError(f"answered {head[:60]!r}"))
            return
        length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        if len(body) >= length:
            self._buffer = body[length:]
            self._answer.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(RuntimeError(f"connection lost: {exc}"))

    async def ask(self, request: bytes) -> None:
        """Send, and wait for the whole answer."""
        assert self.transport is not None, "connected"
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        await self._answer


async def _keep_asking(
    port: int, requests: list[bytes], first: float, gap: float, count: int
) -> list[float]:
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(_Connection, "127.0.0.1", port)
    latencies = []
    free_since = 0.0
    for turn in range(count):
        due = first + turn * gap
        if (early := due - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        sent = time.perf_counter()
        start = due if free_since > due else sent
        await connection.ask(requests[turn % len(requests)])
        free_since = time.perf_counter()
        latencies.append(free_since - start)
    assert connection.transport is not None, "connected"
    connection.transport.close()
    return latencies


def _read(requests: Path, headers: Path, first: int, count: int) -> list[bytes]:
    lines = requests.read_text().splitlines()
    tail = headers.read_bytes()
    made = []
    for place in range(count):
        host, path, agent = lines[(first + place) % len(lines)].split("\t")
        made.append(
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\n".encode()
            + tail
            + b"\r\n"
        )
    return made


async def _measure(port: int, requests: list[bytes], rate: float, seconds: float) -> Paced:
    gap = CONNECTIONS / rate
    count = int(seconds / gap)
    begin = time.perf_counter() + 0.2
    tasks = [
        _keep_asking(port, requests[n::CONNECTIONS], begin + n / rate, gap, count)
        for n in range(CONNECTIONS)
    ]
    parts = await asyncio.gather(*tasks)
    found = sorted(latency for part in parts for latency in part)
    at = [found[min(len(found) - 1, int(len(found) * share))] for share in (0.5, 0.99, 0.999)]
    p50, p99, p999, worst = (round(value * 1000, 3) for value in (*at, found[-1]))
    return Paced(len(found), p50, p99, p999, worst)


def pace(load: Requests, port: int, *, rate: float, seconds: float) -> Paced:
    """Ask at ``rate`` per second, in a process of its own; RuntimeError when it fails."""
    command = [
        *(sys.executable, "-m", "benchmarks.pacing", str(port), str(load.path), str(load.headers)),
        *(str(rate), str(seconds), str(load.place)),
    ]
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(
        command, cwd=root, capture_output=True, text=True, check=False, timeout=seconds + 60
    )
    if done.returncode:
        raise RuntimeError(f"the paced client failed: {done.stderr[-2000:]}")
    return msgspec.json.decode(done.stdout, type=Paced)


def main() -> None:
    """Measure and print."""
    port, requests, headers, rate, seconds, first = sys.argv[1:7]
    made = _read(Path(requests), Path(headers), int(first), 50_000)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(_measure(int(port), made, float(rate), float(seconds)))
    print(msgspec.json.encode(found).decode())


if __name__ == "__main__":
    main()
