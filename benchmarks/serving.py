"""The real thing: ``edge serve`` in a data directory, with domains, facts and tokens."""

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.machine import free_port
from benchmarks.processes import cpu_of, end, memory, title, tree, tree_cpu, wait_until
from benchmarks.traffic import Message
from edge.adapters.data_directory import read_vault
from edge.clock import SystemClock
from edge.model.domain import Domain
from edge.model.tokens import Keyring
from edge.roster.snapshot import FILE_NAME, load
from edge.store import domains as store_domains
from edge.store import pool
from edge.store.embedded import Cluster

LIMITS = ("EDGE_API_RATE_LIMIT", "EDGE_API_SEND_LIMIT", "EDGE_API_ANALYTICS_LIMIT")


class Edge:
    """One running ``edge serve``.

    ``database_url`` empty: its own embedded Postgres, as by default. Everything that is not given
    has its default value but for the addresses, which are the loopback's, and one worker, so that
    a core's worth of work is measured.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        database_url: str = "",
        role: str = "all",
        workers: int = 1,
        settings: dict[str, str] | None = None,
    ) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.https_port = free_port()
        self.control_port = free_port()
        self._url = database_url
        self.started = time.perf_counter()
        kept = {k: v for k, v in os.environ.items() if not k.startswith("EDGE_")}
        given = {
            "EDGE_DATABASE_URL": database_url,
            "EDGE_LOG_LEVEL": "warning",
            # One key asks for everybody.
            **dict.fromkeys(LIMITS, "0"),
            "EDGE_PANEL_BIND": "127.0.0.1:0",
            "EDGE_SMTP_BIND": "127.0.0.1:0",
            "EDGE_RETURNS_BIND": "127.0.0.1:0",
            "EDGE_SMTPS_BIND": "127.0.0.1:0",
        }
        with data_dir.with_suffix(".log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "edge", "serve", "--role", role),
                    *("--data-dir", str(data_dir), "--workers", str(workers)),
                    *("--http-bind", f"127.0.0.1:{self.port}"),
                    *("--https-bind", f"127.0.0.1:{self.https_port}"),
                    *("--control-bind", f"127.0.0.1:{self.control_port}"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=kept | given | (settings or {}),
            )

    @property
    def url(self) -> str:
        """URL of the database in use."""
        return self._url or Cluster(self.data_dir, clock=SystemClock(), user=None).dsn

    def wait_ready(self) -> None:
        """Wait until it serves, and everything behind it is well."""
        wait_until(self._is_ready, 60, f"edge serve, see {self.data_dir.with_suffix('.log')}")

    def _is_ready(self) -> bool:
        if self._process.poll() is not None:
            log = self.data_dir.with_suffix(".log").read_text(errors="replace")
            raise RuntimeError(f"edge serve ended: {log[-2000:]}")
        try:
            with self._get("/readyz") as answer:
                return bool(json.load(answer)["status"] == "ok")
        except OSError:
            return False

    def _get(self, path: str) -> "urllib.request._UrlopenRet":
        return urllib.request.urlopen(f"http://127.0.0.1:{self.control_port}{path}", timeout=10)

    def metric(self, name: str, label: str = "") -> float:
        """Sum of one metric over its labels, or of those series that have this one.

        0 when nothing counted it yet.
        """
        with self._get("/metrics") as answer:
            text = answer.read().decode()
        lines = [line for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
        return float(sum(float(line.rsplit(" ", 1)[1]) for line in lines if label in line))

    def wait_drained(self, seconds: float = 300) -> None:
        """Wait until every record written is in Postgres; RuntimeError when any was dropped.

        Asks the edge's own counters, not Postgres, whose CPU is being measured. The workers publish
        theirs once a second, hence the pause.
        """
        time.sleep(1.2)
        wait_until(self._is_drained, seconds, "the drain", every=0.25)
        if lost := self.metric("edge_records_dropped_total"):
            raise RuntimeError(f"{lost:.0f} records were dropped")

    def _is_drained(self) -> bool:
        written = self.metric("edge_records_written_total")
        return self.metric("edge_drain_events_total") >= written

    def children(self) -> dict[str, int]:
        """Process ids by role: ``tracking``, ``ingest``, ``control``, ``supervisor``."""
        found = {"supervisor": self._process.pid}
        for pid in tree(self._process.pid):
            words = title(pid).removeprefix("edge: ").split()
            if pid != self._process.pid and title(pid).startswith("edge: "):
                found[words[0]] = pid
            elif "postgres" not in found and "-D" in title(pid) and "postgres" in title(pid):
                found["postgres"] = pid
        return found

    def cpu(self) -> dict[str, float]:
        """Seconds of CPU used so far by role; the embedded Postgres as a whole."""
        return {
            role: tree_cpu(pid) if role == "postgres" else cpu_of(pid)
            for role, pid in self.children().items()
        }

    def worker_memory(self) -> dict[str, int]:
        """Bytes by name, of the tracking worker."""
        return memory(self.children()["tracking"])

    def keyring(self) -> Keyring:
        """The keyring that it serves with."""
        snapshot = load(self.data_dir / FILE_NAME)
        if snapshot is None:
            raise RuntimeError("no roster was written")
        return snapshot.keyring(read_vault(self.data_dir / "master.key"))

    def add_domains(self, count: int) -> dict[int, str]:
        """Add domains and wait until they are served: number to tracking host."""
        made = asyncio.run(make_domains(self.url, count))

        def served() -> bool:
            snapshot = load(self.data_dir / FILE_NAME)
            return snapshot is not None and set(made.values()) <= snapshot.hosts.keys()

        wait_until(served, 30, "the roster")
        time.sleep(1.5)  # each worker looks at the roster once a second
        return made

    def stop(self) -> None:
        """SIGTERM, and wait until everything is gone."""
        end(self._process, patience=40)


async def make_domains(url: str, count: int) -> dict[int, str]:
    """Domains in the database: number to tracking host."""
    names = [f"brand{place}.example" for place in range(count)]
    clock = SystemClock()
    async with pool.opened(url, max_size=1) as opened, opened.acquire() as conn:
        first = Domain(number=0, name=names[0], open=True, click="yes", unsubscribe=True)
        await store_domains.add(conn, first, now_us=clock.now_us())
        async with conn.transaction():
            await conn.execute(
                "INSERT INTO domains (name, open, click, unsubscribe) "
                "SELECT n, true, 'yes', true FROM unnest($1::text[]) n",
                names[1:],
            )
            await conn.execute(
                "INSERT INTO hosts (host, domain) SELECT web_prefix || '.' || name, number "
                "FROM domains WHERE name = ANY ($1)",
                names[1:],
            )
        rows = await conn.fetch(
            "SELECT number, web_prefix || '.' || name AS host FROM domains WHERE name = ANY ($1)",
            names,
        )
    return {row["number"]: row["host"] for row in rows}


async def store_facts(url: str, made: list[Message]) -> None:
    """The facts of messages: two tags each."""
    at = SystemClock().now_us() - 86_400_000_000
    rows = sorted((m.domain, m.message_id, at, list(m.tags)) for m in made)
    async with pool.opened(url, max_size=1) as opened, opened.acquire() as conn:
        for start in range(0, len(rows), 50_000):
            await conn.copy_records_to_table(
                "message_facts",
                records=rows[start : start + 50_000],
                columns=["domain", "message_id", "at", "tags"],
            )
        await conn.execute("ANALYZE message_facts")


async def stored(url: str) -> int:
    """Requests that the stored events stand for."""
    async with pool.opened(url, max_size=1) as opened:
        found: int = await opened.fetchval("SELECT coalesce(sum(repeat), 0)::bigint FROM events")
        return found


@contextmanager
def serving(
    data_dir: Path,
    *,
    database_url: str = "",
    role: str = "all",
    settings: dict[str, str] | None = None,
) -> Iterator[Edge]:
    """A running edge that is ready, stopped at the end of the block."""
    edge = Edge(data_dir, database_url=database_url, role=role, settings=settings)
    try:
        edge.wait_ready()
        yield edge
    finally:
        edge.stop()
