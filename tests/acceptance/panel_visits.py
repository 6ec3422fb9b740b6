"""One edge with its control panel, seeded, and people of each role at a browser."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from playwright.sync_api import Browser, Page

from edge.cli import session
from edge.settings import load
from edge.store.pool import Connection
from tests.acceptance.browsing import Reader, chromium, reading
from tests.integration.panel.seeding import DOMAIN
from tests.integration.run.serving import Edge, command, edge

T = TypeVar("T")
OWNER, PASSWORD = "olga@example.com", "correct horse battery"


@dataclass
class Visit:
    """The edge, the browser, and passwords by name."""

    one: Edge
    browser: Browser
    passwords: dict[str, str] = field(default_factory=dict)

    @property
    def base(self) -> str:
        """The panel's address."""
        return f"http://127.0.0.1:{self.one.panel}"

    @property
    def first_run_link(self) -> str:
        """What the first start printed."""
        found = re.search(r"(http://127\.0\.0\.1:\d+/first-run\?code=[\w-]+)", self.one.output)
        assert found is not None, self.one.output[-3000:]
        return found[1]

    def add_user(self, name: str, role: str) -> None:
        """Make a user as an operator would."""
        done = command(self.one, "user", "add", name, "--role", role)
        assert done.returncode == 0, done.stderr
        self.passwords[name] = done.stdout.split()[-1]

    def log_in(self, page: Page, name: str) -> None:
        """Through the form."""
        page.goto(f"{self.base}/login")
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password").fill(self.passwords[name])
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(f"{self.base}/overview")

    def in_database(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Do something with the edge's own database."""

        async def ask() -> T:
            settings = load(data_dir=self.one.data)
            async with session.database(settings) as pool, pool.acquire() as conn:
                return await work(conn)

        with ThreadPoolExecutor(1) as other:  # this thread's loop is the browser's
            return other.submit(lambda: asyncio.run(ask())).result()

    def figures(self) -> Iterator[tuple[str, str]]:
        """The pages of figures by name and address."""
        yield "overview", f"{self.base}/overview?domain={DOMAIN}"
        yield "overview-today", f"{self.base}/overview?span=today"
        yield "overview-nothing", f"{self.base}/overview?from=2020-01-01&to=2020-01-02"
        analytics = f"{self.base}/analytics?domain={DOMAIN}"
        yield "analytics", analytics
        yield "analytics-link", f"{analytics}&split=link"
        compared = "&split=device&tag=newsletter&compare=tag&versus=bulk"
        yield "analytics-compared", f"{analytics}{compared}"
        yield "analytics-days", f"{analytics}&split=tag&by=day"
        message = f"20261125.news@{DOMAIN}"
        yield "links", f"{self.base}/analytics/links?domain={DOMAIN}&message-id={message}"

    @contextmanager
    def visitor(self, name: str = "", **options: Any) -> Iterator[Reader]:
        """Somebody at a browser of their own, logged in if they have a name."""
        with reading(self.browser, **options) as reader:
            if name:
                self.log_in(reader.page, name)
            yield reader


@contextmanager
def visiting(**environment: str) -> Iterator[Visit]:
    """A started edge with its panel, and a browser."""
    with edge(**environment) as one, chromium() as browser:
        one.ready()
        yield Visit(one, browser)
