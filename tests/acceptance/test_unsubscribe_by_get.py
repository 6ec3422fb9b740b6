"""Unsubscribe links that are only fetched: in advance by a browser, by a scanner, by a person."""

import http.client
import urllib.parse
from typing import Any

from tests.acceptance.browsing import (
    READER,
    SANDBOX,
    Reader,
    chromium,
    events,
    reading,
    stored,
    suppressed,
)
from tests.acceptance.sample import link
from tests.integration.run.serving import Edge, command, edge, until

LINK = '<!doctype html><title>x</title><link rel="prefetch" href="ADDRESS"><p>Newsletter'
RULES = (
    "<!doctype html><title>x</title>"
    '<script type="speculationrules">{"prefetch": [{"source": "list", "urls": ["ADDRESS"], '
    '"eagerness": "immediate"}]}</script><p>Newsletter'
)
"""Two ways for a page to make Chromium fetch what nobody has clicked on."""


def obey_gets(one: Edge) -> None:
    """Switch the sandbox to unsubscribing by GET, and wait until its one worker knows."""
    before = len(one.events("roster loaded"))
    done = command(one, "domain", "set", SANDBOX, "--unsubscribe-on-get")
    assert done.returncode == 0, done.stderr
    until("the worker knows", lambda: len(one.events("roster loaded")) > before)


def prefetch(one: Edge, reader: Reader, html: str, address: str) -> None:
    """Open a page, in place of the sample message, until it has made the browser prefetch."""
    (one.data / "sample.html").write_text(html.replace("ADDRESS", address), "utf-8")
    purposes: dict[str, str] = {}
    answered: list[str] = []

    def asks(event: dict[str, Any]) -> None:
        if event["request"]["url"] == address:
            purposes[event["requestId"]] = event["request"]["headers"].get("Sec-Purpose", "")

    def receives(event: dict[str, Any]) -> None:
        if event["requestId"] in purposes and event["response"]["status"] == 200:
            answered.append(purposes[event["requestId"]])

    protocol = reader.context.new_cdp_session(reader.page)
    protocol.on("Network.requestWillBeSent", asks)
    protocol.on("Network.responseReceived", receives)
    protocol.send("Network.enable")
    reader.page.goto(f"http://127.0.0.1:{one.control}/sample")
    for _ in range(100):
        if answered:
            break
        reader.think(0.1)
    assert set(answered) == {"prefetch"}
    protocol.detach()


def fetch(address: str, method: str, agent: str) -> tuple[int, bytes]:
    """What a machine does with a link."""
    parts = urllib.parse.urlsplit(address)
    assert parts.port is not None
    connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=5)
    connection.request(method, parts.path, headers={"Host": parts.netloc, "User-Agent": agent})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def drained(one: Edge) -> None:
    """Wait until everything asked for before now has passed the drain: what comes later has."""
    before = len(events(one, "--event", "opened"))
    assert one.get(urllib.parse.urlsplit(link_to_pixel(one)).path, one.http)[0] == 200
    until("drained", lambda: len(events(one, "--event", "opened")) > before)


def link_to_pixel(one: Edge) -> str:
    """A pixel of the sandbox."""
    minted = command(
        one,
        *("link", "open", "--domain", SANDBOX),
        *("--recipient", READER, "--message-id", f"later@{SANDBOX}"),
    )
    assert minted.returncode == 0, minted.stderr
    return minted.stdout.strip()


def test_what_a_browser_fetches_in_advance_unsubscribes_nobody() -> None:
    """Prefetches of an unsubscribe link change nothing, even where a GET would unsubscribe."""
    with edge() as one, chromium() as browser:
        one.ready()
        address = link(one, "u")
        obey_gets(one)
        for html in (LINK, RULES):
            with reading(browser) as reader:
                prefetch(one, reader, html, address)
        drained(one)
        assert events(one, "--event", "unsubscribed") == []
        assert suppressed(one) == []


def test_a_get_unsubscribes_a_person_where_the_owner_asks_for_that_and_never_a_machine() -> None:
    """HEAD and a scanner's GET change nothing; a person's GET unsubscribes without a button."""
    with edge() as one, chromium() as browser, reading(browser) as reader:
        one.ready()
        address = link(one, "u")
        obey_gets(one)
        agent = reader.page.evaluate("navigator.userAgent")
        assert fetch(address, "HEAD", agent) == (200, b"")
        assert fetch(address, "GET", "python-requests/2.32.3")[0] == 200
        drained(one)
        assert events(one, "--event", "unsubscribed") == []
        assert suppressed(one) == []
        reader.page.goto(address)
        assert "You are unsubscribed" in reader.text()
        found = [event for event in stored(one, "unsubscribed") if event["event"] != "opened"]
        assert [event["client-info"]["bot"] for event in found] == [""]
        assert suppressed(one) == [READER]
        reader.stays_at_home(one.http)


def test_a_get_unsubscribes_nobody_unless_the_owner_asks_for_that() -> None:
    """A browser that only opens the page, again and again, has unsubscribed nobody."""
    with edge() as one, chromium() as browser, reading(browser) as reader:
        one.ready()
        address = link(one, "u")
        for _ in range(3):
            reader.page.goto(address)
            assert "Unsubscribe?" in reader.text()
        drained(one)
        assert events(one, "--event", "unsubscribed") == []
        assert suppressed(one) == []
