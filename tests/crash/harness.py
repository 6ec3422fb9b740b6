"""A running edge whose processes are killed, and the oracle that says what became of its records.

:class:`Edge` is ``edge serve`` as an init system would run it: restarted whenever it ends. The
oracle (:func:`judge`) reads the client's books and asks Postgres in SQL of its own: each answered
request must be one event, exactly; what is stored beyond that must have been in flight at a kill.
"""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import psutil

from edge.clock import SystemClock
from edge.roster import snapshot
from edge.store.embedded import Cluster
from tests.crash.load import EVENTS, kind_of, message_id, recipient
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(sys.executable).with_name("edge")
ARTIFACTS = ROOT / "tests" / "artifacts"
CHILDREN = ("tracking", "ingest", "control")
KINDS = (*CHILDREN, "supervisor", "postgres")


def wait_for(what: Callable[[], Any], text: str, seconds: float = 30.0) -> Any:
    """The first true result of ``what``; AssertionError naming it after ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {text}"
        time.sleep(0.05)


class Edge:
    """One data directory and the supervisor that runs on it."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.data_dir = home / "data"
        self.port, self.control = free_port(), free_port()
        self._log = home / "log"
        self._settings = {
            "EDGE_HTTP_BIND": f"127.0.0.1:{self.port}",
            "EDGE_HTTPS_BIND": "127.0.0.1:0",
            "EDGE_CONTROL_BIND": f"127.0.0.1:{self.control}",
            "EDGE_PANEL_BIND": "127.0.0.1:0",
            "EDGE_SMTP_BIND": "127.0.0.1:0",
            "EDGE_RETURNS_BIND": "127.0.0.1:0",
            "EDGE_SMTPS_BIND": "127.0.0.1:0",
            "EDGE_DATA_DIR": str(self.data_dir),
            "EDGE_WORKERS": "2",
            "EDGE_SETTLE": "0.3",
        } | settings
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper: threading.Thread | None = None
        self._stopping = False
        self.restarts = 0

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of the edge and its commands, without coverage: it would be half of the
        time, and a killed process has nothing to report."""
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("EDGE_", "COVERAGE_", "COV_CORE_"))
        }
        return clean | self._settings | more

    def start(self, **more: str) -> None:
        """Run it, and run it again whenever it ends, until :meth:`stop`."""
        self._stopping = False
        self._launch(more)
        self._keeper = threading.Thread(target=self._keep, args=(more,), daemon=True)
        self._keeper.start()

    def _launch(self, more: dict[str, str]) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(PROGRAM), "serve"],
                env=self.environment(**more),
                cwd=self.data_dir.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _keep(self, more: dict[str, str]) -> None:
        while not self._stopping:
            assert self._process is not None
            self._process.wait()
            if not self._stopping:
                self.restarts += 1
                self._launch(more)

    def stop(self) -> None:
        """Stop in order, and wait for the end."""
        self._stopping = True
        if self._process is not None and self._keeper is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(40)
            finally:
                self._keeper.join(5)

    @property
    def supervisor(self) -> int:
        """The supervisor's process id."""
        assert self._process is not None
        return self._process.pid

    def pids(self, kind: str) -> list[int]:
        """Living processes of one kind; children have their title by then."""
        if kind == "supervisor":
            return [self.supervisor]
        if kind == "postgres":
            pid = self.postmaster()
            return [pid] if pid else []
        try:
            children = psutil.Process(self.supervisor).children()
        except psutil.NoSuchProcess:
            return []
        return [child.pid for child in children if _title(child).startswith(f"edge: {kind}")]

    def postmaster(self) -> int | None:
        """The postmaster's process id, if one runs in our data directory."""
        directory = self.data_dir / "postgres"
        try:
            pid = int((directory / "postmaster.pid").read_text().split("\n")[0])
            if Path(f"/proc/{pid}/cwd").readlink() == directory.resolve():
                return pid
        except (OSError, ValueError):
            pass  # none, or it has just died
        return None

    def wait_ready(self, seconds: float = 60.0) -> None:
        """Wait until it serves a domain and Postgres answers."""
        wait_for(self._ready, f"a ready edge; its log ends: {self.log()[-3000:]}", seconds)

    def _ready(self) -> bool:
        found = snapshot.load(self.data_dir / snapshot.FILE_NAME)
        if found is None or not found.domains:
            return False
        try:
            url = f"http://127.0.0.1:{self.control}/readyz"
            with urllib.request.urlopen(url, timeout=3) as answer:
                checks = json.load(answer)["checks"]
        except OSError:
            return False
        return bool(checks["postgres"]["ok"]) and len(self.pids("tracking")) > 0

    def metrics(self) -> dict[str, float]:
        """The series of ``/metrics``, summed over labels."""
        url = f"http://127.0.0.1:{self.control}/metrics"
        sums: Counter[str] = Counter()
        with urllib.request.urlopen(url, timeout=5) as answer:
            for line in answer.read().decode().splitlines():
                if not line.startswith("#"):
                    name, _, value = line.rpartition(" ")
                    sums[name.partition("{")[0]] += float(value)  # type: ignore[assignment]  # a Counter is typed for whole numbers
        return dict(sums)

    def log(self) -> str:
        """Everything it wrote."""
        return self._log.read_text("utf-8", "replace") if self._log.exists() else ""

    def deaths(self, child: str) -> list[int]:
        """Exit statuses of the children of one kind that died unasked, oldest first."""
        found = []
        for line in self.log().splitlines():
            if '"child died"' in line:
                entry = json.loads(line)
                if entry["child"].startswith(child):
                    found.append(int(entry["status"]))
        return found

    def command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run ``edge`` with these words."""
        return subprocess.run(
            [str(PROGRAM), *words],
            env=self.environment(),
            cwd=self.data_dir.parent,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    @property
    def dsn(self) -> str:
        """URL of the database."""
        given = self._settings.get("EDGE_DATABASE_URL")
        return given or Cluster(self.data_dir, clock=SystemClock()).dsn

    def query(self, sql: str, *arguments: Any) -> list[Any]:
        """Rows of one statement."""

        async def work() -> list[Any]:
            connection = await asyncpg.connect(self.dsn)
            try:
                return list(await connection.fetch(sql, *arguments, timeout=120))
            finally:
                await connection.close()

        return asyncio.run(work())

    def segments(self) -> list[Path]:
        """Segments in the spool."""
        return sorted((self.data_dir / "spool").glob("*.seg"))

    def quarantine(self) -> list[Path]:
        """What was set aside."""
        directory = self.data_dir / "spool" / "quarantine"
        return sorted(directory.iterdir()) if directory.is_dir() else []

    def seal_segments(self) -> None:
        """Make the workers seal what they hold, by a rolling restart."""
        os.kill(self.supervisor, signal.SIGHUP)

    def wait_drained(self, seconds: float = 120.0) -> None:
        """Wait until the spool has no segment left."""
        self.seal_segments()
        wait_for(
            lambda: not self.segments(),
            f"an empty spool; the log ends: {self.log()[-3000:]}",
            seconds,
        )


def _title(process: psutil.Process) -> str:
    try:
        words: list[str] = process.cmdline()
    except psutil.Error:
        return ""
    return " ".join(words)


@contextmanager
def running(**settings: str) -> Iterator[Edge]:
    """A ready edge in a directory of its own that the service user can reach."""
    home = Path(tempfile.mkdtemp(prefix="edge-crash-", dir="/var/tmp"))
    home.chmod(0o755)
    edge = Edge(home, **settings)
    try:
        edge.start()
        edge.wait_ready()
        time.sleep(1.2)  # each worker looks for a new roster once a second
        yield edge
    finally:
        try:
            edge.stop()
        finally:
            shutil.rmtree(home, ignore_errors=True)


@dataclass
class Load:
    """A client process and its book; a context manager. ``figures`` is there after its end."""

    edge: Edge
    run: str
    rate: float = 1500.0
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def book(self) -> Path:
        """Where it notes what was answered."""
        return self.edge.data_dir.parent / f"{self.run}.book"

    def __enter__(self) -> "Load":
        words = [str(self.edge.data_dir), str(self.edge.port), str(self.rate), str(self.book)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.load", *words, self.run],
            env=self.edge.environment(),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        out, _err = self._process.communicate(timeout=60)
        assert self._process.returncode == 0, "the client itself failed"
        self.figures = json.loads(out)

    def alive(self) -> bool:
        """Whether the client still asks."""
        return self._process.poll() is None


@dataclass
class Judgement:
    """What became of the requests of some runs."""

    answered: int = 0
    stored: int = 0
    in_flight: int = 0
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    unsubscribes_lost: list[str] = field(default_factory=list)

    @property
    def surplus(self) -> int:
        """Stored without an answer."""
        return self.stored - self.answered + len(self.lost)

    def figures(self) -> dict[str, int]:
        """Everything as numbers."""
        return {
            "answered": self.answered,
            "stored": self.stored,
            "lost": len(self.lost),
            "duplicated": len(self.duplicated),
            "surplus": self.surplus,
            "in_flight_at_kills": self.in_flight,
            "unexplained": len(self.unexplained),
            "unsubscribes_lost": len(self.unsubscribes_lost),
        }

    def holds(self) -> bool:
        """Whether the promise was kept."""
        bad = (self.lost, self.duplicated, self.unexplained, self.unsubscribes_lost)
        return not any(bad) and self.surplus <= self.in_flight


def judge(edge: Edge, runs: list[str]) -> Judgement:
    """Compare the books of these runs with Postgres."""
    result = Judgement()
    stored: dict[str, tuple[str, int, int, int]] = {}
    for row in edge.query(
        "SELECT message_id, min(event) AS event, count(*) AS rows, count(DISTINCT id) AS ids,"
        " sum(repeat) AS requests FROM events GROUP BY message_id"
    ):
        stored[row[0]] = (row[1], row[2], row[3], row[4])
    suppressed = {
        row[0] for row in edge.query("SELECT address FROM unsubscribes WHERE active AND level = 0")
    }
    for run in runs:
        known = set()
        for line in (edge.data_dir.parent / f"{run}.book").read_text("ascii").splitlines():
            outcome, digits, _ = line.split()
            number = int(digits)
            name, kind = message_id(run, number), kind_of(number)
            known.add(name)
            if outcome == "F":
                result.in_flight += 1
            elif outcome == "A":
                result.answered += 1
                if stored.get(name, ("",))[0] != EVENTS[kind]:
                    result.lost.append(name)
                if kind == "u" and recipient(run, number) not in suppressed:
                    result.unsubscribes_lost.append(name)
        ours = [name for name in stored if name.endswith(f"@{run}.test")]
        result.stored += len(ours)
        result.unexplained += [name for name in ours if name not in known]
        result.duplicated += [name for name in ours if stored[name][1:] != (1, 1, 1)]
    return result
