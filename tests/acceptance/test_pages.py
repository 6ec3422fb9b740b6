"""The pages of an unsubscribe link, as a browser shows them: legible, usable, and harmless."""

from playwright.sync_api import Route

from edge.model.domain import Domain
from edge.model.tokens import Level, UnsubscribeTarget
from edge.tracking import pages
from tests.acceptance.browsing import (
    LOOKS,
    READER,
    Reader,
    chromium,
    events,
    reading,
    suppressed,
)
from tests.acceptance.sample import link
from tests.integration.run.serving import edge, until

ADDRESS = "http://email.example.localhost:1/u/token"
DOMAIN = Domain(number=1, name="example.com")
WHOLE = UnsubscribeTarget(1, 1, "m@example.com", READER, Level.DOMAIN, [])
TAGS = UnsubscribeTarget(1, 1, "m@example.com", READER, Level.TAG, ["news", "offers"])
LONG = UnsubscribeTarget(
    1, 1, "m@example.com", f"{'a' * 64}@{'b' * 60}.example", Level.LIST, [f"{'list' * 30}@x.com"]
)
PAGES = {
    "confirm": pages.confirm(WHOLE, DOMAIN),
    "confirm-tags": pages.confirm(TAGS, DOMAIN),
    "confirm-long": pages.confirm(LONG, DOMAIN),
    "done": pages.done(WHOLE, DOMAIN, "nonce"),
    "undone": pages.undone(TAGS, DOMAIN),
    "not-valid": pages.not_valid(),
    "too-late": pages.too_late(),
    "try-again": pages.try_again(),
    "not-understood": pages.not_understood(),
}

ATTACK = (
    """"'><script>document.title="owned"</script><img src=x onerror="document.title='owned'">"""
)


def show(reader: Reader, html: str) -> None:
    """Show a page with the headers that it is served with."""

    def answer(route: Route) -> None:
        route.fulfill(body=html, headers=dict(pages.PAGE_HEADERS))

    reader.context.unroute_all()
    reader.context.route(ADDRESS, answer)
    reader.page.goto(ADDRESS)


def test_every_page_is_legible_and_usable_however_it_is_looked_at() -> None:
    """Language, title, contrast, names, sizes, no sideways scrolling, its own policy kept."""
    with chromium() as browser:
        for look, options in LOOKS.items():
            with reading(browser, **options) as reader:
                for name, html in PAGES.items():
                    show(reader, html)
                    reader.photograph(f"{name}-{look}")
                    assert reader.flaws() == [], (name, look)
                reader.stays_at_home(1)


def test_the_check_of_pages_finds_flaws() -> None:
    """What the other tests rely on: grey on grey, wide, nameless and tiny things are reported."""
    html = (
        "<h1 style='color:#999'>x</h1><p style='width:5000px'>y</p>"
        "<button></button><img src='data:,'>"
    )
    with chromium() as browser, reading(browser) as reader:
        reader.page.set_content(html)
        found = " ".join(reader.flaws())
    for rule in (
        "3.1.1",
        "2.4.2",
        "main",
        "viewport",
        "1.4.10",
        "1.1.1",
        "4.1.2",
        "2.5.8",
        "1.4.3",
    ):
        assert rule in found


def test_names_that_are_markup_are_shown_and_not_obeyed() -> None:
    """Recipient, list, tag and domain may hold anything: it appears as text, and nothing else."""
    domain = Domain(number=1, name=ATTACK)
    with chromium() as browser, reading(browser) as reader:
        for level, names in (
            (Level.LIST, [ATTACK]),
            (Level.TAG, [ATTACK, "x"]),
            (Level.DOMAIN, []),
        ):
            target = UnsubscribeTarget(1, 1, "m@example.com", ATTACK, level, names)
            for html in (
                pages.confirm(target, domain),
                pages.done(target, domain, ATTACK),
                pages.undone(target, domain),
            ):
                reader.page.set_content(html)  # without its headers: escaping alone must do
                assert reader.page.title() != "owned"
                assert reader.page.locator("script, img").count() == 0
                assert reader.text().count(ATTACK) >= 2
        assert reader.complaints == []


def test_unsubscribing_needs_no_script_and_no_mouse() -> None:
    """Without JavaScript, with Tab and Enter only: confirmed, done, undone."""
    with (
        edge() as one,
        chromium() as browser,
        reading(browser, java_script_enabled=False, color_scheme="dark") as reader,
    ):
        one.ready()
        reader.page.goto(link(one, "u"))
        assert suppressed(one) == []
        for focused, title in (
            ("Unsubscribe", "You are unsubscribed"),
            ("Subscribe again", "You are subscribed again"),
        ):
            reader.page.keyboard.press("Tab")
            assert reader.page.locator("button:focus").inner_text() == focused
            reader.photograph(f"focus-{focused.split()[0].lower()}")
            reader.page.keyboard.press("Enter")
            reader.page.wait_for_selector(f"text={title}")
        until("stored", lambda: [e["event"] for e in events(one)] == ["unsubscribed"])
        assert suppressed(one) == []
        reader.stays_at_home(one.http)


def test_a_link_that_was_cut_short_says_so_and_sets_no_cookie() -> None:
    """A damaged link is a plain 404 page; no page of ours leaves a cookie."""
    with edge() as one, chromium() as browser, reading(browser) as reader:
        one.ready()
        address = link(one, "u")
        answer = reader.page.goto(address[:-3])
        assert answer is not None
        assert answer.status == 404
        assert "This link does not work" in reader.text()
        reader.page.goto(address)
        reader.page.get_by_role("button", name="Unsubscribe").click()
        reader.page.wait_for_selector("text=You are unsubscribed")
        assert reader.context.cookies() == []
