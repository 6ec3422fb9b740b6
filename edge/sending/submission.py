"""SMTP submission: messages come in, and 250 is said when they are committed.

Who may send: an SMTP login of a domain, over TLS only, or an address in ``EDGE_SMTP_NETWORKS``. A
login sends for its own domain; without one the sending domain is found from MAIL FROM, else from
the From field, and must be one of ours: nobody relays through here under a foreign name.

A message is handed over as it came, with our Received field before it (:mod:`edge.sending.hops`).
What the accepting function says becomes the reply: 250 only after it returned, 4xx where nothing
was accepted and trying again may help, 5xx otherwise. When a client goes away before its reply,
accepting is cancelled and the message may or may not have been taken; it will be sent again, and
then is a duplicate that SMTP allows (RFC 1047).
"""

import asyncio
import re
import secrets
import socket
import ssl
from collections.abc import Callable
from typing import Final, Protocol

import structlog

from edge.clock import Clock
from edge.lifecycle import Tasks
from edge.model.domain import Domain
from edge.model.errors import CallerError, PeerError
from edge.observe import metrics
from edge.sending import hops
from edge.sending.conversation import Submission
from edge.sending.listener import MEMORY, Listener
from edge.sending.logins import Logins, TooManyFailures
from edge.sending.message import (
    MAX_MESSAGE,
    Accepted,
    Addressee,
    Message,
    Options,
    Origin,
    QueueFull,
)
from edge.sending.sending_domains import Connect, SendingDomains
from edge.store.pool import UNAVAILABLE

log = structlog.get_logger()

ACCEPT_SECONDS: Final = 60.0
"""The longest that accepting one message may take."""

LONGEST_REPLY: Final = 400
_PASSING: Final[tuple[type[Exception], ...]] = (PeerError, *UNAVAILABLE)
_AWAY: Final = "451 4.3.0 nothing was accepted; try again later"


class Accepts(Protocol):
    """Whoever takes messages."""

    async def accept(self, message: Message) -> Accepted:
        """Commit the message to disk, or raise with nothing of it committed.

        CallerError: the message is wrong, and its text says how. QueueFull, another PeerError,
        TimeoutError, or an error of :data:`edge.store.pool.UNAVAILABLE`: trying again may help.
        May be cancelled at any time.
        """
        ...


class Refusal(CallerError):
    """A message that is not taken; the text is the reply, ``reason`` is what it counts as."""

    def __init__(self, reason: str, reply: str) -> None:
        super().__init__(reply)
        self.reason = reason


class SubmissionServer(Listener):
    """Serves SMTP on inherited sockets until drained.

    ``mark`` tells this installation's Received fields from all others' (the same on all its
    machines), ``trusted`` whose address may send without AUTH, ``failures`` how many failed logins
    a network or login may have a minute (0: any).
    """

    what = "submission metrics"

    def __init__(
        self,
        *,
        accepts: Accepts,
        connect: Connect,
        clock: Clock,
        hostname: str,
        mark: str,
        trusted: Callable[[str], bool] | None = None,
        failures: int = 20,
        most: int = 500,
        most_each: int = 50,
        memory: int = MEMORY,
    ) -> None:
        super().__init__(hostname, most=most, most_each=most_each, memory=memory)
        self._accepts = accepts
        self._clock = clock
        self._mark = mark
        self._trusted = trusted
        self._logins = Logins(connect, clock, failures)
        self._domains = SendingDomains(connect, clock)

    async def start(
        self,
        sockets: list[socket.socket],
        tls_context: ssl.SSLContext | None,
        tasks: Tasks,
        implicit: list[socket.socket] | None = None,
    ) -> None:
        """As :meth:`Listener.start`; says where nobody can log in."""
        await super().start(sockets, tls_context, tasks, implicit)
        if tls_context is None:
            log.warning(
                "SMTP without AUTH: it is only offered over TLS",
                mend="set EDGE_SMTP_TLS_CERT_FILE and EDGE_SMTP_TLS_KEY_FILE",
                senders="those of EDGE_SMTP_NETWORKS" if self._trusted else "nobody",
            )

    def open_connections(self, count: int) -> None:
        """Tell how many connections are open."""
        metrics.SUBMITTING.set(count)

    def trusts(self, ip: str) -> bool:
        """Whether an address may send without AUTH."""
        return self._trusted is not None and self._trusted(ip)

    def refused(self, reason: str) -> None:
        """Count one refusal."""
        metrics.SUBMISSIONS.labels(reason).inc()

    async def login(self, user: str, password: str, ip: str) -> Domain | str:
        """The domain of a login, or the reply that refuses it."""
        try:
            number = await self._logins.check(user, password, ip)
            domain = None if number is None else await self._domains.of_number(number)
        except TooManyFailures as error:
            self.refused("login-throttled")
            return f"454 4.7.0 {error}"
        except _PASSING as error:
            self.refused("unavailable")
            log.warning("SMTP login not checked", error=repr(error))
            return "454 4.7.0 logins cannot be checked now; try again later"
        if domain is None:
            self.refused("login")
            log.info("SMTP login failed", ip=ip)
            return "535 5.7.8 authentication credentials invalid"
        return domain

    async def take(self, submission: Submission) -> str:
        """Accept a message; the reply."""
        try:
            async with asyncio.timeout(ACCEPT_SECONDS):
                message = await self._message(submission)
                accepted = await self._accepts.accept(message)
        except Refusal as error:
            reason, reply = error.reason, str(error)
        except CallerError as error:
            reason, reply = "invalid", said(error, submission)
        except QueueFull:
            reason, reply = "queue-full", "452 4.3.1 the queue is full; try again later"
        except _PASSING as error:
            reason, reply = "unavailable", _AWAY
            log.warning("submission not accepted", error=repr(error))
        else:
            self.refused("accepted")
            log.info(
                "submitted",
                message_id=accepted.message_id,
                domain=message.domain.name,
                recipients=len(message.recipients),
                octets=len(message.source),
                authenticated=message.origin.authenticated,
            )
            return f"250 2.0.0 OK: {one_line(accepted.message_id)}"
        self.refused(reason)
        log.info("submission refused", reason=reason, code=reply[:3], ip=submission.ip)
        return reply

    async def _message(self, submission: Submission) -> Message:
        """The message as it is handed over. Raises Refusal, and as :data:`Connect` does."""
        if hops.has_bare_breaks(submission.data):
            raise Refusal("bare-line-break", "554 5.6.0 a CR or LF stands alone (RFC 5321 2.3.8)")
        header = hops.header_of(submission.data)
        if hops.goes_round(header, self._mark):
            raise Refusal("loop", "554 5.4.6 this message goes round: too many Received fields")
        sender = submission.sender or hops.author(header)
        if not sender:
            raise Refusal("no-sender", "554 5.6.0 neither MAIL FROM nor From has an address")
        domain = submission.domain or await self._domain(submission.sender, header)
        hop = hops.Hop(
            helo=submission.helo,
            ip=submission.ip,
            host=self.hostname,
            protocol=hops.protocol(
                extended=submission.extended,
                tls=submission.tls,
                authenticated=submission.domain is not None,
                utf8=submission.utf8,
            ),
            mark=self._mark,
            id=secrets.token_hex(8),
            at=self._clock.now(),
        )
        rest = submission.data[len(header) :]
        source = b"".join((hops.received(hop), header, rest))
        if len(source) > MAX_MESSAGE:
            raise Refusal("size", f"552 5.3.4 a message may have {MAX_MESSAGE} octets")
        return Message(
            domain=domain,
            source=source,
            sender=sender,
            recipients=tuple(Addressee(address) for address in submission.recipients),
            options=Options(),
            origin=Origin(
                method="SMTP",
                ip=submission.ip,
                authenticated=submission.domain is not None,
            ),
        )

    async def _domain(self, sender: str, header: bytes) -> Domain:
        """Whose message it is: MAIL FROM says, else the From field. Raises Refusal."""
        host = sender.rpartition("@")[2]
        if host and (found := await self._domains.of_host(host)) is not None:
            return found
        other = hops.author(header).rpartition("@")[2]
        if other and (found := await self._domains.of_host(other)) is not None:
            return found
        name = one_line(host or other)[:100]
        raise Refusal("domain", f"550 5.7.1 {name} is no domain here: edge domain add {name}")


def one_line(text: str) -> str:
    """Text for a reply: one line that is not too long."""
    return re.sub(r"[^ -~\u00a1-\ud7ff\ue000-\uffff]+", " ", text)[:LONGEST_REPLY].strip()


def said(error: CallerError, submission: Submission) -> str:
    """The reply to a wrong message; its code says whose address is wrong, if one is named."""
    text = one_line(str(error))
    if any(recipient in text for recipient in submission.recipients):
        return f"550 5.1.3 {text}"
    if submission.sender and submission.sender in text:
        return f"550 5.1.7 {text}"
    return f"554 5.6.0 {text}"
