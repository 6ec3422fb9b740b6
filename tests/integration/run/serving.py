"""A real ``edge serve`` for a test: started, watched and stopped as an operator would."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from tests.ports import free_port

PATIENCE = 30.0
PROGRAM = (sys.executable, "-m", "edge")


def until(what: str, condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """The first true value of the condition; fails the test when none comes in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {seconds} s")


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie that its new parent has not reaped does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@contextmanager
def place() -> Iterator[Path]:
    """A directory with a space in its name that every user can enter."""
    base = Path(tempfile.mkdtemp(prefix="edge run "))
    base.chmod(0o755)
    try:
        yield base
    finally:
        shutil.rmtree(base)


class Edge:
    """One supervisor and its children."""

    def __init__(self, base: Path, *arguments: str, **environment: str) -> None:
        self.base = base
        self.data = base / "data"
        self.http, self.https, self.control = free_port(), free_port(), free_port()
        self.panel = free_port()
        self._arguments = arguments
        self._environment = environment
        self._output = base / "output"
        self._starts = 0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, program: tuple[str, ...] | None = None) -> "Edge":
        """Start it; does not wait."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("EDGE_")}
        environment |= {
            "EDGE_HTTP_BIND": f"127.0.0.1:{self.http}",
            "EDGE_HTTPS_BIND": f"127.0.0.1:{self.https}",
            "EDGE_CONTROL_BIND": f"127.0.0.1:{self.control}",
            "EDGE_PANEL_BIND": f"127.0.0.1:{self.panel}",
            "EDGE_SMTP_BIND": "127.0.0.1:0",
            "EDGE_RETURNS_BIND": "127.0.0.1:0",
            "EDGE_SMTPS_BIND": "127.0.0.1:0",
            "EDGE_WORKERS": "1",
            "EDGE_SETTLE": "0",
            **self._environment,
        }
        self._starts += 1
        with self._output.open("ab") as output:
            self.process = subprocess.Popen(
                [*(program or PROGRAM), "serve", "--data-dir", str(self.data), *self._arguments],
                stdout=output,
                stderr=output,
                env=environment,
            )
        return self

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        assert self.process is not None
        return self.process.pid

    @property
    def output(self) -> str:
        """Everything it has printed and logged."""
        return self._output.read_text("utf-8", "replace")

    def events(self, name: str) -> list[dict[str, Any]]:
        """Log lines with this message."""
        lines = [json.loads(line) for line in self.output.splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("event") == name]

    def get(self, path: str, port: int = 0) -> tuple[int, bytes]:
        """Status and body of one request to the control port, or to another; 0 if refused."""
        url = f"http://127.0.0.1:{port or self.control}{path}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()
        except OSError:
            return 0, b""

    def ready(self) -> "Edge":
        """Wait until everything is well and the first run's child has finished."""

        def well() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, self.output[-3000:]
            greeted = self.output.count("The edge is ready") >= self._starts
            greeted = greeted and "first run" not in self.children()
            return greeted and b'"status": "ok"' in self.get("/readyz")[1]

        until("ready", well)
        return self

    def children(self) -> dict[str, int]:
        """Process ids by title, without the ``edge:`` before it."""
        found = {}
        for process in psutil.Process(self.pid).children():
            try:
                title = " ".join(process.cmdline())
            except psutil.Error:
                continue
            if title.startswith("edge: "):
                found[title.removeprefix("edge: ").strip()] = process.pid
        return found

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Signal the supervisor and wait for it; its exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def postmaster(self) -> int:
        """Process id of the embedded database."""
        return int((self.data / "postgres" / "postmaster.pid").read_text().split("\n")[0])


@contextmanager
def edge(*arguments: str, **environment: str) -> Iterator[Edge]:
    """A started edge in a directory of its own; stopped at the end, whatever happened."""
    with place() as base:
        one = Edge(base, *arguments, **environment).start()
        try:
            yield one
        finally:
            finish(one)


def finish(one: Edge) -> None:
    """End the supervisor, its children and its database, also where it was killed."""
    if one.process is not None and one.process.poll() is None:
        one.stop()
    for process in psutil.process_iter():
        try:
            here = process.cwd() == str(one.data / "postgres")
        except psutil.Error:
            continue
        if here and process.is_running():
            process.kill()


def command(one: Edge, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run an ``edge`` command on this data directory, with these settings in the environment."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("EDGE_")} | settings
    return subprocess.run(
        [*PROGRAM, *arguments, "--data-dir", str(one.data)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment,
    )
