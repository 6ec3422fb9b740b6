"""Tags: by path and by query, of a domain and of the account."""

from urllib.parse import urlsplit

import pytest

from edge.model.periods import HOUR_US, floor, rfc3339
from edge.store import rollups, tags
from edge.store.pool import Pool
from tests.integration.api.figures import happen, message, opened
from tests.integration.api.worlds import OTHER, OURS, World, serving

TAGS = f"/v3/{OURS}/tags"
ANALYTICS = "/v1/analytics/tags"


async def _seen(world: World, *names: str, domain: str = OURS, **fields: object) -> None:
    """One open for each tag, and a run of the roll-ups, which find the tags."""
    some = [
        opened() | message(place, name) | {"domain": domain} | fields
        for place, name in enumerate(names)
    ]
    await happen(world, *some)
    await _roll(world)


async def _roll(world: World) -> None:
    async with world.api.connection() as conn:
        await rollups.run(conn, now_us=world.clock.now_us())


async def test_pages_of_tags(db: Pool) -> None:
    """In order of names, forward and back, with a prefix; the four links are always there."""
    async with serving(db) as world:
        await _seen(world, "beta", "alpha", "Gamma", "alto")
        answer = await world.ask("GET", f"{TAGS}?limit=3")
        names = [one["tag"] for one in answer.json["items"]]
        assert names == ["alpha", "alto", "beta"]
        hour = rfc3339(floor(world.clock.now_us() - 60_000_000, "hour"))
        first = answer.json["items"][0]
        assert first == {"tag": "alpha", "description": "", "first-seen": hour, "last-seen": hour}
        assert set(answer.json["paging"]) == {"first", "last", "next", "previous"}
        for link, expected in (
            ("next", ["gamma"]),
            ("last", ["alto", "beta", "gamma"]),
            ("previous", []),
            ("first", names),
        ):
            parts = urlsplit(answer.json["paging"][link])
            page = await world.ask("GET", f"{parts.path}?{parts.query}")
            assert [one["tag"] for one in page.json["items"]] == expected, link
        answer = await world.ask("GET", f"{TAGS}?prefix=AL")
        assert [one["tag"] for one in answer.json["items"]] == ["alpha", "alto"]
        empty = await world.ask("GET", f"/v3/{OTHER}/tags")
        assert empty.json["items"] == []
        assert len(set(empty.json["paging"].values())) == 2


@pytest.mark.parametrize("path", [f"{TAGS}/{{}}", f"/v3/{OURS}/tag?tag={{}}"])
async def test_one_tag_by_path_and_by_query(db: Pool, path: str) -> None:
    """Read in any case and with + for a space; described, deleted, and gone."""
    async with serving(db) as world:
        await _seen(world, "big sale", "a/b")
        for written in ("big%20sale", "BIG%20Sale", "big+sale"):
            answer = await world.ask("GET", path.format(written))
            assert (answer.status, answer.json["tag"]) == (200, "big sale"), written
        assert (await world.ask("GET", path.format("a%2Fb"))).json["tag"] == "a/b"
        url = path.format("big%20sale")
        answer = await world.ask("PUT", url, data={"description": "A\nsale"})
        assert (answer.status, answer.message) == (200, "Tag updated")
        assert (await world.ask("GET", url)).json["description"] == "A\nsale"
        answer = await world.ask("PUT", path.format("never-seen"), data={"description": "x"})
        assert (answer.status, answer.message) == (200, "Tag updated")
        answer = await world.ask("DELETE", url)
        assert (answer.status, answer.message) == (200, "Tag deleted")
        for method in ("GET", "DELETE"):
            answer = await world.ask(method, url)
            assert (answer.status, answer.message) == (404, "Tag not found")
        for wrong in ("%00", "x" * 129, "%C3%A9", "%20"):
            assert (await world.ask("GET", path.format(wrong))).status in {400, 404}
            assert (await world.ask("PUT", path.format(wrong))).status == 400


async def test_a_deleted_tag_comes_back_when_it_is_seen_again(db: Pool) -> None:
    """Not by the events that it had; by one in a later hour, or a message that is accepted."""
    async with serving(db) as world:
        await _seen(world, "news", "sale")
        for name in ("news", "sale"):
            await world.ask("DELETE", f"{TAGS}/{name}")
        await _roll(world)
        assert (await world.ask("GET", TAGS)).json["items"] == []
        world.clock.advance(2 * 3600)
        await _seen(world, "news", at=world.clock.now_us() - 1)
        assert [one["tag"] for one in (await world.ask("GET", TAGS)).json["items"]] == ["news"]
        number = world.domains[OURS].number
        async with db.acquire() as conn:
            wanted = [(number, "sale")]
            now = world.clock.now_us()
            assert await tags.admit(conn, wanted, most=2, now_us=now) == {(number, "sale")}
            assert await tags.admit(conn, [(number, "more")], most=2, now_us=now) == set()
        shown = (await world.ask("GET", TAGS)).json["items"]
        assert [one["tag"] for one in shown] == ["news", "sale"]
        assert shown[0]["last-seen"] > shown[0]["first-seen"]


async def test_figures_of_a_tag(db: Pool) -> None:
    """Statistics and aggregates, both spellings; filtered by country, device and provider."""
    async with serving(db) as world:
        await _seen(world, "news", "sale")
        for base in (f"{TAGS}/news/stats?", f"/v3/{OURS}/tag/stats?tag=news&"):
            for query, opens in (("", 1), ("country=de", 1), ("device=mobile", 0)):
                answer = await world.ask("GET", f"{base}event=opened&{query}")
                assert (answer.json["tag"], answer.json["description"]) == ("news", "")
                assert answer.json["stats"][-1]["opened"]["total"] == opens
        for path, name in (
            (f"{TAGS}/news/stats/aggregates/devices", "device"),
            (f"/v3/{OURS}/tag/stats/aggregates?tag=news&type=device", "device"),
            (f"{TAGS}/news/stats/aggregates/countries", "country"),
            (f"{TAGS}/news/stats/aggregates/providers", "provider"),
        ):
            answer = await world.ask("GET", path)
            assert set(answer.json) == {"tag", name}
            (figures,) = answer.json[name].values()
            assert (figures["opened"], figures["unique_opened"]) == (1, 1)
        base = f"/v3/domains/{OURS}/tag"
        answer = await world.ask("GET", f"{base}/devices")
        assert answer.json == {"items": ["desktop", "mobile", "tablet", "unknown"]}
        assert (await world.ask("GET", f"{base}/countries")).json == {"items": ["de"]}
        assert (await world.ask("GET", f"{base}/providers")).json == {"items": ["example.net"]}
        answer = await world.ask("GET", f"/v3/domains/{OURS}/limits/tag")
        assert (answer.json["limit"], answer.json["count"]) == (100, 2)
        for path in (f"{TAGS}/none/stats?event=opened", f"{TAGS}/none/stats/aggregates/devices"):
            assert (await world.ask("GET", path)).message == "Tag not found"
        wrong = await world.ask("GET", f"/v3/{OURS}/tag/stats/aggregates?tag=news&type=colour")
        assert wrong.status == 400


async def test_tags_of_the_account(db: Pool) -> None:
    """Listed once over all domains, sorted, with metrics; described and deleted everywhere."""
    async with serving(db) as world:
        await _seen(world, "both", "ours", at=world.clock.now_us() - 3 * HOUR_US)
        await _seen(world, "both", "theirs", domain=OTHER)
        answer = await world.ask("POST", ANALYTICS, json={})
        assert answer.json["pagination"] == {"sort": "lastseen:desc", "limit": 10}
        assert [one["tag"] for one in answer.json["items"]] == ["both", "theirs", "ours"]
        body = {
            "pagination": {"sort": "tag:desc", "limit": 2, "skip": 1, "include_total": True},
            "include_metrics": True,
        }
        answer = await world.ask("POST", ANALYTICS, json=body)
        assert [one["tag"] for one in answer.json["items"]] == ["ours", "both"]
        assert [one["metrics"]["opened_count"] for one in answer.json["items"]] == [1, 2]
        assert answer.json["pagination"] == {"sort": "tag:desc", "limit": 2, "total": 3}
        assert set(answer.json["items"][0]) >= {
            *("account_id", "parent_account_id", "tag", "description"),
            *("first_seen", "last_seen", "metrics"),
        }
        answer = await world.ask("POST", ANALYTICS, json={"tag": "th"})
        assert [one["tag"] for one in answer.json["items"]] == ["theirs"]
        # mailgun-ruby's: a form, with Ruby's own notation inside.
        form = {"pagination": '{sort: "lastseen:desc", limit: 10}', "include_subaccounts": "true"}
        answer = await world.ask("POST", ANALYTICS, data=form)
        assert (answer.status, len(answer.json["items"])) == (200, 3)
        answer = await world.ask("GET", f"{ANALYTICS}/limits")
        assert answer.json == {"limit": 200, "count": 3, "limit_reached": False}
        answer = await world.ask("PUT", ANALYTICS, json={"tag": "Both", "description": "x"})
        assert answer.message == "Tag updated"
        assert (await world.ask("GET", f"/v3/{OTHER}/tags/both")).json["description"] == "x"
        text = '{"tag": "both"}'  # mailgun.js calls its JSON a form
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await world.ask("DELETE", ANALYTICS, data=text, headers=kind)
        assert answer.message == "Tag deleted"
        for method in ("PUT", "DELETE"):
            answer = await world.ask(method, ANALYTICS, json={"tag": "both", "description": "y"})
            assert (answer.status, answer.message) == (404, "Tag not found")
        assert (await world.ask("DELETE", ANALYTICS, json={})).status == 400
        wrong = await world.ask("POST", ANALYTICS, json={"pagination": {"sort": "colour"}})
        assert wrong.status == 400


async def test_a_domains_key_sees_only_its_tags(db: Pool) -> None:
    """Neither lists nor changes another domain's."""
    async with serving(db) as world:
        await _seen(world, "ours")
        key = await world.make_key(domain=OTHER)
        assert (await world.ask("POST", ANALYTICS, json={}, key=key)).json["items"] == []
        for method in ("PUT", "DELETE"):
            answer = await world.ask(method, ANALYTICS, json={"tag": "ours"}, key=key)
            assert answer.status == 404
        for method, path in (("GET", TAGS), ("GET", f"{TAGS}/ours"), ("DELETE", f"{TAGS}/ours")):
            answer = await world.ask(method, path, key=key)
            assert (answer.status, answer.message) == (404, "Domain not found")
        assert (await world.ask("GET", f"{TAGS}/ours")).status == 200
