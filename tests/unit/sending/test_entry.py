"""From a message that was read to the rows and events of its acceptance."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from edge.model.domain import Domain
from edge.rewriting import mime
from edge.sending.entry import Entry, Piece, entry_of, pieces_of
from edge.sending.message import Addressee, Message, Options, Origin
from edge.sending.reading import Read, read
from edge.store.lists import Expansion
from edge.store.suppressions import Block

NOW = 1_750_000_000_000_000
DOMAIN = Domain(number=3, name="mg.example.com")
ANN, BOB = Addressee("ann@example.net", "Ann"), Addressee("bob@example.org", "", {"x": 1})
DEVS = Expansion("devs@mg.example.com", 'De"vs, é', "list", [("cyd@example.net", "Cyd", {"n": 2})])
EMPTY = Expansion("empty@mg.example.com", "", "list", [])
LISTS = {(3, one.address): one for one in (DEVS, EMPTY)}


def _read(*recipients: Addressee, end: bytes = b"\r\n", **options: object) -> Read:
    lines = [
        b"From: news@mg.example.com",
        b"message-id:",
        b" <1@mg.example.com>",
        b"Date: x",
        b"",
        b"",
    ]
    message = Message(
        domain=DOMAIN,
        source=end.join(lines),
        sender="news@mg.example.com",
        recipients=recipients,
        options=msgspec.structs.replace(Options(), **options),
        origin=Origin(method="SMTP", ip="192.0.2.1"),
    )
    return read(message, NOW)


def _entry(pieces: list[Piece], *blocks: Block | None) -> Entry:
    count = sum(len(piece.recipients) for piece in pieces)
    given_blocks = [*blocks, *[None] * (count - len(blocks))]
    return entry_of(pieces, given_blocks, range(100, 200), "http://edge.example")


def test_rows_of_a_message() -> None:
    """One message, a delivery and an accepted event for each recipient, facts for all of them."""
    entry = _entry(pieces_of(_read(ANN, BOB, tags=("t",), variables={"v": "1"}), {}))
    (stored,) = entry.messages
    assert (stored.number, stored.domain, stored.message_id) == (100, 3, "1@mg.example.com")
    assert [row.id for row in entry.deliveries] == [101, 102]
    assert {row.message for row in entry.deliveries} == {100}
    assert [row.name for row in entry.deliveries] == ["Ann", ""]
    assert [row.variables for row in entry.deliveries] == [None, None]
    assert [event.event for event in entry.batch.events] == ["accepted"] * 2
    (facts,) = entry.batch.facts
    assert (facts.tags, facts.user_variables) == (["t"], {"v": "1"})
    assert facts.about["recipients"] == ["ann@example.net", "bob@example.org"]


def test_variables_are_kept_where_they_are_used() -> None:
    """A batch keeps those of each recipient, and names nobody else."""
    entry = _entry(pieces_of(_read(ANN, BOB, personal=True, variables={"v": "%recipient.x%"}), {}))
    assert [row.variables for row in entry.deliveries] == [None, '{"x":1}']
    (facts,) = entry.batch.facts
    assert "recipients" not in facts.about
    assert facts.by_recipient["bob@example.org"] == {"v": "1"}


def test_who_is_blocked_gets_no_delivery() -> None:
    """Accepted and failed, the one after the other; in test mode nobody gets one."""
    pieces = pieces_of(_read(ANN, BOB), {})
    entry = _entry(pieces, Block.BOUNCE)
    assert [row.recipient for row in entry.deliveries] == ["bob@example.org"]
    told = [(event.event, event.recipient, event.at) for event in entry.batch.events]
    assert told == [
        ("accepted", "ann@example.net", NOW),
        ("failed", "ann@example.net", NOW + 1),
        ("accepted", "bob@example.org", NOW),
    ]
    test_mode = _entry(pieces_of(_read(ANN, BOB, test_mode=True), {}), Block.COMPLAINT)
    assert test_mode.deliveries == []
    assert [event.event for event in test_mode.batch.events] == ["accepted", "failed", "accepted"]


def test_lists_are_pieces_of_their_own() -> None:
    """With their headers and a Message-Id of their own beside others; alone they keep it."""
    for end in (b"\r\n", b"\n"):
        found = _read(ANN, Addressee("DEVS@mg.example.com"), Addressee(EMPTY.address), end=end)
        plain, devs, empty = pieces_of(found, LISTS)
        assert (plain.source, plain.message_id) == (found.source, found.message_id)
        assert (plain.options.personal, plain.options.mailing_list) == (False, "")
        assert devs.options.mailing_list == "devs@mg.example.com"
        assert devs.recipients == (Addressee("cyd@example.net", "Cyd", {"n": 2}),)
        assert empty.recipients == ()
        assert len({piece.message_id for piece in (plain, devs, empty)}) == 3
        root = mime.split(devs.source)
        values = {header.name: mime.value_of(devs.source, header) for header in root.headers}
        assert values["message-id"] == f"<{devs.message_id}>"
        assert values["list-id"].endswith("<devs.mg.example.com>")
        assert [header.name for header in root.headers].count("message-id") == 1
    (alone,) = pieces_of(_read(Addressee(DEVS.address)), LISTS)
    assert alone.message_id == "1@mg.example.com"
    (nobody,) = pieces_of(_read(Addressee(EMPTY.address)), LISTS)
    entry = _entry([nobody])
    assert (len(entry.messages), entry.deliveries, entry.batch.events) == (1, [], [])


@given(st.lists(st.booleans(), min_size=1, max_size=8), st.data())
def test_every_recipient_has_one_story(blocked: list[bool], data: st.DataObject) -> None:
    """Blocks fall on the recipients they were asked for, over any pieces."""
    people = [Addressee(f"r{number}@example.net") for number in range(len(blocked))]
    cut = data.draw(st.integers(0, len(people)))
    groups = [group for group in (people[:cut], people[cut:]) if group]
    pieces = [piece for group in groups for piece in pieces_of(_read(*group), {})]
    entry = _entry(pieces, *(Block.UNSUBSCRIBE if one else None for one in blocked))
    failed = {event.recipient for event in entry.batch.events if event.event == "failed"}
    assert failed == {
        one.address for one, is_blocked in zip(people, blocked, strict=True) if is_blocked
    }
    queued = [row.recipient for row in entry.deliveries]
    assert sorted([*queued, *failed]) == sorted(one.address for one in people)
    numbers = [row.id for row in entry.deliveries] + [one.number for one in entry.messages]
    assert len(set(numbers)) == len(numbers)
