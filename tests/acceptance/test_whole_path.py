"""A message that goes the whole path: API, queue, instrumenter, outbox, browser, events."""

import re
import urllib.request
from base64 import b64encode
from pathlib import Path
from urllib.parse import urlencode

from tests.acceptance.browsing import READER, SANDBOX, chromium, reading, stored, suppressed
from tests.integration.run.serving import Edge, command, edge, until

HTML = (
    "<html><body><h1>News</h1><p><a id='first' href='{target}'>Read on</a></p>"
    "<p><a id='leave' href='%unsubscribe_url%'>Leave</a></p></body></html>"
)


def _send(one: Edge, html: str) -> None:
    """Through the API, with the key that the first run printed."""
    key = re.search(r"api:(key-[\w-]+)'", one.output)
    assert key is not None
    fields = {
        "from": f"News <news@{SANDBOX}>",
        "to": f"Reader <{READER}>",
        "subject": "The whole path",
        "html": html,
        "o:tag": "whole-path",
        "v:order": "17",
    }
    basic = b64encode(f"api:{key[1]}".encode()).decode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{one.control}/v3/{SANDBOX}/messages",
        urlencode(fields).encode(),
        {"Authorization": f"Basic {basic}"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert b"Queued. Thank you." in answer.read()


def _kept(one: Edge) -> str:
    """The HTML of the one message in the outbox."""
    found = re.compile(r'"id":(\d+)')

    def listed() -> str:
        return command(one, "outbox", "list", SANDBOX, "--json").stdout

    until("the message is kept", lambda: found.search(listed()))
    number = found.search(listed())
    assert number is not None
    return command(one, "outbox", "show", SANDBOX, number[1], "--html").stdout


def test_a_message_goes_from_the_api_to_a_readers_browser_and_its_events_tell_it(
    tmp_path: Path,
) -> None:
    """Accepted and delivered, then opened, clicked and unsubscribed by a person in Chromium."""
    with edge(EDGE_SETTLE="3") as one, chromium() as browser, reading(browser) as reader:
        one.ready()
        target = f"http://127.0.0.1:{one.control}/readyz"
        _send(one, HTML.replace("{target}", target))
        page = tmp_path / "message.html"
        page.write_text(_kept(one))
        with reader.page.expect_response(lambda answer: "/o/" in answer.url) as pixel:
            reader.page.goto(page.as_uri())
        assert pixel.value.status == 200
        reader.photograph("whole-path")
        reader.think()
        reader.page.click("#first")
        reader.page.wait_for_url(target)
        reader.think()
        reader.page.go_back()
        reader.page.click("#leave")
        reader.page.wait_for_selector("text=Unsubscribe?")
        reader.think()
        reader.page.get_by_role("button", name="Unsubscribe").click()
        reader.page.wait_for_selector("text=You are unsubscribed")
        kinds = ("accepted", "delivered", "opened", "clicked", "unsubscribed")
        found = stored(one, *kinds)
        # Going back shows the message again, and so opens it once more.
        assert list(dict.fromkeys(event["event"] for event in found)) == list(kinds)
        for event in found:
            assert event["recipient"] == READER
            assert event["tags"] == ["whole-path"]
            assert event["user-variables"] == {"order": "17"}
        assert {event["message"]["headers"]["message-id"] for event in found} == {
            found[0]["message"]["headers"]["message-id"]
        }
        (click,) = (event for event in found if event["event"] == "clicked")
        assert click["url"] == target
        assert suppressed(one) == [READER]
