"""Debian's Chromium with a desktop user agent, on a machine whose only network is itself."""

import asyncio
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from edge.cli import session
from edge.settings import load
from tests.integration.run.serving import Edge, command, until

ARTIFACTS = Path(__file__).parent.parent / "artifacts"
SANDBOX = "sandbox.localhost"
READER = "reader@example.com"

_ARGUMENTS = (
    "--no-sandbox",  # its namespaces need rights that a container seldom has; it loads our pages
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

LOOKS: dict[str, dict[str, Any]] = {
    "desktop": {},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 640}},
    "phone-dark": {"viewport": {"width": 360, "height": 640}, "color_scheme": "dark"},
    "contrast": {"forced_colors": "active"},
}
"""Ways to look at a page."""

PERSON = 2.5
"""Seconds between two links: a person reads, while a scanner sweeps a message in one second."""


FLAWS = (Path(__file__).parent / "flaws.js").read_text("utf-8")


@dataclass
class Reader:
    """A person at a browser, and everything that the browser asked for or complained about."""

    browser: Browser
    context: BrowserContext
    page: Page
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def photograph(self, name: str) -> None:
        """Keep a picture of the whole page in ``tests/artifacts`` for whoever wants to look."""
        ARTIFACTS.mkdir(exist_ok=True)
        self.page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=True)

    def think(self, seconds: float = PERSON) -> None:
        """Do nothing for as long as a person reads."""
        self.page.wait_for_timeout(seconds * 1000)

    def text(self) -> str:
        """What the page says."""
        return self.page.inner_text("body")

    def flaws(self) -> list[str]:
        """What would keep somebody from reading and using the page (WCAG 2.2 AA, in part)."""
        found: list[str] = self.page.evaluate(FLAWS)
        return found

    def stays_at_home(self, *ports: int) -> None:
        """Fail if the browser asked anybody but these ports of this machine, or complained."""
        home = "|".join(map(str, ports))
        address = re.compile(rf"http://(127\.0\.0\.1|[\w.-]+\.localhost):({home})/")
        assert self.asked
        assert [url for url in self.asked if not address.match(url)] == []
        assert self.complaints == []


def _note(reader: Reader, message: ConsoleMessage) -> None:
    icon = message.location["url"].endswith("/favicon.ico")  # a browser asks for it by itself
    if message.type in {"error", "warning"} and not icon:
        reader.complaints.append(message.text)


def _resolving(names: tuple[str, ...]) -> str:
    """The browser's whole DNS: these names are this machine, and no other exists."""
    here = ", ".join(f"MAP {name} 127.0.0.1" for name in ("*.localhost", *names))
    return f"--host-resolver-rules={here}, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


@contextmanager
def chromium(*names: str, trusting: tuple[Path, str] | None = None) -> Iterator[Browser]:
    """The system's browser; a machine without one skips the test.

    ``names`` are this machine, as ``*.localhost`` is. ``trusting`` is an empty directory and the
    PEM of an authority: the browser, whose home that directory becomes, trusts what it issued, as
    if its user had imported it.
    """
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("no chromium on this machine (Debian: apt-get install chromium)")
    home = {} if trusting is None else {"HOME": str(_home(*trusting))}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            args=[*_ARGUMENTS, _resolving(names)],
            env={**os.environ, **home},
        )
        try:
            yield browser
        finally:
            browser.close()


def _home(place: Path, authority: str) -> Path:
    """A home with the certificate database where Chromium on Linux looks for its user's own."""
    program = shutil.which("certutil")
    if program is None:
        pytest.skip("no certutil on this machine (Debian: apt-get install libnss3-tools)")
    database, file = place / ".pki" / "nssdb", place / "authority.pem"
    database.mkdir(parents=True)
    file.write_text(authority)
    where = ("-d", f"sql:{database}")
    subprocess.run([program, *where, "-N", "--empty-password"], check=True, timeout=60)
    add = ("-A", "-n", "the test's authority", "-t", "C,,", "-i", str(file))
    subprocess.run([program, *where, *add], check=True, timeout=60)
    return place


@contextmanager
def reading(browser: Browser, **options: Any) -> Iterator[Reader]:
    """A fresh profile of a desktop browser whose user agent does not say that nobody watches it."""
    major = browser.version.split(".")[0]
    agent = (
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
        f"Chrome/{major}.0.0.0 Safari/537.36"
    )
    context = browser.new_context(**({"user_agent": agent, "locale": "en-GB"} | options))
    try:
        page = context.new_page()
        page.set_default_timeout(10_000)
        reader = Reader(browser, context, page)
        context.on("request", lambda request: reader.asked.append(request.url))
        context.on("console", lambda message: _note(reader, message))
        context.on("weberror", lambda error: reader.complaints.append(str(error.error)))
        yield reader
    finally:
        context.close()


def events(one: Edge, *filters: str) -> list[dict[str, Any]]:
    """What ``edge events search --json`` finds of the sandbox, oldest first."""
    found = command(one, "events", "search", "--domain", SANDBOX, "--ascending", "--json", *filters)
    assert found.returncode == 0, found.stderr
    return [json.loads(line) for line in found.stdout.splitlines()]


def stored(one: Edge, *kinds: str) -> list[dict[str, Any]]:
    """Wait until events of at least these kinds are in Postgres; all events, oldest first."""

    def complete() -> list[dict[str, Any]]:
        found = events(one)
        return found if {event["event"] for event in found} >= set(kinds) else []

    found: list[dict[str, Any]] = until(f"events {kinds}", complete)
    return found


def suppressed(one: Edge) -> list[str]:
    """Addresses that an unsubscribe blocks now, from the table itself."""

    async def ask() -> list[str]:
        settings = load(data_dir=one.data)
        async with session.database(settings) as pool, pool.acquire() as conn:
            rows = await conn.fetch("SELECT address FROM unsubscribes WHERE active")
            return [row["address"] for row in rows]

    with ThreadPoolExecutor(1) as other:  # this thread's loop is the browser's
        return other.submit(lambda: asyncio.run(ask())).result()
