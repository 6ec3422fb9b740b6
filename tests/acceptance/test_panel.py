"""The control panel in a real browser: from the first start's link through every page.

One edge and one browser for all of it; the tests of this module run in any order.
"""

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyotp
import pytest
from playwright.sync_api import Page

from edge.cli import session
from edge.settings import load
from edge.store import certificates
from edge.store.pool import Connection
from tests.acceptance.browsing import LOOKS, Reader
from tests.acceptance.panel_figures import draws_the_map, figures_are_read_and_followed
from tests.acceptance.panel_visits import OWNER, PASSWORD, Visit, visiting
from tests.integration.panel.hooks import hooked
from tests.integration.panel.seeding import ANN, ATTACKS, DOMAIN, seed
from tests.integration.run.serving import until

JS = Path(__file__).parent / "js"
SANDBOX = "sandbox.localhost"
WIDE: dict[str, Any] = {"viewport": {"width": 1280, "height": 860}}
EXAMINED = {"desktop", "phone-dark"}
"""Looks in which axe-core looks too: both colour schemes, both widths."""

EXPECTED = re.compile(
    r'Content Security Policy directive: "img-src data:"'
    r"|Blocked script execution in '[^']*/preview'"
)
"""Complaints that the previews' policies are there to cause."""


@pytest.fixture(scope="module")
def visit() -> Iterator[Visit]:
    """An edge whose first run ended in the panel, with an empty sandbox and a seeded domain."""
    with visiting() as found:
        _first_run(found)
        found.passwords[OWNER] = PASSWORD
        found.add_user("sue@example.com", "support")
        found.add_user("ian@example.com", "analyst")
        found.in_database(seed)
        vault = session.vault(load(data_dir=found.one.data))
        found.in_database(partial(hooked, vault=vault))
        yield found


def _first_run(visit: Visit) -> None:
    """The link that the first start printed, the form, and what is waiting behind it."""
    with visit.visitor(**WIDE) as reader:
        page = reader.page
        page.goto(visit.first_run_link)
        _looked_at(reader, "first-run")
        page.get_by_label("Name").fill(OWNER)
        page.get_by_label("Password (").fill(PASSWORD)
        page.get_by_label("The same again").fill(PASSWORD)
        page.get_by_role("button", name="Make me the owner").click()
        page.wait_for_url(f"{visit.base}/welcome")
        _looked_at(reader, "welcome")
        names = "overview analytics logs suppressions domains messages webhooks webhooks/receiver"
        for name in names.split():
            page.goto(f"{visit.base}/{name}")
            _looked_at(reader, f"empty-{name.replace('/', '-')}")
        page.goto(f"{visit.base}/welcome")
        with page.expect_popup() as opened:
            page.get_by_role("link", name="Open the sample message").click()
        assert "tracked by your own edge" in opened.value.inner_text("h1")
        opened.value.close()
        page.goto(f"{visit.base}/logs")

        def recorded() -> bool:
            page.reload()
            return page.locator("tbody .badge", has_text="Opened").count() > 0

        until("the open is in the logs", recorded)
        page.locator("tbody a").first.click()
        assert "person" in page.inner_text("main")
        reader.stays_at_home(visit.one.panel, visit.one.control, visit.one.http)


def _looked_at(reader: Reader, name: str) -> None:
    """Keep a picture, and fail for flaws that keep somebody from using the page."""
    reader.photograph(f"panel-{name}")
    assert reader.flaws() == [], name


def _pages(visit: Visit, page: Page) -> Iterator[tuple[str, str]]:
    """Every page by name and address; those with a number in it are found by following links."""
    yield from visit.figures()
    logs = f"{visit.base}/logs?domain={DOMAIN}"
    yield "logs", logs
    for kind in ("clicked", "failed"):
        page.goto(f"{logs}&event={kind}")
        link = page.locator("tbody a").last.get_attribute("href")
        yield f"event-{kind}", f"{visit.base}{link}"
    page.goto(f"{logs}&event=clicked")
    link = page.locator("tbody a").first.get_attribute("href")
    yield "event-attack", f"{visit.base}{link}"
    yield "logs-nothing", f"{logs}&subject=nothingatall"
    yield "logs-mistake", f"{logs}&subject=(a"
    yield "suppressions", f"{visit.base}/suppressions?domain={DOMAIN}"
    yield "allowlist", f"{visit.base}/suppressions?domain={DOMAIN}&kind=whitelists"
    yield "domains", f"{visit.base}/domains"
    yield "domain", f"{visit.base}/domains/{DOMAIN}"
    yield "keys", f"{visit.base}/domains/{DOMAIN}/keys"
    hooks = f"{visit.base}/webhooks"
    yield "webhooks", f"{hooks}?domain={DOMAIN}"
    page.goto(f"{hooks}?domain={DOMAIN}")
    link = page.locator("tr:has-text('down') th a").get_attribute("href")
    yield "webhook", f"{visit.base}{link}"
    yield "attempts", f"{hooks}/attempts?domain={DOMAIN}"
    yield "signing-key", f"{hooks}/key"
    yield "receiver", f"{hooks}/receiver"
    yield "messages", f"{visit.base}/messages?domain={DOMAIN}"
    yield "account", f"{visit.base}/account"
    yield "users", f"{visit.base}/users"
    yield "audit", f"{visit.base}/audit"
    yield "missing", f"{visit.base}/nowhere"


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """axe-core's script from npm."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm: install nodejs and npm")
    place = tmp_path_factory.mktemp("axe")
    shutil.copy(JS / "package.json", place)
    done = subprocess.run(
        [npm, "install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund"],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"npm could not install axe-core: {done.stderr[-300:]}")
    return (place / "node_modules/axe-core/axe.min.js").read_text("utf-8")


def _violations(page: Page, axe: str) -> list[str]:
    """What axe-core calls serious or critical."""
    page.evaluate(axe)  # not as a script element: the page's policy allows no foreign one
    found = page.evaluate("axe.run(document, {iframes: false, resultTypes: ['violations']})")
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:120]}"
        for one in found["violations"]
        if one["impact"] in {"serious", "critical"}
    ]


@pytest.mark.parametrize("look", ["desktop", "dark", "phone", "phone-dark"])
def test_every_page_is_legible_and_usable_however_it_is_looked_at(
    visit: Visit, axe: str, look: str
) -> None:
    """No serious finding of axe-core, none of our own; a picture of each is kept; nothing is
    asked of anybody else; no page is larger than 200 kB.
    """
    options = (WIDE if "phone" not in look else {}) | LOOKS[look]
    with visit.visitor(OWNER, **options) as reader:
        page, findings = reader.page, []
        for name, address in _pages(visit, page):
            page.goto(address)
            if page.locator("#chart").count():
                page.locator("#chart canvas").wait_for()
            reader.photograph(f"panel-{name}-{look}")
            findings += [f"{name}: {flaw}" for flaw in reader.flaws()]
            if look in EXAMINED:
                findings += [f"{name}: {one}" for one in _violations(page, axe)]
            assert len(page.content().encode()) < 200_000, name
        assert findings == []
        complaints = [one for one in reader.complaints if not EXPECTED.search(one)]
        assert [one for one in complaints if "404" not in one and "400" not in one] == []
        outside = [url for url in reader.asked if not url.startswith((visit.base, "data:"))]
        assert outside == []


def test_no_attack_executes_on_any_page(visit: Visit) -> None:
    """Texts of strangers in every field: pages, each event, previews; nothing sets a mark."""
    with visit.visitor(OWNER, **WIDE) as reader:
        page = reader.page
        reader.context.add_init_script("window.owned = undefined")
        addresses = [address for _, address in _pages(visit, page)]
        page.goto(f"{visit.base}/logs?domain={DOMAIN}&event=clicked")
        links = page.locator("tbody a").evaluate_all("all => all.map(one => one.href)")
        assert len(links) > len(ATTACKS)
        addresses += [*links, f"{visit.base}/domains/{DOMAIN}/footers/preview"]
        for address in addresses:
            page.goto(address)
            for frame in page.frames:
                if "/preview" not in frame.url:  # no script of ours runs in a sandbox either
                    assert frame.evaluate("typeof window.owned") == "undefined", address
            assert page.locator("main [onerror], main [onload], main [onmouseover]").count() == 0
            assert page.title() != "owned"
        assert not any("owned" in url for url in reader.asked if "/preview" not in url)


def test_the_panel_works_without_a_script_and_without_a_mouse(visit: Visit) -> None:
    """Search, open, suppress and log out by keyboard, with JavaScript off."""
    with visit.visitor("sue@example.com", java_script_enabled=False, **WIDE) as reader:
        page = reader.page
        page.goto(f"{visit.base}/logs?domain={DOMAIN}")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")  # the skip link
        assert page.url.endswith("#main")
        page.get_by_role("textbox", name="Recipient").focus()
        page.keyboard.type(ANN)
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("recipient="))
        assert page.locator("tbody tr").count() == 4
        page.locator("tbody a").first.focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("h1:has-text('Clicked')")
        page.goto(f"{visit.base}/suppressions?domain={DOMAIN}&kind=complaints")
        page.get_by_label("Address").focus()
        page.keyboard.type("angry@example.org")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=It is on the list now")
        page.get_by_role("button", name="Remove angry@example.org").press("Enter")
        page.wait_for_selector("text=It is removed")
        page.get_by_role("button", name="Log out").press("Enter")
        page.wait_for_selector("text=You are logged out")
        assert reader.complaints == []


def test_an_analyst_reads_no_recipient_in_the_browser(visit: Visit) -> None:
    """Masked in the table, in the event, in its JSON; no way to the messages."""
    with visit.visitor("ian@example.com", **WIDE) as reader:
        page = reader.page
        page.goto(f"{visit.base}/logs?domain={DOMAIN}&event=clicked")
        page.locator("tbody a").last.click()
        page.wait_for_selector("text=As the API has it")
        reader.photograph("panel-event-analyst")
        assert "ann.secret" not in page.content()
        assert "a•••@example.net" in page.inner_text("main")
        assert page.get_by_role("link", name="Messages").count() == 0
        page.goto(f"{visit.base}/messages")
        assert "does not allow that" in page.inner_text("main")


def test_a_test_message_is_sent_kept_and_explained(visit: Visit) -> None:
    """From the form to the outbox; previewed in a frame that fetches nothing; downloaded."""
    with visit.visitor(OWNER, **WIDE) as reader:
        page = reader.page
        page.goto(f"{visit.base}/messages?domain={SANDBOX}")
        page.get_by_label("To", exact=True).fill("me@example.com")
        page.get_by_role("button", name="Send").click()
        page.wait_for_selector("text=The message is accepted")

        def kept() -> bool:
            page.reload()
            return page.locator("a[href*='/outbox-']").count() > 0

        until("the message is kept", kept)
        page.locator("a[href*='/outbox-']").first.click()
        page.wait_for_selector("text=What tracking does to it")
        assert "2 tracked" in page.inner_text("main")
        frame = page.frame_locator("iframe")
        assert frame.locator("h1").inner_text() == "Hello!"
        reader.photograph("panel-message")
        with page.expect_download() as download:
            page.get_by_role("link", name=re.compile("^Source")).click()
        assert b"Subject: A test message" in download.value.path().read_bytes()
        assert not any("/o/" in url and "email" in url for url in _fetched(reader))
        draws_the_map(visit, page, SANDBOX)
        reader.photograph("panel-click-map")


def _fetched(reader: Reader) -> list[str]:
    """What was asked for and not stopped by a policy."""
    stopped = " ".join(reader.complaints)
    return [url for url in reader.asked if url not in stopped]


def test_copying_a_record_and_checking_dns(visit: Visit) -> None:
    """The copy button copies the whole value; the sandbox's check says that nothing is to do."""
    with visit.visitor(OWNER, **WIDE) as reader:
        page = reader.page
        reader.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.goto(f"{visit.base}/domains/{SANDBOX}")
        page.get_by_role("button", name="Copy the value").first.click()
        page.wait_for_selector("button:has-text('Copied')")
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied == page.locator("tbody code").nth(1).inner_text()
        footer = page.frame_locator("iframe").locator("body")
        assert "unsubscribe" in footer.inner_text()
        page.get_by_role("button", name="Check now").click()
        page.wait_for_selector("text=The DNS records have been looked up")
        assert "local-name" in page.inner_text("main")


def test_the_state_of_a_certificate_is_followed_by_itself(visit: Visit) -> None:
    """While an order runs the page asks again and again, without being loaded anew."""
    host = f"email.{SANDBOX}"

    async def order(conn: Connection) -> None:
        await certificates.request(conn, host, "1", time.time() + 3600)

    async def forget(conn: Connection) -> None:
        await certificates.forget(conn, host)

    visit.in_database(order)
    with visit.visitor(OWNER, **WIDE) as reader:
        page = reader.page
        page.goto(f"{visit.base}/domains/{SANDBOX}")
        state = page.locator("#certificate-state")
        assert "on its way" in state.inner_text()
        page.evaluate("window.same = true")
        with page.expect_response(lambda answer: answer.url.endswith("/certificate")):
            reader.photograph("panel-certificate")
        visit.in_database(forget)
        page.wait_for_selector("#certificate-state:has-text('do not work without one')")
        assert page.evaluate("window.same") is True
        assert [one for one in reader.complaints if not EXPECTED.search(one)] == []


def test_figures_are_read_and_followed(visit: Visit) -> None:
    """The chart by keyboard, a definition, and the newest events that come by themselves."""
    figures_are_read_and_followed(visit, WIDE)


def test_an_event_is_replayed_to_the_built_in_receiver(visit: Visit) -> None:
    """Switched on, added, tested, an open of the first run told once more; all of it genuine."""
    with visit.visitor(OWNER, **WIDE) as reader:
        page = reader.page
        page.goto(f"{visit.base}/webhooks?domain={SANDBOX}")
        page.goto(f"{visit.base}/webhooks/receiver")
        new = page.get_by_role("button", name=re.compile("^(Switch it on|New URL)$"))
        new.click()
        page.wait_for_selector("text=The receiver is on")
        page.get_by_role("link", name="Add it as an endpoint").click()
        page.get_by_role("button", name="Add", exact=True).click()
        page.wait_for_selector("text=The endpoint is added")
        page.locator("tbody a[href^='/webhooks/']", has_text="/receive/").first.click()
        page.get_by_role("button", name="Send").click()
        page.wait_for_selector("text=It would have been taken")
        reader.photograph("panel-webhook-tested")
        page.locator("#replay ~ form select[name=type]").select_option("opened")
        page.get_by_role("button", name="Count").click()
        page.get_by_role("button", name=re.compile(r"^Post \d+ events?$")).click()
        page.wait_for_selector("#replay-state:has-text('what is queued goes out')")
        reader.photograph("panel-replay")
        assert reader.flaws() == []
        page.goto(f"{visit.base}/webhooks/receiver")

        def came() -> bool:
            page.get_by_role("link", name="Look again").click()
            return page.locator("summary:has-text('body: genuine')").count() >= 2

        until("the replayed event came", came)
        page.locator("summary").first.click()
        page.evaluate("window.scrollTo(0, 0)")
        reader.photograph("panel-receiver-used")
        assert reader.complaints == []


def test_a_second_factor_and_a_file_in_the_running_edge(visit: Visit) -> None:
    """What is needed only then is there, also for a child that may not read the installation."""
    visit.add_user("tom@example.com", "support")
    with visit.visitor("tom@example.com", **WIDE) as reader:
        page = reader.page
        page.goto(f"{visit.base}/suppressions?domain={DOMAIN}&kind=complaints")
        chosen = page.get_by_label("File (")
        wrong, good = b"address\nx@example.org\nno\n", b"address\nx@example.org\n"
        chosen.set_input_files({"name": "c.csv", "mimeType": "text/csv", "buffer": wrong})
        page.get_by_role("button", name="Import").click()
        page.wait_for_selector("[role=alert] >> text=line 3")
        chosen.set_input_files({"name": "c.csv", "mimeType": "text/csv", "buffer": good})
        page.get_by_role("button", name="Import").click()
        page.wait_for_selector("text=The file is imported")
        page.goto(f"{visit.base}/account")
        page.get_by_role("button", name="Set it up").click()
        assert page.locator("img.qr").evaluate("one => one.naturalWidth") > 100
        _looked_at(reader, "second-factor")
        secret = page.locator("code.once").inner_text()
        page.get_by_label("Code", exact=True).fill(pyotp.TOTP(secret).now())
        page.get_by_label("Your password").fill(visit.passwords["tom@example.com"])
        page.get_by_role("button", name="Confirm").click()
        page.wait_for_selector("text=From now on a code is asked for")
        page.get_by_role("button", name="Log out", exact=True).click()
        page.get_by_label("Name").fill("tom@example.com")
        page.get_by_label("Password").fill(visit.passwords["tom@example.com"])
        page.get_by_role("button", name="Log in").click()
        page.wait_for_selector("text=Now the code")
        assert [one for one in reader.complaints if "401" not in one and "400" not in one] == []
