"""``/u/``: what acts and what never does (RFC 8058), pages that are safe to show to anybody."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from msgspec.structs import replace

from edge.clock import ManualClock
from edge.model.capture import Act
from edge.model.tokens import Level
from edge.tracking import pages
from tests.integration.tracking.worlds import captures, pipeline, tracking
from tests.threats.serving import KEYRING, OURS, UNSUBSCRIBE, World
from tests.unit.test_spool_writer import file_size_limit

PATH = f"/u/{KEYRING.seal(UNSUBSCRIBE)}"
PARTS = (
    b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n'
)
ACTS = {Act.UNSUBSCRIBE, Act.UNSUBSCRIBE_BY_GET, Act.RESUBSCRIBE}
HOSTILE = "\"><script>alert('x')</script>&<b>"


def _acts(world: World) -> list[Act]:
    return [capture.act for capture in captures(world) if capture.act in ACTS]


async def _nonce(world: World, path: str = PATH) -> str:
    page = (await world.post(path, b"action=unsubscribe")).body.decode()
    match = re.search(r'name="nonce" value="([^"]+)"', page)
    assert match is not None
    return match[1]


@pytest.mark.parametrize("on_get", [False, True])
async def test_a_thousand_machine_visits_change_nothing(tmp_path: Path, on_get: bool) -> None:
    """GET (where the owner did not ask for more), HEAD, OPTIONS, and all marks of a prefetch."""
    marks = (
        "Purpose: prefetch",
        "Sec-Purpose: prefetch;prerender",
        "X-Moz: prefetch",
        "X-Purpose: preview",
    )
    end = f" {PATH} HTTP/1.1\r\nHost: {OURS.decode()}\r\n"
    requests = [f"HEAD{end}\r\n"] + [f"GET{end}{mark}\r\n\r\n" for mark in marks]
    if not on_get:
        requests.append(f"GET{end}\r\n")
    async with tracking(tmp_path, unsubscribe_on_get=on_get) as world:
        for request in requests:
            await pipeline(world, request.encode(), 1000 // len(requests), b"HTTP/1.1 200 OK")
        await pipeline(world, f"OPTIONS{end}\r\n".encode(), 50, b"HTTP/1.1 405")
        assert _acts(world) == []


@pytest.mark.parametrize(
    "content_type,body",
    [
        (b"application/x-www-form-urlencoded", b"List-Unsubscribe=One-Click"),
        (b"multipart/form-data; boundary=b", PARTS),
    ],
)
async def test_one_click_acts_at_once(tmp_path: Path, content_type: bytes, body: bytes) -> None:
    """Both kinds of body; no cookie, no redirect, nothing to press."""
    head = f"POST {PATH} HTTP/1.1\r\nHost: {OURS.decode()}\r\nConnection: close\r\n".encode()
    head += b"Content-Type: " + content_type + f"\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    async with tracking(tmp_path) as world:
        answer = await world.ask(head + body)
        assert answer.status == 200
        assert not {"set-cookie", "location"} & set(answer.headers)
        assert _acts(world) == [Act.UNSUBSCRIBE]


async def test_get_acts_only_where_the_owner_wants_that(tmp_path: Path) -> None:
    """Then as a request of its own kind, which ingest drops for bots."""
    async with tracking(tmp_path, unsubscribe_on_get=True) as world:
        assert (await world.get(PATH)).status == 200
        assert _acts(world) == [Act.UNSUBSCRIBE_BY_GET]


async def test_undoing_holds_for_an_hour_and_for_its_own_token(tmp_path: Path) -> None:
    """The done page's nonce is for that token only; after the hour a page says so."""
    clock = ManualClock()
    other = f"/u/{KEYRING.seal(replace(UNSUBSCRIBE, recipient='eve@example.org'))}"
    async with tracking(tmp_path, clock=clock) as world:
        undo = f"action=resubscribe&nonce={await _nonce(world)}".encode()
        assert (await world.post(other, undo)).status == 403
        clock.advance(3600)
        assert (await world.post(PATH, undo)).status == 200
        clock.advance(1)
        assert (await world.post(PATH, undo)).status == 403
        assert _acts(world) == [Act.UNSUBSCRIBE, Act.RESUBSCRIBE]


async def test_an_unsubscribe_that_cannot_be_stored_is_asked_for_again(tmp_path: Path) -> None:
    """503 with Retry-After for every act, while pages and pixels are served; then it works."""
    async with tracking(tmp_path, unsubscribe_on_get=True) as world:
        undo = f"action=resubscribe&nonce={await _nonce(world)}".encode()
        before = _acts(world)
        with file_size_limit(10):
            for answer in (
                await world.post(PATH, b"List-Unsubscribe=One-Click"),
                await world.post(PATH, b"action=unsubscribe"),
                await world.post(PATH, undo),
                await world.get(PATH),
            ):
                assert answer.status == 503
                assert int(answer.headers["retry-after"]) > 0
            assert (await world.get(PATH, method="HEAD")).status == 200
        assert _acts(world) == before
        assert (await world.post(PATH, b"List-Unsubscribe=One-Click")).status == 200
        assert len(_acts(world)) == len(before) + 1


async def test_over_the_spool_limit_unsubscribes_are_still_taken(tmp_path: Path) -> None:
    """Opens are shed there; who wants no more mail is heard."""
    async with tracking(tmp_path, max_bytes=1) as world:
        await world.get(PATH)
        await world.server.tick()
        assert (await world.post(PATH, b"List-Unsubscribe=One-Click")).status == 200
        assert _acts(world) == [Act.UNSUBSCRIBE]


class _Page(HTMLParser):
    """Reads a page and checks that every element is closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == [], "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in {"meta", "input", "hr", "br"}:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("level", list(Level))
def test_pages_are_well_formed_and_show_hostile_names_as_text(level: Level) -> None:
    """No script, no style attribute, no outside resource; language, title and labels are there."""
    target = replace(UNSUBSCRIBE, recipient=HOSTILE, level=level, names=[HOSTILE])
    shown = [
        pages.confirm(target, None),
        pages.done(target, None, HOSTILE),
        pages.undone(target, None),
        pages.not_valid(),
        pages.too_late(),
        pages.try_again(),
        pages.not_understood(),
    ]
    for number, html in enumerate(shown):
        page = _Page(html)
        names = {name for name, _ in page.attributes}
        assert not {"script", "img", "link", "iframe", "a", "b"} & set(page.tags)
        assert not names & {"style", "src", "href", "action"}
        assert not any(name.startswith("on") for name in names)
        assert {"html", "title", "h1", "main"} <= set(page.tags)
        assert ("lang", "en") in page.attributes
        if number < 3:
            assert HOSTILE in page.text


def test_the_policy_allows_exactly_the_pages_style() -> None:
    """The hash in the header is that of the style sheet as it stands in the page."""
    style = re.search(r"<style>(.*?)</style>", pages.not_valid(), re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policy = dict(pages.PAGE_HEADERS)["Content-Security-Policy"]
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
