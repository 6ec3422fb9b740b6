"""SMTP submission: what is taken, what becomes of it, and what is said."""

import asyncio
import smtplib
import socket
import struct
from email.message import EmailMessage
from email.utils import parsedate_to_datetime

import aiosmtplib
import pytest

from edge.model.domain import Domain
from edge.model.errors import CallerError, PeerError
from edge.observe import metrics
from edge.sending.message import MAX_MESSAGE, Addressee, QueueFull
from edge.store import domains
from edge.store.pool import Pool
from tests.integration.sending.submitting import (
    DOMAIN,
    LOGIN,
    MARK,
    MESSAGE,
    OTHER,
    submitting,
    with_smtplib,
)


async def test_a_message_is_handed_over_as_it_came(db: Pool) -> None:
    """Every byte but our Received field is the sender's; the envelope is told beside it."""
    body = (
        b"From: a@mg.example.com\r\nX: \xff\x00\r\n\r\n.dot\r\n..\r\n" + "ü".encode() * 9 + b"\r\n"
    )
    async with submitting(db) as world:
        reply = await world.send(body, "a@mg.example.com", "b@x.example", "c@x.example")
        (message,) = world.inbox.taken
    assert reply == f"250 2.0.0 OK: 1@{DOMAIN}"
    assert message.source.endswith(body)
    assert message.domain.name == DOMAIN
    assert message.sender == "a@mg.example.com"
    assert message.recipients == (Addressee("b@x.example"), Addressee("c@x.example"))
    assert (message.origin.method, message.origin.ip) == ("SMTP", "127.0.0.1")
    assert not message.origin.authenticated


async def test_the_received_field_says_how_it_came(db: Pool) -> None:
    """RFC 5321 § 4.4: the client's own name, its address, this host, the protocol, id and date."""
    async with submitting(db) as world:
        await world.send()
        at = world.clock.now()
        source = world.inbox.taken[0].source
    field = source.removesuffix(MESSAGE).decode()
    first, second, third = field.split("\r\n\t")
    assert first == "Received: from client.example ([127.0.0.1])"
    assert second == f"by edge.example.org with ESMTP (edge {MARK})"
    assert third.startswith("id ")
    assert parsedate_to_datetime(third.partition(";")[2].strip()).timestamp() == int(at)


async def test_what_is_offered(db: Pool) -> None:
    """EHLO tells what this server does, HELO only its name, and small talk is answered."""
    async with submitting(db) as world, world.talk() as talk:
        assert talk.greeting == "220 edge.example.org ESMTP"
        lines = (await talk.hello()).splitlines()
        assert [line[4:] for line in lines] == [
            "edge.example.org",
            f"SIZE {MAX_MESSAGE}",
            "8BITMIME",
            "PIPELINING",
            "ENHANCEDSTATUSCODES",
            "SMTPUTF8",
        ]
        assert await talk.say("HELO client.example") == "250 edge.example.org"
        for line, reply in {
            "NOOP": "250 2.0.0",
            "noop x": "250 2.0.0",
            "RSET": "250 2.0.0",
            "RSET x": "501 5.5.4",
            "VRFY ann": "252 2.5.0",
            "EXPN list": "502 5.5.1",
            "HELP": "214 2.0.0",
            "WHAT": "500 5.5.1",
            "": "500 5.5.1",
            "EHLO": "501 5.5.4",
            "DATA": "503 5.5.1",
            "RCPT TO:<a@b.example>": "503 5.5.1",
            "STARTTLS": "503 5.5.1",
            "AUTH PLAIN": "503 5.5.1",
        }.items():
            assert (await talk.say(line)).startswith(reply), line
        assert (await talk.say("QUIT")).startswith("221 2.0.0")
        assert await talk.reply() == ""


async def test_mail_and_its_parameters(db: Pool) -> None:
    """SIZE, BODY, SMTPUTF8 and AUTH are understood, others refused, and nothing is half begun."""
    async with submitting(db) as world, world.talk() as talk:
        assert (await talk.say("MAIL FROM:<a@mg.example.com>")).startswith("503 5.5.1")
        await talk.hello()
        for argument, reply in {
            "<a@mg.example.com> SIZE=1000 BODY=8BITMIME AUTH=<>": "250",
            "a@mg.example.com": "250",
            " <@relay.example:a@mg.example.com>": "250",
            "<>": "250",
            "<ü@mg.example.com> SMTPUTF8": "250",
            "<ü@mg.example.com>": "553 5.6.7",
            f"<a@mg.example.com> SIZE={MAX_MESSAGE + 1}": "552 5.3.4",
            "<a@mg.example.com> SIZE=-1": "501 5.5.4",
            "<a@mg.example.com> BODY=BINARYMIME": "501 5.5.4",
            "<a@mg.example.com> RET=HDRS": "555 5.5.4",
            "<a@mg.example.com> SIZE=1 SIZE=2": "501 5.1.7",
            "<a b@mg.example.com>": "501 5.1.7",
            "<no-host>": "501 5.1.7",
            f"<{'a' * 250}@mg.example.com>": "501 5.1.7",
        }.items():
            assert (await talk.say(f"MAIL FROM:{argument}")).startswith(reply), argument
            await talk.say("RSET")
        await talk.say("MAIL FROM:<a@mg.example.com>")
        assert (await talk.say("MAIL FROM:<a@mg.example.com>")).startswith("503 5.5.1")


async def test_recipients(db: Pool) -> None:
    """A bad one is refused by itself; the same one twice is one; a thousand are enough."""
    async with submitting(db) as world, world.talk() as talk:
        await talk.hello()
        await talk.say(f"MAIL FROM:<{LOGIN}>")
        for argument, reply in {
            "<b@example.net>": "250 2.1.5",
            "<>": "501 5.1.3",
            "<bob>": "501 5.1.3",
            "<ü@example.net>": "553 5.6.7",
            "<b@example.net> NOTIFY=NEVER": "555 5.5.4",
            '<"b b"@example.net>': "250 2.1.5",
        }.items():
            assert (await talk.say(f"RCPT TO:{argument}")).startswith(reply), argument
        for n in range(997):
            await talk.say(f"RCPT TO:<b{n}@example.net>")
        assert (await talk.say("RCPT TO:<b@example.net>")).startswith("250")
        assert (await talk.say("RCPT TO:<more@example.net>")).startswith("452 4.5.3")
        await talk.say("DATA")
        assert (await talk.say(MESSAGE + b".\r\n")).startswith("250")
        assert len(world.inbox.taken[0].recipients) == 999


async def test_everything_at_once(db: Pool) -> None:
    """A client that pipelines two messages and half-closes gets every answer, in order."""
    one = (
        b"MAIL FROM:<ann@mg.example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n"
        + MESSAGE
        + b".\r\n"
    )
    async with submitting(db) as world, world.talk() as talk:
        talk.writer.write(b"EHLO c.example\r\n" + one + one + b"QUIT\r\n")
        talk.writer.write_eof()
        async with asyncio.timeout(20):
            text = (await talk.reader.read()).decode()
        assert len(world.inbox.taken) == 2
    codes = [line[:3] for line in text.splitlines() if line[3] == " "]
    assert codes == ["250", *["250", "250", "354", "250"] * 2, "221"]


async def test_every_split_of_a_conversation_gives_the_same(db: Pool) -> None:
    """Wherever TCP cuts the bytes, also within CRLF . CRLF, the message is the same."""
    body = b"From: a@mg.example.com\r\n\r\nx.\r\n..\r\n...\r\n"
    whole = b"DATA\r\n" + body + b".\r\nQUIT\r\n"
    async with submitting(db) as world:
        replies = set()
        for cut in range(len(whole)):
            async with world.talk() as talk:
                await talk.hello()
                await talk.say(f"MAIL FROM:<{LOGIN}>")
                await talk.say("RCPT TO:<b@example.net>")
                talk.writer.write(whole[:cut])
                await talk.writer.drain()
                await asyncio.sleep(0)
                talk.writer.write(whole[cut:])
                lines = (await talk.reader.read()).split(b"\r\n")
                replies.add(tuple(line[:9] for line in lines))
        bodies = {message.source.partition(b"From:")[2] for message in world.inbox.taken}
    assert replies == {(b"354 End d", b"250 2.0.0", b"221 2.0.0", b"")}
    assert bodies == {b" a@mg.example.com\r\n\r\nx.\r\n.\r\n..\r\n"}
    assert len(world.inbox.taken) == len(whole)


@pytest.mark.parametrize("body", [b"", b"\r\n", b".\r\n", b"x\r\n.\r\n", b"no header\r\n"])
async def test_small_messages(db: Pool, body: bytes) -> None:
    """The first line can be the last, and a line can be a dot."""
    async with submitting(db) as world:
        assert (await world.send(body)).startswith("250")
        assert world.inbox.taken[0].source.endswith(b"\r\n" + body)


@pytest.mark.parametrize(
    ("sender", "author", "domain"),
    [
        (LOGIN, "x@elsewhere.example", DOMAIN),
        (f"b+tag@news.deep.{DOMAIN}", "x@elsewhere.example", DOMAIN),
        ("b@MG.EXAMPLE.COM", "x@elsewhere.example", DOMAIN),
        ("srs@elsewhere.example", f"Ann <a@{OTHER}>", OTHER),
        ("", f'"x@elsewhere.example" <a@sub.{OTHER}>', OTHER),
        ("a@elsewhere.example", "x@elsewhere.example", None),
        ("a@otherbrand.example", "", None),
        ("", "", None),
    ],
)
async def test_whose_message_it_is(db: Pool, sender: str, author: str, domain: str | None) -> None:
    """MAIL FROM decides, else From; the longest of our domains that they are in."""
    async with submitting(db) as world:
        reply = await world.send(f"From: {author}\r\n\r\nx\r\n".encode(), sender)
        if domain is None:
            assert not world.inbox.taken
            if sender:
                assert reply.startswith("550 5.7.1")
                assert "edge domain add" in reply
            else:
                assert reply.startswith("554 5.6.0")
        else:
            assert world.inbox.taken[0].domain.name == domain
            assert world.inbox.taken[0].sender


async def test_domains_come_and_go(db: Pool) -> None:
    """One added a moment ago sends at once; one removed stops soon."""
    async with submitting(db) as world:
        message = b"From: a@new.example\r\n\r\nx\r\n"
        assert (await world.send(message, "a@new.example")).startswith("550")
        world.clock.advance(1)
        async with db.acquire() as conn:
            new = Domain(number=0, name="new.example")
            await domains.add(conn, new, now_us=world.clock.now_us())
        assert (await world.send(message, "a@new.example")).startswith("250")
        async with db.acquire() as conn:
            await domains.remove(conn, "new.example")
        world.clock.advance(6)
        assert (await world.send(message, "a@new.example")).startswith("550")


@pytest.mark.parametrize(
    ("error", "reply"),
    [
        (CallerError("'from' is\r\nnot\ta thing"), "554 5.6.0 'from' is not a thing"),
        (CallerError("bob@example.net is no address"), "550 5.1.3 bob@example.net is no address"),
        (CallerError(f"{LOGIN} may not"), f"550 5.1.7 {LOGIN} may not"),
        (CallerError("x" * 3000), "554 5.6.0 " + "x" * 400),
        (QueueFull("full"), "452 4.3.1"),
        (PeerError("Postgres is away"), "451 4.3.0"),
        (OSError("connection refused"), "451 4.3.0"),
        (TimeoutError(), "451 4.3.0"),
        (RuntimeError("a fault"), "421 4.3.0"),
    ],
)
async def test_what_accepting_says_is_the_reply(db: Pool, error: Exception, reply: str) -> None:
    """Only a message that was committed is answered with 250."""
    async with submitting(db) as world:
        world.inbox.error = error
        said = await world.send()
        assert said.startswith(reply)
        assert len(said) < 512
        world.inbox.error = None
        assert (await world.send()).startswith("250")


async def test_without_postgres_nothing_is_accepted(db: Pool) -> None:
    """The domain cannot be told, so the client is to come back."""

    def away() -> None:
        raise PeerError("not reached since the start")

    async with submitting(db, connect=away) as world:
        assert (await world.send()).startswith("451 4.3.0")
    assert not world.inbox.taken


async def test_250_waits_for_the_commit(db: Pool) -> None:
    """Nothing is answered while accepting runs; a connection that is reset cancels it."""
    async with submitting(db) as world:
        world.inbox.gate = asyncio.Event()
        async with world.talk() as talk:
            await talk.begin()
            talk.writer.write(MESSAGE + b".\r\n")
            await world.inbox.began.wait()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(talk.reader.readline(), 0.2)
            sock = talk.writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            talk.writer.transport.abort()
        for _ in range(200):
            if world.inbox.cancelled:
                break
            await asyncio.sleep(0.01)
        assert world.inbox.cancelled


async def test_one_connection_sends_many(db: Pool) -> None:
    """After a message, refused or not, the next one starts afresh."""
    async with submitting(db) as world, world.talk() as talk:
        for n in range(5):
            reply = await talk.send(b"From: a@b\r\n\r\nx\ny\r\n" if n % 2 else MESSAGE)
            assert reply.startswith("554 5.6.0" if n % 2 else "250")
    assert len(world.inbox.taken) == 3


async def test_stopping_answers_what_is_coming_in(db: Pool) -> None:
    """Idle connections are told 421; a message whose end has come is accepted and answered."""
    async with submitting(db) as world, world.talk() as idle, world.talk() as busy:
        world.inbox.gate = asyncio.Event()
        await idle.hello()
        await busy.begin()
        busy.writer.write(MESSAGE + b".\r\n")
        await world.inbox.began.wait()
        stopping = asyncio.ensure_future(world.server.drain())
        assert (await idle.reply()).startswith("421 4.3.2")
        assert await idle.reply() == ""
        world.inbox.gate.set()
        assert (await busy.reply()).startswith("250")
        assert (await busy.reply()).startswith("421 4.3.2")
        await stopping
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", world.port)


async def test_stopping_does_not_wait_for_ever(db: Pool) -> None:
    """A message that does not end is cut off, without an answer."""
    async with submitting(db) as world, world.talk() as talk:
        await talk.begin()
        talk.writer.write(MESSAGE)
        await talk.writer.drain()
        await asyncio.sleep(0.05)
        await world.server.drain(0.1)
        try:
            assert await talk.reply() == ""
        except ConnectionError:
            pass
    assert not world.inbox.taken


async def test_clients_that_people_use(db: Pool) -> None:
    """smtplib and aiosmtplib, with SMTPUTF8 and 8 bits."""
    message = EmailMessage()
    message["From"], message["To"] = f"Ann <ann@{DOMAIN}>", "bob@example.net"
    message["Subject"] = "grüße"
    message.set_content("zwölf\n.\n..\n")

    async with submitting(db) as world:

        def with_standard(client: smtplib.SMTP) -> None:
            assert not client.send_message(message)
            assert not client.sendmail("ü@mg.example.com", ["b@example.net"], b"x", ["SMTPUTF8"])
            assert client.verify("x")[0] == 252

        await with_smtplib(world, with_standard)
        await aiosmtplib.send(message, hostname="127.0.0.1", port=world.port)
    assert len(world.inbox.taken) == 3
    assert world.inbox.taken[1].sender == "ü@mg.example.com"
    assert b"with UTF8SMTP " in world.inbox.taken[1].source


async def test_outcomes_are_counted(db: Pool) -> None:
    """Accepted and refused messages, by reason."""

    def count(outcome: str) -> float:
        value: float = metrics.SUBMISSIONS.labels(outcome)._value.get()
        return value

    before = [count(name) for name in ("accepted", "bare-line-break", "domain")]
    async with submitting(db) as world:
        await world.send()
        await world.send(b"a\nb\r\n")
        await world.send(b"x\r\n", "a@elsewhere.example")
    after = [count(name) for name in ("accepted", "bare-line-break", "domain")]
    assert [new - old for new, old in zip(after, before, strict=True)] == [1, 1, 1]
