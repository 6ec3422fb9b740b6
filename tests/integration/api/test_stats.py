"""``/v3/…/stats``: shapes, spans, zeros, and what is refused."""

from edge.api.params import rfc1123
from edge.model.periods import DAY_US, floor
from edge.store.pool import Pool
from tests.integration.api.figures import failed, happen, message, opened
from tests.integration.api.worlds import OTHER, OURS, World, serving

TOTAL = f"/v3/{OURS}/stats/total"
PLAIN = {"suppress-bounce", "suppress-unsubscribe", "suppress-complaint", "bounce"} | {
    *("delayed-bounce", "webhook", "optimized", "total"),
}


async def _some(world: World) -> None:
    await happen(
        world,
        {"event": "accepted"} | message(1, "news"),
        {"event": "delivered"} | message(1, "news"),
        opened() | message(1, "news"),
        opened() | message(1, "news"),
        opened("US", "mobile") | message(2) | {"domain": OTHER},
        failed("permanent", "suppress-bounce", **message(3)),
        failed("temporary", "espblock", **message(3)),
    )


async def test_totals_have_every_bucket_of_both_ends(db: Pool) -> None:
    """Seven days are eight buckets by day; the newest has the figures, the others zeros."""
    async with serving(db) as world:
        await _some(world)
        answer = await world.ask("GET", f"{TOTAL}?event=accepted&event=failed&event=opened")
        now = world.clock.now_us()
        today = rfc1123(floor(now, "day"), "UTC")
        body = answer.json
        assert set(body) == {"description", "start", "end", "resolution", "stats"}
        assert (body["description"], body["end"], body["resolution"]) == ("", today, "day")
        assert body["start"] == rfc1123(floor(now, "day") - 7 * DAY_US, "UTC")
        assert len(body["stats"]) == 8
        *before, last = body["stats"]
        assert set(last) == {"time", "accepted", "failed", "opened"}
        assert last["time"] == today
        assert last["accepted"] == {"incoming": 0, "outgoing": 1, "total": 1}
        assert last["opened"] == {"total": 2, "unique": 1}
        assert last["failed"]["temporary"] == {"espblock": 1, "total": 1}
        permanent = last["failed"]["permanent"]
        assert set(permanent) == PLAIN
        assert {name: count for name, count in permanent.items() if count} == {
            "suppress-bounce": 1,
            "total": 1,
        }
        assert all(one["opened"] == {"total": 0, "unique": 0} for one in before)
        assert body["stats"][0]["time"] == body["start"]


async def test_spans(db: Pool) -> None:
    """Hours, months, a duration before a start, epoch seconds, and an empty start."""
    async with serving(db) as world:
        for query, count, resolution in (
            ("resolution=hour&duration=24h", 25, "hour"),
            ("resolution=month&duration=2m", 3, "month"),
            ("duration=1d&start=1", 2, "day"),
            ("start=1709596800&end=1709683200", 2, "day"),
            ("start=&end=", 8, "day"),
            ("start=Mon, 04 Mar 2024 10:00:00 -0600&end=Tue, 05 Mar 2024 10:00:00 GMT", 2, "day"),
        ):
            answer = await world.ask("GET", f"{TOTAL}?event=clicked&{query}")
            assert answer.status == 200, answer.body
            assert (len(answer.json["stats"]), answer.json["resolution"]) == (count, resolution)
        old = await world.ask("GET", f"{TOTAL}?event=opened&resolution=hour&start=1&end=7200")
        assert "X-Edge-Counted-From" in old.headers


async def test_account_domains_and_filters(db: Pool) -> None:
    """All domains together, each by itself, and one dimension at a time."""
    async with serving(db) as world:
        await _some(world)
        answer = await world.ask("GET", "/v3/stats/total?event=opened")
        assert answer.json["stats"][-1]["opened"] == {"total": 3, "unique": 2}
        now = world.clock.now_us() / 1e6
        answer = await world.ask("GET", f"/v3/stats/total/domains?event=opened&timestamp={now}")
        shown = {one["domain"]: one["opened"]["total"] for one in answer.json["stats"]}
        assert shown == {OURS: 2, OTHER: 1}
        base = f"/v3/stats/filter?event=opened&filter=domain:{OTHER}"
        for group, value in (("country", "US"), ("device", "mobile"), ("provider", "example.net")):
            (one,) = (await world.ask("GET", f"{base}&group={group}")).json["stats"]
            assert (one[group], one["opened"]["total"]) == (value, 1)
        (one,) = (await world.ask("GET", f"{base}&group=total")).json["stats"]
        assert one["opened"]["total"] == 1
        many = (await world.ask("GET", f"{base}&group=day")).json["stats"]
        assert [one["opened"]["total"] for one in many] == [0] * 7 + [1]
        legacy = await world.ask("GET", f"/v3/{OURS}/stats?event=sent")
        assert legacy.json == {"items": [], "total_count": 0}


async def test_aggregates(db: Pool) -> None:
    """By device, provider and (in lower case) country."""
    async with serving(db) as world:
        await _some(world)
        answer = await world.ask("GET", f"/v3/{OURS}/aggregates/countries")
        assert answer.json["countries"]["de"] == {
            **dict.fromkeys(("accepted", "clicked", "unique_clicked", "complained"), 0),
            "opened": 2,
            "unique_opened": 1,
            "unsubscribed": 0,
        }
        answer = await world.ask("GET", f"/v3/{OURS}/aggregates/providers")
        assert set(answer.json["providers"]) == {"example.net"}


async def test_a_domains_key_sees_only_its_domain(db: Pool) -> None:
    """In the account's statistics too; another's are not found."""
    async with serving(db) as world:
        await _some(world)
        key = await world.make_key(domain=OTHER)
        answer = await world.ask("GET", "/v3/stats/total?event=opened", key=key)
        assert answer.json["stats"][-1]["opened"]["total"] == 1
        query = f"/v3/stats/filter?event=opened&group=domain&filter=domain:{OURS}"
        assert (await world.ask("GET", query, key=key)).json["stats"] == []
        for path in (TOTAL, f"/v3/{OURS}/stats", f"/v3/{OURS}/aggregates/devices"):
            answer = await world.ask("GET", f"{path}?event=opened", key=key)
            assert (answer.status, answer.message) == (404, "Domain not found")


REFUSED = (
    ("", "event is missing"),
    ("event=sent", "event has to be one of"),
    ("event=opened&resolution=week", "'resolution' attribute is invalid"),
    ("event=opened&duration=5y", "'duration' attribute is invalid"),
    ("event=opened&duration=0d", "'duration' attribute is invalid"),
    ("event=opened&start=yesterday", "start has to be"),
    ("event=opened&start=2000000000&end=1000000000", "start is after end"),
    ("event=opened&resolution=hour&start=1&end=1700000000", "more than 5000 hours"),
    ("event=opened%00", "control character"),
    ("event=opened';DROP%20TABLE%20events--", "event has to be one of"),
    ("event=opened&end=1e300", "end has to be"),
)


async def test_what_is_refused(db: Pool) -> None:
    """Each mistake is named, and nothing else happens."""
    async with serving(db) as world:
        for query, text in REFUSED:
            answer = await world.ask("GET", f"{TOTAL}?{query}")
            assert answer.status == 400, query
            assert text in answer.message
