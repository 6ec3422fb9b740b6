"""The signing key and the built-in receiver, as the panel shows them."""

import json
import re

import pytest

from edge.store import receivers
from edge.store.panel_users import Role
from edge.store.pool import Pool
from tests.integration.panel.hooks import ACCOUNT, panel
from tests.integration.panel.seeding import seed


@pytest.fixture
async def hooked(db: Pool) -> Pool:
    """A domain with a story."""
    async with db.acquire() as conn:
        await seed(conn, attacks=False, more=0)
    return db


async def test_the_key_is_shown_only_on_demand_and_every_look_is_logged(hooked: Pool) -> None:
    """Not by GET; made anew, brought along, with a grace and without one; bad ones are refused."""
    async with panel(hooked) as world, world.visitor(Role.OWNER) as visitor:
        assert "key-" not in (await visitor.get("/webhooks/key")).words
        page = await visitor.post("/webhooks/key/show")
        first = re.search(r"key-[0-9a-f]{32}", page.words)
        assert first is not None
        page = await visitor.post("/webhooks/key/new", {"grace": "2"})
        assert first[0] not in page.words
        both = (await visitor.post("/webhooks/key/show")).words
        assert first[0] in both
        assert len(set(re.findall(r"key-[0-9a-f]{32}", both))) == 2
        for key in ("", "short", "with space in it", "é" * 20, "x" * 257):
            page = await visitor.post("/webhooks/key/set", {"key": key, "grace": "0"})
            assert page.status == 400, key
        assert (await visitor.post("/webhooks/key/new", {"grace": "721"})).status == 400
        page = await visitor.post("/webhooks/key/set", {"key": "brought-along", "grace": "0"})
        assert "brought-along" in page.words
        shown = (await visitor.post("/webhooks/key/show")).words
        assert "brought-along" in shown
        assert "key-" not in shown
    lines = await hooked.fetch("SELECT * FROM panel_audit WHERE action LIKE '%signing key'")
    assert [line["action"] for line in lines].count("show signing key") == 3
    assert all("brought" not in line["subject"] for line in lines)


async def test_the_receiver_is_switched_on_renewed_and_off(hooked: Pool) -> None:
    """Off by default; a new URL each time; it ends by itself; off forgets everything."""
    async with panel(hooked) as world, world.visitor(Role.OWNER) as visitor:
        assert "The receiver is off" in (await visitor.get("/webhooks/receiver")).words
        urls = set()
        for _ in range(2):
            assert (await visitor.post("/webhooks/receiver")).status == 303
            page = await visitor.get("/webhooks/receiver")
            urls |= set(re.findall(r"http://127.0.0.1:8025/receive/[\w-]{43}", page.words))
        assert len(urls) == 2
        raw = await hooked.fetchrow("SELECT * FROM receivers")
        assert all(url.rpartition("/")[2] not in str(raw) for url in urls)
        world.clock.advance(25 * 3600)
        async with world.visitor(Role.OWNER, "other") as later:
            assert "The receiver is off" in (await later.get("/webhooks/receiver")).words
            assert (await later.post("/webhooks/receiver/off")).status == 303
    assert await hooked.fetchval("SELECT count(*) FROM receivers") == 0


async def test_a_receiver_that_is_full_makes_no_large_page(hooked: Pool) -> None:
    """A hundred of the largest bodies, of quotes, of brackets, of no text: below 200 kB."""
    async with panel(hooked) as world, hooked.acquire() as conn:
        vault, now_us = world.panel.vault, world.clock.now_us()
        token = await receivers.switch_on(conn, vault, ACCOUNT, now_us=now_us)
        event = json.dumps({"event-data": {"event": "opened", "tags": ['"' * 900] * 30}}).encode()
        for body in (event, b'"' * receivers.LARGEST, b"[" * receivers.LARGEST, b"\xff\x00") * 25:
            receipt = receivers.Receipt(
                at=now_us, address="x", headers={}, body=body, mailgun="good", whole="good"
            )
            assert await receivers.take(conn, ACCOUNT, token, receipt)
        async with world.visitor(Role.OWNER) as visitor:
            page = await visitor.get("/webhooks/receiver")
            assert (page.status, len(page.text) < 200_000) == (200, True), len(page.text)
            assert page.text.count("<details") == 100
        async with world.visitor(Role.ANALYST) as visitor:
            page = await visitor.get("/webhooks/receiver")
            assert page.text.count("(hidden)") == 75
