"""Messages on their way: delivered, tried again, given up, suppressed."""

from contextlib import AsyncExitStack
from typing import Any

from edge.model.event import SuppressionChange, UnsubscribeChange
from edge.model.tokens import Level
from edge.sending.message import Addressee
from edge.sending.retry import INTERVALS
from edge.store import deliveries, suppressions, unsubscribes
from edge.store.pool import Pool
from tests.integration.sending.servers import CLOSE, SILENCE, scripted_server
from tests.integration.sending.worlds import OURS, URL, World, mail, sending

ANN, BOB = "ann@example.net", "bob@example.org"
SECOND = 1_000_000


def _names(events: list[dict[str, Any]]) -> list[str]:
    return [event["event"] for event in events]


def _codes(events: list[dict[str, Any]]) -> list[int]:
    return [event["delivery-status"]["code"] for event in events]


async def _suppress(world: World, kind: str, address: str = ANN) -> None:
    change = SuppressionChange(
        domain=world.domains[OURS].number,
        recipient=address,
        kind=kind,
        at=world.clock.now_us(),
        active=True,
    )
    async with world.pool.acquire() as conn:
        await suppressions.apply(conn, [change])


async def _unsubscribe(world: World, *tags: str) -> None:
    change = UnsubscribeChange(
        domain=world.domains[OURS].number,
        recipient=ANN,
        level=Level.TAG if tags else Level.DOMAIN,
        names=tags,
        at=world.clock.now_us(),
        active=True,
        event_id=bytes(16),
        message_id="m",
    )
    async with world.pool.acquire() as conn:
        await unsubscribes.apply(conn, [change])


async def test_delivered(db: Pool) -> None:
    """Accepted and delivered events in Mailgun's structure, and a finished row."""
    async with sending(db) as world, world.dispatching():
        accepted = await world.send(ANN, tags=("News",), variables={"order": "17"})
        await world.settled()
        first, second = await world.events()
        (row,) = await world.rows()
        assert await world.differences() == []
    assert (first["event"], second["event"]) == ("accepted", "delivered")
    assert first["method"] == "HTTP"
    assert (first["originating-ip"], first["api-key-id"]) == ("192.0.2.7", "1")
    for event in (first, second):
        assert event["recipient"] == ANN
        assert event["recipient-domain"] == "example.net"
        assert event["tags"] == ["news"]
        assert event["user-variables"] == {"order": "17"}
        assert event["envelope"]["targets"] == ANN
        assert event["storage"]["url"] == f"{URL}/v3/domains/{OURS}/messages/{accepted.key}"
        headers = event["message"]["headers"]
        assert headers["message-id"] == accepted.message_id
        assert headers["from"] == f"News <news@{OURS}>"
        assert (headers["to"], headers["subject"]) == (ANN, "News")
        assert event["flags"]["is-test-mode"] is False
    assert second["delivery-status"]["code"] == 250
    assert second["delivery-status"]["attempt-no"] == 1
    assert (row["outcome"], row["due"], row["attempts"]) == ("delivered", None, 1)


async def test_tried_again_on_the_schedule_until_too_old(db: Pool) -> None:
    """A server that says 450: temporary failures at every step, then 602 and nothing more."""
    async with (
        sending(db, refusals={ANN: "450 4.2.1 try later"}) as world,
        world.dispatching(),
    ):
        await world.send(ANN)
        for step in (*INTERVALS, INTERVALS[-1]):
            await world.settled()
            world.clock.advance(step * 1.1)
        await world.settled()
        failed = await world.events("failed")
        (row,) = await world.rows()
        assert await db.fetchval("SELECT count(*) FROM suppressions") == 0
        assert await world.differences() == []
    assert [event["severity"] for event in failed[:-1]] == ["temporary"] * (len(failed) - 1)
    numbers = [event["delivery-status"]["attempt-no"] for event in failed]
    assert numbers == list(range(1, len(failed) + 1))
    assert len(failed) >= len(INTERVALS)
    assert all("retry-seconds" in event["delivery-status"] for event in failed[:-1])
    last = failed[-1]
    assert (last["severity"], last["reason"]) == ("permanent", "old")
    assert last["delivery-status"]["code"] == 602
    assert (row["outcome"], row["due"]) == ("failed", None)


async def test_greylisted_then_taken(db: Pool) -> None:
    """The second attempt says so, and carries its number."""
    async with sending(db, refusals={ANN: "450 4.7.1 Greylisted"}) as world, world.dispatching():
        await world.send(ANN)
        await world.settled()
        world.inbox.refusals.clear()
        world.clock.advance(661)
        await world.settled()
        events = await world.events()
    assert _names(events) == ["accepted", "failed", "delivered"]
    assert events[1]["reason"] == "greylisted"
    assert events[2]["delivery-status"]["attempt-no"] == 2


async def test_a_hard_bounce_suppresses(db: Pool) -> None:
    """550 5.1.1: failed for good, on the bounce list, and the next message is not sent: 605."""
    async with (
        sending(db, refusals={ANN: "550 5.1.1 no such user"}) as world,
        world.dispatching(),
    ):
        await world.send(ANN)
        await world.settled()
        bounce = await db.fetchrow("SELECT * FROM suppressions")
        await world.send(ANN.upper().replace("EXAMPLE.NET", "example.net"), BOB)
        await world.settled()
        failed = await world.events("failed")
        assert await world.differences() == []
    assert bounce is not None
    assert (bounce["kind"], bounce["code"], bounce["active"]) == ("bounce", "550", True)
    assert "no such user" in bounce["error"]
    assert [event["severity"] for event in failed] == ["permanent"] * 2
    assert [event["reason"] for event in failed] == ["bounce", "suppress-bounce"]
    assert _codes(failed) == [550, 605]
    assert [envelope.rcpt_tos for envelope in world.inbox.taken] == [[BOB]]


async def test_an_allowed_address_is_never_suppressed(db: Pool) -> None:
    """The allowlist, by address and by domain: the bounce is an event and nothing else."""
    refusals = {ANN: "550 5.1.1 no such user", BOB: "550 5.1.1 no such user"}
    async with sending(db, refusals=refusals) as world, world.dispatching():
        await db.executemany(
            "INSERT INTO allowlist VALUES (1, $1, $2, '', now())",
            [(ANN, "address"), ("example.org", "domain")],
        )
        for _ in range(2):
            await world.send(ANN, BOB)
            await world.settled()
        failed = await world.events("failed")
        assert await db.fetchval("SELECT count(*) FROM suppressions") == 0
    assert _codes(failed) == [550] * 4


async def test_unsubscribed_and_complained(db: Pool) -> None:
    """606 for the domain or a tag of the message, not for another tag; 607 for a complaint."""
    async with sending(db) as world, world.dispatching():
        await _unsubscribe(world, "sales")
        await world.send(ANN, tags=("sales",))
        await world.send(ANN, tags=("other",))
        await world.settled()
        await _suppress(world, "complaint", BOB)
        await world.send(BOB)
        await _unsubscribe(world)
        await world.send(ANN)
        await world.settled()
        failed = await world.events("failed")
    assert _codes(failed) == [606, 607, 606]
    assert {event["severity"] for event in failed} == {"permanent"}
    assert len(world.inbox.taken) == 1


async def test_test_mode_sends_nothing(db: Pool) -> None:
    """Accepted events that say so; suppressed recipients are told all the same."""
    async with sending(db) as world, world.dispatching():
        await _suppress(world, "bounce", BOB)
        await world.send(ANN, BOB, test_mode=True)
        await world.settled()
        events = await world.events()
        assert await world.rows() == []
    assert sorted(_names(events)) == ["accepted", "accepted", "failed"]
    assert all(event["flags"]["is-test-mode"] for event in events)
    assert world.inbox.taken == []


async def test_a_scheduled_message_waits(db: Pool) -> None:
    """Not before its time; who leaves in the meantime is not written to."""
    async with sending(db) as world, world.dispatching():
        due = world.clock.now_us() + 3600 * SECOND
        await world.send(ANN, BOB, deliver_at=due)
        (accepted, _) = await world.events("accepted")
        world.clock.advance(3590)
        await world.settled()
        assert world.inbox.taken == []
        await _unsubscribe(world)
        world.clock.advance(11)
        await world.settled()
        failed = await world.events("failed")
    assert accepted["message"]["scheduled-for"] == due // SECOND
    assert _codes(failed) == [606]
    assert [envelope.rcpt_tos for envelope in world.inbox.taken] == [[BOB]]


async def test_a_retry_asks_for_suppressions_again(db: Pool) -> None:
    """A complaint between two attempts ends the delivery."""
    async with sending(db, refusals={ANN: "451 later"}) as world, world.dispatching():
        await world.send(ANN)
        await world.settled()
        await _suppress(world, "complaint")
        world.inbox.refusals.clear()
        world.clock.advance(700)
        await world.settled()
        failed = await world.events("failed")
        (row,) = await world.rows()
    assert _codes(failed) == [451, 607]
    assert row["outcome"] == "failed"
    assert world.inbox.taken == []


async def test_deliver_within(db: Pool) -> None:
    """A message that is worth half an hour is not tried after it, whoever was away meanwhile."""
    async with sending(db, refusals={ANN: "451 later"}) as world:
        async with world.dispatching():
            await world.send(ANN, deliver_within=1800)
            for step in (660, 990, 700):
                await world.settled()
                world.clock.advance(step)
            await world.settled()
        await world.send(BOB, deliver_within=1800)
        world.clock.advance(3600)
        async with world.dispatching():
            await world.settled()
        failed = await world.events("failed")
        assert [row["outcome"] for row in await world.rows()] == ["failed", "failed"]
    assert _codes(failed) == [451, 451, 602, 602]
    assert failed[-1]["reason"] == "old"
    assert world.inbox.taken == []


async def test_purged(db: Pool) -> None:
    """What waits is dropped, also what waits for a retry; of another domain nothing is."""
    async with sending(db, refusals={ANN: "451 later"}) as world:
        await world.add_domain("mg.example.net")
        async with world.dispatching():
            later = world.clock.now_us() + 7200 * SECOND
            await world.send(ANN)
            await world.send(BOB, deliver_at=later)
            await world.send(BOB, deliver_at=later, domain="mg.example.net")
            await world.settled()
            async with db.acquire() as conn:
                assert await deliveries.purge(conn, 1, world.clock.now_us()) == 2
            world.inbox.refusals.clear()
            world.clock.advance(8000)
            await world.settled()
            outcomes = [row["outcome"] for row in await world.rows()]
    assert outcomes == ["removed", "removed", "delivered"]
    assert len(world.inbox.taken) == 1


MISBEHAVIOUR: dict[str, tuple[dict[str, bytes], bytes]] = {
    "not-smtp": ({}, b"SSH-2.0-x\r\n"),
    "connection-lost-data": ({"body": CLOSE}, b"220 mx\r\n"),
    "no-answer-to-dot": ({".": CLOSE}, b"220 mx\r\n"),
    "timeout-rcpt": ({"RCPT": SILENCE}, b"220 mx\r\n"),
}


async def test_servers_that_misbehave(db: Pool) -> None:
    """Temporary failures that name what happened; the messages stay queued. None answers at all."""
    async with sending(db) as world, AsyncExitStack() as stack:
        for evidence, (answers, greeting) in MISBEHAVIOUR.items():
            port = await stack.enter_async_context(scripted_server(answers, greeting))
            await world.add_domain(f"{evidence}.example", f"smtp://127.0.0.1:{port}?tls=off")
        await world.add_domain("no-connection.example", "smtp://127.0.0.1:1?tls=off")
        async with world.dispatching():
            for name in (*MISBEHAVIOUR, "no-connection"):
                text = "x" * (5_000_000 if name == "connection-lost-data" else 100)
                await world.send(ANN, domain=f"{name}.example", text=text)
            await world.settled()
            failed = await world.events("failed")
            rows = await world.rows()
    told = {event["delivery-status"]["evidence"]: event for event in failed}
    assert set(told) == {*MISBEHAVIOUR, "no-connection"}
    for evidence, event in told.items():
        assert (event["severity"], event["reason"]) == ("temporary", "generic")
        duplicate = event["delivery-status"].get("possible-duplicate", False)
        assert duplicate is (evidence == "no-answer-to-dot")
        assert event["envelope"]["sender"] == f"news@{evidence}.example"
    assert [(row["outcome"], row["holder"], row["attempts"]) for row in rows] == [(None, "", 1)] * 5


async def test_one_bad_recipient_does_not_stop_the_others(db: Pool) -> None:
    """Each recipient of a message has a story of its own."""
    refusals = {ANN: "550 5.1.1 no such user", "cyd@example.net": "452 4.2.2 mailbox full"}
    async with sending(db, refusals=refusals) as world, world.dispatching():
        await world.send(ANN, BOB, Addressee("cyd@example.net", "Cyd"))
        await world.settled()
        outcomes = [row["outcome"] for row in await world.rows()]
        assert await world.differences() == []
    assert outcomes == ["failed", "delivered", None]
    assert mail(world.inbox.taken[0].content)["To"].addresses[2].display_name == "Cyd"
