"""Overview and analytics: their numbers are the API's; a wrong question is no failure of ours."""

import csv
import io
import json
import re
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest

from edge.model.domain import Domain
from edge.panel.breakdown import COLUMNS, SPLITS
from edge.panel.figures import DEFINITIONS, KINDS, TITLES, grouped
from edge.store import domains
from edge.store.panel_users import Role
from edge.store.pool import Pool
from tests.integration.api import worlds as api_worlds
from tests.integration.panel.seeding import ANN, ATTACKS, DOMAIN, SECRETS, seed
from tests.integration.panel.worlds import Page, Visitor, serving

PEOPLE = {"attribute": "bot", "comparator": "=", "values": [{"label": "", "value": ""}]}


def _about(attribute: str, value: str) -> dict[str, Any]:
    return {
        "attribute": attribute,
        "comparator": "=",
        "values": [{"label": value, "value": value}],
    }


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The API's world brings domains of its own: not those of the seeded database."""
    monkeypatch.setattr(api_worlds, "OURS", "one.example")
    monkeypatch.setattr(api_worlds, "OTHER", "two.example")


async def _api(api: api_worlds.World, body: dict[str, Any]) -> Any:
    answer = await api.ask("POST", "/v1/analytics/metrics", json=body)
    assert answer.status == 200, answer.body
    return answer.json


async def _chart(visitor: Visitor, **asked: str) -> Any:
    page = await visitor.get(f"/overview/chart?{urlencode(asked)}")
    assert page.status == 200, page.words
    return json.loads(page.text)


async def _rows(visitor: Visitor, **asked: str) -> list[dict[str, str]]:
    page = await visitor.get(f"/analytics/export?{urlencode(asked)}")
    assert page.status == 200, page.words
    return list(csv.DictReader(io.StringIO(page.text)))


def _table(page: Page) -> list[list[str]]:
    """Cells of the figures of a page of analytics, without what stands below a number."""
    body = page.text.partition("<tbody>")[2].partition("</tbody>")[0]
    rows = re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
    return [
        [
            unescape(re.sub(r"<[^>]+>", "", cell.partition('<span class="sub">')[0])).strip()
            for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
        ]
        for row in rows
    ]


@pytest.mark.usefixtures("elsewhere")
async def test_the_overview_shows_what_the_api_answers(db: Pool) -> None:
    """Tiles, table and chart against ``/v1/analytics/metrics``: all, unique, people, rates."""
    async with db.acquire() as conn:
        await seed(conn, more=40)
    names = list(dict.fromkeys(n for k in KINDS for n in (k.total, k.unique, k.rate) if n))
    async with (
        serving(db) as world,
        world.visitor(Role.ANALYST) as visitor,
        api_worlds.serving(db) as api,
    ):
        page = await visitor.get("/overview?span=7d&by=day")
        chart = await _chart(visitor, span="7d", by="day")
        answers = {}
        for view, conditions in (("total", []), ("people", [PEOPLE])):
            for part in (names[:8], names[8:]):
                body = {
                    "resolution": "day",
                    "duration": "6d",
                    "dimensions": ["time"],
                    "metrics": part,
                    "filter": {"AND": conditions},
                    "include_aggregates": True,
                }
                answer = await _api(api, body)
                for name in part:
                    answers[view, name] = answer
        assert len(chart["times"]) == 7
        for kind in KINDS:
            for view, name in (("total", kind.total), ("people", kind.total)):
                whole = answers[view, name]["aggregates"]["metrics"][name]
                assert sum(chart["views"][view][kind.name]) == whole, (view, name)
                days = [row["metrics"][name] for row in answers[view, name]["items"]]
                shown = [value for value in chart["views"][view][kind.name] if value]
                assert shown == [value for value in days if value], (view, name)
            tile = page.text.partition(f"<h2>{kind.title} ")[2].partition("</li>")[0]
            total = answers["total", kind.total]["aggregates"]["metrics"][kind.total]
            assert f'<p class="big">{grouped(total)}</p>' in tile
            if kind.unique:
                for view, label in (("total", "Unique"), ("people", "Unique people")):
                    told = answers[view, kind.unique]["aggregates"]["metrics"][kind.unique]
                    assert f"<dt>{label}</dt><dd>{grouped(told)}</dd>" in tile
            if kind.rate and "<dt>Rate" in tile:
                rate = answers["total", kind.rate]["aggregates"]["metrics"][kind.rate]
                assert grouped(rate) in tile
        assert sum(chart["views"]["total"]["opened"]) > 40


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("people", ["", "yes"])
async def test_analytics_show_what_the_api_answers(db: Pool, people: str) -> None:
    """Each split, on the page and in the file, group by group, against the API."""
    async with db.acquire() as conn:
        await seed(conn, attacks=False, more=20)
    async with (
        serving(db) as world,
        world.visitor(Role.OWNER) as visitor,
        api_worlds.serving(db) as api,
    ):
        for split in SPLITS:
            asked = {"split": split, "span": "7d", "people": people, "domain": DOMAIN}
            if split == "time":
                asked["by"] = "day"
            rows = await _rows(visitor, **asked)
            conditions = [_about("domain", DOMAIN)] + ([PEOPLE] if people else [])
            answer = await _api(
                api,
                {
                    "resolution": "day",
                    "duration": "6d",
                    "dimensions": [split],
                    "metrics": list(COLUMNS[split]),
                    "filter": {"AND": conditions},
                    "pagination": {"limit": 1000},
                },
            )
            told = [
                [str(one["metrics"][name]) for name in COLUMNS[split]] for one in answer["items"]
            ]
            found = [[row[name] for name in COLUMNS[split]] for row in rows]
            assert sorted(found) == sorted(told), split
            assert found, split
            if split not in {"time", "bot"}:
                values = [one["dimensions"][0]["value"] for one in answer["items"]]
                assert sorted(row[split] for row in rows) == sorted(values)
            page = await visitor.get(f"/analytics?{urlencode(asked)}")
            shown = [cells[1:] for cells in _table(page)]
            assert shown == [
                [grouped(cell if "." in cell else int(cell)) for cell in row] for row in found
            ], split


async def test_two_tags_and_two_times_are_compared(db: Pool) -> None:
    """The other side is what a question about it alone answers."""
    async with db.acquire() as conn:
        await seed(conn, attacks=False, more=30)
    async with serving(db) as world, world.visitor(Role.OWNER) as visitor:
        alone = await _rows(visitor, split="device", tag="bulk")
        both = await _rows(visitor, split="device", tag="newsletter", compare="tag", versus="bulk")
        told = {row["device"]: row["opened_count"] for row in alone}
        assert both
        for row in both:
            assert row["opened_count_compared"] == told.get(row["device"], "0")
        page = await visitor.get("/analytics?split=device&tag=newsletter&compare=tag&versus=bulk")
        foot = page.text.partition("<tfoot>")[2]
        assert '<span class="sub">30<span class="sr"> bulk</span>' in foot
        rows = await _rows(visitor, split="tag", span="7d", compare="before")
        assert {row["opened_count_compared"] for row in rows} == {"0"}
        told = {row["tag"]: row["opened_count"] for row in rows}
    async with serving(db) as world:
        world.clock.advance(7 * 86_400)
        async with world.visitor(Role.OWNER) as visitor:
            page = await visitor.get("/overview?span=7d&by=day")
            assert "Nothing was counted in this time" in page.words
            page = await visitor.get("/analytics?span=7d&compare=before")
            assert "Nothing was counted" in page.words  # what is now is compared, not what was
            page = await visitor.get("/analytics?span=30d&compare=before&sort=opened_count")
            assert {cells[0]: cells[3] for cells in _table(page)} == told


async def test_what_is_asked_wrongly_is_told_and_never_a_failure(db: Pool) -> None:
    """Every parameter of every page with what does not belong there."""
    async with db.acquire() as conn:
        await seed(conn, attacks=False, more=3)
    wrong = ("x", "-1", "9" * 30, "\x00", "2026-02-30", "0001-01-01", "9999-12-31", "' OR 1=1", "é")
    names = ("span", "from", "to", "by", "split", "people", "compare", "sort", "way", "page")
    paths = ("/overview", "/overview/chart", "/analytics", "/analytics/export")
    async with serving(db) as world, world.visitor(Role.ANALYST) as visitor:
        for path in paths:
            for name in names:
                for value in wrong:
                    page = await visitor.get(f"{path}?{urlencode({name: value})}")
                    assert page.status in {200, 400}, (path, name, value, page.words)
            for name in ("tag", "versus"):
                page = await visitor.get(f"{path}?{urlencode({name: 'y' * 2000})}")
                assert page.status in {200, 400}
            assert (await visitor.get(f"{path}?domain=none.example")).status == 404
            assert (await visitor.get(f"{path}?from=2026-01-01&from=2026-01-02")).status == 400
        for asked, text in (
            ("/overview?span=30d&by=hour", "choose day or month"),
            ("/overview?from=2026-11-20&to=2026-11-01", "to is before from"),
            ("/overview?span=own", "from is missing"),
            ("/overview?from=2999-01-01", "still to come"),
            ("/analytics?compare=tag&tag=a", "two tags"),
            ("/analytics?compare=before&by=day", "as a whole"),
            ("/analytics?sort=nonsense", "sort has to be one of"),
            ("/analytics?page=0", "page has to be"),
            ("/analytics/links?message-id=" + "x" * 999, "longer than"),
        ):
            page = await visitor.get(asked)
            assert page.status == 400, asked
            assert text in page.words, (asked, page.words)


async def test_texts_of_strangers_are_only_text_and_recipients_stay_masked(db: Pool) -> None:
    """Attacks in tags, links, clients, countries; analysts see no address, in files neither."""
    async with db.acquire() as conn:
        await seed(conn, more=3)
    async with serving(db) as world:
        paths = [
            "/overview",
            "/overview/tail",
            f"/analytics/links?message-id=20261125.news@{DOMAIN}",
        ]
        for split in SPLITS:
            paths += [f"/analytics?split={split}", f"/analytics/export?split={split}"]
        for role in (Role.OWNER, Role.ANALYST):
            async with world.visitor(role) as visitor:
                for path in paths:
                    page = await visitor.get(path)
                    assert page.status == 200, (path, page.words)
                    if "export" not in path:
                        for attack in ATTACKS:
                            assert "<" not in attack or attack not in page.text, path
                    if role is Role.ANALYST:
                        for secret in SECRETS:
                            assert secret not in page.text, (path, secret)
        async with world.visitor(Role.OWNER) as visitor:
            page = await visitor.get("/analytics?split=link")
            assert ANN in page.words
            text = (await visitor.get("/analytics/export?split=tag")).text
            assert not re.search(r"^[=+\-@]", text, re.MULTILINE)


async def test_empty_pages_say_what_to_do_next(db: Pool) -> None:
    """Without a domain, and with one on which nothing has happened."""
    async with serving(db) as world, world.visitor(Role.OWNER) as visitor:
        for path in ("/overview", "/analytics", "/analytics/links"):
            page = await visitor.get(path)
            assert "Add the domain you send from" in page.words, path
        assert (await visitor.get("/analytics/export")).status == 404
        assert (await _chart(visitor))["views"]["total"]["opened"] == [0] * 7
        async with db.acquire() as conn:
            await domains.add(conn, Domain(number=0, name="new.example"), now_us=1)
        page = await visitor.get("/overview")
        assert "Nothing was counted in this time" in page.words
        assert 'href="/messages"' in page.text
        assert "has a tag" in (await visitor.get("/analytics")).words
        page = await visitor.get("/analytics/links?message-id=none@new.example")
        assert "Nobody has clicked in this message" in page.words
        assert "not stored any more" in page.words


async def test_sorting_and_turning_pages(db: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """By any column both ways; the pages together are the whole, each group once."""
    async with db.acquire() as conn:
        await seed(conn, more=3)
    monkeypatch.setattr("edge.panel.analytics.LINES", 2)
    async with serving(db) as world, world.visitor(Role.OWNER) as visitor:
        whole = [row["tag"] for row in await _rows(visitor, sort="split", way="asc")]
        found: list[str] = []
        for number in range(1, 50):
            page = await visitor.get(f"/analytics?sort=split&way=asc&page={number}")
            found += [cells[0] for cells in _table(page)]
            if 'rel="next"' not in page.text:
                break
        assert [one.removeprefix("'") for one in whole] == found
        assert len(found) > 5
        assert 'aria-sort="ascending"' in page.text
        rows = await _rows(visitor, sort="opened_count", way="desc")
        numbers = [int(row["opened_count"]) for row in rows]
        assert numbers == sorted(numbers, reverse=True)


def test_every_split_and_column_has_its_words() -> None:
    """What a page shows has a title and a definition."""
    shown = {name for names in COLUMNS.values() for name in names}
    assert shown <= set(TITLES)
    assert shown <= set(DEFINITIONS)
    assert set(COLUMNS) == set(SPLITS)
