"""The suppression lists: looked at, searched, added to, removed from, taken in and given out."""

import re
from urllib.parse import quote

import aiohttp
import pytest

from edge.store.panel_users import Role
from edge.store.pool import Pool
from edge.store.suppressed import Kind
from tests.integration.panel.seeding import DOMAIN, EVE, seed
from tests.integration.panel.worlds import Page, Visitor, serving

KINDS = [kind.value for kind in Kind]


async def _list(visitor: Visitor, kind: str, more: str = "") -> list[str]:
    """Addresses of all pages of a list."""
    found, path = [], f"/suppressions?domain={DOMAIN}&kind={kind}{more}"
    while path:
        page = await visitor.get(path)
        assert page.status == 200, page.words
        found += re.findall(r'<th scope="row" class="break">\s*([^<]+?)\s*</th>', page.text)
        link = re.search(r'href="(/suppressions\?[^"]*after=[^"]*)"', page.text)
        path = link[1].replace("&amp;", "&") if link else ""
    return found


async def _import(visitor: Visitor, kind: str, text: str, name: str = "list.csv") -> Page:
    form = aiohttp.FormData()
    form.add_field("domain", DOMAIN)
    form.add_field("kind", kind)
    form.add_field("file", text.encode(), filename=name, content_type="text/csv")
    if not visitor.token:
        await visitor.get("/account")
    return await visitor.post("/suppressions/import", form)


@pytest.fixture
async def seeded(db: Pool) -> Pool:
    """A database with a story, without attacks."""
    async with db.acquire() as conn:
        await seed(conn, attacks=False, more=1)
    return db


async def test_a_list_is_paged_searched_and_says_why(seeded: Pool) -> None:
    """Each entry once, in order; by its beginning; the event that caused it is a click away."""
    async with serving(seeded) as world, world.visitor(Role.SUPPORT) as visitor:
        found = await _list(visitor, "bounces")
        assert found == sorted(found)
        assert len(found) == 61
        assert await _list(visitor, "bounces", "&term=gone00") == [
            f"gone00{number}@example.net" for number in range(10)
        ]
        page = await visitor.get(f"/suppressions?domain={DOMAIN}&term={quote(EVE)}")
        cause = re.search(r'href="(/logs/[\w-]{22})"', page.text)
        assert cause is not None
        assert "does not exist" in (await visitor.get(cause[1])).words
        page = await visitor.get(f"/suppressions?domain={DOMAIN}&kind=bounces")
        assert EVE not in str(re.findall(r'href="[^"]*after=[^"]*"', page.text))
        for wrong in ("after=abc", "after=%00", "kind=nothing", "before=" + "A" * 3000):
            page = await visitor.get(f"/suppressions?domain={DOMAIN}&{wrong}")
            assert page.status == 400, wrong


async def test_entries_are_added_and_removed_as_the_api_has_them(seeded: Pool) -> None:
    """Each kind with its own fields; what is wrong is told; the audit log has a line of each."""
    async with serving(seeded) as world, world.visitor(Role.SUPPORT) as visitor:
        for kind, more in (
            ("bounces", {"code": "551", "error": "moved"}),
            ("unsubscribes", {"tags": "news, offers"}),
            ("complaints", {}),
            ("whitelists", {"reason": "a friend"}),
        ):
            fields = {"domain": DOMAIN, "kind": kind, "address": "New@Example.net"} | more
            assert (await visitor.post("/suppressions/add", fields)).status == 303, kind
            page = await visitor.get(f"/suppressions?domain={DOMAIN}&kind={kind}&term=new")
            assert "new@example.net" in page.words
            for value in more.values():
                assert value.split(",")[0] in page.words
            again = {"domain": DOMAIN, "kind": kind, "address": "new@example.net"}
            assert (await visitor.post("/suppressions/remove", again)).status == 303
            gone = await visitor.post("/suppressions/remove", again)
            assert (gone.status, "not on this list" in gone.words) == (400, True)
            for wrong in ({"address": "no address"}, {"address": ""}, {"domain": "none.example"}):
                page = await visitor.post("/suppressions/add", fields | wrong)
                assert page.status in {400, 404}, (kind, wrong)
        school = {"domain": DOMAIN, "kind": "whitelists", "address": "example.com"}
        assert (await visitor.post("/suppressions/add", school)).status == 303
        barred = {"domain": DOMAIN, "kind": "bounces", "address": "x@example.com"}
        page = await visitor.post("/suppressions/add", barred)
        assert (page.status, "allowlist" in page.words) == (400, True)
    async with seeded.acquire() as conn:
        lines = await conn.fetch("SELECT * FROM panel_audit WHERE action LIKE '%suppression'")
    assert {line["outcome"] for line in lines} == {"done", "failed"}
    assert {line["panel_user"] for line in lines} == {"support"}
    assert len(lines) > 20


async def test_what_is_exported_can_be_imported(seeded: Pool) -> None:
    """The file of a list, taken in elsewhere, makes the same list."""
    async with serving(seeded) as world, world.visitor(Role.SUPPORT) as visitor:
        lists = {kind: await _list(visitor, kind) for kind in KINDS}
        files = {
            kind: (await visitor.get(f"/suppressions/export?domain={DOMAIN}&kind={kind}")).text
            for kind in KINDS
        }
        for table in ("suppressions", "unsubscribes", "allowlist"):
            await seeded.execute(f"DELETE FROM {table}")
        assert sum(map(bool, lists.values())) == 3
        for kind in KINDS:
            assert await _list(visitor, kind) == []
            answer = await _import(visitor, kind, files[kind])
            assert answer.status == (303 if lists[kind] else 400), kind
            assert await _list(visitor, kind) == lists[kind]


async def test_a_file_with_wrong_lines_is_refused_whole_with_every_line_named(seeded: Pool) -> None:
    """Mistakes by line, as many as fit; nothing of it is stored; no file is no crash."""
    async with serving(seeded) as world, world.visitor(Role.SUPPORT) as visitor:
        before = await _list(visitor, "bounces")
        text = "address,code\ngood@example.net,550\nbad,550\n,\na@b@c,1\n<script>x</script>,1\n"
        page = await _import(visitor, "bounces", text)
        assert page.status == 400
        for line in ("line 3", "line 4", "line 5", "line 6"):
            assert line in page.words
        assert "<script>x" not in page.text
        many = "address\n" + "wrong\n" * 500
        page = await _import(visitor, "bounces", many)
        assert "and 400 more" in page.words
        for bad in ("", "address\n", "name\nx\n", "\xff\xfe", 'address\n"open\n'):
            assert (await _import(visitor, "bounces", bad)).status == 400, bad
        assert (await _import(visitor, "bounces", "address\nx@y.example\n", "")).status == 400
        assert await _list(visitor, "bounces") == before
        unsubscribed = 'address,tags\nu@example.net,"news, offers"\n'
        assert (await _import(visitor, "unsubscribes", unsubscribed)).status == 303
        page = await visitor.get(f"/suppressions?domain={DOMAIN}&kind=unsubscribes&term=u@")
        assert "offers" in page.words
