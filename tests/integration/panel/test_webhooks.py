"""The pages of webhooks: endpoints, tests, attempts, replays, the signing key."""

import asyncio
import re
from collections.abc import Callable
from functools import partial
from html import unescape
from typing import Any

import aiohttp
import pytest

from edge.model.vault import Vault
from edge.panel import replay
from edge.store import webhook_log, webhook_queue
from edge.store.filters import Filter
from edge.store.panel_users import Role
from edge.store.pool import Pool
from tests.integration.panel.hooks import SECRET, panel
from tests.integration.panel.hooks import hooked as hook_all
from tests.integration.panel.seeding import ATTACKS, DOMAIN, EVE, seed
from tests.integration.panel.worlds import Visitor
from tests.integration.webhooks.receivers import receiving

ALL = [
    ("types", kind)
    for kind in ("opened", "clicked", "delivered", "accepted", "permanent_fail", "unsubscribed")
]


@pytest.fixture
async def hooked(db: Pool) -> Pool:
    """A domain with a story, whose endpoints were there before it."""
    async with db.acquire() as conn:
        await seed(conn, attacks=False, more=0)
    return db


async def _add(visitor: Visitor, url: str, *types: str, **more: str) -> int:
    """Add an endpoint of the domain; its number."""
    form = [("domain", DOMAIN), ("url", url), *(("types", kind) for kind in types)]
    page = await visitor.post("/webhooks", _form(form + list(more.items())))
    done = f"/webhooks?domain={DOMAIN}&done=added"
    assert (page.status, page.location) == (303, done), page.words
    number: int = await visitor.world.db.fetchval("SELECT max(number) FROM webhooks")
    return number


def _form(pairs: list[tuple[str, str]]) -> Any:

    form = aiohttp.FormData()
    for name, value in pairs:
        form.add_field(name, value)
    return form


async def test_an_endpoint_is_added_changed_paused_and_removed(hooked: Pool) -> None:
    """Each change shows on the page, in the table, and in the audit log, without its password."""
    async with panel(hooked) as world, world.visitor(Role.OWNER) as visitor:
        page = await visitor.get(f"/webhooks?domain={DOMAIN}")
        assert "No endpoint for" in page.words
        number = await _add(visitor, f"https://me:{SECRET}@hook.example/x", "opened", "clicked")
        page = await visitor.get(f"/webhooks?domain={DOMAIN}")
        assert "***@hook.example/x" in page.words
        assert SECRET not in page.text
        for action, fields, shown in (
            ("types", [("types", "opened"), ("types", "complained")], "complained"),
            ("retried", [("types", "complained")], "Tried again"),
            ("retried", [], "Tried again"),
            ("pause", [], "Paused since"),
            ("pause", [], "Paused since"),
            ("resume", [], "Everything that was queued"),
        ):
            page = await visitor.post(f"/webhooks/{number}/{action}", _form(fields))
            assert page.status == 303, (action, page.words)
            assert shown in (await visitor.get(page.location)).words
        types = await hooked.fetchval("SELECT types FROM webhooks")
        assert types == ["opened", "complained"]
        assert await hooked.fetchval("SELECT retried FROM endpoints") == []
        assert (await visitor.post(f"/webhooks/{number}/remove")).status == 303
        assert (await visitor.get(f"/webhooks/{number}")).status == 404
        assert (await visitor.post(f"/webhooks/{number}/remove")).status == 404
    lines = await hooked.fetch("SELECT * FROM panel_audit WHERE action LIKE '%webhook%'")
    assert {line["action"] for line in lines} >= {"add webhook", "pause webhook", "remove webhook"}
    assert all(SECRET not in line["subject"] for line in lines)
    assert any("***@hook.example" in line["subject"] for line in lines)


async def test_an_endpoint_of_the_account_stands_beside_those_of_a_domain(hooked: Pool) -> None:
    """And has its own page, types and end."""
    async with panel(hooked) as world, world.visitor(Role.OWNER) as visitor:
        number = await _add(visitor, "https://all.example/", "opened", everywhere="on")
        assert await hooked.fetchval("SELECT domain FROM webhooks") is None
        assert "every domain" in (await visitor.get(f"/webhooks/{number}")).words
        changed = await visitor.post(f"/webhooks/{number}/types", {"types": "clicked"})
        assert changed.status == 303
        form = _form([("domain", DOMAIN), ("url", "https://all.example/"), ("everywhere", "on"),
                      ("types", "opened")])  # fmt: skip
        assert (await visitor.post("/webhooks", form)).status == 400
        assert (await visitor.post(f"/webhooks/{number}/remove")).status == 303
        assert await hooked.fetchval("SELECT count(*) FROM webhooks") == 0


async def test_bad_input_is_told_and_changes_nothing(hooked: Pool) -> None:
    """URLs, types, numbers, times: a 4xx that says why; what was typed is still in the form."""
    async with panel(hooked) as world, world.visitor(Role.OWNER) as visitor:
        number = await _add(visitor, "https://hook.example/", "opened")
        before = await hooked.fetch("SELECT * FROM webhooks")
        for url in (
            "",
            "hook",
            "ftp://x/",
            "https://x/ y",
            "javascript:alert(1)",
            "https://" + "a" * 3000,
        ):
            form = _form([("domain", DOMAIN), ("url", url), ("types", "clicked")])
            page = await visitor.post("/webhooks", form)
            assert (page.status, "valid url" in page.words or "longer" in page.words) == (
                400,
                True,
            ), url
        for fields in ([("types", "nothing")], [], [("types", "\x00")], [("types", "x" * 999)]):
            form = _form([("domain", DOMAIN), ("url", "https://y.example/"), *fields])
            assert (await visitor.post("/webhooks", form)).status == 400
            assert (await visitor.post(f"/webhooks/{number}/types", _form(fields))).status == 400
        for path, given in (
            ("again", {"hours": "0"}),
            ("again", {"hours": "many"}),
            ("replay", {"from": "yesterday"}),
            ("replay", {"from": "2026-01-01T00:00+05:00"}),
            ("replay", {"from": "9999-01-01T00:00"}),
            ("replay", {"type": "stored"}),
            ("replay", {"tag": "\x07"}),
            ("test", {"type": "stored"}),
        ):
            page = await visitor.post(f"/webhooks/{number}/{path}", given)
            assert page.status == 400, (path, given)
        none = _form([("domain", "none.example"), ("url", "https://y/"), ("types", "opened")])
        assert (await visitor.post("/webhooks", none)).status in {400, 404}
        for path in ("0", "99999", "x", "9" * 30, "-1"):
            assert (await visitor.get(f"/webhooks/{path}")).status == 404
        for query in ("endpoint=x", "type=stored", "result=%00", "before=-1"):
            page = await visitor.get(f"/webhooks/attempts?domain={DOMAIN}&{query}")
            assert page.status == 400, query
        assert (await visitor.post("/webhooks/attempts/99/again")).status == 404
        assert (await visitor.post("/webhooks/replays/none/start")).status == 404
        assert await hooked.fetch("SELECT * FROM webhooks") == before
        assert await hooked.fetchval("SELECT count(*) FROM webhook_deliveries") == 0


async def test_a_test_shows_what_the_endpoint_answers(hooked: Pool) -> None:
    """Status, duration and the answer's beginning, escaped; an address that is refused is told."""
    async with receiving() as receiver, panel(hooked) as world:
        async with world.visitor(Role.OWNER) as owner:
            good = await _add(owner, f"{receiver.url}/200", "opened")
            bad = await _add(owner, f"{receiver.url}/500", "opened")
            inner = await _add(owner, "http://169.254.169.254/latest", "opened")
        async with world.visitor(Role.SUPPORT) as visitor:
            page = await visitor.post(f"/webhooks/{good}/test", {"type": "clicked"})
            assert "Answered with 200" in re.sub(r"\s+", " ", page.words)
            assert "told 200" in page.words
            assert receiver.posts[0].event["event"] == "clicked"
            page = await visitor.post(f"/webhooks/{bad}/test", {"type": "opened"})
            assert "would have been tried again" in page.words
            page = await visitor.post(f"/webhooks/{inner}/test", {})
            assert (page.status, "not a public address" in page.words) == (200, True)
            while not world.panel.tests.take("support"):
                pass
            page = await visitor.post(f"/webhooks/{inner}/test", {})
            assert page.status == 429
        assert len(receiver.posts) == 2
    assert await hooked.fetchval("SELECT count(*) FROM webhook_deliveries") == 0


async def _seeded(db: Pool, vault: Vault, **more: Any) -> list[str]:
    async with db.acquire() as conn:
        await seed(conn, **({"attacks": False, "more": 0} | more))
        await hook_all(conn, vault)
        rows = await conn.fetch("SELECT id FROM webhook_deliveries ORDER BY id")
    return [str(row["id"]) for row in rows]


async def test_attempts_are_filtered_and_linked_with_their_events(db: Pool) -> None:
    """By endpoint, type and result; from a delivery to its event and back; one once more."""
    vault = Vault(bytes(32))
    ids = await _seeded(db, vault)
    async with panel(db) as world, world.visitor(Role.SUPPORT) as visitor:
        page = await visitor.get(f"/webhooks/attempts?domain={DOMAIN}")
        assert page.text.count("<tr>") == 1 + min(50, len(ids))
        taken = await visitor.get(f"/webhooks/attempts?domain={DOMAIN}&result=taken")
        assert "badge good" in taken.text
        assert "badge bad" not in taken.text
        for result in ("untaken", "deferred", "waiting", "gone"):
            found = await visitor.get(f"/webhooks/attempts?domain={DOMAIN}&result={result}")
            assert (found.status, 'badge good">taken' in found.text) == (200, False)
        event = re.search(r'href="(/logs/[\w-]{22})"', page.text)
        assert event is not None
        shown = await visitor.get(event[1])
        assert "Its webhooks" in shown.words
        form = re.search(r'action="(/webhooks/attempts/\d+/again)"', taken.text)
        assert form is not None
        assert (await visitor.post(form[1])).status == 303
        again = await visitor.post(form[1])
        assert (again.status, "waits already" in again.words) == (400, True)
        number = int(form[1].split("/")[3])
        row = await db.fetchrow("SELECT * FROM webhook_deliveries WHERE id = $1", number)
        assert row is not None
        assert (row["outcome"], row["attempts"], row["due"] is None) == (None, 0, False)
        await db.execute("DELETE FROM webhooks")
        await db.execute("UPDATE webhook_deliveries SET due = NULL, outcome = 'failed'")
        assert (await visitor.post(form[1])).status == 400


async def test_states_are_told_with_since_and_why(db: Pool) -> None:
    """Paused since, down since and when it is tried, why, and full."""
    await _seeded(db, Vault(bytes(32)))
    async with panel(db) as world, world.visitor(Role.ANALYST) as visitor:
        page = await visitor.get(f"/webhooks?domain={DOMAIN}")
        for word in ("paused", "down", "since", "next try"):
            assert word in page.words
        slow = await db.fetchval(
            "SELECT w.number FROM webhooks w JOIN endpoints e ON e.id = w.endpoint "
            "WHERE e.broken_until IS NOT NULL"
        )
        page = await visitor.get(f"/webhooks/{slow}")
        assert "calls stopped on" in re.sub(r"\s+", " ", page.words)
        assert "no answer in time" in page.words
        await db.execute("UPDATE endpoints SET is_full = true, paused_at = NULL")
        assert "nothing more is queued" in (await visitor.get(f"/webhooks/{slow}")).words


async def test_who_sees_no_recipients_sees_none_here(db: Pool) -> None:
    """In answers, in bodies, in URLs; no password; not the receiver's URL; no attack as markup."""
    vault = Vault(bytes(32))
    await _seeded(db, vault, attacks=True)
    paths = [f"/webhooks?domain={DOMAIN}", f"/webhooks/attempts?domain={DOMAIN}"]
    paths += [f"/webhooks/{row['number']}" for row in await db.fetch("SELECT * FROM webhooks")]
    paths.append("/webhooks/receiver")
    async with panel(db) as world:
        for role in Role:
            async with world.visitor(role) as visitor:
                for path in paths:
                    page = await visitor.get(path)
                    assert page.status == 200, page.words
                    assert SECRET not in page.text
                    for attack in ATTACKS:
                        if "<" in attack:
                            assert attack not in page.text, path
                    if role is Role.ANALYST:
                        assert "eve.private" not in page.text, path
                        assert "/receive/" not in page.text
        async with world.visitor(Role.OWNER) as visitor:
            assert EVE in (await visitor.get(paths[1])).words


async def _until(visitor: Visitor, path: str, done: Callable[[str], bool]) -> str:
    async with asyncio.timeout(10):
        while True:
            page = await visitor.get(path, headers={"HX-Request": "true"})
            assert page.status == 200
            assert "<html" not in page.text
            if done(page.words):
                return re.sub(r"\s+", " ", page.words)
            await asyncio.sleep(0.01)


async def test_a_replay_is_counted_first_then_begun(hooked: Pool) -> None:
    """Nothing is queued by counting; what was counted is queued, once; by type and by recipient."""
    async with panel(hooked) as world, world.visitor(Role.OWNER) as owner:
        number = await _add(owner, "https://hook.example/", *(kind for _, kind in ALL))
        async with world.visitor(Role.SUPPORT) as visitor:
            for fields, count in (
                ({}, 12),
                ({"type": "permanent_fail"}, 1),
                ({"recipient": EVE}, 4),
                ({"tag": "newsletter", "type": "opened"}, 2),
                ({"type": "complained"}, 0),
            ):
                page = await visitor.post(f"/webhooks/{number}/replay", fields)
                assert page.status == 303, page.words
                path = page.location
                words = await _until(visitor, path, lambda text: "counted" in text)
                assert f"counted {count} of" in words, (fields, words)
                assert await hooked.fetchval("SELECT count(*) FROM webhook_deliveries") == 0
            page = await visitor.post(f"/webhooks/{number}/replay", {"type": "clicked"})
            await _until(visitor, page.location, lambda text: "counted" in text)
            assert (await visitor.post(f"{page.location}/start")).status == 303
            words = await _until(visitor, page.location, lambda text: "done" in text)
            assert "1 delivery is queued" in words
            assert (await visitor.post(f"{page.location}/start")).status == 400
            assert (await visitor.post(f"{page.location}/stop")).status == 303
            assert "Back to the endpoint" in (await visitor.get(page.location)).words
        async with world.visitor(Role.ANALYST) as analyst:
            assert (await analyst.get(page.location)).status == 403
    row = await hooked.fetchrow("SELECT * FROM webhook_deliveries")
    assert row is not None
    assert (row["type"], row["replayed"]) == ("clicked", True)


async def test_only_so_many_replays_are_at_work_and_remembered(hooked: Pool) -> None:
    """A third one is refused while two are at work; the oldest at rest is forgotten."""
    async with panel(hooked) as world, world.visitor(Role.OWNER) as visitor:
        number = await _add(visitor, "https://hook.example/", "opened")
        page = await visitor.post(f"/webhooks/{number}/replay", {})
        first = page.location
        await _until(visitor, first, lambda text: "counted" in text)
        one = next(iter(world.panel.replays.values()))
        for place in range(replay.MOST):
            other = replay.Replay(number, one.endpoint, one.url, one.wanted, "")
            other.state = replay.State.COUNTING if place < 2 else replay.State.DONE
            world.panel.replays[str(place)] = other
        page = await visitor.post(f"/webhooks/{number}/replay", {})
        assert (page.status, "at work" in page.words) == (400, True)
        for other in world.panel.replays.values():
            other.stop()
        page = await visitor.post(f"/webhooks/{number}/replay", {})
        assert page.status == 303
        assert (await visitor.get(first)).status == 404
        assert len(world.panel.replays) == replay.MOST


async def test_what_was_never_taken_is_queued_again(db: Pool) -> None:
    """Of that endpoint, of the last hours; how many is in the audit log."""
    await _seeded(db, Vault(bytes(32)))
    async with panel(db) as world, world.visitor(Role.SUPPORT) as visitor:
        number = await db.fetchval("SELECT min(number) FROM webhooks")
        assert (await visitor.post(f"/webhooks/{number}/again", {})).location.endswith("again")
        assert (await visitor.post(f"/webhooks/{number}/again", {})).location.endswith("nothing")
    left = "SELECT count(*) FROM webhook_deliveries WHERE outcome = 'failed' AND endpoint = ("
    assert await db.fetchval(left + "SELECT endpoint FROM webhooks WHERE number = $1)", number) == 0


async def test_attempts_of_one_endpoint_page_by_page(db: Pool) -> None:
    """Each delivery once; also of an endpoint that is removed, while the log holds it."""
    await _seeded(db, Vault(bytes(32)))
    first = await db.fetchval("SELECT min(id) FROM endpoints")
    await db.execute(
        "INSERT INTO webhook_deliveries (endpoint, domain, retention, event_at, event, type, "
        "queued_at, outcome, attempts) SELECT endpoint, domain, retention, event_at, event, type, "
        "queued_at, 'taken', 1 FROM webhook_deliveries, generate_series(1, 6) WHERE endpoint = $1",
        first,
    )
    count = "SELECT count(*) FROM webhook_deliveries WHERE endpoint = $1"
    total = await db.fetchval(count, first)
    await db.execute("DELETE FROM webhooks WHERE endpoint = $1", first)
    async with panel(db) as world, world.visitor(Role.ANALYST) as visitor:
        path: str | None = f"/webhooks/attempts?domain={DOMAIN}&endpoint={first}"
        seen = 0
        while path:
            page = await visitor.get(path)
            assert (page.status, "app.example.com" in page.words) == (200, True)
            seen += page.text.count("<tr>") - 1
            link = re.search(r'href="([^"]*)" rel="next"', page.text)
            path = unescape(link[1]) if link else None
        assert 50 < seen == total
        assert "/again" not in page.text


async def test_a_replay_that_fails_or_is_stopped_says_so(hooked: Pool) -> None:
    """The database away, the server stopping: told on its page, with what is queued."""
    wanted = Filter(begin=0)
    async with panel(hooked) as world, world.visitor(Role.OWNER) as visitor:
        await _add(visitor, "https://hook.example/", "opened")

        def away() -> Any:
            raise ConnectionRefusedError

        for connect, stopping, state in (
            (away, False, replay.State.FAILED),
            (world.panel.connection, True, replay.State.STOPPED),
            (world.panel.connection, False, replay.State.COUNTED),
        ):
            one = replay.Replay(1, 1, "https://hook.example/", wanted, "everything")
            world.panel.replays["x"] = one
            await one.run(connect, world.clock, partial(bool, stopping))
            assert one.state is state
            page = await visitor.get("/webhooks/replays/x")
            assert (page.status, state.value in page.words) == (200, True)
            assert "hx-get" not in page.text


async def test_down_since_stays_while_probes_fail(hooked: Pool) -> None:
    """And begins anew after it worked."""
    async with panel(hooked) as world, world.visitor(Role.OWNER) as visitor:
        await _add(visitor, "https://hook.example/", "opened")
    number = await hooked.fetchval("SELECT id FROM endpoints")
    found = []
    async with hooked.acquire() as conn:
        for until, now in ((20, 10), (50, 30), (None, 60), (90, 70)):
            await webhook_queue.set_broken(conn, number, until, now_us=now)
            found.append((await webhook_log.standing(conn, [number]))[number].broken_at)
    assert found == [10, 10, None, 70]
