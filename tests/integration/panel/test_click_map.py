"""Links of one message: clicks by position, and drawn over the message where it is stored."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.model.event import Event, Verdict
from edge.panel import click_badges
from edge.rewriting.report import LinkReport
from edge.store import events
from edge.store.panel_users import Role
from edge.store.pool import Pool
from tests.integration.panel.seeding import ATTACKS, DOMAIN
from tests.integration.panel.test_messages import KEY
from tests.integration.panel.test_messages import _keep as keep
from tests.integration.panel.worlds import serving

MESSAGE_ID = "m1@mg.example.com"
LINKS = f"/analytics/links?domain={DOMAIN}&message-id={MESSAGE_ID}"
MAP = f"/messages/{DOMAIN}/stored-{KEY}/clicks?message-id={MESSAGE_ID}"
HTML = (
    "<p>Hi <a href=\"https://example.com/\">there</a> <a href='https://example.com/two'>two</a> "
    '<a title="a>b" href=https://example.com/three class="x>y">three</a>'
    '<!-- <a href="https://example.com/no">no</a> --></p>'
)


async def _click(db: Pool, clicks: list[tuple[int, str, str]]) -> None:
    """Clicks: position, recipient, label of a bot."""
    now = time.time_ns() // 1000
    async with db.acquire() as conn, conn.transaction():
        number = await conn.fetchval("SELECT number FROM domains WHERE name = $1", DOMAIN)
        batch = events.Batch()
        for count, (position, recipient, bot) in enumerate(clicks):
            batch.events.append(
                Event(
                    id=now.to_bytes(7, "big") + (900 + count).to_bytes(9, "big"),
                    event="clicked",
                    at=now - count,
                    domain=number,
                    recipient=recipient,
                    message_id=MESSAGE_ID,
                    method="GET",
                    url=f"https://example.com/{position}?for={recipient}",
                    position=position,
                    verdict=Verdict(bot, (), "1"),
                )
            )
        await events.add(conn, events.prepare(batch, now_us=now))


async def test_clicks_stand_beside_their_links(db: Pool) -> None:
    """The table by position; the map with a badge in each link, and everything else as it was."""
    await keep(db, body=HTML)
    await _click(
        db,
        [(1, "ann.secret@example.net", ""), (1, "ann.secret@example.net", ""),
         (1, "bob.hidden@example.org", "generic"), (0, "bob.hidden@example.org", "")],
    )  # fmt: skip
    async with serving(db) as world:
        async with world.visitor(Role.SUPPORT) as visitor:
            page = await visitor.get(LINKS)
            rows = re.findall(r"<tr><td class=\"num\">.*?</tr>", page.text, re.DOTALL)
            cells = [re.findall(r'<td class="num">([\d %]+)', row) for row in rows]
            assert cells == [["2", "3", "75 %", "2", "1"], ["1", "1", "25 %", "1", "1"]]
            assert "and 1 more: made for each recipient" in page.words
            assert MAP.replace("=m1@", "=m1%40") in page.text
            drawn = await visitor.get(MAP)
            assert drawn.headers["Content-Security-Policy"].startswith("sandbox;")
            badges = re.findall(r"nowrap\">([^<]+)</span>", drawn.text)
            assert badges == ["1: 1 (25%)", "2: 3 (75%)", "3: 0"]
            assert re.sub(r'<span style="display:inline.*?</span>', "", drawn.text).strip() == HTML
            assert re.search(r'class="x>y"><span style=', drawn.text)
        async with world.visitor(Role.ANALYST) as visitor:
            page = await visitor.get(LINKS)
            assert "your role does not read messages" in page.words
            assert "secret" not in page.text
            assert "hidden@" not in page.text
            assert (await visitor.get(MAP)).status == 403


async def test_without_the_message_or_its_links_there_is_a_reason(db: Pool) -> None:
    """The source has gone; a message without HTML; a Message-Id of nobody; a foreign message."""
    await keep(db, body=HTML)
    await _click(db, [(0, "ann.secret@example.net", "")])
    async with serving(db) as world, world.visitor(Role.SUPPORT) as visitor:
        assert (await visitor.get(MAP.partition("?")[0])).status == 400
        assert (await visitor.get(MAP.replace(KEY, "nothing"))).status == 404
        await db.execute("UPDATE messages SET source = $1", b"Subject: x\r\n\r\nhttps://a.example/")
        page = await visitor.get(MAP)
        assert "cannot be drawn" in page.words
        await db.execute("UPDATE messages SET source = NULL")
        page = await visitor.get(LINKS)
        assert "the message is not stored any more" in page.words
        assert "https://example.com/0" in page.words
        assert "<iframe" not in page.text


@pytest.mark.parametrize("attack", ATTACKS)
def test_strange_markup_gets_badges_or_nothing(attack: str) -> None:
    """Whatever surrounds a link: without its badges the markup is what it was."""
    html = f"<div>{attack}<a href='https://example.com/'>x</a>"
    drawn = click_badges.drawn(html, [_link(0)], {0: 3})
    assert drawn is None or re.sub(r"<span style=\"display:inline.*?</span>", "", drawn) == html


def _link(position: int, where: str = "a", part: str = "1") -> LinkReport:
    return LinkReport(position=position, part=part, where=where, before="https://example.com/")


@given(st.text("<>\"'= a/hre!-f\n&é", max_size=60), st.text("<>\"'= b/!-\n", max_size=60))
def test_any_markup_keeps_every_character(before: str, after: str) -> None:
    """Badges are put between characters and replace none."""
    html = f'{before}<a href="https://example.com/"{after}>x</a>'
    for count in (1, 2):
        drawn = click_badges.drawn(html, [_link(one) for one in range(count)], {})
        if drawn is not None:
            plain = re.sub(r"<span style=\"display:inline.*?</span>", "", drawn)
            assert plain == html


def test_another_shape_of_links_draws_nothing() -> None:
    """A number beside the wrong link is worse than none."""
    html = "<a href='https://example.com/'>x</a>"
    assert click_badges.drawn(html, [], {}) is None
    assert click_badges.drawn(html + html, [_link(0)], {}) is None
    assert click_badges.drawn(html.replace(".com", ".org"), [_link(0)], {}) is None
    assert click_badges.drawn(html, [_link(0, "area")], {}) is None
    footer = LinkReport(position=0, part="1", where="a", before="%unsubscribe_url%")
    behind = click_badges.drawn(html, [footer, _link(1), _link(2)], {1: 5})
    assert behind is not None
    assert "2: 5 (100%)" in behind
    both = click_badges.drawn(html, [_link(0, "text", "1"), _link(1, "a", "2")], {1: 5})
    assert both is not None
    assert "2: 5 (100%)" in both
