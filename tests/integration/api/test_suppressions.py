"""``/v3/{domain}/bounces``, ``unsubscribes``, ``complaints`` and ``whitelists`` over HTTP."""

import asyncio
import csv
import io
import json
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from edge.api import suppression_entries
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
UPLOADED = "file uploaded successfully for processing. standby..."
MISSING = {
    "bounces": "Address not found in bounces table",
    "unsubscribes": "Address not found in unsubscribers table",
    "complaints": "No spam complaints found for this address",
    "whitelists": "Address/Domain not found in allowlist table",
}
KINDS = list(MISSING)
ITEMS = (
    "items[1]: has to be an object; items[2]: Missing mandatory parameter: address;"
    " items[3]: address: 'nobody' is not an email address; items[4]: code is given more than once"
)
ROWS = (
    "line 3: address: 'nobody' is not an email address; line 5: has 1 fields, the header 2;"
    " line 6: code holds a control character"
)


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
        for tag in ("none", "%2A", "%00", "x" * 200):
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
    """``tag`` is heeded where all are removed: everything else stays."""
    async with serving(db) as world:
        await add(world, "unsubscribes", tag="news")
        await add(world, "unsubscribes", BOB)
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
        assert await add(world, "complaints")
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


TEXTS = {
    "bounces": "3 addresses have been added to the bounces table",
    "unsubscribes": "3 addresses have been added to the unsubscribes table",
    "complaints": "3 complaint addresses have been added to the complaints table",
    "whitelists": "3 addresses/domains have been added to the allowlists table",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "content_type", ["application/json", "application/x-www-form-urlencoded", "text/plain", None]
)
async def test_batches_are_json_whatever_they_are_called(
    db: Pool, kind: str, content_type: str | None
) -> None:
    """Junk keys, numbers and both spellings of tags are taken."""
    many = [
        {"address": "a@example.net", "tags": ["x", "y"], "created_at": WHEN, "junk": {"a": [1]}},
        {"address": "b@example.net", "tag": "x", "count": 2, "error": None},
        {"address": "c@example.net", "createdat": WHEN},
    ]
    if kind == "bounces":
        many[0]["code"] = 550
    elif kind == "complaints":
        many[0]["code"] = ["550", "551"]
    async with serving(db) as world:
        headers = {} if content_type is None else {"Content-Type": content_type}
        skipped = {"skip_auto_headers": ["Content-Type"]} if content_type is None else {}
        body = json.dumps(many).encode()
        got = await world.ask("POST", at(kind), data=body, headers=headers, **skipped)
        assert got.json == {"message": TEXTS[kind]}
        assert await listed(world, kind) == [f"{one}@example.net" for one in "abc"]
        first = (await world.ask("GET", at(kind, "a@example.net"))).json
        if kind == "bounces":
            assert first["code"] == "550"
        if kind == "unsubscribes":
            assert first["tags"] == ["x", "y"]
            assert (await world.ask("GET", at(kind, "b@example.net"))).json["tags"] == ["x"]
            assert (await world.ask("GET", at(kind, "c@example.net"))).json["tags"] == ["*"]
        if kind != "whitelists":
            assert first["created_at"] == WHEN


async def test_batches_are_bounded_and_all_or_nothing(db: Pool) -> None:
    """1,000 are taken, 1,001 are not; each mistake is told by its place."""
    async with serving(db) as world:
        many = [{"address": f"u{n}@example.net"} for n in range(1001)]
        got = await world.ask("POST", at("bounces"), json=many)
        assert (got.status, got.message) == (400, "Batch size should be less than 1000")
        wrong = [{"address": ANN}, "x", {}, {"address": "nobody"}, {"address": ANN, "code": [1, 2]}]
        got = await world.ask("POST", at("bounces"), json=wrong)
        assert (got.status, got.message) == (400, ITEMS)
        got = await world.ask("POST", at("bounces"), json=[])
        assert (got.status, got.message) == (400, "Missing mandatory parameter: address")
        assert await listed(world, "bounces") == []
        got = await world.ask("POST", at("bounces"), json=many[:1000])
        assert got.message == "1000 addresses have been added to the bounces table"
        assert len(await listed(world, "bounces")) == 1000


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
                walked = []
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


FILES = {
    "bounces": f'address,code,error,created_at\n{ANN},550,"No, user","{WHEN}"\n{BOB},,,\n',
    "unsubscribes": f'address,tags,created_at\n{ANN},"[""a"",""b,c""]","{WHEN}"\n{BOB},,\n',
    "complaints": f'address,created_at\n{ANN},"{WHEN}"\n{BOB},\n',
    "whitelists": f"address,domain\n{ANN},ignored.example\n,example.org\n",
}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_file_comes_in_and_goes_out(db: Pool, kind: str) -> None:
    """202 and Mailgun's text; what is exported can be imported elsewhere and is the same there."""
    async with serving(db) as world:
        got = await upload(world, kind, FILES[kind])
        assert (got.status, got.json) == (202, {"message": UPLOADED, "imported": 2})
        second = "example.org" if kind == "whitelists" else BOB
        assert await listed(world, kind) == [ANN, second]
        if kind == "unsubscribes":
            items = (await world.ask("GET", at(kind))).json["items"]
            assert [one["tags"] for one in items] == [["a", "b,c"], ["*"]]
        out = await world.ask("GET", at(kind) + "?format=csv")
        assert out.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert out.headers["Cache-Control"] == "no-store"
        assert len(list(csv.reader(io.StringIO(out.body.decode())))) == 3
        items = (await world.ask("GET", at(kind))).json["items"]
        assert (await world.ask("DELETE", at(kind))).status == 200
        form = aiohttp.FormData()
        form.add_field("some_csv", io.BytesIO(out.body), filename="x", content_type="text/csv")
        path = at(kind, "import", domain=OTHER)
        assert (await world.ask("POST", path, data=form)).status == 202
        again = (await world.ask("GET", at(kind, domain=OTHER))).json["items"]
        strip = [{k: v for k, v in one.items() if k != "createdAt"} for one in (items + again)]
        assert strip[:2] == strip[2:]
        head = await world.ask("HEAD", at(kind) + "?format=csv")
        assert (head.status, head.body) == (200, b"")
        part = await world.ask("GET", at(kind, domain=OTHER) + "?format=csv&term=zzz")
        assert part.body.decode().startswith("address,")
        assert part.body.count(b"\n") == 1


async def test_tags_in_a_cell(db: Pool) -> None:
    """A JSON list, or divided by commas."""
    async with serving(db) as world:
        rows = ("a", '"a, b"', '"[""a"",""b""]"', "[*]", "*", "")
        lines = "".join(f"u{n}@example.net,{cell}\n" for n, cell in enumerate(rows))
        assert (await upload(world, "unsubscribes", "address,tags\n" + lines)).status == 202
        items = (await world.ask("GET", at("unsubscribes"))).json["items"]
        tags = [one["tags"] for one in items]
        assert tags == [["a"], ["a", "b"], ["a", "b"], ["*"], ["*"], ["*"]]


async def test_wrong_files(db: Pool) -> None:
    """Headers, rows by line, and files that are none; nothing is stored."""
    header = "while reading csv header"
    async with serving(db) as world:
        for content, text in (
            ("", f"{header}: it has to name a column address"),
            ("email,code\nx,y\n", f"{header}: it has to name a column address"),
            ("address,address\n", f"{header}: it names address more than once"),
            (b"address\n\xff\xfe", "The file is not UTF-8 text: see line 2"),
            (f"address,code\n{ANN},550\nnobody,550\n\n{BOB}\n{BOB},5\x01\n",
             ROWS),
            (f'address,created_at\n{ANN},yesterday\n"', "line 2: created_at has to be"),
            ("address\n" + "x\n" * 5000, "and 980 more"),
        ):  # fmt: skip
            got = await upload(world, "bounces", content)
            assert got.status == 400, content
            assert text in got.message
        got = await upload(world, "whitelists", "value\n")
        assert got.message == f"{header}: it has to name a column address or domain"
        got = await upload(world, "whitelists", "address,domain\n,\n")
        assert got.message == "line 2: Missing mandatory parameter: address/domain"
        for data in (None, {"other": "x"}, "[]"):
            got = await world.ask("POST", at("bounces", "import"), data=data)
            assert (got.status, got.message) == (400, "file is missing")
        assert await listed(world, "bounces") == []


async def test_a_file_is_bounded(db: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """25 MB are taken and no more; so are rows."""
    async with serving(db) as world:
        size = 25 * 2**20
        line = b"u%07d@example.net," + b"x" * 2000 + b"\n"
        content = b"address,error\n" + b"".join(line % n for n in range(size // 2050))
        padded = content + b"\n" * (size - len(content))
        got = await upload(world, "bounces", padded)
        assert (got.status, got.json["imported"]) == (202, size // 2050)
        got = await upload(world, "bounces", padded + b"\n")
        assert got.status == 413
        monkeypatch.setattr(suppression_entries, "MOST_ROWS", 2)
        got = await upload(world, "bounces", f"address\n{ANN}\n{BOB}\nc@example.net\n")
        assert (got.status, "more than 2 rows" in got.message) == (400, True)


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


async def test_calls_at_the_same_time_do_not_stop_each_other(db: Pool) -> None:
    """Batches in any order, events and removals, all at once: each is answered with success."""
    async with serving(db) as world:
        number = world.domains[OURS].number
        people = [f"u{n}@example.net" for n in range(200)]

        async def events() -> None:
            changes = [
                SuppressionChange(domain=number, recipient=one, kind="bounce", at=9, active=True)
                for one in people
            ]
            async with world.api.connection() as conn:
                await suppressions.apply(conn, changes)

        orders = (people, people[::-1]) * 3
        calls = [
            world.ask("POST", at("bounces"), json=[{"address": one} for one in order])
            for order in orders
        ]
        removals = [world.ask("DELETE", at("bounces")) for _ in range(3)]
        got = await asyncio.gather(*calls, *removals, *(events() for _ in range(3)))
        assert {one.status for one in got if one is not None} == {200}


def test_kinds() -> None:
    """The lists of these tests are all there are."""
    assert [kind.value for kind in Kind] == KINDS
