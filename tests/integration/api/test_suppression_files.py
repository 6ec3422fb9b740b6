"""Suppressions by the batch and by the file, over HTTP."""

import asyncio
import csv
import io
import json
from typing import Any

import aiohttp
import pytest

from edge.model.event import SuppressionChange
from edge.store import suppression_entries, suppressions
from edge.store.pool import Pool
from tests.integration.api.test_suppressions import ANN, BOB, KINDS, WHEN, at, listed, upload
from tests.integration.api.worlds import OTHER, OURS, serving

UPLOADED = "file uploaded successfully for processing. standby..."
ITEMS = (
    "items[1]: has to be an object; items[2]: Missing mandatory parameter: address;"
    " items[3]: address: 'nobody' is not an email address; items[4]: code is given more than once"
)
ROWS = (
    "line 3: address: 'nobody' is not an email address; line 5: has 1 fields, the header 2;"
    " line 6: code holds a control character"
)


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
    many: list[dict[str, Any]] = [
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
        skipped: dict[str, Any] = (
            {"skip_auto_headers": ["Content-Type"]} if content_type is None else {}
        )
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
