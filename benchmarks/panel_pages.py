"""Every page of the control panel over ten million events: server time, and bytes over the wire.

Asked over HTTP of the real control process on its own embedded Postgres, as an owner's browser
would, one request at a time; over the month of :mod:`benchmarks.history`. Static files are counted
once by themselves: browsers keep them for a year. Another size:

    python -m benchmarks.panel_pages 1000000
"""

import asyncio
import gzip
import http.client
import random
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

from benchmarks.figure import Figure, Limit, Scale, Section
from benchmarks.history import TAGS, History, make
from benchmarks.machine import free_port
from benchmarks.report import show
from benchmarks.serving import serving
from edge.panel.guard import SESSION_COOKIE
from edge.store import panel_sessions, panel_users, pool
from edge.store.panel_users import Role
from edge.store.partitions import day_name

NAME = "panel-pages"
DOMAINS = 50
LIMIT_MS = 150
LIMIT_KB = 200
EACH = 40
"""Questions of a kind: of domains and tags by Zipf's law."""

PAGES: tuple[tuple[str, str], ...] = (
    ("overview, all domains, 7 days", "/overview"),
    ("overview, all domains, today by hour", "/overview?span=today"),
    ("overview, all domains, 7 days by hour", "/overview?span=7d&by=hour"),
    ("overview, all domains, 30 days", "/overview?span=30d"),
    ("overview, all domains, 1 year by day", "/overview?span=1y&by=day"),
    ("overview, one domain, 30 days", "/overview?span=30d&domain={domain}"),
    ("overview's chart, all domains, 30 days", "/overview/chart?span=30d"),
    ("overview's tail, all domains", "/overview/tail"),
    ("analytics by tag, one domain, 30 days", "/analytics?split=tag&span=30d&domain={domain}"),
    ("analytics by tag, all domains, 30 days", "/analytics?split=tag&span=30d"),
    ("analytics by country, all domains, 30 days", "/analytics?split=country&span=30d"),
    ("analytics by link, one domain, 7 days", "/analytics?split=link&span=7d&domain={domain}"),
    ("analytics by link, all domains, 30 days", "/analytics?split=link&span=30d"),
    (
        "analytics by provider, one domain, 30 days",
        "/analytics?split=recipient_provider&span=30d&domain={domain}",
    ),
    (
        "analytics, two tags by day, 30 days",
        "/analytics?split=time&by=day&span=30d&domain={domain}&tag={tag}&compare=tag&versus=tag1",
    ),
    (
        "analytics by tag, with the 7 days before",
        "/analytics?split=tag&span=7d&domain={domain}&compare=before",
    ),
    ("links of one message", "/analytics/links?domain={domain}&message-id={message}"),
    ("logs", "/logs?domain={domain}"),
    ("logs of one recipient", "/logs?domain={domain}&recipient={recipient}"),
    ("logs of one tag", "/logs?domain={domain}&tags={tag}"),
    ("suppressions", "/suppressions?domain={domain}"),
    ("domains", "/domains"),
    ("one domain", "/domains/{domain}"),
    ("messages", "/messages?domain={domain}"),
    ("users", "/users"),
    ("audit log", "/audit"),
    ("account", "/account"),
)
STATIC = ("panel.css", "panel.js", "figures.js", "vendor/uPlot.min.js", "vendor/uPlot.min.css")
STATIC_TOO = ("vendor/htmx.min.js", "mark.svg")


async def _log_in(url: str) -> str:
    """An owner, and the token of a session."""
    now = time.time_ns() // 1000
    async with pool.opened(url, max_size=1) as opened, opened.acquire() as conn:
        user = await panel_users.add(
            conn, "bench@example.com", Role.OWNER, "a long password", now_us=now
        )
        return await panel_sessions.begin(
            conn, user.id, address="127.0.0.1", agent="benchmark", now_us=now
        )


class _Browser:
    """One keep-alive connection of somebody who is logged in."""

    def __init__(self, port: int, token: str, history: History) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"Cookie": f"{SESSION_COOKIE}={token}", "Accept-Encoding": "gzip"}
        self._history = history
        self._random = random.Random(3)

    def get(self, path: str) -> tuple[float, int]:
        """Milliseconds until the whole answer was there, and its bytes; RuntimeError if bad."""
        began = time.perf_counter()
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        raw = answer.read()
        took = (time.perf_counter() - began) * 1000
        if answer.status != 200:
            text = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
            raise RuntimeError(f"{path}: {answer.status} {text[-600:]!r}")
        return took, len(raw) + len(str(answer.headers))

    def _zipf(self, count: int) -> int:
        return min(count, int((count + 1) ** self._random.random()))

    def filled(self, path: str) -> str:
        """The address with what it is about this time."""
        names = list(self._history.domains.values())
        domain = names[self._zipf(len(names)) - 1]
        day = day_name(self._history.today - 1 - self._random.randrange(20))
        number = self._random.randint(1, 1000)
        return path.format(
            domain=domain,
            tag=f"tag{self._zipf(TAGS)}",
            message=quote(f"{day}.{number}@{domain}"),
            recipient=quote(f"r{4 * number}@gmail.com"),
        )

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _asked(browser: _Browser, share: float) -> tuple[list[Figure], int]:
    figures: list[Figure] = []
    count = max(5, int(EACH * share))
    static = sum(browser.get(f"/static/{name}")[1] for name in (*STATIC, *STATIC_TOO))
    largest = 0
    for name, path in PAGES:
        answers = [browser.get(browser.filled(path)) for _ in range(count)]
        times = sorted(took for took, _ in answers)
        largest = max(largest, *(size for _, size in answers))
        figures.append(Figure(name=f"{name}, p50", value=statistics.median(times), unit="ms"))
        figures.append(
            Figure(
                name=f"{name}, p95",
                value=times[min(count - 1, int(count * 0.95))],
                unit="ms",
                limit=Limit.VALUE_AT_MOST,
                accepted=LIMIT_MS,
            )
        )
    for name, size in (
        ("largest page, without static files", largest),
        ("largest page with all static files", largest + static),
    ):
        figures.append(
            Figure(
                name=name,
                value=size / 1000,
                unit="kB",
                limit=Limit.VALUE_AT_MOST,
                accepted=LIMIT_KB,
            )
        )
    return figures, count


def measure(directory: Path, events: int, share: float) -> Section:
    """Fill, restart, log in, and ask for every page."""
    data_dir, port = directory / "edge", free_port()
    with serving(data_dir, role="control") as edge:
        history = make(edge.url, events=events, count=DOMAINS, now_us=time.time_ns() // 1000)
    settings = {"EDGE_PANEL_BIND": f"127.0.0.1:{port}"}
    with serving(data_dir, role="control", settings=settings) as edge:
        browser = _Browser(port, asyncio.run(_log_in(edge.url)), history)
        try:
            figures, count = _asked(browser, share)
        finally:
            browser.close()
    note = (
        f"{history.events:,} events of 30 days, {DOMAINS} domains, the month of `reading`. {count} "
        "questions of each kind, one at a time, after a restart; time until the whole page was "
        "there. Bytes are those of body and header as sent."
    )
    return Section(name=NAME, title="The control panel's pages", figures=figures, notes=[note])


def run(directory: Path, scale: Scale) -> Section:
    """Ten million events, or few."""
    return measure(directory, scale.pick(10_000_000, 200_000), 0.15 if scale.quick else 1.0)


def main() -> None:
    """Measure another size, and print the figures."""
    directory = Path(tempfile.mkdtemp(prefix="edge-bench-", dir="/var/tmp"))
    directory.chmod(0o755)
    began = time.monotonic()
    try:
        show(measure(directory, int(sys.argv[1]), 1.0), time.monotonic() - began)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
