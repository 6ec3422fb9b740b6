"""Mail that comes back to a listener of ours, and reports to send there."""

import smtplib
from asyncio import to_thread
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from socket import AF_INET, socket
from typing import Any

from edge.lifecycle import Tasks
from edge.sending.path_keys import PathKeys
from edge.sending.returned_mail import Mail, Result
from edge.sending.returning import Returns
from edge.sending.returns_server import ReturnsServer
from edge.store import suppressions
from edge.store.suppressions import Block, Wanted
from tests.integration.sending.worlds import OURS, URL, World


@dataclass
class Back:
    """A world of sending with a listener for what comes back."""

    world: World
    returns: Returns
    port: int

    async def mail(self, to: str | Sequence[str], raw: bytes, sender: str = "") -> tuple[int, str]:
        """Bring a mail over SMTP: the last code and text."""

        def work() -> tuple[int, str]:
            with smtplib.SMTP("127.0.0.1", self.port, timeout=20) as client:
                client.ehlo("mx.test")
                client.docmd("MAIL", f"FROM:<{sender}>")
                for one in [to] if isinstance(to, str) else to:
                    code, text = client.docmd("RCPT", f"TO:<{one}>")
                    if code != 250:
                        return code, text.decode()
                code, text = client.data(raw)
                return code, text.decode()

        return await to_thread(work)

    async def take(self, raw: bytes, **fields: Any) -> Result:
        """Hand a mail in as the command line does."""
        given: dict[str, Any] = {"way": "cli", "trusted": True} | fields
        async with self.world.pool.acquire() as conn:
            return await self.returns.take(conn, Mail(raw=raw, **given))

    async def block(self, address: str) -> Block | None:
        """What stands against an address."""
        wanted = [Wanted(self.world.domains[OURS].number, address)]
        async with self.world.pool.acquire() as conn:
            return (await suppressions.blocking(conn, wanted))[0]

    async def unparsed(self) -> list[dict[str, Any]]:
        """What nobody could read."""
        rows = await self.world.pool.fetch("SELECT * FROM unparsed_returns ORDER BY number")
        return [dict(row) for row in rows]

    def path(self, place: int = -1) -> str:
        """The return path of a message that the world's server took."""
        sender = self.world.inbox.taken[place].mail_from
        assert sender is not None
        return sender


@asynccontextmanager
async def coming_back(world: World, *, soft_run: int = 5, rate: int = 0) -> AsyncIterator[Back]:
    """A listener on loopback."""
    tasks = Tasks(grace=2.0)
    keys = PathKeys(world.vault)
    returns = Returns(world.clock, keys, public_url=URL, soft_run=soft_run)
    server = ReturnsServer(
        returns=returns,
        keys=keys,
        connect=world.pool.acquire,
        clock=world.clock,
        hostname="edge.test",
        rate=rate,
    )
    listener = socket(AF_INET)
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    await server.start([listener], None, tasks)
    try:
        yield Back(world, returns, port)
    finally:
        await server.drain(1.0)
        await tasks.close()


def bounce(
    recipient: str,
    *,
    diagnostic: str = "550 5.1.1 User unknown",
    status: str = "5.1.1",
    action: str = "failed",
    message_id: str = "",
    path: str = "",
) -> bytes:
    """A delivery report as RFC 3464 has it."""
    returned = f"Return-Path: <{path}>\n" if path else ""
    returned += f"Message-ID: <{message_id}>\n" if message_id else ""
    return f"""From: MAILER-DAEMON@mx.test (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

This is the mail system at host mx.test.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.test

Final-Recipient: rfc822; {recipient}
Action: {action}
Status: {status}
Diagnostic-Code: smtp; {diagnostic}

--b
Content-Type: text/rfc822-headers

{returned}To: {recipient}

--b--
""".replace("\n", "\r\n").encode()


def complaint(
    recipient: str, *, kind: str = "abuse", path: str = "", message_id: str = ""
) -> bytes:
    """A feedback report as RFC 5965 has it."""
    returned = f"Return-Path: <{path}>\n" if path else ""
    returned += f"Message-ID: <{message_id}>\n" if message_id else ""
    return f"""From: complaints@fbl.test
Subject: FW: News
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b"

--b
Content-Type: text/plain

This is an email abuse report.

--b
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: Test/1
Version: 1
Original-Rcpt-To: {recipient}

--b
Content-Type: message/rfc822

{returned}To: {recipient}
Subject: News

News
--b--
""".replace("\n", "\r\n").encode()
