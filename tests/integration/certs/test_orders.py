"""Orders that end otherwise than well, accounts that change under way: what the row says then."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from certs.authority import Authority
from certs.errors import BadAnswer, OperatorError, Unavailable
from certs.host import Failure, Host, PendingOrder
from certs.keys import new_key
from certs.memory_storage import MemoryStorage
from certs.storage import Account
from tests.integration.certs.fault_proxy import URN, faulty
from tests.integration.certs.pebble import pebble
from tests.integration.certs.worlds import MovedClock, World, terms, world

NAME = "email.brand.example"
Rewrite = Callable[[str, dict[str, Any]], None]


def orders(**changes: Any) -> Rewrite:
    """Change every order that is read."""

    def rewrite(path: str, answer: dict[str, Any]) -> None:
        if path.startswith("/my-order/"):
            answer.update(changes)

    return rewrite


def authorizations(**changes: Any) -> Rewrite:
    """Change every authorization that is read."""

    def rewrite(path: str, answer: dict[str, Any]) -> None:
        if path.startswith("/authZ/"):
            answer.update(changes)

    return rewrite


async def failure(w: World) -> Failure:
    """Work until the host failed; how."""
    await w.storage.add(NAME)
    await w.work(lambda: w.host(NAME).failure is not None)
    found = w.host(NAME).failure
    assert found is not None
    return found


CAA = {"type": URN + "caa", "detail": "CAA record for brand.example prevents issuance"}


@pytest.mark.parametrize(
    ("rewrite", "who", "text"),
    [
        (orders(status="invalid", error=CAA), "customer", "CAA record"),
        (orders(status="invalid"), "authority", "does not say why"),
        (orders(status="odd"), "authority", "in the state 'odd'"),
        (orders(status="valid"), "authority", "without a certificate"),
        (orders(identifiers=[]), "authority", "an order for ()"),
        (authorizations(challenges=[]), "customer", "no HTTP-01"),
        (authorizations(status="expired"), "authority", "authorization is expired"),
        (authorizations(challenges="x"), "authority", "no list"),
    ],
)
async def test_an_order_that_ends_badly_is_given_up_with_its_reason(
    rewrite: Rewrite, who: str, text: str
) -> None:
    """Who must act and why, by the authority's own words; then it goes on by itself."""
    async with pebble() as ca, faulty(ca) as proxy, world(ca, directory=proxy.directory) as w:
        proxy.rewrite = rewrite
        found = await failure(w)
        assert found.who == who
        assert text in found.text
        assert w.host(NAME).order is None
        proxy.rewrite = None
        await w.work(lambda: NAME in w.storage.certificates)


async def test_a_challenge_is_answered_once() -> None:
    """Boulder leaves it pending while it looks; each further answer would be another validation."""

    def pending(path: str, answer: dict[str, Any]) -> None:
        for challenge in answer.get("challenges", ()):
            if challenge["status"] == "processing":
                challenge["status"] = "pending"

    slow = {"PEBBLE_VA_NOSLEEP": "0", "PEBBLE_VA_SLEEPTIME": "2"}
    async with (
        pebble(reject=0, environment=slow) as ca,
        faulty(ca) as proxy,
        world(ca, directory=proxy.directory) as w,
    ):
        proxy.rewrite = pending
        await w.issue(NAME)
        assert sum(path.startswith("/chalZ/") for path in proxy.paths) == 1


async def test_a_challenge_that_was_decided_meanwhile_is_read_again() -> None:
    """Pebble refuses to look a second time; whoever resumes an order may ask for that.

    No nonce is refused here: the answer that is lost has to be one to a challenge taken.
    """
    async with (
        pebble(reject=0) as ca,
        faulty(ca) as proxy,
        world(ca, directory=proxy.directory) as w,
    ):

        def exchanged(path: str, done: bool) -> None:
            if path.startswith("/chalZ/") and done:
                refusal = {"type": URN + "malformed", "detail": "not pending"}
                proxy.answers["/chalZ/"] = (400, refusal, {})
                raise ConnectionError("the answer is lost")

        proxy.exchanged = exchanged
        await w.issue(NAME)
        assert len(proxy.orders) == 1


async def test_a_challenge_that_failed_and_is_pending_again_is_a_failure() -> None:
    """RFC 8555 § 8.2: such an authority (smallstep's, Caddy's) would wait for us for ever."""

    def again(path: str, answer: dict[str, Any]) -> None:
        if path.startswith("/authZ/") and answer["status"] == "invalid":
            answer["status"] = "pending"
            for challenge in answer["challenges"]:
                challenge["status"] = "pending"
        elif path.startswith("/my-order/") and answer["status"] == "invalid":
            answer["status"] = "pending"

    async with pebble() as ca, faulty(ca) as proxy, world(ca, directory=proxy.directory) as w:
        proxy.rewrite = again
        ca.responder.silent.add(NAME)
        found = await failure(w)
        assert (found.who, found.problem) == ("customer", URN + "unauthorized")
        assert w.host(NAME).order is None


async def test_an_unknown_error_is_backed_off_from() -> None:
    """A problem type that nobody knows counts as a failure, so that it is not asked each minute."""
    async with pebble() as ca, faulty(ca) as proxy, world(ca, directory=proxy.directory) as w:
        proxy.answers["/finalize-order/"] = (400, {"type": URN + "badCSR", "detail": "odd"}, {})
        found = await failure(w)
        assert (found.who, found.problem) == ("authority", URN + "badCSR")
        assert w.host(NAME).failures == 1
        assert w.host(NAME).order is None


async def test_a_lost_answer_to_finalize_is_no_failure() -> None:
    """The order is finalized already: ``orderNotReady`` means read it again."""
    async with (
        pebble(reject=0) as ca,
        faulty(ca) as proxy,
        world(ca, directory=proxy.directory) as w,
    ):
        seen: list[str] = []

        def exchanged(path: str, done: bool) -> None:
            if path.startswith("/finalize-order/") and done and not seen:
                seen.append(path)
                raise ConnectionError("the answer is lost")

        proxy.exchanged = exchanged
        certificate = await w.issue(NAME)
        assert seen
        assert certificate.host == NAME
        assert len(proxy.orders) == 1


async def test_an_authority_that_lists_no_orders_gets_a_new_one() -> None:
    """Let's Encrypt has no such list; a broken one stops nobody."""
    async with pebble() as ca, faulty(ca) as proxy, world(ca, directory=proxy.directory) as w:
        await w.authority.account()
        proxy.answers["/list-orderz/"] = (404, {"type": URN + "malformed", "detail": "no"}, {})
        order = PendingOrder(proxy.directory, new_key(), w.clock.now())
        w.storage.hosts[NAME] = Host(NAME, order=order)
        await w.work(lambda: NAME in w.storage.certificates)
        assert w.storage.certificates[NAME].key_pem == order.key_pem


async def test_an_order_of_an_authority_that_is_no_longer_ours_is_dropped() -> None:
    """The operator changed the directory while an order ran."""
    async with pebble() as ca, world(ca) as w:
        order = PendingOrder("https://old.example/dir", new_key(), w.clock.now(), "https://old/1")
        w.storage.hosts[NAME] = Host(NAME, order=order)
        await w.work(lambda: NAME in w.storage.certificates)
        assert w.storage.certificates[NAME].key_pem != order.key_pem


async def test_a_row_that_is_due_for_nothing_gets_its_time_back() -> None:
    """Touched by hand: its own times say when it is due."""
    async with pebble() as ca, world(ca) as w:
        await w.issue(NAME)
        await w.work(lambda: w.host(NAME).due > w.clock.now())
        due = w.host(NAME).due
        w.storage.hosts[NAME] = replace(w.host(NAME), due=0.0)
        assert await w.manager.step()
        assert w.host(NAME).due == due


async def test_a_zombie_comes_back_when_its_gate_opens() -> None:
    """No orders while it is detached; one good check, and it is issued for."""
    closed = [True]

    async def gate(name: str) -> None:
        if closed[0]:
            raise BadAnswer(f"{name} leads elsewhere")

    async with pebble() as ca, world(ca, gate=gate) as w:
        w.storage.hosts[NAME] = Host(NAME, detached=True, failures=9)
        await w.work(lambda: w.host(NAME).failures == 11)
        assert w.host(NAME).order is None
        assert "/order" not in ca.log()
        closed[0] = False
        await w.work(lambda: NAME in w.storage.certificates)


async def test_an_order_of_a_lost_account_is_made_anew() -> None:
    """The account that we have now may not read it: no reason to wait for a day."""
    async with pebble() as ca, faulty(ca) as proxy, world(ca, directory=proxy.directory) as w:
        refusal = {"type": URN + "unauthorized", "detail": "not your order"}
        proxy.answers["/my-order/"] = (403, refusal, {})
        await w.storage.add(NAME)
        await w.work(lambda: w.host(NAME).failure is not None)
        assert w.host(NAME).order is None
        assert w.host(NAME).failures == 0
        proxy.answers.clear()
        await w.work(lambda: NAME in w.storage.certificates)


async def test_a_staging_authority_that_is_down_rehearses_nothing() -> None:
    """It is there to help: without it the next try is a real one, and nothing pauses."""
    async with pebble() as ca, pebble() as staging, world(ca, staging=staging) as w:
        staging.stop()
        ca.responder.silent.add(NAME)
        await w.storage.add(NAME)
        await w.work(lambda: w.host(NAME).rehearse)
        ca.responder.silent.clear()
        await w.work(lambda: NAME in w.storage.certificates)


async def test_a_directory_must_be_https_and_answer_itself() -> None:
    """Plain http is the operator's mistake; a redirected request is nobody's answer."""
    async with pebble() as ca, faulty(ca) as proxy:
        plain = Authority(
            terms(ca, directory="http://localhost/dir"), MemoryStorage(), MovedClock()
        )
        moved = Authority(terms(ca, directory=proxy.directory), MemoryStorage(), MovedClock())
        proxy.answers["/sign-me-up"] = (302, {}, {"Location": "https://portal.example/"})
        try:
            with pytest.raises(OperatorError, match="not https"):
                await plain.account()
            with pytest.raises(BadAnswer, match="redirect"):
                await moved.account()
        finally:
            plain.close()
            moved.close()


# Renewal information that cannot be had


async def test_no_renewal_information_is_no_failure() -> None:
    """It is advice: the backstop stands, and the certificate is renewed by it."""
    async with pebble() as ca, faulty(ca) as proxy, world(ca, directory=proxy.directory) as w:
        proxy.answers["/ari/"] = (404, {"type": URN + "malformed", "detail": "unknown"}, {})
        await w.issue(NAME)
        await w.work(lambda: w.host(NAME).due > w.clock.now())
        validity = w.host(NAME).validity
        assert validity is not None
        assert validity.window is None
        assert w.host(NAME).failure is None


# Accounts


async def test_a_change_of_keys_that_is_refused_keeps_the_old_one() -> None:
    """The account goes on with the key that the authority knows."""
    async with pebble() as ca, faulty(ca) as proxy, world(ca, directory=proxy.directory) as w:
        before = await w.authority.account()
        for status in (400, 503):
            proxy.answers["/rollover-account-key"] = (status, {"type": URN + "serverInternal"}, {})
            with pytest.raises(Unavailable):
                await w.authority.change_key()
        after = await w.authority.account()
        assert (after.key_pem, after.next_key_pem) == (before.key_pem, None)
        await w.issue(NAME)


async def test_a_change_of_keys_whose_answer_is_lost_is_found_out() -> None:
    """The authority changed it: the new key is kept, as it would be after a crash."""
    async with (
        pebble(reject=0) as ca,
        faulty(ca) as proxy,
        world(ca, directory=proxy.directory) as w,
    ):
        before = await w.authority.account()

        def exchanged(path: str, done: bool) -> None:
            if path == "/rollover-account-key" and done:
                raise ConnectionError("the answer is lost")

        proxy.exchanged = exchanged
        with pytest.raises(Unavailable):
            await w.authority.change_key()
        after = await w.authority.account()
        assert after.key_pem != before.key_pem
        assert after.url == before.url
        ca.responder.thumbprint = await w.authority.thumbprint()
        await w.issue(NAME)


async def test_two_changes_of_keys_at_once_are_one() -> None:
    """Two machines: one succeeds, the other is told; a third goes on with a usable account."""
    async with pebble() as ca, world(ca) as w:
        await w.authority.account()
        others = [Authority(terms(ca), w.storage, w.clock) for _ in range(2)]
        try:
            results = await asyncio.gather(
                *(one.change_key() for one in (w.authority, others[0])), return_exceptions=True
            )
            refused = [one for one in results if isinstance(one, BaseException)]
            assert [type(one) for one in refused] == [OperatorError]
            account = await others[1].account()
            assert account.next_key_pem is None
            found = await w.authority.call(lambda client: client.find_account(account.key_pem))
            assert found == account.url
        finally:
            for one in others:
                one.close()


async def test_a_change_of_keys_under_way_is_left_to_whoever_does_it() -> None:
    """Another machine reads the account meanwhile: it is not settled for the one that changes."""
    async with pebble() as ca, world(ca) as w:
        account = await w.authority.account()
        begun = replace(account, next_key_pem=new_key(), changing_since=w.clock.now())
        pending = await w.storage.save_account(begun)
        assert pending is not None
        assert await w.authority.account() == pending
        with pytest.raises(OperatorError, match="being changed"):
            await w.authority.change_key()
        w.clock.offset = 400.0
        settled = await w.authority.account()
        assert (settled.key_pem, settled.next_key_pem) == (account.key_pem, None)


async def test_staging_follows_the_account_key() -> None:
    """One thumbprint answers for both authorities, also when the key was another before."""
    async with pebble() as ca, pebble() as staging, world(ca) as w:
        old = Account(staging.directory, new_key(), "https://old/1")
        await w.storage.save_account(old)
        rehearsal = Authority(terms(staging), w.storage, MovedClock(), same_key_as=w.authority)
        try:
            assert await rehearsal.thumbprint() == await w.authority.thumbprint()
            assert (await rehearsal.account()).url != old.url
        finally:
            rehearsal.close()


async def test_accounts_lost_twice_are_registered_by_whoever_comes_first() -> None:
    """Two machines notice at once that the authority forgot the account: one account again."""
    async with pebble() as ca, world(ca) as w:
        await w.authority.account()
        other = Authority(terms(ca), w.storage, w.clock)
        try:
            ca.stop()
            await ca.start()
            await asyncio.gather(
                *(
                    one.signed(lambda client, url: client.open_orders(url, NAME))
                    for one in (w.authority, other)
                )
            )
            assert await w.authority.account() == await other.account()
        finally:
            other.close()
