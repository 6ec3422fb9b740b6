"""``/v3/lists/{address}/members`` over HTTP."""

import asyncio
import io
import json
from typing import Any

import aiohttp
import pytest

from edge.store.pool import Pool
from tests.integration.api.test_lists import DEVS, add, walk
from tests.integration.api.worlds import World, serving

MEMBERS = f"/v3/lists/{DEVS}/members"

FIVE = "members[0]: address has to be text; members[0]: name has to be text"
ROWS = (
    "line 2: 'ann' is not an email address; line 4: subscribed has to be yes, no, true or false,"
    " not 'maybe'; line 4: vars has to be a JSON object; line 5: has 2 fields, the header 3"
)


async def members(world: World, query: str = "") -> dict[str, Any]:
    """The list's members by address, without the address."""
    got = await world.ask("GET", f"{MEMBERS}?limit=1000{query}")
    assert got.status == 200, got.body
    assert got.json["total_count"] == len(got.json["items"])
    return {
        one["address"]: (one["name"], one["subscribed"], one["vars"]) for one in got.json["items"]
    }


def csv_form(content: str | bytes, **fields: str) -> aiohttp.FormData:
    """A CSV file as clients upload it."""
    form = aiohttp.FormData()
    data = content.encode() if isinstance(content, str) else content
    form.add_field("members", io.BytesIO(data), filename="members.csv", content_type="text/csv")
    for name, value in fields.items():
        form.add_field(name, value)
    return form


async def test_a_member_from_adding_to_removing(db: Pool) -> None:
    """Wrapped in ``member``, with Mailgun's texts; the address may carry the name."""
    async with serving(db) as world:
        await add(world, DEVS)
        data = {"address": "Ann@Example.NET", "name": "Ann", "vars": '{"age": 26, "of": ["x"]}'}
        made = await world.ask("POST", MEMBERS, data={**data, "description": "ignored"})
        ann = {
            "address": "ann@example.net",
            "name": "Ann",
            "subscribed": True,
            "vars": {"age": 26, "of": ["x"]},
        }
        assert made.json == {"message": "Mailing list member has been created", "member": ann}
        path = f"{MEMBERS}/ANN%40example.net"
        assert (await world.ask("GET", path)).json == {"member": ann}
        put = await world.ask("PUT", path, data={"subscribed": "no", "vars": '{"age": 27}'})
        ann |= {"subscribed": False, "vars": {"age": 27}}
        assert put.json == {"message": "Mailing list member has been updated", "member": ann}
        put = await world.ask("PUT", path, data={"address": "Anna <anna@example.net>"})
        ann |= {"address": "anna@example.net", "name": "Anna"}
        assert put.json["member"] == ann
        assert (await world.ask("PUT", f"{MEMBERS}/anna@example.net")).json["member"] == ann
        gone = await world.ask("DELETE", f"{MEMBERS}/anna@example.net")
        assert gone.json == {
            "message": "Mailing list member has been deleted",
            "member": {"address": "anna@example.net"},
        }
        for method in ("GET", "PUT", "DELETE"):
            for address in ("anna@example.net", "nobody"):
                got = await world.ask(method, f"{MEMBERS}/{address}")
                text = f"Member {address} of mailing list {DEVS} not found"
                assert (got.status, got.message) == (404, text)


async def test_adding_again_needs_upsert(db: Pool) -> None:
    """Without it 400; with it what is said is changed, and what is not stays."""
    async with serving(db) as world:
        await add(world, DEVS)
        ann = {"address": "ann@example.net", "name": "Ann", "vars": '{"a": 1}'}
        assert (await world.ask("POST", MEMBERS, data=ann)).status == 200
        again = await world.ask("POST", MEMBERS, data=ann | {"name": "Other"})
        assert (again.status, again.message) == (400, "Address already exists 'ann@example.net'")
        for fields, wanted in (
            ({"subscribed": "no"}, ("Ann", False, {"a": 1})),
            ({"name": "Anna"}, ("Anna", False, {"a": 1})),
            ({"vars": "{}", "subscribed": "True"}, ("Anna", True, {})),
        ):
            data = {"address": "ann@example.net", "upsert": "yes", **fields}
            assert (await world.ask("POST", MEMBERS, data=data)).status == 200
            assert await members(world) == {"ann@example.net": wanted}
        await world.ask("POST", MEMBERS, data={"address": "bob@example.net"})
        moved = await world.ask("PUT", f"{MEMBERS}/bob@example.net", data=ann)
        assert (moved.status, moved.message) == (400, "Address already exists 'ann@example.net'")


@pytest.mark.parametrize(
    "fields, text",
    [
        ({}, "address is missing"),
        ({"address": "ann"}, "address: 'ann' is not an email address"),
        ({"address": "ann@localhost"}, "its domain is wrong"),
        ({"address": "a@example.net", "vars": "[1]"}, "vars has to be a JSON object"),
        ({"address": "a@example.net", "vars": "{x"}, "vars is not valid JSON"),
        ({"address": "a@example.net", "vars": '{"a": "\\u0000"}'}, "vars holds a NUL"),
        ({"address": "a@example.net", "vars": '{"a": 1e999}'}, "vars is not valid JSON"),
        ({"address": "a@example.net", "vars": '{"a":' + "[" * 40 + "]" * 40 + "}"}, "nested"),
        ({"address": "a@example.net", "vars": json.dumps({"a": "x" * 65_536})}, "longer than"),
        ({"address": "a@example.net", "subscribed": "perhaps"}, "subscribed has to be"),
        ({"address": "x", "vars": "[]", "subscribed": "y"}, "email address; vars has to be a JSON"),
    ],
)
async def test_a_wrong_member_is_refused(db: Pool, fields: dict[str, str], text: str) -> None:
    """400 that names every mistake; nothing is added."""
    async with serving(db) as world:
        await add(world, DEVS)
        got = await world.ask("POST", MEMBERS, data=fields)
        assert (got.status, text in got.message) == (400, True), got.body
        assert await members(world) == {}


async def test_members_are_found_counted_and_paged(db: Pool) -> None:
    """By ``subscribed`` and ``address``, by skip and limit, and along the links."""
    async with serving(db) as world:
        await add(world, DEVS)
        every = [f"m{number}@example.net" for number in range(5)]
        entries = [{"address": a, "subscribed": a[1] in "024"} for a in every]
        await world.ask("POST", f"{MEMBERS}.json", data={"members": json.dumps(entries)})

        async def found(query: str) -> tuple[int, str]:
            got = await world.ask("GET", f"{MEMBERS}?{query}")
            assert got.status == 200, got.body
            return got.json["total_count"], "".join(one["address"][1] for one in got.json["items"])

        assert await found("") == (5, "01234")
        assert await found("subscribed=yes") == (3, "024")
        assert await found("subscribed=False") == (2, "13")
        assert await found("limit=2&skip=3") == (5, "34")
        assert await found("address=M1@example.net") == (1, "1")
        assert await found("address=m1@example.net&subscribed=yes") == (0, "")
        assert await walk(world, f"{MEMBERS}/pages?limit=2") == every
        assert await walk(world, f"{MEMBERS}/pages?limit=2&page=last", "previous") == every
        some = await walk(world, f"{MEMBERS}/pages?limit=1&subscribed=yes")
        assert some == ["m0@example.net", "m2@example.net", "m4@example.net"]
        some = await walk(world, f"{MEMBERS}/pages?page=last&limit=1&subscribed=no", "previous")
        assert some == ["m1@example.net", "m3@example.net"]
        for query in ("limit=0", "subscribed=perhaps", "page=middle"):
            got = await world.ask("GET", f"{MEMBERS}/pages?{query}")
            assert (got.status, query.split("=")[0] in got.message) == (400, True)


@pytest.mark.parametrize(
    "spelling",
    [
        lambda entries: {"data": {"members": json.dumps(entries)}},
        lambda entries: {"json": {"members": entries}},
        lambda entries: {"json": {"members": json.dumps(entries)}},
        lambda entries: {"json": entries},
    ],
)
async def test_many_members_in_json(db: Pool, spelling: Any) -> None:
    """Addresses, addresses with names, and objects, in every form of a body."""
    async with serving(db) as world:
        await add(world, DEVS)
        entries = [
            "ann@example.net",
            "Bob B. <BOB@example.net>",
            {"address": "Carl <carl@example.net>", "name": "Charles", "vars": {"a": 1}},
            {"address": "dora@example.net", "subscribed": False, "vars": '{"b": 2}', "junk": []},
            {"address": "eve@example.net", "subscribed": "no", "name": None, "vars": None},
        ]
        got = await world.ask("POST", f"{MEMBERS}.json", **spelling(entries))
        assert (got.status, got.message) == (200, "Mailing list has been updated"), got.body
        assert got.json["list"]["members_count"] == 5
        assert "task-id" not in got.json
        assert await members(world) == {
            "ann@example.net": ("", True, {}),
            "bob@example.net": ("Bob B.", True, {}),
            "carl@example.net": ("Charles", True, {"a": 1}),
            "dora@example.net": ("", False, {"b": 2}),
            "eve@example.net": ("", False, {}),
        }


async def test_an_upload_leaves_known_members_alone_without_upsert(db: Pool) -> None:
    """Known addresses are skipped; with ``upsert`` changed, but for what is not said."""
    async with serving(db) as world:
        await add(world, DEVS)
        ann = {"address": "ann@example.net", "name": "Ann", "subscribed": "no"}
        await world.ask("POST", MEMBERS, data=ann)
        entries = [{"address": "ann@example.net", "vars": {"n": 1}}, "new@example.net"]
        data = {"members": json.dumps(entries)}
        assert (await world.ask("POST", f"{MEMBERS}.json", data=data)).status == 200
        found = await members(world)
        assert found["ann@example.net"] == ("Ann", False, {})
        data["upsert"] = "true"
        assert (await world.ask("POST", f"{MEMBERS}.json", data=data)).status == 200
        found = await members(world)
        assert found["ann@example.net"] == ("Ann", False, {"n": 1})
        assert (await world.ask("POST", f"{MEMBERS}.json", data=data | {"subscribed": "yes"})).json
        assert (await members(world))["ann@example.net"] == ("Ann", True, {"n": 1})


async def test_more_than_a_hundred_have_a_task_and_are_there_at_once(db: Pool) -> None:
    """Mailgun's text about the background; nothing has to be waited for."""
    async with serving(db) as world:
        await add(world, DEVS)
        entries = [f"m{number}@example.net" for number in range(1000)]
        got = await world.ask("POST", f"{MEMBERS}.json", data={"members": json.dumps(entries)})
        assert got.message == "Mailing list upload started in background"
        assert len(got.json["task-id"]) == 16
        assert (await members(world)).keys() == set(entries)
        data = {"members": json.dumps([*entries, "x@example.net"])}
        got = await world.ask("POST", f"{MEMBERS}.json", data=data)
        assert (got.status, "1001 entries; at most 1000" in got.message) == (400, True)
        large = io.BytesIO(b"members=[" + b"+" * 5_000_000 + b"]")
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        got = await world.ask("POST", f"{MEMBERS}.json", data=large, headers=form)
        assert (got.status, "at most 5000000" in got.message) == (413, True)


@pytest.mark.parametrize(
    "data, text",
    [
        ({}, "members is missing"),
        ({"members": "{"}, "members is not valid JSON"),
        ({"members": "[" * 100_000}, "members is not valid JSON"),
        ({"members": '{"address": "a@b.example"}'}, "has to be a JSON list"),
        ({"members": '["a@example.net", 5]'}, "members[1]: has to be an address or an object"),
        ({"members": '["a@example.net", "b"]'}, "members[1]: 'b' is not an email address"),
        ({"members": "[{}]", "upsert": "perhaps"}, "upsert has to be yes, no, true or false"),
        ({"members": '[{"address": 5, "name": 6}]'}, FIVE),
        ({"members": json.dumps(["x"] * 30)}, "and 10 more"),
    ],
)
async def test_a_wrong_upload_adds_nobody(db: Pool, data: dict[str, str], text: str) -> None:
    """400 with every mistake and its place; the right ones beside them are not added either."""
    async with serving(db) as world:
        await add(world, DEVS)
        got = await world.ask("POST", f"{MEMBERS}.json", data=data)
        assert (got.status, text in got.message) == (400, True), got.body
        assert await members(world) == {}


async def test_a_csv_file(db: Pool) -> None:
    """Columns in any order and letter case, quotes and line ends within, a byte order mark."""
    async with serving(db) as world:
        await add(world, DEVS)
        content = (
            "\ufeffSubscribed, ADDRESS ,vars,name,shoe size\r\n"
            'yes,ann@example.net,"{""a"": ""x\ny""}","B., Ann",41\r\n'
            "no,Bob <bob@example.net>,,,\r\n"
            "\r\n"
            ",carl@example.net,,,42\r\n"
        )
        form = csv_form(content, subscribed="no")
        got = await world.ask("POST", f"{MEMBERS}.csv", data=form)
        assert got.status == 400
        assert got.message == "line 2: vars is not valid JSON"
        form = csv_form(content.replace("x\ny", "x\\ny"), subscribed="no")
        got = await world.ask("POST", f"{MEMBERS}.csv", data=form)
        assert (got.status, got.message) == (200, "Mailing list has been updated"), got.body
        assert got.json["list"]["members_count"] == 3
        assert len(got.json["task-id"]) == 16
        assert await members(world) == {
            "ann@example.net": ("B., Ann", True, {"a": "x\ny"}),
            "bob@example.net": ("Bob", False, {}),
            "carl@example.net": ("", False, {}),
        }


async def test_a_large_csv_file_is_stored_in_time(db: Pool) -> None:
    """5 MB, 150,000 members; others are served meanwhile, and again is no different."""
    async with serving(db) as world:
        await add(world, DEVS)
        rows = "".join(f"member{number}@example{number % 9}.net,x\n" for number in range(150_000))
        content = "address,name\n" + rows
        assert 4_000_000 < len(content) < 5_000_000
        for _ in range(2):
            form = csv_form(content, upsert="yes")
            upload = asyncio.ensure_future(world.ask("POST", f"{MEMBERS}.csv", data=form))
            while not upload.done():
                assert (await world.ask("GET", f"/v3/lists/{DEVS}")).status == 200
                await asyncio.sleep(0.05)
            got = await upload
            assert got.message == "Mailing list upload started in background", got.body
            assert got.json["list"]["members_count"] == 150_000


@pytest.mark.parametrize(
    "content, status, text",
    [
        ("", 400, "while reading csv header: it has to name a column address"),
        ("ann@example.net\nbob@example.net\n", 400, "while reading csv header"),
        ("address,name,Address\n", 400, "it names address more than once"),
        (b"address\n\xff@example.net\n", 400, "not UTF-8 text: see line 2"),
        ('address\n"ann@example.net\n', 400, "line 2: unexpected end of data"),
        ('"address\n', 400, "while reading csv header: unexpected end"),
        ("address\n" + "x" * 200_000 + "\n", 400, "line 2: field larger than field limit"),
        (
            "address,vars,subscribed\nann,{},\n\nbob@example.net,[],maybe\na@example.net,{}\n",
            400,
            ROWS,
        ),
        ("address\n" + "x\n" * 100, 400, "line 21: 'x' is not an email address; and 80 more"),
        ("address,name\na@example.net,a\0b\n", 400, "line 2: "),
        ("address\n" + "\n" * 5_000_000, 413, "at most 5000000"),
    ],
)
async def test_a_wrong_csv_file_adds_nobody(
    db: Pool, content: str | bytes, status: int, text: str
) -> None:
    """Every mistake is told by its line; nothing is stored."""
    async with serving(db) as world:
        await add(world, DEVS)
        got = await world.ask("POST", f"{MEMBERS}.csv", data=csv_form(content))
        assert (got.status, text in got.message) == (status, True), got.body
        assert await members(world) == {}


async def test_an_upload_without_its_file_or_with_two(db: Pool) -> None:
    """A text field of that name will do; what else is wrong is told beside it."""
    async with serving(db) as world:
        await add(world, DEVS)
        got = await world.ask("POST", f"{MEMBERS}.csv", data={"upsert": "perhaps"})
        assert got.status == 400
        assert got.message.startswith("upsert has to be")
        assert got.message.endswith("members is missing")
        form = csv_form("address\n")
        form.add_field("members", b"address\n", filename="b.csv")
        got = await world.ask("POST", f"{MEMBERS}.csv", data=form)
        assert (got.status, got.message) == (400, "members is given more than once")
        data = {"members": "address\nann@example.net"}
        assert (await world.ask("POST", f"{MEMBERS}.csv", data=data)).status == 200
        assert list(await members(world)) == ["ann@example.net"]


async def test_uploads_at_the_same_time_take_turns(db: Pool) -> None:
    """Whoever is last, no address is doubled, none is lost, and nobody waits for ever."""
    async with serving(db) as world:
        await add(world, DEVS)
        entries = [f"m{number}@example.net" for number in range(50)]
        forms = [
            {"members": json.dumps(part), "upsert": "yes"}
            for part in (entries, entries[::-1], entries[20:], entries[:30])
        ] * 2
        answers = await asyncio.gather(
            *(world.ask("POST", f"{MEMBERS}.json", data=form) for form in forms),
            *(world.ask("POST", MEMBERS, data={"address": one}) for one in entries[:10]),
        )
        assert {got.status for got in answers[:8]} == {200}
        assert {got.status for got in answers[8:]} <= {200, 400}
        assert (await members(world)).keys() == set(entries)
