"""Queue and workers: dead holders, lost leases, several processes, a database that goes away."""

import asyncio
from collections import Counter

import pytest

from edge.lifecycle import Tasks
from edge.model.errors import CallerError, PeerError
from edge.observe import metrics
from edge.sending.accept import LARGE, Acceptor
from edge.sending.dispatch import LEASE_US
from edge.sending.message import Addressee, Message, Options, Origin, QueueFull
from edge.sending.session import Deadlines
from edge.store import pool, routes
from edge.store.pool import UNAVAILABLE, Pool
from tests.integration.sending.servers import SILENCE, scripted_server
from tests.integration.sending.worlds import OTHER, OURS, World, sending

ANN = "ann@example.net"
SECOND = 1_000_000
AWAY: tuple[type[Exception], ...] = (PeerError, *UNAVAILABLE)


async def _until(db: Pool, question: str) -> None:
    """Wait until the database says yes."""
    async with asyncio.timeout(30):
        while not await db.fetchval(question):
            await asyncio.sleep(0.01)


def _taken(world: World) -> Counter[str]:
    return Counter(recipient for one in world.inbox.taken for recipient in one.rcpt_tos)


def _fenced() -> float:
    return float(metrics.DELIVERIES_FENCED._value.get())


async def test_a_dead_holders_deliveries(db: Pool) -> None:
    """Its successor has them at once, anybody else after the lease."""
    async with sending(db) as world:
        await world.send(ANN)
        await db.execute(
            "UPDATE deliveries SET holder = 'edge1:sending', due = $1",
            world.clock.now_us() + 100 * SECOND,
        )
        async with world.dispatching("edge2:sending"):
            await world.send("bob@example.net")
            await _until(db, "SELECT count(*) = 1 FROM deliveries WHERE due IS NULL")
            assert _taken(world) == {"bob@example.net": 1}
            async with world.dispatching("edge1:sending"):
                await world.settled()
        assert _taken(world) == {ANN: 1, "bob@example.net": 1}
        await world.send("cyd@example.net")
        await db.execute(
            "UPDATE deliveries SET holder = 'edge3:sending', due = $1 WHERE due IS NOT NULL",
            world.clock.now_us() + 100 * SECOND,
        )
        world.clock.advance(101)
        async with world.dispatching("edge2:sending"):
            await world.settled()
        assert _taken(world)["cyd@example.net"] == 1


async def test_a_lost_lease_tells_nothing(db: Pool) -> None:
    """Of two processes with one delivery only the present holder's outcome is written."""
    async with sending(db) as world, scripted_server({"RCPT": SILENCE}) as port:
        await world.add_domain(OTHER, f"smtp://127.0.0.1:{port}?tls=off")
        await world.send(ANN, domain=OTHER)
        before = _fenced()
        async with world.dispatching("a"):
            await _until(db, "SELECT holder = 'a' FROM deliveries")
            await db.execute(
                "UPDATE deliveries SET holder = 'b', due = $1",
                world.clock.now_us() + 100 * SECOND,
            )
            async with asyncio.timeout(30):
                while _fenced() == before:
                    await asyncio.sleep(0.01)
            assert await world.events("failed") == []
            async with world.dispatching("b"):
                await world.settled()
        failed = await world.events("failed")
        (row,) = await world.rows()
        assert await world.differences() == []
    assert [event["delivery-status"]["attempt-no"] for event in failed] == [1]
    assert (row["attempts"], row["holder"]) == (1, "")


async def test_two_dispatchers_send_each_copy_once(db: Pool) -> None:
    """Both take from one queue, and nothing goes out twice."""
    people = [f"r{number}@example.net" for number in range(400)]
    async with sending(db) as world:
        await asyncio.gather(
            *(world.send(*people[at : at + 20]) for at in range(0, 200, 20)),
            *(world.send(one) for one in people[200:]),
        )
        async with world.dispatching("a", most=20), world.dispatching("b", most=20):
            await world.settled()
        assert _taken(world) == dict.fromkeys(people, 1)
        assert len(await world.events("delivered")) == 400
        assert await world.differences() == []


async def test_postgres_goes_away_and_comes_back(db: Pool, database_url: str) -> None:
    """All connections die again and again: what was accepted arrives, once, and is told once."""
    async with sending(db) as world, pool.opened(database_url) as other:
        accepted: list[str] = []

        async def insist(number: int) -> None:
            recipient = f"r{number}@example.net"
            while True:
                try:
                    await world.send(recipient)
                except AWAY:
                    await asyncio.sleep(0.01)
                else:
                    accepted.append(recipient)
                    return

        async with world.dispatching(most=20):
            for start in range(0, 200, 40):
                sends = asyncio.gather(*map(insist, range(start, start + 40)))
                await asyncio.sleep(0.05)
                await other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                await sends
            # What was leased when the answer was lost falls due again after the lease.
            world.clock.advance(LEASE_US / SECOND + 1)
            await _seen_by(world, other).settled()
        rows = await other.fetch("SELECT recipient, outcome FROM deliveries")
        delivered = await other.fetch("SELECT recipient FROM events WHERE event = 'delivered'")
        assert await world.differences() == []
    told = Counter(row["recipient"] for row in delivered)
    queued = Counter(row["recipient"] for row in rows)
    assert set(queued) == set(accepted)
    assert {row["outcome"] for row in rows} == {"delivered"}
    # Who asked again because the answer to the COMMIT was lost may have queued a message twice.
    assert _taken(world) == told == queued


def _seen_by(world: World, other: Pool) -> World:
    """The world as another pool sees it, whose connections nobody cuts."""
    return World(other, world.clock, world.acceptor, world.inbox, world.port)


@pytest.mark.parametrize("size", [100, LARGE + 1000])
async def test_a_server_that_hangs_stops_nobody_else(db: Pool, size: int) -> None:
    """With more messages for a silent server than there are places, others still get theirs."""
    async with sending(db) as world, world.dispatching(deadlines=Deadlines()):
        async with scripted_server({"RCPT": SILENCE}) as port:
            await world.add_domain(OTHER, f"smtp://127.0.0.1:{port}?tls=off")
            world.clock.advance(2)
            hung = [f"hung{number}@example.org" for number in range(60)]
            await world.send(*hung, domain=OTHER, text="x\n" * (size // 2))
            await _until(db, "SELECT count(*) >= 20 FROM deliveries WHERE holder <> ''")
            people = [f"r{number}@example.net" for number in range(10)]
            await world.send(*people, text="x\n" * (size // 2))
            await _until(db, "SELECT count(*) = 10 FROM deliveries WHERE outcome = 'delivered'")
        assert _taken(world) == dict.fromkeys(people, 1)


async def test_a_domain_may_send_at_once(db: Pool) -> None:
    """Mail of a domain that was added a moment ago is not that of a removed one."""
    async with sending(db) as world, world.dispatching() as homes:
        async with asyncio.timeout(30):
            while homes.return_paths is None:
                await asyncio.sleep(0.01)
        await world.add_domain(OTHER)
        await world.send(ANN, domain=OTHER)
        await world.settled()
        (row,) = await world.rows()
    assert row["outcome"] == "delivered"


async def test_a_removed_domains_queue(db: Pool) -> None:
    """What a domain left behind when it was removed fails, and says why."""
    async with sending(db) as world:
        await world.add_domain(OTHER)
        await world.send(ANN, domain=OTHER)
        await db.execute("UPDATE domains SET removed_at = now() WHERE name = $1", OTHER)
        async with world.dispatching():
            await world.settled()
        (failed,) = await world.events("failed")
    assert failed["severity"] == "permanent"
    assert "removed" in failed["delivery-status"]["message"]


async def test_no_domains_name_stops_the_others(db: Pool) -> None:
    """Any name that can be added can be signed for."""
    names = ("a_.example.com", "_.example.com", "a-_-b.example.com", "1.2.ex")
    async with sending(db) as world:
        for name in names:
            await world.add_domain(name)
        async with world.dispatching():
            for name in (OURS, *names):
                await world.send(f"r@{name}", domain=name)
            await world.settled()
    assert _taken(world) == {f"r@{name}": 1 for name in (OURS, *names)}


async def test_one_bad_row_does_not_hurt_its_batch(db: Pool) -> None:
    """Of messages that share a transaction only the one that cannot be stored is refused."""
    bad = Addressee(ANN, variables={"x": "a\0b"})
    async with sending(db) as world:
        results = await asyncio.gather(
            *(world.send(f"r{number}@example.net") for number in range(10)),
            world.send(bad, personal=True),
            *(world.send(f"s{number}@example.net") for number in range(10)),
            return_exceptions=True,
        )
        refused = [one for one in results if isinstance(one, BaseException)]
        assert await db.fetchval("SELECT count(*) FROM deliveries") == 20
        assert await db.fetchval("SELECT count(*) FROM messages") == 20
        assert len(await world.events("accepted")) == 20
        assert await world.differences() == []
    (error,) = refused
    assert isinstance(error, CallerError)
    assert "cannot be stored" in str(error)


async def test_a_full_queue_refuses(db: Pool) -> None:
    """Nothing of the message is kept then."""
    async with sending(db, queue_limit=2) as world:
        await world.send(ANN, "bob@example.net")
        with pytest.raises(QueueFull):
            await world.send("cyd@example.net")
        assert await db.fetchval("SELECT count(*) FROM messages") == 1


@pytest.mark.parametrize("size", [100, 20_000_000])
async def test_stopping_answers_everybody(db: Pool, size: int) -> None:
    """A message that is being read when the child stops is accepted or refused, never forgotten."""
    async with sending(db) as world:
        acceptor = Acceptor(world.clock, public_url="http://x", queue_limit=100, most_tags=10)
        acceptor.database = db
        tasks = Tasks(grace=5.0)
        tasks.spawn("accept", acceptor.run(tasks))
        message = Message(
            domain=world.domains[OURS],
            source=b"From: a@mg.example.com\r\n\r\n" + b"x\r\n" * (size // 3),
            sender="a@mg.example.com",
            recipients=(Addressee(ANN),),
            options=Options(),
            origin=Origin(method="SMTP"),
        )
        asked = asyncio.gather(acceptor.accept(message), return_exceptions=True)
        await asyncio.sleep(0)
        await tasks.close()
        async with asyncio.timeout(20):
            (result,) = await asked
        count = await db.fetchval("SELECT count(*) FROM messages")
        assert count == (0 if isinstance(result, PeerError) else 1), result


async def test_mail_waits_while_its_route_cannot_be_read(db: Pool) -> None:
    """A newer release may have written the route: nothing fails, and others are served."""
    async with sending(db) as world:
        held = await world.add_domain(OTHER, "newer://what is this")
        await world.send("bob@example.net", domain=OTHER)
        await world.send(ANN)
        async with world.dispatching() as homes:
            await _until(db, "SELECT count(*) = 1 FROM deliveries WHERE due IS NULL")
            assert homes.held == {held.number}
            assert _taken(world) == {ANN: 1}
            async with db.acquire() as conn:
                route = f"smtp://127.0.0.1:{world.port}?tls=off"
                await routes.set_route(conn, world.vault, held.number, route)
            world.clock.advance(2)
            await world.settled()
        assert _taken(world) == {ANN: 1, "bob@example.net": 1}
        assert await db.fetchval("SELECT count(*) FROM events WHERE event = 'failed'") == 0


async def test_a_new_installation_without_any_key(db: Pool) -> None:
    """Whoever needs the first key first makes it: there may be no tracking on this machine."""
    async with sending(db) as world:
        await db.execute("DELETE FROM keys")
        await world.send(ANN)
        async with world.dispatching():
            await world.settled()
        assert _taken(world) == {ANN: 1}
        assert await db.fetchval("SELECT count(*) FROM keys") == 1


async def test_an_event_that_cannot_be_stored_does_not_send_its_message_again(db: Pool) -> None:
    """The row is settled without it, and the others of its batch have theirs."""
    async with sending(db) as world:
        await db.execute(
            "ALTER TABLE events ADD CONSTRAINT no_bob CHECK "
            "(event <> 'delivered' OR recipient <> 'bob@example.net')"
        )
        await world.send(ANN, "bob@example.net")
        async with world.dispatching():
            await world.settled()
        assert _taken(world) == {ANN: 1, "bob@example.net": 1}
        told = await db.fetch("SELECT recipient FROM events WHERE event = 'delivered'")
        assert [row["recipient"] for row in told] == [ANN]
