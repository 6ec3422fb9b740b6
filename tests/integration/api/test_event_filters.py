"""Filters of ``/v3/{domain}/events``: every field, and expressions against a plain reading."""

import re
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.model.capture import Facts
from edge.model.event import Event
from edge.model.expression import All, Either, Node, Not, Range, Term
from edge.store import partitions
from edge.store.expressions import condition
from edge.store.pool import Pool
from tests.integration.api.worlds import OURS, World, serving
from tests.integration.store import worlds as stored

EVENTS = f"/v3/{OURS}/events"
MINUTE = 60_000_000
OFFER, NEWS, ALONE = "offer@mg.example.com", "news@mg.example.com", "alone@mg.example.com"


def _facts(number: int, at: int) -> list[Facts]:
    """Two messages: one for Ann and Bob with a file, one to a list."""
    return [
        Facts(
            at,
            number,
            OFFER,
            ["Spring Sale", "blue"],
            headers={
                "from": "Shop <shop@mg.example.com>",
                "to": '"Ann Lee" <ann@example.net>, Bob <bob@example.org>',
                "subject": "Über 50% off: hello, goodbye (really)",
            },
            about={
                "attachments": [{"filename": "price list.pdf", "size": 9}, {"filename": "a.png"}],
                "size": 12_000,
                "recipients": ["ann@example.net", "bob@example.org"],
            },
        ),
        Facts(
            at,
            number,
            NEWS,
            ["news"],
            headers={
                "from": "News <news@mg.example.com>",
                "to": "%recipient%",
                "subject": "Hello\tmonica, 東京都",
            },
            mailing_list="Readers@mg.example.com",
            about={"attachments": [], "size": 800},
        ),
    ]


def _events(number: int, at: int) -> list[Event]:
    def one(kind: str, minute: int, to: str, message: str, **more: Any) -> Event:
        made = stored.event(event=kind, recipient=to, message_id=message, **more)
        return msgspec.structs.replace(made, at=at - minute * MINUTE, domain=number)

    return [
        one("accepted", 9, "ann@example.net", OFFER, detail=b'{"method":"HTTP"}'),
        one("accepted", 8, "bob@example.org", OFFER),
        one("failed", 7, "bob@example.org", OFFER, severity="permanent", reason="bounce"),
        one("opened", 6, "ann@example.net", OFFER),
        one("clicked", 5, "ann@example.net", OFFER, url="https://shop.example/"),
        one("delivered", 4, "carl@example.net", NEWS, reason="retried"),
        one("failed", 3, "bob.ann@example.net", NEWS, severity="temporary", reason="generic"),
        one("opened", 2, "dora@example.net", ALONE),
    ]


async def _fill(world: World) -> None:
    number, now = world.domains[OURS].number, world.clock.now_us()
    async with world.api.connection() as conn:
        await partitions.ensure(conn, now_us=now)
        batch = _events(number, now)
        await stored.store(conn, *batch, now=now, facts=_facts(number, now - 10 * MINUTE))


CASES: list[tuple[list[tuple[str, str]], str]] = [
    ([("event", "opened")], "37"),
    ([("event", "Opened OR clicked")], "347"),
    ([("event", "NOT (opened OR clicked)")], "01256"),
    ([("event", "opened AND clicked")], ""),
    ([("event", "delivered OR opened OR failed OR unsubscribed OR complained")], "23567"),
    ([("event", "open")], ""),
    ([("event", "delivered")], "5"),  # counted apart, as it took several attempts
    ([("event", "failed")], "26"),
    ([("recipient", "ann@example.net")], "034"),
    ([("recipient", "Ann@Example.net")], "034"),
    ([("recipient", "example.org")], "12"),
    ([("recipient", "ann")], "0346"),
    ([("recipients", "bob@example.org")], "01234"),
    ([("recipients", "dora@example.net OR carl@example.net")], "57"),
    ([("message-id", OFFER)], "01234"),
    ([("message-id", f"<{NEWS}>")], "56"),
    ([("message-id", f"{OFFER} OR {NEWS}")], "0123456"),
    ([("tags", "news")], "56"),
    ([("tags", "BLUE")], "01234"),
    ([("tags", '"spring sale" AND blue')], "01234"),
    ([("tags", "spring")], ""),
    ([("tags", "NOT blue")], "567"),
    ([("severity", "permanent")], "2"),
    ([("severity", "permanent OR temporary")], "26"),
    ([("severity", "NOT permanent")], "0134567"),
    ([("from", "shop@mg.example.com")], "01234"),
    ([("from", "hop")], ""),
    ([("from", "SHOP")], "01234"),
    ([("from", "mg.example.com")], "0123456"),
    ([("to", "ann@example.net")], "01234"),
    ([("to", "lee@example.net")], ""),
    ([("to", "carl@example.net")], "5"),
    ([("to", '"ann lee"')], "01234"),
    ([("subject", "hello")], "0123456"),
    ([("subject", '"hello monica"')], "56"),
    ([("subject", '"monica hello"')], ""),
    ([("subject", "(hello AND NOT monica) OR (farewell AND ann)")], "01234"),
    ([("subject", "über")], "01234"),
    ([("subject", "ber")], ""),
    ([("subject", "50%")], "01234"),
    ([("subject", "5")], ""),
    ([("subject", "京")], "56"),
    ([("subject", '"(really)"')], "01234"),
    ([("subject", "NOT hello")], "7"),
    ([("subject", ".*")], ""),
    ([("subject", "' OR 1=1 --")], ""),
    ([("subject", "$1 {} %s \\")], ""),
    ([("list", "readers@mg.example.com")], "56"),
    ([("list", "readers")], "56"),
    ([("attachment", "pdf")], "01234"),
    ([("attachment", '"price list.pdf"')], "01234"),
    ([("attachment", "NOT pdf")], "567"),
    ([("size", ">10000")], "01234"),
    ([("size", ">500 <1000")], "56"),
    ([("size", "12000 OR <5")], "01234"),
    ([("size", "NOT >10000")], "567"),
    ([("event", "opened"), ("recipient", "ann@example.net")], "3"),
    ([("tags", "blue"), ("tags", "news")], ""),
    ([("tags[]", "blue"), ("tags[]", '"spring sale"')], "01234"),
    ([("event", ""), ("unknown", "x")], "01234567"),
]


async def test_each_field(db: Pool) -> None:
    """Opens and clicks are found by what their message says, and what has no facts by nothing."""
    async with serving(db) as world:
        await _fill(world)
        for fields, expected in CASES:
            query = [*fields, ("end", str(world.clock.now_us() / 1e6)), ("ascending", "yes")]
            answer = await world.ask("GET", EVENTS, params=query)
            assert answer.status == 200, (fields, answer.body)
            minutes = [
                9 - round((world.clock.now_us() / 1e6 - one["timestamp"]) / 60)
                for one in answer.json["items"]
            ]
            assert "".join(map(str, minutes)) == expected, fields


TEXTS = ["hello", "Hello World", "world-hello", "helloworld", "a_b (c)", "50%", "x.y x", "", "Äöß"]
_words = st.sampled_from(
    ["hello", "WORLD", "a_b", "b", "c", "(c)", "50", "50%", "x", "x.y", "äö", "-"]
)
_terms = st.builds(Term, st.one_of(_words, st.builds("{} {}".format, _words, _words)))
_trees: st.SearchStrategy[Node] = st.recursive(
    _terms,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(All, st.tuples(inner, inner)),
        st.builds(Either, st.tuples(inner, inner, inner)),
    ),
    max_leaves=8,
)


def _holds(tree: Node, text: str | None) -> bool:
    """What an expression means, read plainly."""
    match tree:
        case Not(inner):
            return not _holds(inner, text)
        case All(parts):
            return all(_holds(part, text) for part in parts)
        case Either(parts):
            return any(_holds(part, text) for part in parts)
        case Term(word):
            return text is not None and _has_word(text.lower(), word.lower())
    raise AssertionError(tree)


def _has_word(text: str, word: str) -> bool:
    at = text.find(word)
    while at >= 0:
        before, after = text[:at][-1:], text[at + len(word) :][:1]
        inside = (_letter(before) and _letter(word[0])) or (_letter(after) and _letter(word[-1]))
        if not inside:
            return True
        at = text.find(word, at + 1)
    return False


def _letter(character: str) -> bool:
    return re.fullmatch(r"\w", character) is not None


@pytest.fixture
async def subjects(db: Pool) -> Pool:
    """A table that stands for the facts: one subject a row, and one row without facts."""
    rows = [{"headers": {"subject": text}} for text in TEXTS] + [{}]
    async with db.acquire() as conn:
        await conn.execute("CREATE TABLE shown (place integer, headers jsonb)")
        for place, row in enumerate(rows):
            headers = msgspec.json.encode(row["headers"]).decode() if row else None
            await conn.execute("INSERT INTO shown VALUES ($1, $2)", place, headers)
    return db


async def test_expressions_mean_what_they_say(subjects: Pool) -> None:
    """Generated expressions find in Postgres what a plain reading of them finds."""
    trees: list[Node] = []

    @settings(max_examples=300, database=None, suppress_health_check=list(HealthCheck))
    @given(_trees)
    def collect(tree: Node) -> None:
        trees.append(tree)

    collect()
    async with subjects.acquire() as conn:
        for tree in trees:
            values: list[Any] = []

            def bind(value: Any, values: list[Any] = values) -> str:
                values.append(value)
                return f"${len(values)}"

            where = condition("subject", tree, bind)
            query = f"SELECT place FROM shown AS f WHERE {where} ORDER BY place"
            found = [row["place"] for row in await conn.fetch(query, *values)]
            expected = [n for n, text in enumerate([*TEXTS, None]) if _holds(tree, text)]
            assert found == expected, tree


_sizes = st.builds(Range, st.sampled_from(["<", ">", "<=", ">=", "="]), st.integers(0, 10**18 - 1))


async def test_ranges_compare_numbers(subjects: Pool) -> None:
    """Every operator, up to the largest number that can be written; no size is in no range."""
    ranges: list[Range] = []

    @settings(max_examples=60, database=None)
    @given(_sizes)
    def collect(one: Range) -> None:
        ranges.append(one)

    collect()
    compare = {
        "<": int.__lt__,
        ">": int.__gt__,
        "<=": int.__le__,
        ">=": int.__ge__,
        "=": int.__eq__,
    }
    async with subjects.acquire() as conn:
        for one in ranges:
            for size in (0, one.number, 10**15):
                where = condition("size", one, lambda value: str(value))
                about = f"(SELECT jsonb_build_object('size', {size}) AS about) f"
                held = await conn.fetchval(f"SELECT {where} FROM {about}")
                assert held is compare[one.operator](size, one.number)
            nothing = f"SELECT {where} FROM (SELECT '{{}}'::jsonb AS about) f"
            assert await conn.fetchval(nothing) is None
