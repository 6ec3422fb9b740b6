"""The first run's sample message in a real browser: open, click, unsubscribe, events."""

from tests.acceptance.browsing import (
    LOOKS,
    READER,
    SANDBOX,
    Reader,
    chromium,
    reading,
    stored,
    suppressed,
)
from tests.acceptance.sample import open_sample
from tests.integration.run.serving import edge, until


def unsubscribe(reader: Reader) -> None:
    """From the sample message through the confirm page to the done page, as a person does it."""
    reader.page.click("#unsubscribe")
    reader.page.wait_for_selector("text=Unsubscribe?")
    assert READER in reader.text()
    assert SANDBOX in reader.text()
    reader.think()
    reader.page.get_by_role("button", name="Unsubscribe").click()
    reader.page.wait_for_selector("text=You are unsubscribed")


def test_a_person_opens_clicks_and_unsubscribes_and_the_events_say_so() -> None:
    """Sample message, pixel, link, unsubscribe: three events of a person at a desktop Chrome.

    With the settle window of a real edge. Between two links a person's seconds go by: two links
    within one second are a scanner's sweep, and would rightly be labelled so.
    """
    with edge(EDGE_SETTLE="3") as one, chromium() as browser, reading(browser) as reader:
        one.ready()
        open_sample(one, reader)
        reader.think()
        reader.page.click("#first-link")
        reader.page.wait_for_url(f"http://127.0.0.1:{one.control}/readyz")
        assert '"status": "ok"' in reader.text()
        reader.think()
        reader.page.go_back()
        unsubscribe(reader)
        reader.stays_at_home(one.http, one.control)
        found = stored(one, "opened", "clicked", "unsubscribed")
        assert [event["event"] for event in found] == ["opened", "clicked", "unsubscribed"]
        for event in found:
            client = event["client-info"]
            assert client["bot"] == "", event
            assert (client["client-name"], client["client-type"]) == ("Chrome", "browser")
            assert (client["client-os"], client["device-type"]) == ("Linux", "desktop")
            assert client["user-agent"] == reader.page.evaluate("navigator.userAgent")
            assert (event["recipient"], event["ip"]) == (READER, "127.0.0.1")
            assert event["tags"] == ["sample"]
            assert "facts" not in event
        assert found[1]["url"] == f"http://127.0.0.1:{one.control}/readyz"
        assert suppressed(one) == [READER]


def test_who_unsubscribed_by_mistake_subscribes_again_on_the_done_page() -> None:
    """The button of the done page undoes the suppression; the event stays."""
    with edge() as one, chromium() as browser, reading(browser) as reader:
        one.ready()
        open_sample(one, reader)
        reader.think(1.2)
        unsubscribe(reader)
        until("suppressed", lambda: suppressed(one) == [READER])
        reader.page.get_by_role("button", name="Subscribe again").click()
        reader.page.wait_for_selector("text=You are subscribed again")
        reader.photograph("undone")
        until("no longer suppressed", lambda: suppressed(one) == [])
        assert [e["event"] for e in stored(one, "unsubscribed")] == ["opened", "unsubscribed"]
        reader.stays_at_home(one.http, one.control)


def test_the_sample_message_reads_well_in_the_dark_and_on_a_small_screen() -> None:
    """No sideways scrolling at 360 px, legible in both colour schemes, and nothing fetched but it
    and the pixel."""
    with edge() as one, chromium() as browser:
        one.ready()
        for name, look in LOOKS.items():
            with reading(browser, **look) as reader:
                open_sample(one, reader)
                reader.photograph(f"sample-{name}")
                assert reader.flaws() == []
                assert len(reader.asked) == 2
                reader.stays_at_home(one.http, one.control)
