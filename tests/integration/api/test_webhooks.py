"""``/v3``, ``/v4`` and ``/v1`` webhooks and the signing key over HTTP."""

from typing import Any

from edge.model.webhook import TYPES
from edge.store.api_keys import Role
from edge.store.pool import Pool
from edge.webhooks.delivery import Poster
from tests.integration.api.worlds import OTHER, OURS, Answer, World, serving
from tests.integration.webhooks.receivers import receiving
from tests.integration.webhooks.worlds import LOOPBACK

V3, V4 = f"/v3/domains/{OURS}/webhooks", f"/v4/domains/{OURS}/webhooks"
V1, KEY = "/v1/webhooks", "/v5/accounts/http_signing_key"
A, B, C, D = (f"https://{name}.example/hook" for name in "abcd")


async def listed(world: World) -> dict[str, list[str]]:
    """A domain's URLs by type."""
    got = await world.ask("GET", V3)
    assert got.status == 200
    return {kind: one["urls"] for kind, one in got.json["webhooks"].items()}


async def create(world: World, kind: str, *urls: str) -> Answer:
    """POST to version 3."""
    return await world.ask("POST", V3, data=[("id", kind), *(("url", url) for url in urls)])


async def test_version_3_by_type(db: Pool) -> None:
    """Create, list, show, replace, remove, with Mailgun's texts and shapes."""
    async with serving(db) as world:
        assert await listed(world) == {}
        for kind in TYPES:
            assert (await create(world, kind, A)).status == 200
        made = await world.ask("DELETE", f"{V3}/clicked")
        assert made.json == {"message": "Webhook has been deleted", "webhook": {"urls": [A]}}
        made = await create(world, "clicked", A, B)
        assert made.json == {"message": "Webhook has been created", "webhook": {"urls": [A, B]}}
        shown = await world.ask("GET", f"{V3}/clicked")
        assert shown.json == {"webhook": {"urls": [A, B]}}
        data = [("url", C), ("url", B)]
        changed = await world.ask("PUT", f"{V3}/clicked", data=data)
        assert changed.message == "Webhook has been updated"
        assert sorted(changed.json["webhook"]["urls"]) == [B, C]
        have = await listed(world)
        assert have["opened"] == [A]
        assert sorted(have["clicked"]) == [B, C]
        for kind in TYPES:
            assert (await world.ask("DELETE", f"{V3}/{kind}")).status == 200
        assert await listed(world) == {}
        for method in ("GET", "PUT", "DELETE"):
            got = await world.ask(method, f"{V3}/clicked", data={"url": A})
            assert (got.status, got.message) == (404, "Webhook not found")
        assert (await world.ask("GET", f"{V3}/bounce")).status == 404


async def test_version_4_by_url(db: Pool) -> None:
    """What is made by URL is seen by type, and the other way round."""
    async with serving(db) as world:
        data = [("url", A), ("event_types", "opened"), ("event_types", "clicked")]
        made = await world.ask("POST", V4, data=data)
        both = {"opened": {"urls": [A]}, "clicked": {"urls": [A]}}
        assert made.json == {"webhooks": both}
        again = await world.ask("POST", V4, data={"url": A, "event_types": "clicked"})
        text = f"Webhook for event type 'clicked' with URL '{A}' already exists"
        assert (again.status, again.json["Reason"]) == (400, text)
        changed = await world.ask("PUT", V4, data={"url": A, "event_types": "delivered,opened"})
        assert await listed(world) == {"opened": [A], "delivered": [A]}
        assert set(changed.json["webhooks"]) == {"opened", "delivered"}
        missing = await world.ask("PUT", V4, data={"url": B, "event_types": "opened"})
        assert (missing.status, missing.json["Description"]) == (404, "Webhook not found")
        await create(world, "complained", B, C)
        got = await world.ask("DELETE", V4, params={"url": f"{A},{B}"})
        assert got.json == {"webhooks": {"complained": {"urls": [C]}}}
        bare = await world.ask("DELETE", V4)
        assert (bare.status, bare.json["Field"]) == (400, "url")
        nobody = await world.ask("DELETE", V4, params={"url": A})
        assert (nobody.status, nobody.json["Description"]) == (404, "Webhook not found")


async def test_no_type_has_more_than_three_urls(db: Pool) -> None:
    """Whichever way the fourth comes; nothing is half written."""
    async with serving(db) as world:
        assert (await create(world, "opened", A, B, C, D)).status == 400
        assert (await create(world, "opened", A, B, C)).status == 200
        data = [("url", D), ("event_types", "clicked"), ("event_types", "opened")]
        got = await world.ask("POST", V4, data=data)
        assert got.status == 400
        assert "opened has 3 URLs" in got.json["Reason"]
        assert await listed(world) == {"opened": [A, B, C]}


WRONG: list[tuple[str, dict[str, str], str]] = [
    (V3, {"id": "opened", "url": "foo"}, "foo is not a valid url: invalid URL scheme"),
    (V3, {"id": "opened", "url": "ftp://x/"}, "ftp://x/ is not a valid url: invalid URL"),
    (V3, {"id": "opened", "url": "http://a/\x00b"}, "percent-encoded"),
    (V3, {"id": "opened"}, "url is missing"),
    (V3, {"url": A}, "id is missing"),
    (V3, {"id": "bounce", "url": A}, "'bounce' is not a webhook type"),
    (V4, {"url": A}, "event_types is missing"),
    (V4, {"url": A, "event_types": "opened,nonsense"}, "'nonsense' is not a webhook type"),
    (V4, {"event_types": "opened"}, "url is missing"),
    (V1, {"url": A, "event_types": "x"}, "'x' is not a webhook type"),
    (V1, {"url": A, "event_types": "opened", "description": "x" * 501}, "description is long"),
    (V1, {"url": "http:///", "event_types": "opened"}, "it has no host"),
    (KEY, {"http_signing_key": "short"}, "http_signing_key has to be 8 to 256"),
    (KEY, {"http_signing_key": "with a space in it"}, "printable ASCII"),
    (KEY, {"grace": "-1"}, "grace has to be a whole number"),
]


async def test_wrong_input_is_told(db: Pool) -> None:
    """400 that names what is wrong, under the documented key and as a message; nothing stored."""
    async with serving(db) as world:
        for path, fields, said in WRONG:
            got = await world.ask("POST", path, data=fields)
            assert got.status == 400, fields
            assert said in got.json["Reason"]
            assert got.json["Reason"] == got.message
        assert await listed(world) == {}
        assert (await world.ask("GET", V1)).json == {"webhooks": []}


async def test_an_existing_type_is_not_created_again(db: Pool) -> None:
    """PUT is the way to change it."""
    async with serving(db) as world:
        await create(world, "opened", A)
        got = await create(world, "opened", B)
        assert got.status == 400
        assert "'opened' already exists" in got.json["Reason"]
        assert await listed(world) == {"opened": [A]}


async def test_webhooks_of_the_account(db: Pool) -> None:
    """From creating to removing; ids begin with wh_, times are RFC 3339."""
    async with serving(db) as world:
        data = [("url", A), ("event_types", "opened"), ("event_types", "accepted")]
        made = await world.ask("POST", V1, data=[*data, ("description", "ours")])
        number = made.json["webhook_id"]
        assert made.json == {"webhook_id": number}
        assert number.startswith("wh_")
        shown = (await world.ask("GET", f"{V1}/{number}")).json
        at = shown.pop("created_at")
        assert at.endswith("Z")
        assert at[10] == "T"
        assert shown == {
            "webhook_id": number,
            "description": "ours",
            "url": A,
            "event_types": ["accepted", "opened"],
        }
        twice = await world.ask("POST", V1, data=data)
        assert (twice.status, twice.message) == (400, f"Webhook with URL '{A}' already exists")
        second = (await world.ask("POST", V1, json={"url": B, "event_types": ["clicked"]})).json
        changed = await world.ask("PUT", f"{V1}/{number}", data={"url": C})
        assert changed.message == "Webhook has been updated"
        assert (await world.ask("PUT", f"{V1}/{number}", data={"url": B})).status == 400
        every = (await world.ask("GET", V1)).json["webhooks"]
        assert [(one["url"], one["description"]) for one in every] == [(C, "ours"), (B, "")]
        some = await world.ask("GET", V1, params={"webhook_ids": f"{number},wh_no"})
        assert [one["webhook_id"] for one in some.json["webhooks"]] == [number]
        assert (await world.ask("DELETE", V1)).status == 400
        gone = await world.ask("DELETE", f"{V1}/{number}")
        assert gone.message == "Webhook has been deleted"
        for method in ("GET", "PUT", "DELETE"):
            got = await world.ask(method, f"{V1}/{number}", data={"url": A})
            assert (got.status, got.json["Description"]) == (404, "Webhook not found")
        ids = {"webhook_ids": second["webhook_id"]}
        assert (await world.ask("DELETE", V1, params=ids)).status == 200
        assert (await world.ask("DELETE", V1, params=ids)).status == 404
        assert (await world.ask("DELETE", V1, params={"all": "true"})).status == 200
        assert await listed(world) == {}, "the domain's are its own"


async def test_the_signing_key_is_made_replaced_and_brought_along(db: Pool) -> None:
    """The one before it is shown while it goes on signing; ``grace=0`` ends it at once."""
    async with serving(db) as world:
        first = (await world.ask("GET", KEY)).json["http_signing_key"]
        assert (await world.ask("GET", KEY)).json == {
            "message": "success",
            "http_signing_key": first,
        }
        made = await world.ask("POST", KEY)
        second = made.json["http_signing_key"]
        assert made.message == "regenerated HTTP signing key for account"
        assert second != first
        got = (await world.ask("GET", KEY)).json
        assert got["http_signing_key"] == second
        assert got["previous"]["http_signing_key"] == first
        await world.ask("POST", KEY, data={"http_signing_key": second})
        got = (await world.ask("GET", KEY)).json
        assert got["previous"]["http_signing_key"] == first, "the same again changes nothing"
        mailguns = "key-3ax6xnjp29jd6fds4gc373sgvjxteol0"
        await world.ask("POST", KEY, data={"http_signing_key": mailguns, "grace": "0"})
        got = (await world.ask("GET", KEY)).json
        assert got == {"message": "success", "http_signing_key": mailguns}
        stored = str(await db.fetch("SELECT * FROM signing_keys"))
        assert mailguns not in stored
        assert second not in stored


async def test_what_a_key_may_not_do(db: Pool) -> None:
    """A domain's key knows its own webhooks only; who may only look changes and signs nothing."""
    async with serving(db) as world:
        await create(world, "opened", A)
        other = await world.make_key(domain=OTHER)
        for method, path in (
            *(("GET", V3), ("POST", V3), ("GET", f"{V3}/opened"), ("PUT", f"{V3}/opened")),
            *(("DELETE", f"{V3}/opened"), ("PUT", f"{V3}/opened/test"), ("POST", V4)),
            *(("PUT", V4), ("DELETE", f"{V4}?url={A}")),
        ):
            data = {"id": "opened", "url": A, "event_types": "opened"}
            got = await world.ask(method, path, key=other, data=data)
            assert (got.status, got.message) == (404, "Domain not found"), (method, path)
        own = await world.make_key(domain=OURS)
        assert (await world.ask("GET", V3, key=own)).status == 200
        for path in (V1, KEY, f"{V1}/wh_x"):
            assert (await world.ask("GET", path, key=own)).status == 403
        looks = await world.make_key(role=Role.ANALYST)
        assert (await world.ask("GET", V3, key=looks)).status == 200
        assert (await world.ask("GET", KEY, key=looks)).status == 403
        assert (await world.ask("DELETE", f"{V3}/opened", key=looks)).status == 403
        assert await listed(world) == {"opened": [A]}


async def test_a_url_with_a_password_comes_back_whole(db: Pool) -> None:
    """It can be removed by itself; the database does not hold it in clear."""
    url = "https://any:s3cret@a.example/hook"
    async with serving(db) as world:
        await create(world, "opened", url)
        assert await listed(world) == {"opened": [url]}
        assert "s3cret" not in str(await db.fetch("SELECT url, userinfo FROM endpoints"))
        assert (await world.ask("DELETE", V4, params={"url": url})).status == 200
        assert await listed(world) == {}


async def test_a_test_posts_a_made_up_event(db: Pool) -> None:
    """Signed as real, to the given URL or the configured one; private addresses are refused."""

    async def tried(world: World, kind: str, **more: Any) -> Answer:
        return await world.ask("PUT", f"{V3}/{kind}/test", **more)

    async with receiving() as receiver, serving(db) as world:
        url = f"{receiver.url}/200/x"
        refused = await tried(world, "opened", data={"url": url})
        assert refused.status == 400
        assert "is not a public address" in refused.json["Reason"]
        world.api.poster = lambda: Poster(world.clock, allowed=LOOPBACK)
        key = (await world.ask("GET", KEY)).json["http_signing_key"]
        for kind in TYPES:
            got = await tried(world, kind, json={"url": url})
            assert got.json["code"] == 200
            assert receiver.posts[-1].genuine(key)
            event = "failed" if kind.endswith("_fail") else kind
            assert receiver.posts[-1].event["event"] == event
        assert (await tried(world, "opened")).status == 404
        await create(world, "opened", f"{receiver.url}/406/x")
        assert (await tried(world, "opened")).json["code"] == 406
