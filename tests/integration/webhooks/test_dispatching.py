"""Deliveries from the event's transaction to the written outcome."""

import asyncio
import re

from edge.model.domain import Domain
from edge.model.event import Event
from edge.model.mailgun_json import event_id
from edge.model.webhook import TYPES
from edge.store import domains, retention, search, webhooks
from edge.store.pool import Pool
from edge.webhooks.schedule import DELAYS_US, WAITED_US
from tests.integration.store.worlds import DAY, NOW, event, facts, store
from tests.integration.webhooks.receivers import KEY
from tests.integration.webhooks.worlds import ACCOUNT, hooked

MINUTE = 60
OF_TYPE = {
    "accepted": {"event": "accepted"},
    "delivered": {"event": "delivered"},
    "opened": {"event": "opened"},
    "clicked": {"event": "clicked", "url": "https://shop.example/"},
    "unsubscribed": {"event": "unsubscribed"},
    "complained": {"event": "complained"},
    "permanent_fail": {"event": "failed", "severity": "permanent", "reason": "bounce"},
    "temporary_fail": {"event": "failed", "severity": "temporary", "reason": "generic"},
}


def of_type(kind: str) -> Event:
    """An event of a webhook type."""
    return event(**OF_TYPE[kind])


async def test_every_type_goes_to_its_url_as_the_events_api_shows_it(db: Pool) -> None:
    """Signed twice; the same object as in the Events API, facts included; nothing for the rest."""
    async with hooked(db) as world, world.dispatching():
        await world.set({f"/200/{kind}": [kind] for kind in TYPES})
        headers = {"to": "ann@example.net", "from": "news@mg.example.com", "subject": "Hé"}
        known = facts("news", user_variables={"order": "42"}, headers=headers)
        happened = [of_type(kind) for kind in TYPES]
        silent = [event(event="rejected"), event(event="stored")]
        async with db.acquire() as conn:
            await store(conn, *happened, *silent, facts=[known])
        posts = await world.receiver.wait(len(TYPES))
        rows = await world.settled(len(TYPES))
        for kind, one in zip(TYPES, happened, strict=True):
            (post,) = world.receiver.at(f"/200/{kind}")
            async with db.acquire() as conn:
                shown = (await search.show(conn, event_id(one.id))).render()
            assert post.event == shown
            assert shown["tags"] == ["news"]
            assert shown["user-variables"] == {"order": "42"}
            assert post.genuine(KEY)
            assert not post.genuine(KEY + "x")
            assert re.fullmatch("[0-9a-f]{50}", post.signature["token"])
            assert post.signature["timestamp"] == str(NOW // 1_000_000)
            assert post.headers["Content-Type"] == "application/json"
        assert len(posts) == len(rows) == len(TYPES)
        assert {row["outcome"] for row in rows} == {"taken"}
        assert {(row["status"], row["attempts"]) for row in rows} == {(200, 1)}


async def test_a_url_of_domain_and_account_is_called_once(db: Pool) -> None:
    """However often it is configured; other domains' events reach the account's only."""
    async with hooked(db) as world, world.dispatching():
        await world.listen("/200/both", "/200/own")
        await world.listen_account("/200/both")
        await world.listen_account("/200/all", ["opened"])
        async with db.acquire() as conn:
            other = await domains.add(conn, Domain(number=0, name="mg.example.net"), now_us=NOW)
        await world.happen(event(), event(domain=other.number))
        await world.settled(5)
        called = sorted(post.path for post in world.receiver.posts)
        assert called == ["/200/all", "/200/all", "/200/both", "/200/both", "/200/own"]


async def test_anything_but_200_and_406_is_tried_again_on_schedule(db: Pool) -> None:
    """Seven attempts with 5, 10, 15 minutes, 1, 2 and 4 hours between them; then it has failed.

    The same event id and token every time, a fresh timestamp, and a redirect is never followed.
    """
    paths = [f"/{manner}/x" for manner in ("201", "204", "404", "500", "redirect", "said")]
    async with hooked(db) as world:
        world.receiver.status = 599
        await world.set(dict.fromkeys(paths, ("opened",)))
        await world.happen(event())
        async with world.dispatching():
            for attempt, delay in enumerate(DELAYS_US, 1):
                rows = await world.settled(len(paths), attempts=attempt)
                assert {row["due"] for row in rows} == {world.clock.now_us() + delay}
                assert {row["outcome"] for row in rows} == {None}
                world.clock.advance(delay / 1e6 - 1)
                await asyncio.sleep(0 if attempt > 1 else 0.3)
                assert len(world.receiver.posts) == attempt * len(paths), "not before its time"
                world.clock.advance(1)
            rows = await world.settled(len(paths))
        assert {(row["outcome"], row["attempts"]) for row in rows} == {("failed", 7)}
        assert len(world.receiver.posts) == 7 * len(paths)
        for path in paths:
            posts = world.receiver.at(path)
            assert len({post.signature["token"] for post in posts}) == 1
            assert len({post.event["id"] for post in posts}) == 1
            spans = [int(post.signature["timestamp"]) - NOW // 1_000_000 for post in posts]
            assert spans == [0, 300, 900, 1800, 5400, 12600, 27000]
        assert len({post.signature["token"] for post in world.receiver.posts}) == len(paths)
        told = {(row["status"], row["answer"] or row["error"]) for row in rows}
        assert (599, "said  599") in told, "what is kept of an answer is printable"


async def test_406_is_never_tried_again_and_delivered_only_when_asked_for(db: Pool) -> None:
    """The seed's rules; which types are tried again is the endpoint's own setting."""
    async with hooked(db) as world, world.dispatching():
        paths = {"/406/x": ["opened"], "/500/a": ["delivered"], "/500/b": ["delivered"]}
        await world.set(paths)
        async with db.acquire() as conn:
            found = await webhooks.of_domain(conn, world.domain.number)
            path_of = {one.endpoint.id: one.endpoint.address.url[-6:] for one in found}
            (again,) = [number for number, path in path_of.items() if path == "/500/b"]
            await webhooks.set_retried(conn, again, ["delivered"])
        await world.happen(event(), event(event="delivered"))
        rows = await world.settled(3, attempts=1)
        assert {path_of[row["endpoint"]]: row["outcome"] for row in rows} == {
            "/406/x": "rejected",
            "/500/a": "failed",
            "/500/b": None,
        }
        assert len(world.receiver.posts) == 3


async def test_a_removed_endpoint_gets_nothing_and_its_queue_is_told_as_removed(
    db: Pool,
) -> None:
    """What waits for a retry is ended in the change itself, a type's as well as a whole URL's."""
    async with hooked(db) as world, world.dispatching():
        await world.listen("/500/x", types=["opened", "clicked"])
        await world.happen(event(), of_type("clicked"))
        await world.settled(2, attempts=1)
        await world.listen("/500/x", types=["clicked"])
        rows = await world.rows()
        assert [(row["type"], row["outcome"]) for row in rows] == [
            ("opened", "removed"),
            ("clicked", None),
        ]
        await world.set({})
        assert [row["outcome"] for row in await world.rows()] == ["removed"] * 2
        world.clock.advance(MINUTE * 60)
        await world.happen(event())
        await asyncio.sleep(0.3)
        assert len(world.receiver.posts) == 2


async def test_an_endpoint_that_comes_back_starts_anew(db: Pool) -> None:
    """A pause ends with the last webhook that names the URL, not before."""
    async with hooked(db) as world:
        await world.listen("/200/x", types=["opened"])
        await db.execute("UPDATE endpoints SET paused_at = now(), retried = '{}'")
        await world.listen("/200/x", types=["opened", "clicked"])
        assert await db.fetchval("SELECT paused_at IS NOT NULL FROM endpoints")
        await world.set({})
        await world.listen("/200/x", types=["opened"])
        (row,) = await db.fetch("SELECT paused_at, retried FROM endpoints")
        assert tuple(row) == (None, None)


async def test_what_was_removed_while_it_was_due_is_not_posted(db: Pool) -> None:
    """Also where the change did not reach the row: the lease looks whether it is still wanted."""
    async with hooked(db) as world:
        await world.listen("/200/x")
        await world.happen(event())
        await db.execute("DELETE FROM webhooks")
        async with world.dispatching():
            (row,) = await world.settled()
        assert (row["outcome"], row["attempts"], world.receiver.posts) == ("removed", 0, [])


async def test_an_event_past_its_retention_ends_as_gone(db: Pool) -> None:
    """There is nothing left to tell."""
    async with hooked(db) as world:
        await world.listen("/200/x")
        await world.happen(event())
        await db.execute("DELETE FROM events")
        async with world.dispatching():
            (row,) = await world.settled()
        assert (row["outcome"], world.receiver.posts) == ("gone", [])


async def test_a_removed_domain_takes_its_webhooks_along(db: Pool) -> None:
    """They do not come back with it, and late events are told to nobody."""
    async with hooked(db) as world:
        await world.listen("/200/x")
        await world.happen(event())
        async with db.acquire() as conn:
            await domains.remove(conn, world.domain.name)
            await domains.add(conn, world.domain, now_us=NOW)
            assert await webhooks.of_domain(conn, world.domain.number) == []
        await world.happen(event())
        assert [row["outcome"] for row in await world.rows()] == ["removed"]


async def test_a_dead_endpoint_never_delays_another(db: Pool) -> None:
    """One that never answers gets few places; the other's events are all taken meanwhile."""
    async with hooked(db) as world, world.dispatching(most=6, each=4):
        await world.listen("/slow/x", "/200/x", types=["opened"])
        await world.happen(*(event(at=NOW - n) for n in range(40)))
        posts = await world.receiver.wait(40, "/200/x")
        assert len({post.event["id"] for post in posts}) == 40
        assert 1 <= len(world.receiver.at("/slow/x")) <= 2, "it has proven nothing yet"
        world.receiver.released.set()


async def test_no_endpoint_gets_more_at_a_time_than_it_may(db: Pool) -> None:
    """The cap holds while everything is due at once, and the allowance grows up to it."""
    async with hooked(db) as world, world.dispatching(most=50, each=5):
        await world.listen("/brief/x", types=["opened"])
        await world.happen(*(event(at=NOW - n) for n in range(60)))
        await world.receiver.wait(60, "/brief/x")
        assert 2 <= world.receiver.most["/brief/x"] <= 5


async def test_the_breaker_opens_probes_and_closes(db: Pool) -> None:
    """Ten answers of a server that is down; then one probe at a time; all is delivered after it."""
    async with hooked(db) as world, world.dispatching(each=1):
        world.receiver.status = 503
        await world.listen("/said/x", types=["opened"])
        await world.happen(*(event(at=NOW - n) for n in range(15)))
        await world.settled(10, attempts=1)
        await asyncio.sleep(0.3)
        assert len(world.receiver.posts) == 10
        broken = await db.fetchval("SELECT broken_until FROM endpoints")
        assert broken == world.clock.now_us() + 15_000_000
        world.clock.advance(16)
        await world.receiver.wait(11)
        await asyncio.sleep(0.3)
        assert len(world.receiver.posts) == 11, "one probe, and a longer pause"
        world.receiver.status = 200
        world.clock.advance(31)
        await world.settled(4)
        assert await db.fetchval("SELECT broken_until FROM endpoints") is None
        world.clock.advance(5 * MINUTE)
        rows = await world.settled(15)
        assert {row["outcome"] for row in rows} == {"taken"}


async def test_a_paused_endpoint_keeps_queueing_until_it_is_resumed(db: Pool) -> None:
    """And what waited for more than eight hours is given up, and told as expired."""
    async with hooked(db) as world:
        await world.listen("/200/x")
        async with db.acquire() as conn:
            (one,) = await webhooks.of_domain(conn, world.domain.number)
            assert await webhooks.pause(conn, one.endpoint.id, NOW)
            assert not await webhooks.pause(conn, one.endpoint.id, NOW)
        await world.happen(event())
        async with world.dispatching() as dispatcher:
            await asyncio.sleep(0.3)
            world.clock.advance(WAITED_US / 1e6 + 1)
            await world.happen(event())
            await dispatcher._round()
            await dispatcher._upkeep()
            assert [row["outcome"] for row in await world.rows()] == ["expired", None]
            assert world.receiver.posts == []
            async with db.acquire() as conn:
                assert await webhooks.pause(conn, one.endpoint.id, None)
            await world.receiver.wait(1)


async def test_a_full_queue_takes_no_more_for_that_endpoint_alone(db: Pool) -> None:
    """Its cap is looked at from time to time, and lifted when there is room again."""
    async with hooked(db) as world, world.dispatching(queue_limit=3) as dispatcher:
        await world.listen("/500/x", "/200/x", types=["opened"])
        await world.happen(*(event(at=NOW - n) for n in range(3)))
        await world.settled(6, attempts=1)
        await dispatcher._fill()
        await world.happen(event())
        assert len(await world.rows()) == 7
        await db.execute("UPDATE webhook_deliveries SET due = NULL")
        await dispatcher._fill()
        await world.happen(event())
        assert len(await world.rows()) == 9


async def test_a_replaced_key_signs_at_once_and_the_old_one_beside_it(db: Pool) -> None:
    """Until its time is over; the main signature is the new key's from the next second on."""
    async with hooked(db) as world, world.dispatching():
        await world.listen("/200/x")
        await world.happen(event())
        (first,) = await world.receiver.wait(1)
        assert "X-Edge-Signature-Previous" not in first.headers
        until = world.clock.now_us() + 3600 * 1_000_000
        async with db.acquire() as conn:
            await webhooks.set_key(
                conn, world.vault, ACCOUNT, "brought-along", now_us=NOW, until=until
            )
        world.clock.advance(2)
        await world.happen(event())
        post = (await world.receiver.wait(2))[1]
        assert post.genuine("brought-along")
        old = dict(post.headers)
        old["X-Edge-Signature"] = old["X-Edge-Signature-Previous"]
        post.headers = old
        assert not post.genuine("brought-along")
        world.clock.advance(3600)
        await world.happen(event())
        last = (await world.receiver.wait(3))[2]
        assert last.genuine("brought-along")
        assert "X-Edge-Signature-Previous" not in last.headers


async def test_what_a_dead_process_held_is_posted_by_the_next(db: Pool) -> None:
    """At once by its successor; by another process when the lease is over, and not before."""
    async with hooked(db) as world:
        await world.listen("/200/x", types=["opened"])
        await world.happen(event(), event(at=NOW - 1))
        until = world.clock.now_us() + 120_000_000
        await db.execute("UPDATE webhook_deliveries SET due = $1, holder = 'one'", until)
        async with world.dispatching(holder="two"):
            await asyncio.sleep(0.4)
            assert world.receiver.posts == []
        async with world.dispatching(holder="one"):
            rows = await world.settled(2)
        assert {row["outcome"] for row in rows} == {"taken"}


async def test_an_outcome_is_written_only_by_who_holds_the_lease(db: Pool) -> None:
    """A process that was thought dead and answers late changes nothing."""
    async with hooked(db) as world, world.dispatching():
        await world.listen("/slow/x")
        await world.happen(event())
        await world.receiver.wait(1)
        await db.execute("UPDATE webhook_deliveries SET holder = 'another'")
        world.receiver.released.set()
        await asyncio.sleep(0.3)
        (row,) = await world.rows()
        assert (row["holder"], row["outcome"], row["attempts"]) == ("another", None, 0)


async def test_user_and_password_of_a_url_go_out_as_basic_and_are_nowhere_in_clear(
    db: Pool,
) -> None:
    """anymail asks for such a URL; what is stored of it tells nothing."""
    async with hooked(db) as world, world.dispatching():
        url = world.receiver.url.replace("//", "//any:s3cret@") + "/200/x"
        await world.set({url: ["opened"]})
        await world.happen(event())
        (post,) = await world.receiver.wait(1)
        assert post.headers["Authorization"] == "Basic YW55OnMzY3JldA=="
        stored = await db.fetch("SELECT url, encode(userinfo, 'escape') FROM endpoints")
        assert "s3cret" not in str(stored)


async def test_the_log_is_kept_for_its_days_and_the_queue_for_as_long_as_it_waits(
    db: Pool,
) -> None:
    """What was taken goes after a day, the rest after what is set; what is queued stays."""
    async with hooked(db) as world:
        await world.listen("/200/x", types=["opened"])
        await world.happen(*(event(at=NOW - n) for n in range(4)))
        await db.execute(
            "UPDATE webhook_deliveries SET outcome = ($1::text[])[id], "
            "due = CASE id WHEN 4 THEN due END",
            ["taken", "failed", "rejected"],
        )
        left = {}
        for days in (0.9, 1.1, 6.9, 7.1, 50):
            async with db.acquire() as conn:
                now_us = NOW + round(days * DAY)
                await retention.run(conn, now_us=now_us, days=retention.Days(webhooks=7))
            left[days] = [row["id"] for row in await world.rows()]
        assert left == {0.9: [1, 2, 3, 4], 1.1: [2, 3, 4], 6.9: [2, 3, 4], 7.1: [4], 50: [4]}


async def test_the_queue_outlives_an_outage_of_postgres(db: Pool) -> None:
    """Connections cut in mid-work cost nothing but time."""
    async with hooked(db) as world, world.dispatching():
        await world.listen("/200/x", types=["opened"])
        for turn in range(3):
            await world.happen(*(event(at=NOW - turn * 100 - n) for n in range(10)))
            await db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        rows = await world.settled(30)
        assert {row["outcome"] for row in rows} == {"taken"}
