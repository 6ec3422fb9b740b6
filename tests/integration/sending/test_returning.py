"""What comes back acts once, on proof, and all of it is accounted for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from edge.model.domain import Domain
from edge.sending.returned_mail import Outcome
from edge.store.list_members import Entry as Member
from edge.store.pool import Pool
from edge.store.suppressed import TABLES, Entry, Kind
from edge.store.suppressions import Block
from tests.integration.sending.postfix import postfix
from tests.integration.sending.returning_worlds import Back, bounce, coming_back, complaint
from tests.integration.sending.worlds import OURS, World, sending
from tests.integration.webhooks.receivers import Post, receiving
from tests.integration.webhooks.worlds import World as Hooks

ANN, BOB = "ann@example.net", "bob@example.org"


async def _kinds(back: Back, *kinds: str) -> list[dict[str, Any]]:
    return await back.world.events(*kinds)


@asynccontextmanager
async def _told(world: World, domain: Domain, kind: str) -> AsyncIterator[list[Post]]:
    """What a webhook of the domain is told of this kind; all of it by the end of the block."""
    async with receiving() as receiver:
        hooks = Hooks(world.pool, world.clock, world.vault, receiver, domain)
        await hooks.listen("/200/hook", types=[kind])
        yield receiver.posts
        async with hooks.dispatching():
            await hooks.settled()


async def test_a_real_delivery_report_suppresses(db: Pool) -> None:
    """Accepted by Postfix, returned by Postfix to the return path: suppressed, and told of once."""
    async with sending(db) as world, coming_back(world) as back:
        main = (
            "mydestination =\nlocal_recipient_maps =\nrelay_domains = example.net\n"
            f"relayhost = [127.0.0.1]:{back.port}\n"
            f"transport_maps = inline:{{{{ example.net=smtp:[127.0.0.1]:{world.port} }}}}\n"
        )
        world.inbox.refusals[ANN] = "550 5.1.1 <ann@example.net> User unknown in virtual table"
        async with postfix(main) as relay, world.dispatching():
            other = await world.add_domain(
                "mg.example.net", f"smtp://127.0.0.1:{relay.port}?tls=off"
            )
            async with _told(world, other, "permanent_fail") as posts:
                accepted = await world.send(ANN, domain=other.name)
                await world.settled()
                for _ in range(400):
                    if await world.events("failed"):
                        break
                    await asyncio.sleep(0.05)
                failed = await world.events("failed")
                assert failed, relay.said()[-4000:]
            await world.send(ANN, domain=other.name)
            await world.settled()
            last = (await world.events("failed"))[-1]
        (event,) = failed
        assert [post.event["id"] for post in posts] == [event["id"]]
        assert (event["severity"], event["reason"]) == ("permanent", "delayed-bounce")
        assert event["flags"]["is-delayed-bounce"] is True
        assert event["recipient"] == ANN
        assert event["message"]["headers"]["message-id"] == accepted.message_id
        assert event["delivery-status"]["bounce-code"] == "5.1.1"
        assert event["delivery-status"]["reason"] == "user-unknown"
        assert (last["reason"], last["delivery-status"]["code"]) == ("suppress-bounce", 605)
        assert await world.differences() == []


async def test_a_complaint_suppresses(db: Pool) -> None:
    """A feedback report to the loop's address, proved by what it returns: complained, once."""
    async with sending(db) as world, coming_back(world) as back, world.dispatching():
        await world.send(ANN)
        await world.settled()
        raw = complaint(ANN, path=back.path())
        async with _told(world, world.domains[OURS], "complained") as posts:
            for _ in range(3):
                assert (await back.mail(f"fbl@bounces.{OURS}", raw))[0] == 250
        assert await back.block(ANN) is Block.COMPLAINT
        (event,) = await world.events("complained")
        assert [post.event["id"] for post in posts] == [event["id"]]
        assert (event["recipient"], event["log-level"]) == (ANN, "warn")
        await world.send(ANN)
        await world.settled()
        (failed,) = await world.events("failed")
        assert failed["reason"] == "suppress-complaint"


async def test_a_soft_bounce_is_recorded_only(db: Pool) -> None:
    """Over quota: a temporary failure, and mail goes out again."""
    async with sending(db) as world, coming_back(world) as back, world.dispatching():
        await world.send(ANN)
        await world.settled()
        raw = bounce(ANN, diagnostic="552 5.2.2 Over quota", status="5.2.2")
        assert (await back.mail(back.path(), raw))[0] == 250
        (event,) = await world.events("failed")
        assert (event["severity"], event["reason"]) == ("temporary", "generic")
        assert event["delivery-status"]["reason"] == "mailbox-full"
        assert await back.block(ANN) is None


async def test_a_run_of_soft_bounces_suppresses(db: Pool) -> None:
    """As many as are set, on three days at least; those about the sender never count."""
    async with (
        sending(db) as world,
        coming_back(world, soft_run=4) as back,
        world.dispatching(),
    ):
        full = bounce(ANN, diagnostic="552 5.2.2 Over quota", status="5.2.2")
        blocked = bounce(ANN, diagnostic="550 5.7.1 blocked using zen.spamhaus.org", status="5.7.1")
        seen = []
        for raw in (full, full, blocked, blocked, full, full):
            await world.send(ANN)
            await world.settled()
            await back.mail(back.path(), raw)
            seen.append(await back.block(ANN))
            world.clock.advance(86_400)
        assert seen == [None] * 5 + [Block.BOUNCE]


async def test_the_same_report_a_thousand_times_is_one_event(db: Pool) -> None:
    """Duplicates, together and one after the other, count once."""
    async with sending(db) as world, coming_back(world) as back, world.dispatching():
        await world.send(ANN)
        await world.settled()
        raw = bounce(ANN)
        path = back.path()
        results = await asyncio.gather(*(back.take(raw, to=(path,)) for _ in range(50)))
        assert sum(one.outcome is Outcome.RECORDED for one in results) == 1
        assert sum(one.outcome is Outcome.DUPLICATE for one in results) == 49
        assert len(await world.events("failed")) == 1
        assert await world.pool.fetchval("SELECT seen FROM returns") == 50


async def test_a_forged_report_suppresses_nobody(db: Pool) -> None:
    """Another's address, a changed MAC, no proof at all: nothing is done, and the mail is kept."""
    async with sending(db) as world, coming_back(world) as back, world.dispatching():
        accepted = await world.send(ANN)
        await world.send(BOB)
        await world.settled()
        path = next(p for p in (back.path(0), back.path(1)))
        owner = world.inbox.taken[0].rcpt_tos[0]
        victim = BOB if owner == ANN else ANN
        local, _, host = path.partition("@")
        forged = f"{local[:-2]}{'aa' if local[-2:] != 'aa' else 'ca'}@{host}"
        assert (await back.mail(forged, bounce(ANN)))[0] == 550
        assert (await back.mail(f"news@bounces.{OURS}", bounce(ANN)))[0] == 550
        assert (await back.mail("fbl@bounces.example.org", bounce(ANN)))[0] == 550
        raw = bounce(ANN, message_id=accepted.message_id)
        assert (await back.mail(f"fbl@bounces.{OURS}", raw))[0] == 250
        # An authentic path speaks for its own recipient only, whoever the report names.
        assert (await back.mail(path, bounce(victim)))[0] == 250
        assert await back.block(victim) is None
        assert {one["recipient"] for one in await world.events("failed")} == {owner}
        (kept,) = await back.unparsed()
        assert "no authentic return path" in kept["why"]


async def test_matching_without_a_return_path(db: Pool) -> None:
    """From a trusted door: by message id and recipient, then by recipient and time."""
    async with sending(db) as world, coming_back(world) as back, world.dispatching():
        accepted = await world.send(ANN, BOB)
        await world.settled()
        by_id = await back.take(bounce(ANN.upper(), message_id=accepted.message_id))
        assert [one.by for one in by_id.matched] == ["message-id"]
        by_time = await back.take(bounce(BOB))
        assert [one.by for one in by_time.matched] == ["recipient-and-time"]
        again = await back.take(bounce(BOB))
        assert again.outcome is Outcome.DUPLICATE
        stranger = await back.take(bounce("nobody@example.com", message_id="x@example.com"))
        assert stranger.outcome is Outcome.UNPARSED
        world.clock.advance(6 * 86_400)
        late = await back.take(bounce(BOB))
        assert late.outcome is Outcome.UNPARSED
        assert {await back.block(ANN), await back.block(BOB)} == {Block.BOUNCE}


async def test_the_allowlist_is_respected(db: Pool) -> None:
    """A hard bounce is told of, and the address is not put on the list."""
    async with sending(db) as world, coming_back(world) as back, world.dispatching():
        await world.send(ANN)
        await world.settled()
        async with world.pool.acquire() as conn:
            number, now = world.domains[OURS].number, world.clock.now_us()
            await TABLES[Kind.WHITELISTS].put(conn, number, [Entry(ANN)], now_us=now)
        await back.mail(back.path(), bounce(ANN))
        assert len(await world.events("failed")) == 1
        assert await world.pool.fetchval("SELECT count(*) FROM suppressions") == 0


AWAY = (
    b"From: Ann <ann@example.net>\r\nSubject: Out of office: News\r\n"
    b"Auto-Submitted: auto-replied\r\n\r\nI am away. unsubscribe\r\n"
)


async def test_unsubscribing_by_mail(db: Pool) -> None:
    """A person's mail to the unsubscribe address counts; auto-replies and bounces to it do not."""
    async with sending(db) as world, coming_back(world) as back, world.dispatching():
        await world.send(ANN, html="<p>%unsubscribe_email%</p>", text=None)
        await world.settled()
        content = world.inbox.taken[0].content
        assert isinstance(content, bytes)
        address = "u-" + content.decode().replace("=\r\n", "").partition("u-")[2][:29]
        to = f"{address}@bounces.{OURS}"
        assert (await back.mail(to, AWAY, ANN))[0] == 250
        assert (await back.mail(to, bounce(ANN)))[0] == 250
        assert await back.block(ANN) is None
        leave = b"From: ann@example.net\r\nSubject: unsubscribe\r\n\r\n\r\n"
        for _ in range(2):
            assert (await back.mail(to, leave, ANN))[0] == 250
        assert await back.block(ANN) is Block.UNSUBSCRIBE
        (event,) = await world.events("unsubscribed")
        assert event["recipient"] == ANN
        assert await world.events("failed") == []


async def test_what_is_no_failure_does_nothing(db: Pool) -> None:
    """Auto-replies, notices of delay or success, not-spam: noted; an ordinary mail: kept."""
    async with sending(db) as world, coming_back(world) as back, world.dispatching():
        await world.send(ANN)
        await world.settled()
        path = back.path()
        for raw in (
            AWAY,
            bounce(ANN, action="delayed", status="4.4.1", diagnostic="451 4.4.1 later"),
            bounce(ANN, action="delivered", status="2.0.0", diagnostic="250 ok"),
            complaint(ANN, kind="not-spam"),
        ):
            assert (await back.take(raw, to=(path,))).outcome is Outcome.NOTED
        plain = await back.take(b"From: ann@example.net\r\nSubject: Hi\r\n\r\nHi\r\n", to=(path,))
        assert plain.outcome is Outcome.UNPARSED
        assert await world.events("failed", "complained", "unsubscribed") == []
        assert await back.block(ANN) is None


@pytest.mark.parametrize("size", [0, 3_000_000])
async def test_empty_and_large(db: Pool, size: int) -> None:
    """Nothing, and megabytes of nothing: taken, kept as far as it is kept, and no harm."""
    async with sending(db) as world, coming_back(world) as back, world.dispatching():
        await world.send(ANN)
        await world.settled()
        assert (await back.mail(back.path(), b"x" * 70 + b"\r\n" + b"x\r\n" * (size // 3)))[
            0
        ] == 250
        (kept,) = await back.unparsed()
        assert len(kept["source"]) <= 128 * 1024


async def test_a_network_may_only_bring_so_much(db: Pool) -> None:
    """Beyond its rate it is told to come back later, and may."""
    async with sending(db) as world, coming_back(world, rate=2) as back, world.dispatching():
        await world.send(ANN)
        await world.settled()
        codes = [(await back.mail(back.path(), bounce(ANN)))[0] for _ in range(2)]
        assert codes == [250, 250]
        assert (await back.mail(back.path(), bounce(ANN)))[0] in {451, 503}
        world.clock.advance(60)
        assert (await back.mail(back.path(), bounce(ANN)))[0] == 250


async def test_a_loop_ends(db: Pool) -> None:
    """A hundred Received fields are enough."""
    async with sending(db) as world, coming_back(world) as back, world.dispatching():
        await world.send(ANN)
        await world.settled()
        raw = b"Received: from a by b\r\n" * 102 + bounce(ANN)
        assert (await back.mail(back.path(), raw))[0] == 554
        assert await back.block(ANN) is None


async def test_a_bounce_may_be_faster_than_its_delivery_is_written_down(db: Pool) -> None:
    """While a delivery is under way its return path is known already; one never begun is not."""
    async with sending(db) as world, coming_back(world) as back, world.dispatching():
        await world.send(ANN)
        await world.settled()
        await world.pool.execute("UPDATE deliveries SET attempts = 0, holder = 'edge1:sending'")
        assert (await back.take(bounce(ANN), to=(back.path(),))).outcome is Outcome.RECORDED
        await world.pool.execute("UPDATE deliveries SET holder = ''")
        soft = bounce(ANN, diagnostic="552 5.2.2 Over quota", status="5.2.2")
        strange = await back.take(soft, to=(back.path(),), trusted=False)
        assert strange.outcome is Outcome.UNPARSED


async def test_leaving_a_list_by_mail(db: Pool) -> None:
    """The unsubscribe address of a list's mail takes its member off that list, and nothing else."""
    name = f"list@{OURS}"
    async with sending(db) as world, coming_back(world) as back, world.dispatching():
        await world.add_list(name, Member(ANN))
        await world.send(name, html="<p>%unsubscribe_email%</p>", text=None)
        await world.settled()
        content = world.inbox.taken[0].content
        assert isinstance(content, bytes)
        local = "u-" + content.decode().replace("=\r\n", "").partition("u-")[2][:29]
        assert (await back.mail(f"{local}@bounces.{OURS}", b"Subject: bye\r\n\r\n"))[0] == 250
        subscribed = await world.pool.fetchval("SELECT subscribed FROM list_members")
        assert (subscribed, await back.block(ANN)) == (False, None)
