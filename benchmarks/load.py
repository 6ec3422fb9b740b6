"""Load by ``wrk``: keep-alive connections that ask as fast as they are answered."""

import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.machine import tool

HEADERS: Final = (
    "Accept: image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8\r\n"
    "Accept-Language: en-GB,en;q=0.9,de;q=0.7\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Referer: https://mail.example.com/inbox/message/18f2c0d94a7e\r\n"
    "Connection: keep-alive\r\n"
)
"""Header lines of every request beside ``Host`` and ``User-Agent``; what a browser sends."""


class Ask(msgspec.Struct, frozen=True, gc=False):
    """One request of the load."""

    host: str
    path: str
    user_agent: str


class Load(msgspec.Struct):
    """What ``wrk`` saw: latencies in µs, ``refused`` are answers of 400 and above."""

    requests: int
    seconds: float
    refused: int
    broken: int
    p50: float
    p99: float


class Requests:
    """The requests file and the header file for ``load.lua``; rounds go on where the last ended."""

    def __init__(self, directory: Path, name: str, asks: Iterable[Ask]) -> None:
        self.path = directory / f"{name}.requests"
        self.headers = directory / f"{name}.headers"
        self.headers.write_text(HEADERS, newline="")
        self._place = 0
        self.count = 0
        with self.path.open("w") as file:
            for ask in asks:
                file.write(f"{ask.host}\t{ask.path}\t{ask.user_agent}\n")
                self.count += 1

    def drive(
        self, port: int, seconds: float, *, connections: int, place: int | None = None
    ) -> Load:
        """Run ``wrk`` for so long; RuntimeError for answers that are errors.

        ``place``: the first request's line; without it the line after the last round's.
        """
        first = self._place if place is None else place
        command = [
            tool("wrk") or "wrk",
            *("-t", "1", "-c", str(connections), "-d", f"{max(1, round(seconds))}s"),
            *("-s", str(Path(__file__).with_name("load.lua")), f"http://127.0.0.1:{port}/"),
            *("--", str(self.path), str(self.headers), str(first)),
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=seconds + 60
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
        if done.returncode or not lines:
            raise RuntimeError(f"wrk failed: {done.stdout}{done.stderr}")
        load = msgspec.json.decode(lines[0].removeprefix("RESULT "), type=Load)
        if load.refused or load.broken or not load.requests:
            raise RuntimeError(f"wrk was not answered as it should be: {load}")
        self._place = (first + load.requests) % self.count
        return load

    @property
    def place(self) -> int:
        """Where the next round begins."""
        return self._place
