"""What the browser does on the pages of figures; run by the panel's tests, on their edge."""

import re
import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page

from edge.store import domains, events
from edge.store.pool import Connection
from tests.acceptance.panel_visits import OWNER, Visit
from tests.integration.panel.seeding import DOMAIN, Story


async def _complain(conn: Connection) -> None:
    domain = await domains.get(conn, DOMAIN)
    story = Story(domain.number, time.time_ns() // 1000)
    story.event("complained", f"20261125.news@{DOMAIN}", "complainer@example.org", 0)
    async with conn.transaction():
        await events.add(conn, events.prepare(story.batch, now_us=story.now))


def figures_are_read_and_followed(visit: Visit, wide: dict[str, Any]) -> None:
    """With everything a browser has, and by an analyst without a script."""
    with visit.visitor(OWNER, **wide) as reader:
        reads_the_chart(visit, reader.page)
        reads_a_definition(reader.page)
        reader.photograph("panel-overview-narrow")
        follows_the_tail(visit, reader.page, lambda: visit.in_database(_complain))
        assert reader.complaints == []
    with visit.visitor("ian@example.com", java_script_enabled=False, **wide) as reader:
        page = reader.page
        assert page.url == f"{visit.base}/overview"
        page.get_by_role("link", name="Refresh").press("Enter")
        assert "•••@example.net" in page.inner_text("#tail")
        page.get_by_role("combobox", name="Time").select_option("30d")
        page.get_by_role("button", name="Show").press("Enter")
        page.wait_for_url(re.compile("span=30d"))
        assert page.locator("table.tight tbody tr").count() == 30


def reads_the_chart(visit: Visit, page: Page) -> None:
    """Drawn from the panel's own JSON; read by keyboard; its legend and its views are buttons."""
    page.goto(f"{visit.base}/overview?domain={DOMAIN}")
    chart = page.locator("#chart canvas")
    chart.wait_for()
    page.locator("#chart [role=img]").focus()
    page.keyboard.press("End")
    told = page.locator("#chart .reading")
    assert "Opened" in told.inner_text()
    assert told.inner_text() == page.locator("#told").text_content()
    last = page.locator("table.tight tbody tr").first.locator("th, td").all_text_contents()
    assert told.inner_text().startswith(f"{last[0]}: Sent {last[1]}, Delivered {last[2]}")
    button = page.get_by_role("button", name="Opened", exact=True)
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    page.keyboard.press("Tab")
    page.get_by_label("Count").select_option("people")
    assert page.locator("#chart .legend button").count() == 7
    page.get_by_label("Count").select_option("unique")
    assert page.locator("#chart .legend button").count() == 2
    width = page.locator("#chart canvas").bounding_box()
    page.set_viewport_size({"width": 700, "height": 800})
    page.wait_for_function(
        "before => document.querySelector('#chart canvas').clientWidth < before",
        arg=width["width"] if width else 0,
    )


def reads_a_definition(page: Page) -> None:
    """A number's definition opens by keyboard and closes with Escape."""
    button = page.get_by_role("button", name="What is opened?")
    button.focus()
    page.keyboard.press("Enter")
    told = page.locator("#what-opened")
    assert told.is_visible()
    assert "people and machines" in told.inner_text()
    page.keyboard.press("Escape")
    assert not told.is_visible()


def follows_the_tail(visit: Visit, page: Page, happen: Callable[[], None]) -> None:
    """What happens appears by itself; not while the tail is paused."""
    page.goto(f"{visit.base}/overview?domain={DOMAIN}")
    page.get_by_role("button", name="Pause").click()
    first = page.locator("#tail tbody tr").first.inner_text()
    happen()
    page.evaluate("window.same = true")
    assert page.locator("#tail tbody tr").first.inner_text() == first
    page.get_by_role("button", name="Go on").click()
    page.wait_for_selector("#tail td:has-text('complainer@example.org')")
    assert page.evaluate("window.same") is True


def draws_the_map(visit: Visit, page: Page, domain: str) -> None:
    """The newest stored message, with what was clicked beside its links, in a frame."""
    page.goto(f"{visit.base}/analytics/links?domain={domain}")
    page.get_by_role("link", name="A test message").first.click()
    page.wait_for_selector("text=Nobody has clicked in this message")
    link = page.frame_locator("iframe").locator("a")
    assert link.inner_text().startswith("1: 0")
