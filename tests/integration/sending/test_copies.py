"""What arrives: each recipient's own copy, signed, tracked and with a way back."""

import base64
import re
from typing import Any

import dkim

from edge.model.event import Event
from edge.model.tokens import Kind, Level, OpenTarget, UnsubscribeTarget
from edge.sending.compose import Attachment
from edge.sending.dkim import Signer, generate_key
from edge.sending.message import Addressee
from edge.sending.return_path import Purpose
from edge.store import events, list_members, messages, outbox, roster, routes
from edge.store.events import Batch
from edge.store.list_members import Entry
from edge.store.pool import Pool
from edge.store.routes import DkimKey
from tests.integration.sending.worlds import HTML, OTHER, OURS, World, mail, sending

ANN, BOB, CYD = "ann@example.net", "bob@example.org", "cyd@example.net"
LIST = f"devs@{OURS}"
BATCH = (
    Addressee(ANN, "Ann Bee", {"id": "1", "first": "Ann"}),
    Addressee(BOB, "", {"id": 2, "first": "Böb\r\nX-Injected: yes"}),
)


def _arrived(world: World) -> dict[str, bytes]:
    """The messages taken by recipient."""
    found = {}
    for envelope in world.inbox.taken:
        assert isinstance(envelope.content, bytes)
        (recipient,) = envelope.rcpt_tos
        assert recipient not in found, "each copy arrives once"
        found[recipient] = envelope.content
    return found


async def test_signed_and_with_a_way_back(db: Pool) -> None:
    """dkimpy verifies the copy; envelope sender and List-Unsubscribe resolve to the delivery."""
    async with sending(db) as world:
        await db.execute("DELETE FROM dkim_keys")
        private = generate_key()
        async with db.acquire() as conn:
            await routes.add_dkim_key(conn, world.vault, 1, DkimKey("edge1", private), 0)
        async with world.dispatching() as homes:
            await world.send(ANN, html=HTML, text="Grüße aus Köln\n.\n..punkt", tags=("a",))
            await world.send(BOB, html=HTML, dkim=False)
            await world.settled()
            rows = await world.rows()
            paths = homes.return_paths
    assert paths is not None
    signer = Signer(OURS, "edge1", private)

    def txt(name: bytes, timeout: int = 5) -> bytes:
        assert name.decode().rstrip(".") == f"edge1._domainkey.{OURS}"
        return signer.record().encode()

    content = _arrived(world)[ANN]
    assert dkim.DKIM(content).verify(dnsfunc=txt)
    assert b"DKIM-Signature" not in _arrived(world)[BOB]
    for envelope in world.inbox.taken:
        local, _, host = (envelope.mail_from or "").partition("@")
        number = paths.delivery(Purpose.BOUNCE, local)
        assert host == f"bounces.{OURS}"
        assert [row["recipient"] for row in rows if row["id"] == number] == envelope.rcpt_tos
    header = str(mail(content)["List-Unsubscribe"])
    way = re.search(rf"<mailto:([^@]+)@bounces\.{OURS}>", header)
    assert way, header
    assert paths.delivery(Purpose.UNSUBSCRIBE, way[1]) == rows[0]["id"]
    assert f"http://email.{OURS}/u/" in header
    assert content.count(b"\r\n") == content.count(b"\n") == content.count(b"\r")


async def test_facts_are_joined_to_later_opens(db: Pool) -> None:
    """An open by the token of the copy shows the tags and the recipient's own variables."""
    async with sending(db) as world, world.dispatching():
        accepted = await world.send(
            *BATCH,
            html=HTML,
            personal=True,
            tags=("One", "two"),
            variables={"rid": "%recipient.id%", "all": "x"},
        )
        await world.settled()
        async with db.acquire() as conn:
            keyring = (await roster.read(conn)).keyring(world.vault)
        opens = []
        for place, (recipient, content) in enumerate(sorted(_arrived(world).items())):
            (token,) = set(re.findall(rf"http://email\.{OURS}/o/([\w-]+)", _html(content)))
            target = keyring.open(Kind.OPEN, token)
            assert isinstance(target, OpenTarget)
            assert target.recipient == recipient
            at = world.clock.now_us()
            opens.append(
                Event(
                    id=at.to_bytes(8, "big") + bytes(7) + bytes([place]),
                    event="opened",
                    at=at,
                    domain=target.domain,
                    recipient=target.recipient,
                    message_id=accepted.message_id,
                )
            )
        prepared = events.prepare(Batch(events=opens), now_us=world.clock.now_us())
        async with db.acquire() as conn, conn.transaction():
            await events.add(conn, prepared)
        found = {event["recipient"]: event for event in await world.events("opened")}
        assert await world.differences() == []
    assert found[ANN]["user-variables"] == {"rid": "1", "all": "x"}
    assert found[BOB]["user-variables"] == {"rid": "2", "all": "x"}
    assert found[ANN]["tags"] == found[BOB]["tags"] == ["one", "two"]
    assert "facts" not in found[ANN]


def _html(content: bytes) -> str:
    part = mail(content).get_body(("html",))
    assert part is not None
    return str(part.get_content())


def _plain(content: bytes) -> str:
    part = mail(content).get_body(("plain",))
    assert part is not None
    return str(part.get_content())


async def test_a_batch_is_personal(db: Pool) -> None:
    """Own To, subject, text and user variables for each; values end no header line."""
    async with sending(db) as world, world.dispatching():
        await world.send(
            *BATCH,
            personal=True,
            text="Hello %recipient.first% (%recipient%, %recipient_fname%) %unsubscribe_email%",
            headers=[("X-First", "for %recipient.first%"), ("X-Missing", "%recipient.nothing%")],
            variables={"rid": "%recipient.id%", "n": "%recipient.nothing%"},
        )
        await world.settled()
        accepted = await world.events("accepted")
    variables = {event["recipient"]: event["user-variables"] for event in accepted}
    assert variables == {
        ANN: {"rid": "1", "n": "%recipient.nothing%"},
        BOB: {"rid": "2", "n": "%recipient.nothing%"},
    }
    assert {event["message"]["headers"]["to"] for event in accepted} == {ANN, BOB}
    assert all(event["message"]["recipients"] == [event["recipient"]] for event in accepted)
    arrived = _arrived(world)
    ann, bob = mail(arrived[ANN]), mail(arrived[BOB])
    assert str(ann["To"]) == f"Ann Bee <{ANN}>"
    assert str(bob["To"]) == BOB
    assert "Hello Ann (Ann Bee <ann@example.net>, Ann)" in _plain(arrived[ANN])
    assert re.search(rf"u-[a-z2-7]{{29}}@bounces\.{OURS}", _plain(arrived[ANN]))
    assert str(ann["X-First"]) == "for Ann"
    assert "Böb" in str(bob["X-First"])
    assert "X-Injected" not in bob
    assert ANN.encode() not in arrived[BOB]


def _members() -> list[Entry]:
    return [
        Entry(ANN, "Ann", vars={"age": 26}),
        Entry(BOB, "Bob", vars={"age": "x"}),
        Entry(CYD, subscribed=False),
    ]


async def test_a_list_is_expanded(db: Pool) -> None:
    """Subscribed members get their own copies with list headers; the list is in the events."""
    async with sending(db) as world, world.dispatching():
        await world.add_list(LIST, *_members(), name="Devs")
        accepted = await world.send(
            LIST, html=HTML, text="You are %recipient.age%", variables={"age": "%recipient.age%"}
        )
        await world.settled()
        told = await world.events("accepted", "delivered")
        assert await world.differences() == []
    arrived = _arrived(world)
    assert set(arrived) == {ANN, BOB}
    assert "You are 26" in _plain(arrived[ANN])
    message = mail(arrived[ANN])
    assert str(message["List-Id"]) == f"Devs <devs.{OURS}>"
    assert str(message["To"]) == LIST
    assert str(message["Precedence"]) == "list"
    assert message["Message-Id"] == f"<{accepted.message_id}>"
    assert len(told) == 4
    for event in told:
        assert event["mailing-list"] == {"address": LIST, "list-id": f"devs.{OURS}"}
        assert event["user-variables"] == {"age": "26" if event["recipient"] == ANN else "x"}


async def test_leaving_a_list(db: Pool) -> None:
    """List-Unsubscribe of its mail leaves the list, with the domain's own switch off."""
    async with sending(db) as world, world.dispatching():
        await world.add_domain(OTHER, open=True)
        await world.add_list(f"all@{OTHER}", *_members())
        await world.send(f"all@{OTHER}", domain=OTHER, html=HTML)
        await world.settled()
        async with db.acquire() as conn:
            keyring = (await roster.read(conn)).keyring(world.vault)
    header = str(mail(_arrived(world)[ANN])["List-Unsubscribe"])
    (token,) = re.findall(rf"<http://email\.{OTHER}/u/([\w-]+)>", header)
    target = keyring.open(Kind.UNSUBSCRIBE, token)
    assert isinstance(target, UnsubscribeTarget)
    assert (target.level, target.recipient) == (Level.LIST, ANN)


async def test_a_member_who_left_before_a_scheduled_message(db: Pool) -> None:
    """Leaving the list counts until the message goes out."""
    async with sending(db) as world, world.dispatching():
        await world.add_list(LIST, *_members())
        await world.send(LIST, BOB, deliver_at=world.clock.now_us() + 3_600_000_000)
        async with db.acquire() as conn:
            left = [Entry(ANN, subscribed=False), Entry(BOB, subscribed=False)]
            await list_members.put(conn, LIST, left, upsert=True, now_us=world.clock.now_us())
        world.clock.advance(3700)
        await world.settled()
        failed = await world.events("failed")
    (only,) = world.inbox.taken
    assert only.rcpt_tos == [BOB]
    assert "List-Id" not in mail(only.content)
    assert {event["delivery-status"]["code"] for event in failed} == {606}
    assert sorted(event["recipient"] for event in failed) == [ANN, BOB]


async def test_a_list_and_others(db: Pool) -> None:
    """A member who is addressed too gets both; the two are told apart by their Message-Ids."""
    async with sending(db) as world, world.dispatching():
        await world.add_list(LIST, *_members())
        empty = f"empty@{OURS}"
        await world.add_list(empty)
        accepted = await world.send(LIST, "dan@example.com", ANN, empty, html=HTML)
        await world.settled()
        delivered = await world.events("delivered")
        assert await world.differences() == []
        assert await db.fetchval("SELECT count(*) FROM messages") == 3
    ids = {mail(one.content)["Message-Id"] for one in world.inbox.taken if one.rcpt_tos == [ANN]}
    assert len(ids) == 2
    assert f"<{accepted.message_id}>" in ids
    lists_of: dict[str, list[Any]] = {}
    for event in delivered:
        lists_of.setdefault(event["recipient"], []).append("mailing-list" in event)
    assert sorted(lists_of) == [ANN, BOB, "dan@example.com"]
    assert sorted(lists_of[ANN]) == [False, True]


async def test_the_sandbox_keeps_the_finished_message(db: Pool) -> None:
    """Nothing leaves; the outbox holds the instrumented and signed copy, and it is delivered."""
    async with sending(db) as world:
        await world.add_domain(OTHER, "sandbox", open=True)
        async with world.dispatching():
            await world.send(ANN, domain=OTHER, html=HTML)
            await world.settled()
            (delivered,) = await world.events("delivered")
            async with db.acquire() as conn:
                (line,) = await outbox.list_lines(conn, world.domains[OTHER].number)
                kept = await outbox.get(conn, world.domains[OTHER].number, line.delivery)
    assert world.inbox.taken == []
    assert delivered["delivery-status"]["mx-host"] == "sandbox"
    assert (line.recipient, line.size) == (ANN, len(kept))
    assert f"http://email.{OTHER}/o/" in _html(kept)
    assert kept.startswith(b"DKIM-Signature:")


async def test_large_messages(db: Pool) -> None:
    """Attachments of 17 MB arrive unharmed: with base64 that is nearly the limit of 25 MB."""
    data = bytes(range(256)) * (17 * 4096)
    file = Attachment("a.bin", "application/octet-stream", data)
    async with sending(db) as world, world.dispatching():
        await world.send(ANN, attachments=[file], html=HTML)
        await world.settled()
        (accepted,) = await world.events("accepted")
        async with db.acquire() as conn:
            key = accepted["storage"]["key"]
            stored = await messages.get(conn, 1, key)
    assert stored.size > 23_000_000
    assert accepted["message"]["attachments"][0]["filename"] == "a.bin"
    content = _arrived(world)[ANN]
    assert base64.encodebytes(data).replace(b"\n", b"\r\n") in content
    assert f"http://email.{OURS}/o/".encode() in content
