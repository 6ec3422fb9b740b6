"""The blocks of docs/postfix.md, each in a real Postfix that relays to the submission server."""

import asyncio
import re
import smtplib
from pathlib import Path

import aiosmtplib
import pytest

from edge.sending.message import Addressee, Message
from edge.store.pool import Pool
from tests.house.sources import text
from tests.integration.sending.postfix import Postfix, postfix
from tests.integration.sending.servers import Inbox, certificate, smtp_server
from tests.integration.sending.submitting import DOMAIN, LOGIN, PASSWORD, World, submitting
from tests.ports import free_port

MESSAGE = (
    f"From: Ann <{LOGIN}>\r\nTo: bob@example.net\r\nX-Mailgun-Tag: spring\r\n"
    "Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nMessage-Id: <1@mg.example.com>\r\n"
    "Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n\r\nHello,\r\n.\r\n.. dots\r\nzwölf\r\n"
).encode()


def _block(name: str) -> str:
    """One block of the documentation."""
    found = re.search(rf"^```postfix {name}\n(.*?)^```$", text("docs/postfix.md"), re.M | re.S)
    assert found is not None, name
    return found[1]


async def _submit(relay: Postfix, *recipients: str) -> None:
    def work() -> None:
        with smtplib.SMTP("127.0.0.1", relay.port, timeout=20) as client:
            client.sendmail(LOGIN, recipients or ["bob@example.net"], MESSAGE, ["BODY=8BITMIME"])

    await asyncio.to_thread(work)


async def _arrived(world: World, relay: Postfix, count: int = 1) -> Message:
    for _ in range(400):
        if len(world.inbox.taken) >= count:
            return world.inbox.taken[-1]
        await asyncio.sleep(0.05)
    raise AssertionError(relay.said()[-4000:])


@pytest.mark.parametrize("block", ["relay", "domains"])
async def test_from_the_same_machine(db: Pool, block: str) -> None:
    """Everything, or what comes from a domain of ours, arrives whole with both hops on it."""
    async with submitting(db) as world:
        main = _block(block).replace("2525", str(world.port)).replace("{", "{{").replace("}", "}}")
        async with postfix(main) as relay:
            await _submit(relay, "bob@example.net", "eve@example.org")
            message = await _arrived(world, relay)
            await relay.until("status=sent (250 2.0.0 OK: 1@")
    assert message.source.endswith(MESSAGE)
    assert message.source.startswith(b"Received: from postfix.test ([127.0.0.1])\r\n")
    assert message.source.count(b"\r\nReceived: ") == 1
    assert (message.domain.name, message.sender) == (DOMAIN, LOGIN)
    assert message.recipients == (Addressee("bob@example.net"), Addressee("eve@example.org"))


@pytest.mark.parametrize("wrapped", [False, True])
async def test_from_another_machine(db: Pool, tmp_path: Path, wrapped: bool) -> None:
    """With a login, over a verified certificate: STARTTLS, or TLS from the first byte."""
    context, ca_file = certificate(tmp_path, "localhost")
    async with submitting(db, context=context, trusted=None) as world:
        port = str(world.tls_port if wrapped else world.port)
        main = _block("login").replace("edge.example.com", "localhost").replace("2525", port)
        main = main.replace("/etc/postfix", "{directory}")
        main = main.replace("/etc/ssl/certs/ca-certificates.crt", "{directory}/ca.pem")
        if wrapped:
            main += "smtp_tls_wrappermode = yes\n"
        files = {
            "edge-password": f"[localhost]:{port} {LOGIN}:{PASSWORD}\n",
            "ca.pem": Path(ca_file).read_text(),
        }
        async with postfix(main, files=files) as relay:
            await _submit(relay)
            message = await _arrived(world, relay)
            await relay.until("status=sent")
    assert message.origin.authenticated
    assert b" with ESMTPSA " in message.source


async def test_and_back_through_the_same_postfix(db: Pool) -> None:
    """What comes back at the second door is not handed over again; it goes to the world."""
    inbox, second = Inbox(), free_port()
    async with submitting(db) as world, smtp_server(inbox) as outside:
        door = _block("master").replace("2525", str(world.port)).replace("10026", str(second))
        main = f"default_transport = smtp:[127.0.0.1]:{outside}\nsmtpd_peername_lookup = no\n"
        async with postfix(main, door) as relay:
            await _submit(relay)
            message = await _arrived(world, relay)
            await aiosmtplib.send(
                message.source,
                sender=message.sender,
                recipients=["bob@example.net"],
                hostname="127.0.0.1",
                port=second,
                start_tls=False,
            )
            for _ in range(400):
                if inbox.taken:
                    break
                await asyncio.sleep(0.05)
            assert len(world.inbox.taken) == 1
            assert len(inbox.taken) == 1, relay.said()[-4000:]
    content = inbox.taken[0].content
    assert isinstance(content, bytes)
    assert content.endswith(MESSAGE)


async def test_postfix_tries_again_after_a_4xx(db: Pool) -> None:
    """While nothing can be accepted the message stays in Postfix' queue, and comes once after."""
    async with submitting(db) as world:
        world.inbox.error = OSError("Postgres is away")
        main = _block("relay").replace("2525", str(world.port))
        async with postfix(main) as relay:
            await _submit(relay)
            await relay.until("status=deferred (host 127.0.0.1[127.0.0.1] said: 451 4.3.0")
            world.inbox.error = None
            await _arrived(world, relay)
            await relay.until("status=sent")
    assert len(world.inbox.taken) == 1
