"""One order, from its address to its chains (RFC 8555 § 7.1.6), resumable at any point.

How to think about it: read the order, do what its state asks for, wait, read again. No step
depends on an earlier step of the same process, so whoever finds the address in the row can go on.
Waiting is on the monotonic clock, as long as the authority asks (Retry-After) but never past the
deadline, and the lease is extended on the way. At the deadline the order is left as it is:
Unfinished, and resumed later.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from certs import problems
from certs.acme_wire import Authorization, Order
from certs.authority import Authority
from certs.clock import Clock
from certs.errors import (
    AuthorityError,
    BadAnswer,
    CertificateError,
    CustomerError,
    OrderGone,
    Unfinished,
)
from certs.keys import signing_request

log = logging.getLogger(__name__)
DEADLINE = 180.0
FIRST_WAIT, LONGEST_WAIT = 0.1, 10.0
KEEP_EVERY = 30.0


@dataclass(frozen=True, slots=True)
class Work:
    """What completing an order needs. ``keep`` extends the lease, and raises if it is lost."""

    host: str
    key_pem: str
    url: str
    keep: Callable[[], Awaitable[None]]
    rehearsal: bool = False
    deadline: float = DEADLINE


async def complete(authority: Authority, work: Work, clock: Clock) -> list[str]:
    """Bring the order to its end; the certificate's chains.

    A rehearsal ends when the challenges are valid, without any certificate. CustomerError if the
    host does not answer its challenge, OrderGone if the order ended otherwise.
    """
    deadline = clock.monotonic() + work.deadline
    answered: set[str] = set()
    wait = FIRST_WAIT
    while True:
        order = await authority.signed(lambda client, _: client.order(work.url, work.host))
        if order.status == "valid":
            if order.certificate is None:
                raise BadAnswer("a valid order without a certificate")
            return await _download(authority, order.certificate)
        if order.status == "invalid":
            raise await _reason(authority, order)
        if order.status == "ready" and work.rehearsal:
            return []
        moved = await _push(authority, order, work, answered)
        left = deadline - clock.monotonic()
        if left <= 0:
            raise Unfinished(f"the order is still {order.status} after {work.deadline:.0f} s")
        wait = FIRST_WAIT if moved else min(wait * 1.5, LONGEST_WAIT)
        await _sleep(min(max(wait, order.retry_after or 0.0), left), work)


async def _sleep(seconds: float, work: Work) -> None:
    """Wait, and keep the lease meanwhile."""
    while seconds > 0:
        await work.keep()
        await asyncio.sleep(min(seconds, KEEP_EVERY))
        seconds -= KEEP_EVERY


async def _download(authority: Authority, url: str) -> list[str]:
    return await authority.signed(lambda client, _: client.download(url))


async def _push(authority: Authority, order: Order, work: Work, answered: set[str]) -> bool:
    """Do what the order's state asks for; whether anything was done."""
    if order.status == "pending":
        return await _answer(authority, order, work.host, answered)
    if order.status == "ready":
        request = signing_request(work.key_pem, work.host)
        try:
            await authority.signed(lambda client, _: client.finalize(order, request))
        except OrderGone:
            # orderNotReady: another holder of the lease, or a lost answer, finalized it before.
            return False
        return True
    if order.status != "processing":
        raise BadAnswer(f"an order in the state {order.status[:40]!r}")
    return False


async def _answer(authority: Authority, order: Order, host: str, answered: set[str]) -> bool:
    """Answer the challenges that were not yet; each once, for each time is a validation.

    Boulder leaves a challenge pending until it has looked. Others (smallstep's, so Caddy's) leave
    it pending after a failure, with the error, and want to be asked again (RFC 8555 § 8.2): that is
    a failure here, so that the next try is made when our own times say.
    """
    moved = False
    for url in order.authorizations:
        found = await _authorization(authority, url)
        if found.status == "pending":
            if found.challenge is None:
                raise CustomerError(f"the authority offers no HTTP-01 for {host}")
            if found.challenge_status == "pending" and found.challenge not in answered:
                answered.add(found.challenge)
                await _answer_one(authority, found.challenge)
                moved = True
            elif found.challenge_status == "pending" and found.problem is not None:
                raise _refusal(found)
        elif found.status != "valid":
            raise _refusal(found)
    return moved


async def _answer_one(authority: Authority, challenge: str) -> None:
    try:
        await authority.signed(lambda client, _: client.answer_challenge(challenge))
    except AuthorityError as error:
        # "malformed", most likely, since somebody's earlier answer was looked at just now: what
        # became of it is read next. An error of a type of its own says more.
        if type(error) is not AuthorityError:
            raise
        log.info("a challenge takes no answer: %s", error)


async def _authorization(authority: Authority, url: str) -> Authorization:
    return await authority.signed(lambda client, _: client.authorization(url))


def _refusal(found: Authorization) -> CertificateError:
    if found.problem is not None:
        return problems.from_problem(found.problem, of_challenge=True)
    return OrderGone(f"an authorization is {found.status}")


async def _reason(authority: Authority, order: Order) -> CertificateError:
    """Why an order is invalid: a challenge's error says most, then its own."""
    for url in order.authorizations:
        try:
            found = await _authorization(authority, url)
        except CertificateError:
            continue
        if found.problem is not None:
            return _refusal(found)
    if order.problem is not None:
        return problems.from_problem(order.problem, of_challenge=True)
    return OrderGone("the order is invalid, and the authority does not say why")
