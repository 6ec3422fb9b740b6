"""A machine that fetches every link unsubscribes nobody (RFC 8058)."""

import re
from pathlib import Path

import pytest

from tests.threats.serving import KEYRING, OURS, UNSUBSCRIBE, serving

PATH = f"/u/{KEYRING.seal(UNSUBSCRIBE)}"
ACTING = {"UNSUBSCRIBE", "UNSUBSCRIBE_BY_GET", "RESUBSCRIBE"}


async def test_no_get_head_or_prefetch_acts(tmp_path: Path) -> None:
    """They get the page that asks, and leave evidence of the visit at most."""
    async with serving(tmp_path) as world:
        for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE"):
            await world.get(PATH, method=method)
        await world.ask(
            f"GET {PATH}?List-Unsubscribe=One-Click HTTP/1.1\r\nHost: ".encode()
            + OURS
            + b"\r\nPurpose: prefetch\r\nConnection: close\r\n\r\n"
        )
        assert not ACTING & set(world.acts())


async def test_with_unsubscribe_on_get_heads_and_prefetches_still_do_not_act(
    tmp_path: Path,
) -> None:
    """Only a plain GET does; whether a bot made it is decided when it is labelled."""
    async with serving(tmp_path, on_get=True) as world:
        await world.get(PATH, method="HEAD")
        for header in (b"Sec-Purpose: prefetch", b"Purpose: prefetch", b"X-Moz: prefetch"):
            await world.ask(
                f"GET {PATH} HTTP/1.1\r\nHost: ".encode()
                + OURS
                + b"\r\n"
                + header
                + b"\r\nConnection: close\r\n\r\n"
            )
        assert not ACTING & set(world.acts())
        await world.get(PATH)
        assert "UNSUBSCRIBE_BY_GET" in world.acts()


async def test_one_click_acts_at_once_without_cookie_or_redirect(tmp_path: Path) -> None:
    """RFC 8058 section 3.1: the POST suffices."""
    async with serving(tmp_path) as world:
        answer = await world.post(PATH, b"List-Unsubscribe=One-Click")
        assert answer.status == 200
        assert "set-cookie" not in answer.headers
        assert "location" not in answer.headers
        assert world.acts() == ["UNSUBSCRIBE"]


async def test_undoing_needs_the_nonce_of_that_page(tmp_path: Path) -> None:
    """The button's nonce undoes its own unsubscribe; an invented or altered one does not."""
    async with serving(tmp_path) as world:
        page = (await world.post(PATH, b"action=unsubscribe")).body.decode()
        match = re.search(r'name="nonce" value="([^"]+)"', page)
        assert match is not None
        for nonce in ("", "x", match[1][:-1], match[1][::-1], KEYRING.seal(UNSUBSCRIBE)):
            answer = await world.post(PATH, f"action=resubscribe&nonce={nonce}".encode())
            assert answer.status == 403
        assert "RESUBSCRIBE" not in world.acts()
        good = await world.post(PATH, f"action=resubscribe&nonce={match[1]}".encode())
        assert good.status == 200
        assert "RESUBSCRIBE" in world.acts()


@pytest.mark.parametrize("body", [b"", b"a=b", b"action=resubscribe", b"\xff\xfe", b"&" * 1000])
async def test_a_post_that_asks_for_nothing_known_changes_nothing(
    tmp_path: Path, body: bytes
) -> None:
    """A 4xx and no record."""
    async with serving(tmp_path) as world:
        assert (await world.post(PATH, body)).status in {400, 403}
        assert world.acts() == []
