"""``/v3/{domain}/bounces``, ``unsubscribes``, ``complaints`` and ``whitelists`` over HTTP."""

import io
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from edge.model.event import SuppressionChange, UnsubscribeChange
from edge.model.tokens import Level
from edge.store import suppressions, unsubscribes
from edge.store.api_keys import Role
from edge.store.pool import Pool
from edge.store.suppressed import Kind
from edge.store.suppressions import Block, Wanted
from tests.integration.api.worlds import OTHER, OURS, Answer, World, serving

ANN, BOB = "ann@example.net", "bob@example.net"
WHEN = "Tue, 05 Mar 2024 10:00:00 UTC"
MISSING = {
    "bounces": "Address not found in bounces table",
    "unsubscribes": "Address not found in unsubscribers table",
    "complaints": "No spam complaints found for this address",
    "whitelists": "Address/Domain not found in allowlist table",
}
KINDS = list(MISSING)


def at(kind: str, value: str = "", *, domain: str = OURS) -> str:
    """The path of a list, or of what it holds."""
    return f"/v3/{domain}/{kind}" + (f"/{value}" if value else "")


async def add(world: World, kind: str, value: str = ANN, **fields: Any) -> Answer:
    """Add one by a form, which must succeed."""
    got = await world.ask("POST", at(kind), data={"address": value, **fields})
    assert got.status == 200, got.body
    return got


async def upload(world: World, kind: str, content: str | bytes, name: str = "file") -> Answer:
    """Import a CSV file."""
    form = aiohttp.FormData()
    data = content.encode() if isinstance(content, str) else content
    form.add_field(name, io.BytesIO(data), filename="some.csv", content_type="text/csv")
    return await world.ask("POST", at(kind, "import"), data=form)


async def listed(world: World, kind: str, query: str = "?limit=1000") -> list[str]:
    """The values of one page."""
    got = await world.ask("GET", at(kind) + query)
    assert got.status == 200, got.body
    return [one.get("value") or one["address"] for one in got.json["items"]]


async def blocked(world: World, address: str = ANN, *tags: str) -> Block | None:
    """What keeps a message with these tags from an address."""
    number = world.domains[OURS].number
    async with world.api.connection() as conn:
        return (await suppressions.blocking(conn, [Wanted(number, address, tags)]))[0]


async def test_a_bounce_from_adding_to_removing(db: Pool) -> None:
    """Its code is text, its time is shown in UTC, and mail goes out again when it is removed."""
    async with serving(db) as world:
        made = await add(
            world, "bounces", "Ann@Example.NET", code="550", error="No such user", created_at=WHEN
        )
        text = "Address has been added to the bounces table"
        assert made.json == {"message": text, "address": ANN}
        shown = {"address": ANN, "code": "550", "error": "No such user", "created_at": WHEN}
        for path in (ANN, "ann%40example.net", "ANN@EXAMPLE.NET"):
            assert (await world.ask("GET", at("bounces", path))).json == shown
        assert await blocked(world) is Block.BOUNCE
        gone = await world.ask("DELETE", at("bounces", "ann%40example.net"))
        assert gone.json == {"message": "Bounced address has been removed", "address": ANN}
        assert await blocked(world) is None
        await add(world, "bounces")
        again = (await world.ask("GET", at("bounces", ANN))).json
        assert (again["code"], again["error"]) == ("550", "")
        now = world.clock.now_us() / 1e6
        assert abs(parsedate_to_datetime(again["created_at"]).timestamp() - now) < 3


async def test_a_complaint_from_adding_to_removing(db: Pool) -> None:
    """With Mailgun's texts; the old spelling of the time is taken, and junk is passed over."""
    async with serving(db) as world:
        made = await add(world, "complaints", createdat=WHEN, code="junk", error="junk")
        assert made.message == "Address has been added to the complaints table"
        got = await world.ask("GET", at("complaints", ANN))
        assert got.json == {"address": ANN, "created_at": WHEN}
        assert await blocked(world) is Block.COMPLAINT
        gone = await world.ask("DELETE", at("complaints", ANN))
        assert gone.json == {"message": "Spam complaint has been removed", "address": ANN}
        assert await blocked(world) is None


async def test_unsubscribes_hold_tags(db: Pool) -> None:
    """``*`` unless told otherwise; tags add up; one can be removed, or all."""
    async with serving(db) as world:
        made = await add(world, "unsubscribes", tag="News", created_at=WHEN)
        text = "Address has been added to the unsubscribes table"
        assert made.json == {"message": text, "address": ANN}
        await add(world, "unsubscribes", tags="offers")
        path = at("unsubscribes", ANN)
        shown = (await world.ask("GET", path)).json
        assert shown == {"address": ANN, "tags": ["news", "offers"], "created_at": WHEN}
        assert await blocked(world, ANN, "news") is Block.UNSUBSCRIBE
        assert await blocked(world) is None
        for tag in ("none", "%2A", "", "+", "x" * 200):
            got = await world.ask("DELETE", f"{path}?tag={tag}")
            assert got.status == 404
            assert got.message == "Unsubscribe event for this tag does not exist"
        gone = await world.ask("DELETE", f"{path}?tag=NEWS")
        assert gone.json == {"message": "Unsubscribe event has been removed", "address": ANN}
        assert (await world.ask("GET", path)).json["tags"] == ["offers"]
        assert await blocked(world, ANN, "news") is None
        await add(world, "unsubscribes")
        assert (await world.ask("GET", path)).json["tags"] == ["*", "offers"]
        assert await blocked(world) is Block.UNSUBSCRIBE
        assert (await world.ask("DELETE", f"{path}?tag=*")).status == 200
        assert await blocked(world) is None
        assert (await world.ask("DELETE", path)).status == 200
        assert await blocked(world, ANN, "offers") is None
        got = await world.ask("DELETE", f"{path}?tag=offers")
        assert (got.status, got.message) == (404, MISSING["unsubscribes"])


async def test_all_from_one_tag_can_be_removed(db: Pool) -> None:
    """``tag`` is heeded where all are removed: everything else stays, and all when it is wrong."""
    async with serving(db) as world:
        await add(world, "unsubscribes", tag="news")
        await add(world, "unsubscribes", BOB)
        for tag, status in (("", 404), ("%C3%A9", 404), ("%00", 400), ("a&tag=b", 400)):
            got = await world.ask("DELETE", f"{at('unsubscribes')}?tag={tag}")
            assert got.status == status
            assert len(await listed(world, "unsubscribes")) == 2
        assert (await world.ask("DELETE", at("unsubscribes") + "?tag=news")).status == 200
        assert await listed(world, "unsubscribes") == [BOB]


async def test_unsubscribes_from_lists_are_not_shown(db: Pool) -> None:
    """They belong to the list's member; removing all of a domain leaves them alone."""
    async with serving(db) as world:
        async with world.api.connection() as conn:
            left = UnsubscribeChange(
                domain=world.domains[OURS].number, recipient=ANN, level=Level.LIST,
                names=(f"devs@{OURS}",), at=5, active=True, event_id=b"1", message_id="m",
            )  # fmt: skip
            await unsubscribes.apply(conn, [left])
        assert await listed(world, "unsubscribes") == []
        for value in ("", ANN):
            await world.ask("DELETE", at("unsubscribes", value))
        assert await db.fetchval("SELECT active FROM unsubscribes")


async def test_the_allowlist_keeps_addresses_and_domains_off_the_bounce_list(db: Pool) -> None:
    """Whoever says so; the address wins over the domain; a removed entry is really gone."""
    async with serving(db) as world:
        made = await add(world, "whitelists", domain="ignored.example", reason="a customer")
        text = "Address/Domain has been added to the allowlists table"
        assert made.json == {"message": text, "type": "address", "value": ANN}
        made = await world.ask("POST", at("whitelists"), data={"domain": "Bücher.Example"})
        assert made.json["value"] == "xn--bcher-kva.example"
        got = (await world.ask("GET", at("whitelists", ANN))).json
        assert set(got) == {"type", "value", "reason", "createdAt"}
        assert got["createdAt"].endswith(" UTC")
        refused = await world.ask("POST", at("bounces"), data={"address": ANN})
        assert refused.status == 400
        assert "on the allowlist" in refused.message
        many = [{"address": one} for one in (ANN, "x@xn--bcher-kva.example", BOB)]
        batch = await world.ask("POST", at("bounces"), json=many)
        assert batch.message == "1 addresses have been added to the bounces table"
        assert (await upload(world, "bounces", f"address\n{ANN}\n{BOB}\n")).json["imported"] == 1
        assert await listed(world, "bounces") == [BOB]
        await add(world, "complaints")
        gone = await world.ask("DELETE", at("whitelists", ANN))
        text = "Allowlist address/domain has been removed"
        assert gone.json == {"message": text, "value": ANN}
        assert await db.fetchval("SELECT count(*) FROM allowlist") == 1
        await add(world, "bounces")
        assert (await world.ask("DELETE", at("whitelists"))).status == 200
        assert await listed(world, "whitelists") == []


async def test_older_events_bring_nothing_back(db: Pool) -> None:
    """What was removed stays removed when its event comes late or again; a later one counts."""
    async with serving(db) as world:
        number, now = world.domains[OURS].number, world.clock.now_us()

        async def bounce(time: int) -> None:
            change = SuppressionChange(
                domain=number, recipient=ANN, kind="bounce", at=time, active=True, event_id=b"e"
            )
            async with world.api.connection() as conn:
                await suppressions.apply(conn, [change])

        await bounce(now - 10)
        assert (await world.ask("DELETE", at("bounces", ANN))).status == 200
        await bounce(now - 10)
        await bounce(now - 1)
        assert await blocked(world) is None
        await bounce(now + 1)
        assert await blocked(world) is Block.BOUNCE
        assert (await world.ask("DELETE", at("bounces"))).status == 200
        await bounce(now + 1)
        assert await blocked(world) is None


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_not_there(db: Pool, kind: str) -> None:
    """404 with the list's own text for addresses and for nonsense; removing all of none is 200."""
    async with serving(db) as world:
        for method in ("GET", "DELETE"):
            for value in (ANN, "nobody", "%00", "a%2Fb", "%27%3B--@x", "a" * 500, "@", "%ff@a.b"):
                got = await world.ask(method, at(kind, value))
                assert (got.status, got.message) == (404, MISSING[kind]), value
        got = await world.ask("DELETE", at(kind))
        assert got.status == 200
        assert got.message.endswith("for this domain have been removed")


@pytest.mark.parametrize("kind", KINDS)
async def test_bad_input_is_a_clear_400(db: Pool, kind: str) -> None:
    """Never a 5xx, and nothing is stored."""
    named = "address/domain" if kind == "whitelists" else "address"
    async with serving(db) as world:
        for data in ({}, {"address": ""}, {"address": " "}, {"tag": "x"}):
            got = await world.ask("POST", at(kind), data=data)
            assert (got.status, got.message) == (400, f"Missing mandatory parameter: {named}")
        for value in ("ann", "@", "a@b c", "a\x00@example.net", "x" * 2000, "a@-.example", "'; --"):
            got = await world.ask("POST", at(kind), data={"address": value})
            assert got.status == 400, value
            assert got.message.startswith("address"), got.message
        for body in (b"[", b'[{"address":', b"[" * 100, b'{"address": {"a": 1}}', b"[[]]", b"[1]"):
            got = await world.ask("POST", at(kind), data=body)
            assert got.status == 400, body
        for query in ("limit=0", "limit=1001", "limit=x", "page=middle", "format=xml", "term=%00"):
            got = await world.ask("GET", f"{at(kind)}?{query}")
            assert got.status == 400, query
        for query in ("term=%25", "term=_", "address=%27%3B--&page=next", "term=a%5C&limit=1"):
            assert await listed(world, kind, f"?{query}") == []
        assert await listed(world, kind) == []


@pytest.mark.parametrize(
    "kind, field, value, text",
    [
        ("bounces", "created_at", "soon", "created_at has to be an RFC 2822 date"),
        ("bounces", "created_at", "1e99", "created_at has to be an RFC 2822 date"),
        ("bounces", "code", "5\x01", "code holds a control character"),
        ("bounces", "code", "5" * 101, "code is longer than 100"),
        ("bounces", "error", "x" * 4001, "error is longer than 4000"),
        ("unsubscribes", "tag", "Grüße", "tags: 'Grüße' is no tag"),
        ("unsubscribes", "tags", "x" * 129, "is no tag"),
        ("whitelists", "reason", "a\x00", "reason holds a control character"),
    ],
)
async def test_wrong_fields(db: Pool, kind: str, field: str, value: str, text: str) -> None:
    """Each is told by its name."""
    async with serving(db) as world:
        got = await world.ask("POST", at(kind), data={"address": ANN, field: value})
        assert got.status == 400
        assert text in got.message
        assert await listed(world, kind) == []


async def test_empty_times_are_absent_and_future_ones_are_now(db: Pool) -> None:
    """A time in the future would outlive its own removal."""
    async with serving(db) as world:
        now = world.clock.now_us() // 1_000_000
        for given in ("", "32503680000", str(now)):
            await add(world, "bounces", created_at=given)
            shown = (await world.ask("GET", at("bounces", ANN))).json["created_at"]
            assert parsedate_to_datetime(shown).timestamp() == pytest.approx(now, abs=2)


@pytest.mark.parametrize("kind", KINDS)
async def test_paging_to_the_end_and_back(db: Pool, kind: str) -> None:
    """All four links on every page; ``term`` is kept; every entry comes once, by address."""
    async with serving(db) as world:
        empty = (await world.ask("GET", at(kind))).json
        first = f"{world.url}{at(kind)}?limit=100&term="
        assert empty == {
            "items": [],
            "paging": dict.fromkeys(("first", "next", "previous", "last"), first),
        }
        wanted = sorted(f"{c}{n}+x@example.net" for c in "ab" for n in range(7))
        many = [{"address": one} for one in reversed(wanted)]
        assert (await world.ask("POST", at(kind), json=many)).status == 200
        for term, found in (("", wanted), ("B", wanted[7:])):
            for start, link in (("first", "next"), ("last", "previous")):
                path = f"{at(kind)}?limit=3&term={term}"
                path = (await world.ask("GET", path)).json["paging"][start]
                walked: list[str] = []
                for _ in range(20):
                    got = (await world.ask("GET", path.removeprefix(world.url))).json
                    assert set(got["paging"]) == {"first", "next", "previous", "last"}
                    if not got["items"]:
                        break
                    values = [one.get("value") or one["address"] for one in got["items"]]
                    assert values == sorted(values)
                    walked = walked + values if link == "next" else values + walked
                    path = got["paging"][link]
                    query = parse_qs(urlsplit(path).query, keep_blank_values=True)
                    assert query["term"] == [term.lower()]
                assert walked == found


async def test_keys_see_what_is_theirs(db: Pool) -> None:
    """A domain's key its domain, an analyst's key reads, a sending key nothing."""
    async with serving(db) as world:
        await add(world, "bounces")
        for role, statuses in ((Role.ANALYST, (200, 403, 403)), (Role.SENDING, (403, 403, 403))):
            key = await world.make_key(role=role)
            for method, wanted in zip(("GET", "POST", "DELETE"), statuses, strict=True):
                got = await world.ask(method, at("bounces"), key=key)
                assert got.status == wanted, (role, method)
        key = await world.make_key(domain=OURS)
        assert (await world.ask("GET", at("bounces", ANN), key=key)).status == 200
        for kind in KINDS:
            got = await world.ask("GET", at(kind, domain=OTHER) + "?format=csv", key=key)
            assert (got.status, got.message) == (404, "Domain not found")
        assert (await world.ask("GET", at("bounces", ANN, domain=OTHER))).status == 404


def test_kinds() -> None:
    """The lists of these tests are all there are."""
    assert [kind.value for kind in Kind] == KINDS
