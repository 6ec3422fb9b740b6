"""``edge webhook`` on a real database."""

import asyncio
import time
from typing import Any

import asyncpg
import pytest

from edge.cli import domain, webhook
from edge.model.errors import CallerError, NotFound, PeerError
from edge.store import pool
from tests.integration.store.test_commands import World
from tests.integration.store.test_commands import world as world_fixture
from tests.integration.store.worlds import event, facts, store
from tests.integration.webhooks.receivers import receiving

world = world_fixture
NAME = "mg.example.com"
URL, OTHER = "https://app.example.com/hook", "https://any:s3cret@b.example/hook"


def now_us() -> int:
    """Events of just now: the commands read the machine's clock."""
    return time.time_ns() // 1000


async def happen(world: World, *kinds: dict[str, Any]) -> None:
    """Store events of domain 1."""
    async with pool.opened(world.url) as opened, opened.acquire() as conn:
        at = now_us() - 1_000_000
        made = [event(at=at + place, **fields) for place, fields in enumerate(kinds)]
        await store(conn, *made, now=now_us(), facts=[facts("news", at=at)])


async def rows(world: World) -> list[asyncpg.Record]:
    """All deliveries, oldest first."""
    async with pool.opened(world.url) as opened:
        return await opened.fetch("SELECT * FROM webhook_deliveries ORDER BY id")


def test_from_adding_to_removing(world: World) -> None:
    """Of a domain and of the account; passwords are never shown; mistakes are told."""
    world.output(domain.app, "add", NAME)
    assert world.output(webhook.app, "list").startswith("No webhooks")
    said = world.output(webhook.app, "add", NAME, URL, "--type", "opened", "--type", "clicked")
    assert said == f"{URL} is called for: opened, clicked.\n"
    world.output(webhook.app, "add", "account", OTHER, "--retry", "delivered")
    own, whole = world.json(webhook.app, "list")
    assert (own["domain"], own["types"], own["state"]) == (NAME, ["opened", "clicked"], "ok")
    assert own["retried"] == ["opened", "clicked"]
    assert (whole["domain"], whole["url"]) == ("account", "https://***@b.example/hook")
    assert whole["retried"] == ["delivered"]
    assert whole["id"].startswith("wh_")
    assert "s3cret" not in world.output(webhook.app, "list")
    with pytest.raises(CallerError, match="already exists"):
        world.run(webhook.app, "add", NAME, URL, "--type", "opened")
    with pytest.raises(CallerError, match="the account has a webhook with the URL"):
        world.run(webhook.app, "add", "account", OTHER)
    with pytest.raises(CallerError, match="is not a valid url"):
        world.run(webhook.app, "add", NAME, "ftp://x/")
    with pytest.raises(NotFound, match="is no webhook of mg"):
        world.run(webhook.app, "remove", NAME, "https://nobody.example/")
    world.output(webhook.app, "remove", NAME, URL, "--type", "opened")
    world.output(webhook.app, "remove", "account", OTHER, "--type", "opened")
    own, whole = world.json(webhook.app, "list")
    assert own["types"] == ["clicked"]
    assert "opened" not in whole["types"]
    world.output(webhook.app, "remove", NAME, URL)
    world.output(webhook.app, "remove", "account", OTHER)
    assert world.json(webhook.app, "list", NAME) == world.json(webhook.app, "list") == []
    with pytest.raises(NotFound, match="has no webhooks"):
        world.run(webhook.app, "log", NAME)


def test_the_key_is_shown_replaced_and_brought_along(world: World) -> None:
    """With the one before it while that is good; never two wishes at once."""
    first = world.output(webhook.app, "key").split()[-1]
    assert first in world.output(webhook.app, "key")
    second = world.output(webhook.app, "key", "--new")
    assert f"{first} (until" in second
    third = world.output(webhook.app, "key", "--set", "key-of-mailguns", "--grace", "0")
    assert third.split() == ["signing", "key", "key-of-mailguns"]
    with pytest.raises(CallerError, match="not both"):
        world.run(webhook.app, "key", "--new", "--set", "key-of-mailguns")
    with pytest.raises(CallerError, match="printable ASCII"):
        world.run(webhook.app, "key", "--set", "nö")


def test_pause_resume_log_and_replay(world: World) -> None:
    """What is queued, what is replayed by which filter, and that a dry run only counts."""
    world.output(domain.app, "add", NAME)
    world.output(webhook.app, "add", NAME, URL, "--type", "opened", "--type", "permanent_fail")
    assert world.output(webhook.app, "pause", NAME) == f"Paused: {URL}.\n"
    assert world.output(webhook.app, "pause", NAME) == "Already paused.\n"
    failed = {"event": "failed", "severity": "permanent", "reason": "bounce"}
    bob = {"recipient": "bob@example.net"}
    asyncio.run(happen(world, {}, bob, failed, {"event": "clicked"}))
    (shown,) = world.json(webhook.app, "list")
    assert (shown["state"], shown["waiting"]) == ("paused", 3)
    assert world.json(webhook.app, "log", NAME) == []
    queued = world.json(webhook.app, "log", NAME, "--queued")
    assert [one["result"] for one in queued] == ["queued"] * 3
    assert world.output(webhook.app, "resume", NAME, "--url", URL) == f"Resumed: {URL}.\n"

    def replayed(*options: str) -> int:
        return int(world.output(webhook.app, "replay", NAME, *options).split()[0])

    assert replayed("--dry-run") == 3, "a click is not asked for"
    assert len(asyncio.run(rows(world))) == 3
    assert replayed("--dry-run", "--event", "opened") == 2
    assert replayed("--dry-run", "--recipient", "bob@example.net") == 1
    assert replayed("--dry-run", "--tag", "other") == 0
    assert replayed("--dry-run", "--filter", "tags=news AND NOT old", "--until", "1s") <= 3
    assert replayed("--dry-run", "--since", "2000000000") == 0
    assert replayed("--event", "opened", "--url", URL) == 2
    again = asyncio.run(rows(world))[3:]
    assert [(row["type"], row["replayed"], row["attempts"]) for row in again] == [
        ("opened", True, 0)
    ] * 2
    for wrong in (("--filter", "colour=red"), ("--filter", "tags"), ("--failed", "--tag", "x")):
        with pytest.raises(CallerError):
            world.run(webhook.app, "replay", NAME, *wrong)


def test_what_was_never_taken_is_replayed_from_the_log(world: World) -> None:
    """Failed, expired and rejected ones, not those that were taken or removed."""
    world.output(domain.app, "add", NAME)
    world.output(webhook.app, "add", NAME, URL, "--type", "opened")
    asyncio.run(happen(world, *({} for _ in range(5))))
    outcomes = ("failed", "expired", "rejected", "taken", "removed")

    async def end() -> None:
        async with pool.opened(world.url) as opened:
            await opened.execute(
                "UPDATE webhook_deliveries d SET due = NULL, attempts = 7, status = 500, "
                "outcome = ($1::text[])[d.id], tried_at = queued_at, duration_ms = 12",
                list(outcomes),
            )

    asyncio.run(end())
    log = world.json(webhook.app, "log", NAME, "--failed", "--type", "opened")
    assert [one["result"] for one in log] == ["removed", "rejected", "expired", "failed"]
    assert "12 ms" in world.output(webhook.app, "log", NAME)
    said = world.output(webhook.app, "replay", NAME, "--failed")
    assert said.startswith("3 deliveries are queued for")
    open_again = [row["id"] for row in asyncio.run(rows(world)) if row["due"] is not None]
    assert open_again == [1, 2, 3]


async def test_a_test_posts_and_listen_forwards(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both signed with the account's key; a test keeps to public addresses, a desk does not."""
    async with receiving() as receiver:
        url = f"{receiver.url}/200/x"
        await asyncio.to_thread(world.output, domain.app, "add", NAME)
        key = (await asyncio.to_thread(world.output, webhook.app, "key")).split()[-1]
        with pytest.raises(PeerError, match="is not a public address"):
            await asyncio.to_thread(world.run, webhook.app, "test", NAME, url)
        monkeypatch.setenv("EDGE_WEBHOOK_ALLOW_NETWORKS", "127.0.0.0/8")
        tried = ("test", NAME, url, "--type", "permanent_fail")
        said = await asyncio.to_thread(world.output, webhook.app, *tried)
        assert said.startswith("200 after ")
        assert receiver.posts[0].event["severity"] == "permanent"
        with pytest.raises(PeerError, match="only 200 takes an event"):
            await asyncio.to_thread(world.run, webhook.app, "test", NAME, f"{receiver.url}/500/x")
        monkeypatch.delenv("EDGE_WEBHOOK_ALLOW_NETWORKS")
        words = ("listen", NAME, f"{receiver.url}/200/desk", "--event", "clicked", "--limit", "2")
        listening = asyncio.create_task(asyncio.to_thread(world.output, webhook.app, *words))
        while not listening.done():
            await happen(world, {"event": "clicked"}, {})
            await asyncio.sleep(0.1)
        lines = (await listening).splitlines()
        posts = receiver.at("/200/desk")
        assert len(posts) == 2
        assert all(post.genuine(key) for post in posts)
        for line, post in zip(lines, posts, strict=True):
            assert line.startswith(f"clicked {post.event['id']} 200 ")
        assert await rows(world) == [], "nothing was configured"
