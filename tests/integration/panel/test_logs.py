"""The logs: the same finds as the Events API's, every event on one page, and files of them."""

import csv
import io
import json
import re
from urllib.parse import quote

import pytest

from edge.model.expression import parse
from edge.panel import log_query
from edge.store import domains, event_pages, search
from edge.store.event_pages import Place, Question
from edge.store.filters import Filter
from edge.store.panel_users import Role
from edge.store.pool import Pool
from tests.integration.panel.seeding import ANN, BOB, DOMAIN, EVE, seed
from tests.integration.panel.worlds import Visitor, serving

_ROW = re.compile(r'<tr>\s*<td class="time"><a href="/logs/([\w-]{22})"')


def ids(text: str) -> list[str]:
    """Events that a page lists, in order."""
    return _ROW.findall(text)


async def _file(visitor: Visitor, query: str) -> list[dict[str, str]]:
    page = await visitor.get(f"/logs/export?domain={DOMAIN}&{query}")
    assert page.status == 200, page.words
    assert page.headers["Content-Disposition"].startswith("attachment")
    return list(csv.DictReader(io.StringIO(page.text)))


@pytest.fixture
async def seeded(db: Pool) -> Pool:
    """A database with a story, without attacks."""
    async with db.acquire() as conn:
        await seed(conn, attacks=False)
    return db


async def test_pages_show_every_event_once_and_lead_back(seeded: Pool) -> None:
    """Along Older to the end, and along Newer back to the start; the file has the same."""
    async with serving(seeded) as world, world.visitor(Role.OWNER) as visitor:
        whole = [row["id"] for row in await _file(visitor, "")]
        seen, path, pages = [], f"/logs?domain={DOMAIN}", []
        while path:
            page = await visitor.get(path)
            seen += ids(page.text)
            pages.append(ids(page.text))
            link = re.search(r'href="(/logs\?[^"]*after=[^"]*)"', page.text)
            back = re.search(r'href="(/logs\?[^"]*before=[^"]*)"', page.text)
            path = link[1].replace("&amp;", "&") if link else ""
        assert seen == whole
        assert len(set(seen)) == len(seen) == 133
        assert back is not None
        page = await visitor.get(back[1].replace("&amp;", "&"))
        assert ids(page.text) == pages[-2]


SEARCHES: tuple[tuple[str, dict[str, str], tuple[str, ...], str | None], ...] = (
    (f"recipient={quote(ANN)}", {"recipient": ANN}, (), None),
    ("subject=november", {"subject": "november"}, (), None),
    ("tags=newsletter+AND+november", {"tags": "newsletter AND november"}, (), None),
    ("event=clicked", {}, ("clicked",), None),
    ("event=opened&bot=apple", {}, ("opened",), "apple"),
    ("event=opened&bot=people&tags=newsletter", {"tags": "newsletter"}, ("opened",), ""),
    ("event=failed", {}, ("failed",), None),
    ("event=complained", {}, ("complained",), None),
    ("severity=permanent", {"severity": "permanent"}, (), None),
    (
        f"message-id=%3C20261125.reset@{DOMAIN}%3E",
        {"message-id": f"20261125.reset@{DOMAIN}"},
        (),
        None,
    ),
    ("field=event&expression=opened+OR+clicked", {"event": "opened OR clicked"}, (), None),
    ("field=from&expression=NOT+news", {"from": "NOT news"}, (), None),
)


async def test_a_search_finds_what_the_events_api_finds(seeded: Pool) -> None:
    """The same code answers both: the page and a file of it hold that page's events."""
    async with serving(seeded) as world, world.visitor(Role.OWNER) as visitor:
        for query, fields, events, bot in SEARCHES:
            async with seeded.acquire() as conn:
                wanted = Filter(
                    domain=(await domains.get(conn, DOMAIN)).number,
                    events=events,
                    bot=bot,
                    fields=tuple((name, parse(text)) for name, text in fields.items()),
                )
                question = Question(wanted, ascending=False, limit=50)
                found = (await event_pages.turn(conn, question, Place())).found
            page = await visitor.get(f"/logs?domain={DOMAIN}&{query}")
            expected = [one.render()["id"] for one in found]
            assert page.status == 200, query
            assert ids(page.text) == expected, query
            rows = await _file(visitor, query)
            assert [row["id"] for row in rows][:50] == expected, query


async def test_a_kind_is_found_in_the_hours_in_which_it_was_counted(seeded: Pool) -> None:
    """The counters only narrow where is looked: a page finds what reading everything finds."""
    async with seeded.acquire() as conn:
        number = (await domains.get(conn, DOMAIN)).number
        for kind in log_query.EVENTS:
            wanted = Filter(domain=number, events=(kind,))
            question = Question(wanted, ascending=False, limit=300)
            page = await event_pages.turn(conn, question, Place())
            plain = await search.search(conn, wanted, limit=300)
            assert [one.event.id for one in page.found] == [one.event.id for one in plain], kind


async def test_days_bound_the_search(seeded: Pool) -> None:
    """Both days are included, in UTC; nothing lies before yesterday or after today."""
    async with serving(seeded) as world, world.visitor(Role.OWNER) as visitor:
        whole = await _file(visitor, "")
        days = sorted({row["time"][:10] for row in whole})
        for day in days:
            rows = await _file(visitor, f"from={day}&to={day}")
            assert rows == [row for row in whole if row["time"].startswith(day)]
        assert await _file(visitor, "to=2001-01-01") == []


MISTAKES = (
    ("subject=%22open", "no closing"),
    ("tags=(a", "character"),
    ("field=size&expression=abc", "number"),
    ("expression=abc", "choose the field"),
    ("from=yesterday", "2026-03-31"),
    ("after=abc", "no place in the logs"),
    ("after=9" * 40, "after"),
    ("event=nothing", "has to be one of"),
    ("recipient=a%00b", "control character"),
    ("recipient=" + "a" * 1001, "longer than"),
)


async def test_a_wrong_question_is_told_and_finds_nothing(seeded: Pool) -> None:
    """400 with what is wrong; the form keeps what was typed; never a 5xx."""
    async with serving(seeded) as world, world.visitor(Role.OWNER) as visitor:
        for query, words in MISTAKES:
            page = await visitor.get(f"/logs?domain={DOMAIN}&{query}")
            assert page.status == 400, query
            assert words in page.words, query
            assert ids(page.text) == []
            if not query.startswith("after"):  # a file has no pages
                exported = await visitor.get(f"/logs/export?domain={DOMAIN}&{query}")
                assert exported.status == 400, query


async def test_an_events_page_tells_everything_in_words(seeded: Pool) -> None:
    """Verdict and evidence, client, place, the server's reply, the timeline, the API's JSON."""
    async with serving(seeded) as world, world.visitor(Role.OWNER) as visitor:
        rows = await _file(visitor, "event=clicked")
        page = await visitor.get(f"/logs/{rows[0]['id']}")
        for words in (
            "person",
            "lacks headers that Chrome sends",
            "Berlin",
            "Windows 10",
            "newsletter",
            f"for={ANN}",
            "number 1 in the message",
        ):
            assert words in page.words
        timeline = page.text.split('class="timeline"')[1].split("</ol>")[0]
        assert [word for word in ("Accepted", "Delivered", "Opened", "Clicked") if word in timeline]
        raw = json.loads((await visitor.get(f"/logs/{rows[0]['id']}/json")).text)
        assert (raw["event"], raw["recipient"]) == ("clicked", ANN)
        failed = (await _file(visitor, "severity=permanent"))[0]
        page = await visitor.get(f"/logs/{failed['id']}")
        assert f"<{EVE}> does not exist" in page.words
        assert "mx.example.org" in page.words
        apple = (await _file(visitor, "bot=apple"))[0]
        assert "Apple's mail privacy" in (await visitor.get(f"/logs/{apple['id']}")).words
        for wrong in ("x" * 22, "short", "a" * 500, "é"):
            assert (await visitor.get(f"/logs/{quote(wrong)}")).status == 404


async def test_files_hold_no_formula_and_json_is_the_apis(db: Pool) -> None:
    """A user agent that a spreadsheet would run is text; an export of nothing is a valid file."""
    async with db.acquire() as conn:
        await seed(conn, more=1)
    async with serving(db) as world, world.visitor(Role.OWNER) as visitor:
        for row in await _file(visitor, ""):
            assert not any(cell.startswith(("=", "+", "@", "-")) for cell in row.values())
        page = await visitor.get(f"/logs/export?domain={DOMAIN}&format=json&event=unsubscribed")
        assert [one["recipient"] for one in json.loads(page.text)] == [BOB]
        page = await visitor.get(f"/logs/export?domain={DOMAIN}&format=json&event=stored")
        assert json.loads(page.text) == []
        assert (await visitor.get("/logs/export?domain=none.example")).status == 404


async def test_an_empty_panel_says_what_to_do_next(db: Pool) -> None:
    """Without a domain every page leads to adding one."""
    async with serving(db) as world, world.visitor(Role.OWNER) as visitor:
        for path in ("/logs", "/suppressions", "/messages", "/domains"):
            page = await visitor.get(path)
            assert page.status == 200
            assert "There is no domain yet" in page.words
        assert (await visitor.get("/logs/export")).status == 404
        assert (await visitor.get("/logs?domain=none.example")).status == 404
