"""SMTP for mail that comes back: bounces, complaints, unsubscribes by mail. Nothing else is taken.

It stands where the MX of ``bounces.<domain>`` points to. Anybody may connect, so an address is
looked at before its mail is: one with our MAC in it (:mod:`edge.sending.return_path`), or one of
the few names that feedback loops report to. 250 is said when what the mail led to is
committed. Nothing is ever sent in answer, so nothing can loop.
"""

import asyncio
from typing import Final

import structlog

from edge.clock import Clock
from edge.model.domain import Domain
from edge.model.errors import PeerError
from edge.observe import metrics
from edge.sending.conversation import Submission
from edge.sending.dialogue import Dialogue
from edge.sending.dns_records import BOUNCES
from edge.sending.hops import header_of
from edge.sending.listener import Listener
from edge.sending.path_keys import PathKeys
from edge.sending.paths import NotAPath, parse
from edge.sending.return_path import Purpose
from edge.sending.returned_mail import Mail, Outcome
from edge.sending.returning import Returns
from edge.sending.sending_domains import Connect, SendingDomains
from edge.store.pool import UNAVAILABLE
from edge.throttle import Bucket, network_of

log = structlog.get_logger()

FEEDBACK: Final = frozenset({"fbl", "abuse", "postmaster"})
"""Local parts at ``bounces.<domain>`` for feedback loops (RFC 2142 for the latter two)."""

MOST_HOPS: Final = 100
"""Received fields of a mail; RFC 5321 § 6.3."""

TAKE_SECONDS: Final = 60.0
MEMORY: Final = 64 * 2**20
MOST_RECIPIENTS: Final = 10
"""Of one mail: a bounce has one, a relay may bundle some."""

_PASSING: Final[tuple[type[Exception], ...]] = (PeerError, *UNAVAILABLE)
_AWAY: Final = "451 4.3.0 nothing was taken; try again later"


class ReturnsDialogue(Dialogue):
    """A connection of somebody who brings mail back."""

    shared: "ReturnsServer"

    async def smtp_AUTH(self, _: str) -> None:  # noqa: N802 - aiosmtpd finds it by its name
        """Nobody has a login here."""
        await self.fault("503 5.5.1 AUTH is not offered here")

    async def smtp_MAIL(self, argument: str) -> None:  # noqa: N802 - as above
        """As RFC 5321, and not more often than a network may."""
        if self.sender is None and self.shared.too_fast(self.ip):
            self.shared.refused("rate")
            await self.say("451 4.7.1 too many mails from your network; try again later")
            return
        await super().smtp_MAIL(argument)

    async def smtp_RCPT(self, argument: str) -> None:  # noqa: N802 - as above
        """Addresses of ours only."""
        if self.sender is None:
            await self.fault("503 5.5.1 RCPT comes after MAIL")
            return
        if len(self.recipients) >= MOST_RECIPIENTS:
            await self.say("452 4.5.3 too many recipients; send the others another mail")
            return
        try:
            path = parse(argument, "TO")
        except NotAPath as error:
            await self.fault(f"501 5.1.3 Syntax: RCPT TO:<address>; {error}")
            return
        reply = await self.shared.knows(path.address)
        if reply.startswith("2"):
            self.recipients.append(path.address)
            await self.say(reply)
        elif reply.startswith("4"):
            await self.say(reply)
        else:
            self.shared.refused("address")
            await self.fault(reply)


class ReturnsServer(Listener):
    """Serves SMTP for returns. ``rate`` is mails per minute and network (0: any)."""

    dialogue = ReturnsDialogue
    what = "returns metrics"

    def __init__(
        self,
        *,
        returns: Returns,
        keys: PathKeys,
        connect: Connect,
        clock: Clock,
        hostname: str,
        rate: int = 600,
        most: int = 200,
        most_each: int = 20,
        memory: int = MEMORY,
    ) -> None:
        super().__init__(hostname, most=most, most_each=most_each, memory=memory)
        self._returns = returns
        self._keys = keys
        self._connect = connect
        self._domains = SendingDomains(connect, clock)
        self._rate = Bucket(rate, clock)

    def open_connections(self, count: int) -> None:
        """Tell how many connections are open."""
        metrics.RETURNS_CONNECTIONS.set(count)

    def trusts(self, ip: str) -> bool:
        """Whoever brings mail back needs no login; its recipient decides."""
        return True

    def refused(self, reason: str) -> None:
        """Count one refusal."""
        metrics.RETURNS_REFUSED.labels(reason).inc()

    def too_fast(self, ip: str) -> bool:
        """Whether a network has brought as much as it may just now."""
        return self._rate.take(network_of(ip)) > 0

    async def login(self, user: str, password: str, ip: str) -> Domain | str:
        """Never asked: AUTH is refused."""
        return "503 5.5.1 AUTH is not offered here"

    async def knows(self, address: str) -> str:
        """The reply to a recipient: 250 for an address of ours."""
        local, _, host = address.rpartition("@")
        try:
            if self._authentic(local):
                return "250 2.1.5 OK"
            async with self._connect() as conn:
                await self._keys.refresh(conn)
            if self._authentic(local):
                return "250 2.1.5 OK"
            label, _, name = host.lower().partition(".")
            if local.lower() in FEEDBACK and label == BOUNCES:
                domain = await self._domains.of_host(name)
                if domain is not None and domain.name == name:
                    return "250 2.1.5 OK"
        except _PASSING as error:
            log.warning("an address of returns was not checked", error=repr(error))
            return _AWAY
        return "550 5.1.1 no such address here"

    def _authentic(self, local: str) -> bool:
        paths = self._keys.paths
        return paths is not None and any(
            paths.delivery(purpose, local) is not None for purpose in Purpose
        )

    async def take(self, submission: Submission) -> str:
        """Read a mail and act upon it; the reply."""
        if header_of(submission.data).lower().count(b"\nreceived:") > MOST_HOPS:
            self.refused("loop")
            return "554 5.4.6 this mail goes round: too many Received fields"
        mail = Mail(raw=submission.data, way="smtp", to=submission.recipients)
        try:
            async with asyncio.timeout(TAKE_SECONDS), self._connect() as conn:
                result = await self._returns.take(conn, mail)
        except _PASSING as error:
            self.refused("unavailable")
            log.warning("a return was not taken", error=repr(error))
            return _AWAY
        if result.outcome is Outcome.FULL:
            self.refused("full")
            return "452 4.3.1 too much unread mail is kept here; try again later"
        log.info(
            "came back",
            kind=result.report.kind.value,
            format=result.report.format,
            outcome=result.outcome.value,
            deliveries=len(result.matched),
        )
        return "250 2.0.0 OK"
