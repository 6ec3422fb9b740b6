"""``/v3/{domain}/events``: pages, polling, dates, and what is refused."""

import base64
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from edge.model.capture import Facts
from edge.model.event import Event
from edge.model.mailgun_json import event_id
from edge.store import events, partitions
from edge.store.pool import Pool
from tests.integration.api.worlds import OTHER, OURS, Answer, World, serving
from tests.integration.store import worlds as stored

EVENTS = f"/v3/{OURS}/events"
MINUTE = 60_000_000
LINKS = {"previous", "first", "last", "next"}


async def _store(world: World, *some: Event, **more: Any) -> list[str]:
    """Events of our domain, and their ids as the API writes them."""
    number = world.domains[OURS].number
    now = world.clock.now_us()
    async with world.api.connection() as conn:
        await partitions.ensure(conn, now_us=now)
        mine = [msgspec.structs.replace(one, domain=number) for one in some]
        await stored.store(conn, *mine, now=now, **more)
    return [event_id(one.id) for one in some]


async def _series(world: World, count: int) -> list[str]:
    """So many opens, one a minute, the newest a minute ago; ids from the oldest on."""
    now = world.clock.now_us()
    return await _store(
        world, *(stored.event(at=now - back * MINUTE) for back in range(count, 0, -1))
    )


def _ids(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    assert set(answer.json) == {"items", "paging"}
    assert set(answer.json["paging"]) == LINKS
    return [one["id"] for one in answer.json["items"]]


async def _follow(world: World, answer: Answer, link: str, way: str = "url") -> Answer:
    """A link as clients follow it: as it is, by its path alone, or by its query alone."""
    url = answer.json["paging"][link]
    assert url.startswith(f"{world.url}{EVENTS}/")
    parts = urlsplit(url)
    path = {
        "url": f"{parts.path}?{parts.query}",
        "path": parts.path,
        "query": f"{EVENTS}?{parts.query}&event=failed&limit=1",
    }[way]
    return await world.ask("GET", path)


@pytest.mark.parametrize("way", ["url", "path", "query"])
@pytest.mark.parametrize("query", ["limit=3", "limit=3&ascending=yes", "limit=3&begin=1&end={now}"])
async def test_pages_lead_forward_and_back(db: Pool, query: str, way: str) -> None:
    """Every event once, whichever way a link is followed; and the same pages backwards."""
    async with serving(db) as world:
        ids = await _series(world, 8)
        if "begin" not in query and "ascending" not in query:
            ids.reverse()
        query = query.format(now=world.clock.now_us() / 1e6)
        pages = [await world.ask("GET", f"{EVENTS}?{query}")]
        while _ids(pages[-1]):
            pages.append(await _follow(world, pages[-1], "next", way))
        assert [_ids(page) for page in pages] == [ids[:3], ids[3:6], ids[6:], []]
        back = pages[-1]
        for page in (ids[5:], ids[2:5], ids[:2], []):
            back = await _follow(world, back, "previous", way)
            assert _ids(back) == page
        assert _ids(await _follow(world, back, "next", way)) == ids[:3]
        assert _ids(await _follow(world, back, "first", way)) == ids[:3]
        last = await _follow(world, back, "last", way)
        assert _ids(last) == ids[5:]
        assert _ids(await _follow(world, last, "next", way)) == []
        assert _ids(await _follow(world, last, "previous", way)) == ids[2:5]


async def test_a_poll_gets_what_is_committed_late_once(db: Pool) -> None:
    """An event under an earlier time whose transaction is still open while later ones are read."""
    async with serving(db) as world:
        now = world.clock.now_us()
        number = world.domains[OURS].number
        first = await _store(world, stored.event(at=now - 9 * MINUTE))
        late = stored.event(at=now - 20 * MINUTE, domain=number)
        begin = (now - 30 * MINUTE) / 1e6
        async with db.acquire() as conn, conn.transaction():
            batch = events.prepare(events.Batch(events=[late]), now_us=now)
            await events.add(conn, batch)
            await _store_elsewhere(db, number, now - 8 * MINUTE)
            page = await world.ask("GET", f"{EVENTS}?begin={begin}&ascending=yes")
            assert _ids(page) == first
            page = await _follow(world, page, "next")
            assert _ids(page) == []
        page = await _follow(world, page, "next")
        assert len(_ids(page)) == 2
        assert event_id(late.id) in _ids(page)
        page = await _follow(world, page, "next")
        assert _ids(page) == []
        newest = await _store(world, stored.event(at=now - 25 * MINUTE))
        page = await _follow(world, page, "next")
        assert _ids(page) == newest
        assert _ids(await _follow(world, page, "next")) == []


async def _store_elsewhere(db: Pool, number: int, at: int) -> None:
    """Store one event in a transaction of its own that writes no counter which another holds."""
    async with db.acquire() as conn:
        await stored.store(conn, stored.event(at=at, domain=number, event="clicked"), now=at)


async def test_a_poll_can_be_turned_round_at_every_place(db: Pool) -> None:
    """History by time, then what came by transaction; back over the seam, and to the end."""
    async with serving(db) as world:
        ids = await _series(world, 5)
        start = await world.ask("GET", f"{EVENTS}?ascending=yes&limit=3&begin=1")
        for _ in range(4):
            ids += await _store(world, stored.event(at=world.clock.now_us() - 90 * MINUTE))
        pages = [start]
        while _ids(pages[-1]):
            pages.append(await _follow(world, pages[-1], "next"))
        assert [one for page in pages for one in _ids(page)] == ids
        back, seen = pages[-1], list[str]()
        while _ids(back := await _follow(world, back, "previous")):
            seen = _ids(back) + seen
        assert seen == ids
        assert _ids(await _follow(world, pages[1], "last")) == ids[-3:]
        assert _ids(await _follow(world, pages[1], "first")) == ids[:3]


async def test_a_poll_after_a_restore(db: Pool) -> None:
    """Events whose transaction numbers are still to come in this cluster are history too."""
    async with serving(db) as world:
        ids = await _series(world, 4)
        async with db.acquire() as conn:
            await conn.execute("UPDATE events SET xid = '99999999999'")
        page = await world.ask("GET", f"{EVENTS}?ascending=yes&limit=3")
        assert _ids(page) == ids[:3]
        page = await _follow(world, page, "next")
        assert _ids(page) == ids[3:]
        page = await _follow(world, page, "next")
        assert _ids(page) == []
        assert _ids(await _follow(world, page, "previous")) == ids[1:]


async def test_rare_tags_over_days(db: Pool) -> None:
    """A tag is found wherever it is, in either order and combined with others."""
    async with serving(db) as world:
        now, number = world.clock.now_us(), world.domains[OURS].number
        some = [
            stored.event(at=now - minutes * MINUTE, message_id=f"m{minutes}")
            for minutes in (600, 400, 300, 130, 61, 1)
        ]
        tags = {600: ["a"], 400: ["b"], 130: ["a", "c"], 1: ["c"]}
        facts = [Facts(now, number, f"m{minutes}", given) for minutes, given in tags.items()]
        ids = await _store(world, *some, facts=facts)
        for query, places in (
            ("tags=a", [3, 0]),
            ("tags=a OR b", [3, 1, 0]),
            ("tags=a&tags=c", [3]),
            ("tags=a b", []),
            ("tags=d", []),
            ("tags=NOT a", [5, 4, 2, 1]),
            ("tags=a NOT c", [0]),
            ("tags=a OR NOT c", [4, 3, 2, 1, 0]),
        ):
            expected = [ids[place] for place in places]
            for bounds in ("", f"&end={now / 1e6 - 50_000}"):
                page = await world.ask("GET", f"{EVENTS}?{query}{bounds}")
                assert _ids(page) == expected, query + bounds
            page = await world.ask("GET", f"{EVENTS}?{query}&begin=1&ascending=yes")
            assert _ids(page) == [ids[place] for place in reversed(places)], query


async def test_a_domain_without_events(db: Pool) -> None:
    """All four links, each of which leads to an empty page, also when events come later."""
    async with serving(db) as world:
        for query in ("", "?ascending=yes", "?begin=1&end=2"):
            page = await world.ask("GET", EVENTS + query)
            assert _ids(page) == []
            for link in LINKS:
                assert _ids(await _follow(world, page, link)) == []
        page = await world.ask("GET", f"{EVENTS}?ascending=yes")
        ids = await _series(world, 2)
        assert _ids(await _follow(world, page, "next")) == ids


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("begin={0}&end={2}", [0, 1, 2]),
        ("begin={2}&end={0}", [2, 1, 0]),
        ("begin={0}&end={2}&ascending=yes", [0, 1, 2]),
        ("begin={2}&end={0}&ascending=no", [2, 1, 0]),
        ("begin={1}", [1, 2, 3]),
        ("begin={1}&ascending=yes", [1, 2, 3]),
        ("begin={1}&ascending=no", [1, 0]),
        ("end={2}", [3, 2]),
        ("end={2}&ascending=True", [0, 1, 2]),
        ("begin={1}&end={1}", [1]),
        ("begin=&end=", [3, 2, 1, 0]),
    ],
)
async def test_directions(db: Pool, query: str, expected: list[int]) -> None:
    """Reading starts at ``begin`` and stops at ``end``; both belong to it."""
    async with serving(db) as world:
        ids = await _series(world, 4)
        now = world.clock.now_us()
        times = [repr((now - back * MINUTE) / 1e6) for back in range(4, 0, -1)]
        answer = await world.ask("GET", f"{EVENTS}?{query.format(*times)}")
        assert _ids(answer) == [ids[place] for place in expected]


async def test_dates_in_every_form(db: Pool) -> None:
    """RFC 2822 in any zone, and epoch seconds with and without a fraction."""
    async with serving(db) as world:
        ids = await _series(world, 3)
        second = world.clock.now_us() // 1_000_000 - 150
        moment = datetime.fromtimestamp(second, UTC)
        forms = [str(second), f"{second}.0", format_datetime(moment)]
        forms += [moment.strftime(f"%a, %d %b %Y %H:%M:%S {zone}") for zone in ("GMT", "-0000")]
        for form in forms:
            answer = await world.ask("GET", EVENTS, params={"begin": form, "ascending": "yes"})
            assert _ids(answer) == ids[1:], form


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("begin=yesterday", "begin has to be an RFC 2822 date or epoch seconds, not 'yesterday'"),
        ("begin=nan", "begin has to be"),
        ("end=-1", "end has to be"),
        ("begin=1&end=2&ascending=no", "contradicts begin and end: begin is before end"),
        ("begin=2&end=1&ascending=yes", "contradicts begin and end: begin is after end"),
        ("ascending=up", "ascending has to be yes, no, true or false"),
        ("limit=301", "limit has to be a whole number from 1 to 300"),
        ("limit=0", "limit has to be a whole number from 1 to 300"),
        ("event=opened%20OR", "event: a word is missing at character 10"),
        ("subject=(a", "subject: a ) is missing for the ( at character 1"),
        ("size=big", "size: 'big' is no number or range like >10000 at character 1"),
        ("from=a%00b", "from holds a control character"),
        ("to=" + "a" * 1001, "to is longer than 1000 characters"),
        ("to=" + "a" * 900 + "&from=" + "b" * 900, "the filters together are longer than 1500"),
        ("limit=x&size=y&begin=z", "size: 'y'"),
    ],
)
async def test_mistakes(db: Pool, query: str, message: str) -> None:
    """400 that says which parameter, and in expressions at which character."""
    async with serving(db) as world:
        answer = await world.ask("GET", f"{EVENTS}?{query}")
        assert answer.status == 400
        assert message in answer.message


async def test_a_token_is_good_for_its_domain_only(db: Pool) -> None:
    """Neither another domain nor an edited, cut, lengthened or invented token is taken."""
    async with serving(db) as world:
        await _series(world, 3)
        page = await world.ask("GET", f"{EVENTS}?limit=1&event=opened")
        token = urlsplit(page.json["paging"]["next"]).path.rpartition("/")[2]
        assert token.replace("-", "").replace("_", "").isalnum()
        other = await world.ask("GET", f"/v3/{OTHER}/events/{token}")
        assert (other.status, "another domain" in other.message) == (400, True)
        raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        bad = ["x", "1", "%00", "a.b", token[:-1], token + "A", token + "=", "Ä", "A" * 4097]
        for place in range(0, len(raw), 5):
            raw[place] ^= 1
            bad.append(base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("="))
            raw[place] ^= 1
        for one in bad:
            for path in (f"{EVENTS}/{one}", f"{EVENTS}?page={one}"):
                answer = await world.ask("GET", path)
                assert answer.status == 400, one
                assert "page" in answer.message
        good = f"{EVENTS}/{token}?page={token}"
        assert len(_ids(await world.ask("GET", good))) == 1
        for more in ("?event=failed", "&event=failed"):  # as mailgun.js goes on from a link
            assert len(_ids(await world.ask("GET", good + more))) == 1


async def test_keys_of_others(db: Pool) -> None:
    """Their domain is not there; a key that may only send may not read."""
    async with serving(db) as world:
        await _series(world, 1)
        key = await world.make_key(domain=OTHER)
        answer = await world.ask("GET", EVENTS, key=key)
        assert (answer.status, answer.message) == (404, f"Domain not found: {OURS}")
        mine = await world.ask("GET", f"/v3/{OTHER}/events", key=key)
        assert (mine.status, mine.json["items"]) == (200, [])


async def test_nothing_older_than_is_kept(db: Pool) -> None:
    """A domain whose events are kept for two days shows two days, though the tables have more."""
    async with serving(db) as world:
        ids = await _series(world, 2)
        async with db.acquire() as conn:
            await conn.execute("UPDATE domains SET retention_days = 2 WHERE name = $1", OURS)
        world.clock.advance(2 * 86_400 - 90)
        for query in ("", "?begin=1&ascending=yes"):
            assert _ids(await world.ask("GET", EVENTS + query)) == ids[1:]


async def test_indentation(db: Pool) -> None:
    """``pretty=no`` is one line, also on the pages that follow."""
    async with serving(db) as world:
        assert (await world.ask("GET", EVENTS)).body.count(b"\n") > 3
        page = await world.ask("GET", f"{EVENTS}?pretty=no")
        assert page.body.count(b"\n") == 0
        assert (await _follow(world, page, "next")).body.count(b"\n") == 0
