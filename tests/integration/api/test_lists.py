"""``/v3/lists`` over HTTP."""

from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from edge.api.routes import ROUTES, Route
from edge.store import domains
from edge.store.api_keys import Role
from edge.store.pool import Pool
from tests.integration.api.worlds import OTHER, OURS, World, serving

DEVS = f"devs@{OURS}"


async def add(world: World, address: str, **fields: str) -> Any:
    """A list; its JSON."""
    got = await world.ask("POST", "/v3/lists", data={"address": address, **fields})
    assert got.status == 200, got.body
    return got.json["list"]


async def test_a_list_from_making_to_removing(db: Pool) -> None:
    """200 and Mailgun's texts and keys all along; the address is kept in lower case."""
    async with serving(db) as world:
        fields = {"address": f"Devs@{OURS.upper()}", "name": "Developers", "description": "a\nb"}
        made = await world.ask("POST", "/v3/lists", data=fields)
        assert (made.status, made.message) == (200, "Mailing list has been created")
        shown = made.json["list"]
        assert shown == {
            "address": DEVS,
            "name": "Developers",
            "description": "a\nb",
            "access_level": "readonly",
            "reply_preference": "list",
            "created_at": shown["created_at"],
            "members_count": 0,
        }
        assert shown["created_at"].endswith(" -0000")
        assert parsedate_to_datetime(shown["created_at"]).year >= 2025
        assert (await world.ask("GET", f"/v3/lists/{DEVS}")).json == {"list": shown}
        assert (await world.ask("GET", f"/v3/lists/{quote(DEVS)}")).json == {"list": shown}
        change = {"name": "", "access_level": "Members", "reply_preference": "sender", "x": "y"}
        put = await world.ask("PUT", f"/v3/lists/DEVS@{OURS}", data=change)
        assert put.message == "Mailing list has been updated"
        after = {"name": "", "access_level": "members", "reply_preference": "sender"}
        assert put.json["list"] == shown | after
        gone = await world.ask("DELETE", f"/v3/lists/{DEVS}")
        assert gone.json == {"message": "Mailing list has been removed", "address": DEVS}
        for method in ("GET", "PUT", "DELETE"):
            got = await world.ask(method, f"/v3/lists/{DEVS}")
            assert (got.status, got.message) == (404, f"Mailing list '{DEVS}' not found")


@pytest.mark.parametrize(
    "fields, text",
    [
        ({}, "address is missing"),
        ({"address": " "}, "address is empty"),
        ({"address": "devs"}, "'devs' is not an email address"),
        ({"address": f"a b@{OURS}"}, "is not an email address"),
        ({"address": "devs@nowhere.example"}, "at one of your sending domains; nowhere.example"),
        ({"address": "devs@removed.example"}, "at one of your sending domains; removed.example"),
        ({"address": f"taken@{OURS}"}, f"Duplicate object: mailing list 'taken@{OURS}' exists"),
        (
            {"address": DEVS, "access_level": "Nobody"},
            "Invalid access level 'Nobody'. It can be any of: 'readonly', 'members', 'everyone'.",
        ),
        (
            {"address": DEVS, "reply_preference": "x"},
            "Invalid reply preference 'x'. It can be any of: 'list', 'sender'.",
        ),
        ({"address": DEVS, "name": "a\nb"}, "name holds a control character"),
        ({"address": DEVS, "description": "x" * 10_001}, "description is longer than 10000"),
        ({"address": "x", "name": "\0"}, "not an email address; name holds a control"),
        ({"name": "\0", "access_level": "y"}, "name holds a control character; Invalid access"),
    ],
)
async def test_a_wrong_list_is_refused(db: Pool, fields: dict[str, str], text: str) -> None:
    """400 that names every mistake; a change with the same mistakes is refused too."""
    async with serving(db) as world:
        await world.add_domain("removed.example")
        async with db.acquire() as conn:
            await domains.remove(conn, "removed.example")
        before = [await add(world, f"mine@{OURS}"), await add(world, f"taken@{OURS}")]
        got = await world.ask("POST", "/v3/lists", data=fields)
        assert (got.status, text in got.message) == (400, True), got.body
        if (fields.get("address") or "").strip():
            got = await world.ask("PUT", f"/v3/lists/mine@{OURS}", data=fields)
            assert (got.status, text in got.message) == (400, True), got.body
        assert (await world.ask("GET", "/v3/lists")).json["items"] == before


async def test_members_follow_a_list_to_its_new_address(db: Pool) -> None:
    """Also to another domain of the account; the old address is free again."""
    async with serving(db) as world:
        await add(world, DEVS)
        await world.ask("POST", f"/v3/lists/{DEVS}/members", data={"address": "ann@example.net"})
        put = await world.ask("PUT", f"/v3/lists/{DEVS}", data={"address": f"New@{OTHER}"})
        assert (put.json["list"]["address"], put.json["list"]["members_count"]) == (
            f"new@{OTHER}",
            1,
        )
        assert (await world.ask("GET", f"/v3/lists/{DEVS}")).status == 404
        await add(world, DEVS)
        found = await world.ask("GET", f"/v3/lists/new@{OTHER}/members")
        assert [one["address"] for one in found.json["items"]] == ["ann@example.net"]


async def test_lists_are_counted_and_skipped(db: Pool) -> None:
    """``total_count`` counts all that match, ``address`` finds one."""
    async with serving(db) as world:
        for name in ("c", "a", "b"):
            await add(world, f"{name}@{OURS}")

        async def names(query: str) -> tuple[int, list[str]]:
            got = await world.ask("GET", f"/v3/lists?{query}")
            assert got.status == 200, got.body
            return got.json["total_count"], [one["address"][0] for one in got.json["items"]]

        assert await names("") == (3, ["a", "b", "c"])
        assert await names("limit=1&skip=1") == (3, ["b"])
        assert await names(f"address=B@{OURS}") == (1, ["b"])
        assert await names(f"address=z@{OURS}") == (0, [])
        for query in ("limit=0", "limit=1001", "skip=-1", "address=b"):
            got = await world.ask("GET", f"/v3/lists?{query}")
            assert (got.status, query.split("=")[0] in got.message) == (400, True)


async def test_a_removed_domains_lists_are_away_until_it_is_back(db: Pool) -> None:
    """As its links and its number; nothing of them is lost."""
    async with serving(db) as world:
        await add(world, DEVS)
        await world.ask("DELETE", f"/v3/domains/{OURS}")
        assert (await world.ask("GET", f"/v3/lists/{DEVS}")).status == 404
        assert (await world.ask("GET", "/v3/lists")).json == {"total_count": 0, "items": []}
        await world.add_domain(OURS)
        assert (await world.ask("GET", f"/v3/lists/{DEVS}")).status == 200


async def walk(world: World, start: str, step: str = "next") -> list[str]:
    """Every address from a page on, along one of its links; the links lead to the public URL."""
    found: list[str] = []
    path = start
    for _ in range(20):
        got = await world.ask("GET", path)
        assert got.status == 200, got.body
        paging = got.json["paging"]
        assert list(paging) == ["first", "next", "previous", "last"]
        assert all(url.startswith(world.api.public_url + "/v3/lists") for url in paging.values())
        items = [one["address"] for one in got.json["items"]]
        if not items:
            return found
        found = found + items if step == "next" else items + found
        path = paging[step].removeprefix(world.api.public_url)
    raise AssertionError("it does not end")


async def test_pages_of_lists(db: Pool) -> None:
    """Along ``next`` and along ``previous`` every list comes once, in order."""
    async with serving(db) as world:
        empty = (await world.ask("GET", "/v3/lists/pages?limit=2")).json
        first = f"{world.url}/v3/lists/pages?limit=2"
        links = dict.fromkeys(("first", "next", "previous", "last"), first)
        assert empty == {"items": [], "paging": links}
        every = [f"{name}+x@{OURS}" for name in "abcde"]
        for address in reversed(every):
            await add(world, address)
        got = (await world.ask("GET", "/v3/lists/pages?limit=2")).json
        assert [one["address"] for one in got["items"]] == every[:2]
        assert (
            got["paging"]["next"]
            == f"{first.split('?')[0]}?page=next&address=" + quote(every[1], safe="") + "&limit=2"
        )
        assert got["paging"]["first"] == first
        assert await walk(world, "/v3/lists/pages?limit=2") == every
        assert await walk(world, "/v3/lists/pages?page=last&limit=2", "previous") == every
        assert await walk(world, "/v3/lists/pages?page=next&limit=2") == every


async def test_the_links_of_an_empty_page_lead_back(db: Pool) -> None:
    """Beyond the last item ``next`` waits for new ones and ``previous`` is the last page."""
    async with serving(db) as world:
        for name in "ab":
            await add(world, f"{name}@{OURS}")
        beyond = await world.ask("GET", f"/v3/lists/pages?page=next&address=b@{OURS}&limit=5")
        assert beyond.json["items"] == []
        following = urlsplit(beyond.json["paging"]["next"])
        assert parse_qs(following.query)["address"] == [f"b@{OURS}"]
        assert beyond.json["paging"]["previous"] == beyond.json["paging"]["last"]
        before = await world.ask("GET", f"/v3/lists/pages?page=previous&address=a@{OURS}&limit=5")
        assert before.json["items"] == []
        assert before.json["paging"]["next"] == before.json["paging"]["first"]


async def test_links_have_the_public_url_and_nothing_of_the_host_header(db: Pool) -> None:
    """``EDGE_PUBLIC_URL`` may have a path of its own."""
    async with serving(db, public_url="https://api.example.org/mail") as world:
        got = await world.ask("GET", "/v3/lists/pages", headers={"Host": "evil.example"})
        assert got.json["paging"]["last"] == (
            "https://api.example.org/mail/v3/lists/pages?limit=100"
        )


SCOPED = [route for route in ROUTES if route.path.startswith("/v3/lists/{address}")]


@pytest.mark.parametrize("route", SCOPED, ids=lambda r: f"{r.method} {r.path}")
async def test_another_domains_list_does_not_exist_for_a_domains_key(
    db: Pool, route: Route
) -> None:
    """404, word for word as for a list that nobody has; nothing changes."""
    async with serving(db) as world:
        key = await world.make_key(domain=OURS)
        body = {"address": "ann@example.net", "members": '["bob@example.net"]', "name": "x"}
        if route.path.endswith(".csv"):
            body["members"] = "address\nbob@example.net\n"
        if route.path == "/v3/lists/{address}":
            body["address"] = f"other@{OURS}"
        await add(world, f"devs@{OTHER}")
        member = {"address": "ann@example.net"}
        await world.ask("POST", f"/v3/lists/devs@{OTHER}/members", data=member)
        before = (await world.ask("GET", f"/v3/lists/devs@{OTHER}/members")).json
        shown = (await world.ask("GET", f"/v3/lists/devs@{OTHER}")).json
        for address in (f"devs@{OTHER}", f"none@{OTHER}", DEVS, "devs", "a%00@b.c", "'--@x.y"):
            path = route.path.replace("{address}", address).replace("{member}", "ann@example.net")
            sent = {} if route.method == "GET" else {"data": body}
            got = await world.ask(route.method, path, key=key, **sent)
            told = address.replace("%00", "\0")
            assert (got.status, got.json) == (
                404,
                {"message": f"Mailing list '{told}' not found"},
            ), got.body
        assert (await world.ask("GET", f"/v3/lists/devs@{OTHER}/members")).json == before
        assert (await world.ask("GET", f"/v3/lists/devs@{OTHER}")).json == shown


async def test_a_domains_key_has_the_lists_of_its_domain(db: Pool) -> None:
    """It lists and makes those only, and moves none away; of another domain's it learns nothing."""
    async with serving(db) as world:
        key = await world.make_key(domain=OURS)
        await add(world, f"devs@{OTHER}")
        made = await world.ask("POST", "/v3/lists", key=key, data={"address": DEVS})
        assert made.status == 200
        for path in ("/v3/lists", "/v3/lists/pages"):
            got = await world.ask("GET", path, key=key)
            assert [one["address"] for one in got.json["items"]] == [DEVS]
        assert (await world.ask("GET", "/v3/lists", key=key)).json["total_count"] == 1
        texts = set()
        for method, path in (("POST", "/v3/lists"), ("PUT", f"/v3/lists/{DEVS}")):
            for host in (OTHER, "nobody.example"):
                data = {"address": f"devs@{host}"}
                got = await world.ask(method, path, key=key, data=data)
                assert got.status == 400
                texts.add(got.message.replace(host, "X"))
        assert len(texts) == 1
        assert (await world.ask("GET", f"/v3/lists/{DEVS}/members", key=key)).status == 200


async def test_a_key_that_reads_changes_no_list(db: Pool) -> None:
    """Every verb but GET needs a key that may write."""
    async with serving(db) as world:
        key = await world.make_key(role=Role.ANALYST)
        await add(world, DEVS)
        assert (await world.ask("GET", f"/v3/lists/{DEVS}", key=key)).status == 200
        for method, path in (("POST", ""), ("PUT", f"/{DEVS}"), ("POST", f"/{DEVS}/members.json")):
            got = await world.ask(method, f"/v3/lists{path}", key=key)
            assert got.status == 403
