"""Attackers of SMTP submission: smuggled messages, loops, floods, other protocols."""

import asyncio
import random

import pytest

from edge.observe import metrics
from edge.sending import conversation, dialogue
from edge.sending.conversation import COMMAND_OCTETS, MOST_FAULTS, MOST_JUNK
from edge.sending.message import MAX_MESSAGE
from edge.store.pool import Pool
from tests.integration.sending.submitting import LOGIN, MARK, MESSAGE, submitting

SMUGGLED = b"MAIL FROM:<evil@mg.example.com>\r\nRCPT TO:<x@example.net>\r\nDATA\r\nevil\r\n.\r\n"


@pytest.mark.parametrize(
    "end",
    [
        b"\n.\n",
        b"\n.\r\n",
        b"\r\n.\n",
        b"\r.\r",
        b"\r.\r\n",
        b"\r\n.\r",
        b"\r\n\x00.\r\n",
        b"\r\n.\x00\r\n",
        b"\r\n. \r\n",
        b"\n\n.\r\n",
        b"\r\r\n.\r\r\n",
        b"\r\n\r.\r\n",
    ],
)
async def test_only_crlf_dot_crlf_ends_a_message(db: Pool, end: bytes) -> None:
    """SMTP smuggling (CVE-2023-51764 and its kin): what another server may take for the end of a
    message neither ends it here nor is passed on.
    """
    async with submitting(db) as world, world.talk() as talk:
        await talk.begin()
        talk.writer.write(MESSAGE[:-2] + end + SMUGGLED)
        first = await talk.reply()
        talk.writer.write(b"QUIT\r\n")
        async with asyncio.timeout(20):
            rest = (await talk.reader.read()).decode()
        assert rest.startswith("221"), rest  # one message, one answer
        for message in world.inbox.taken:  # a lone NUL or space is text like any other
            assert first.startswith("250")
            assert b"MAIL FROM:<evil" in message.source
            assert message.source.count(b"\n") == message.source.count(b"\r\n")
            assert message.source.count(b"\r") == message.source.count(b"\r\n")
            assert [a.address for a in message.recipients] == ["bob@example.net"]
        if not world.inbox.taken:
            assert first.startswith("554 5.6.0")


@pytest.mark.parametrize(
    "line",
    [
        b"MAIL FROM:<a@mg.example.com>\n",
        b"MAIL FROM:<a@mg.example.com>\rRCPT TO:<b@example.net>\r\n",
        b"MAIL FROM:<a@mg.example.com\x00>\r\n",
        b"MAIL FROM:<a\t@mg.example.com>\r\n",
        b"MAIL FROM:<\xff@mg.example.com>\r\n",
        b"MAIL FROM:<\xe2\x80\xae@mg.example.com> SMTPUTF8\r\n",
        b"MAIL FROM:<a@mg.example.com> " + b"X" * 2100 + b"\r\n",
    ],
)
async def test_commands_are_lines_of_text(db: Pool, line: bytes) -> None:
    """A bare CR or LF, a control character, bytes that are no UTF-8, or a line without measure."""
    async with submitting(db) as world, world.talk() as talk:
        await talk.hello()
        assert (await talk.say(line)).startswith("500 5.5.2")
        assert (await talk.say("RCPT TO:<b@example.net>")).startswith("503")


async def test_limits_of_lines(db: Pool) -> None:
    """A command may be as long as its limit; a line without an end ends the connection."""
    async with submitting(db) as world:
        async with world.talk() as talk:
            fits = "NOOP " + "x" * (COMMAND_OCTETS - 7)
            assert (await talk.say(fits)).startswith("250")
            assert (await talk.say(fits + "x")).startswith("500 5.5.2")
        async with world.talk() as talk:
            talk.writer.write(b"x" * 200_000)
            try:
                assert (await talk.reply()).startswith("421 4.7.0")
            except ConnectionError:
                pass


async def test_a_message_beyond_the_limit(db: Pool) -> None:
    """552 after its end, whatever SIZE said; one that just fits is taken; the connection lives."""
    room = MAX_MESSAGE - 400
    async with submitting(db) as world, world.talk() as talk:
        await talk.hello()
        big = await talk.say(f"MAIL FROM:<{LOGIN}> SIZE={MAX_MESSAGE + 1}")
        assert big.startswith("552 5.3.4")
        lines = b"." + b"x" * 97 + b"\r\n"
        for octets, reply in ((MAX_MESSAGE, "552 5.3.4"), (room, "250"), (2 * room, "552 5.3.4")):
            assert (await talk.send(lines * (octets // 100) + b"\r\n")).startswith(reply)
        assert (await talk.send()).startswith("250")
    assert len(world.inbox.taken) == 2
    assert len(world.inbox.taken[0].source) <= MAX_MESSAGE


async def test_large_messages_share_a_budget(db: Pool) -> None:
    """When memory for messages is full, the next is put off, and it is all given back."""
    async with submitting(db, memory=3_000_000) as world:
        big = MESSAGE + b"x" * 78 + b"\r\n" * 1_000_000
        async with world.talk() as first, world.talk() as second:
            world.inbox.gate = asyncio.Event()
            await first.begin()
            first.writer.write(big + b".\r\n")
            await world.inbox.began.wait()
            assert (await second.send(big)).startswith("452 4.3.1")
            world.inbox.gate.set()
            assert (await first.reply()).startswith("250")
            assert (await second.send(big)).startswith("250")
        assert (await world.send(big * 2)).startswith("452 4.3.1")
        assert (await world.send(big)).startswith("250")


async def test_loops_end(db: Pool) -> None:
    """A message that was here three times, or came over fifty hosts, goes no further."""
    other = b"Received: from a by b; Thu, 1 Jan 2026 00:00:00 +0000\r\n"
    async with submitting(db) as world:
        message = MESSAGE
        for _ in range(3):
            assert (await world.send(message)).startswith("250")
            message = world.inbox.taken[-1].source
        assert message.count(f"(edge {MARK})".encode()) == 3
        assert (await world.send(message)).startswith("554 5.4.6")
        assert (await world.send(other * 50 + MESSAGE)).startswith("250")
        assert (await world.send(other * 51 + MESSAGE)).startswith("554 5.4.6")
        body = MESSAGE + (other + f"Received: (edge {MARK})\r\n".encode()) * 60
        assert (await world.send(body)).startswith("250")


async def test_no_line_of_ours_is_forged(db: Pool) -> None:
    """A client's own name for itself cannot write into the header."""
    async with submitting(db) as world:
        for name in ("a);X:y", "[::1]", "x" * 255, "ü", "(edge"):
            async with world.talk() as talk:
                assert (await talk.say(f"EHLO {name}")).startswith("250")
                await talk.say(f"MAIL FROM:<{LOGIN}>")
                await talk.say("RCPT TO:<b@example.net>")
                await talk.say("DATA")
                assert (await talk.say(MESSAGE + b".\r\n")).startswith("250")
            field = world.inbox.taken[-1].source.removesuffix(MESSAGE)
            assert field.count(b"\r\n") == 3
            assert field.isascii()
            assert b");X" not in field
            assert field.count(b"(edge") == 1


async def test_connections_are_capped(db: Pool) -> None:
    """In total and for one network; a place is free again when its connection ends."""
    for most, most_each in ((2, 50), (500, 2)):
        async with (
            submitting(db, most=most, most_each=most_each) as world,
            world.talk() as first,
            world.talk(),
        ):
            assert first.greeting.startswith("220")
            async with world.talk() as third:
                assert third.greeting.startswith("421 4.7.0")
                assert await third.reply() == ""
            await first.say("QUIT")
            async with world.talk() as third:
                assert third.greeting.startswith("220")


async def test_errors_and_idle_talk_are_bounded(db: Pool) -> None:
    """A connection that only makes mistakes, or only chats, is closed."""
    for line, most in (("WHAT", MOST_FAULTS), ("NOOP", MOST_JUNK + 1)):
        async with submitting(db) as world, world.talk() as talk:
            for _ in range(most - 1):
                await talk.say(line)
            last = [await talk.say(line), await talk.reply()]
            assert any(reply.startswith("421 4.7.0") for reply in last)


async def test_browsers_are_no_clients(db: Pool) -> None:
    """A web page that makes a browser post SMTP to this port gets nowhere."""
    async with submitting(db) as world:
        for start in (b"POST / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\n", b"Host: edge\r\n"):
            async with world.talk() as talk:
                talk.writer.write(start + b"\r\nEHLO x\r\n" + SMUGGLED)
                async with asyncio.timeout(20):
                    text = (await talk.reader.read()).decode()
                assert text == "421 4.7.0 this is a mail server\r\n"
        assert not world.inbox.taken


async def test_silence_and_drips_end(db: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """An idle connection is told 421; a message that drips in has a deadline for its whole."""
    async with submitting(db) as world:
        monkeypatch.setattr(conversation, "IDLE_SECONDS", 0.3)
        async with world.talk() as talk:
            await talk.hello()
            assert (await talk.reply()).startswith("421 4.4.2")
            assert await talk.reply() == ""
        monkeypatch.setattr(dialogue, "DATA_SECONDS", 0.5)
        async with world.talk() as talk:
            await talk.begin()
            for _ in range(100):
                if talk.reader.at_eof() or world.inbox.taken:
                    break
                try:
                    talk.writer.write(b"x.\r\n")
                    await talk.writer.drain()
                except ConnectionError:
                    break
                await asyncio.sleep(0.1)
            try:
                assert (await talk.reply()).startswith("421 4.4.2")
            except ConnectionError:
                pass
    assert not world.inbox.taken


async def test_a_client_that_reads_nothing(db: Pool) -> None:
    """Replies that are not taken stop the conversation: neither they nor commands pile up."""
    async with submitting(db) as world:
        async with world.talk() as talk:
            await talk.hello()
            await talk.say(f"MAIL FROM:<{LOGIN}>")
            talk.writer.transport.pause_reading()  # type: ignore[attr-defined]  # it can read too
            (conversation,) = world.server._connections
            transport = conversation.transport
            assert isinstance(transport, asyncio.Transport)
            stuck = 0
            for _ in range(2000):
                if talk.writer.transport.get_write_buffer_size() < 100_000:
                    talk.writer.write(b"RCPT TO:<b@example.net>\r\n" * 1000)
                await asyncio.sleep(0.001)
                assert transport.get_write_buffer_size() < 200_000
                stuck = stuck + 1 if transport.get_write_buffer_size() > 60_000 else 0
                if stuck > 50:
                    break
            assert stuck > 50
            talk.writer.transport.abort()
        assert (await world.send()).startswith("250")


async def test_nothing_of_a_client_is_logged(db: Pool, capsys: pytest.CaptureFixture[str]) -> None:
    """No password, no address of a person, no text of a message, whatever goes wrong."""
    async with submitting(db) as world:
        await world.send(b"From: secret-author@mg.example.com\r\n\r\nsecret-text\r\n")
        await world.send(
            b"secret-text\nx\r\n", "secret-sender@elsewhere.example", "secret@x.example"
        )
        world.inbox.error = RuntimeError("a fault")
        await world.send()
        async with world.talk() as talk:
            await talk.hello()
            await talk.say("AUTH PLAIN c2VjcmV0LXBhc3N3b3Jk")
            await talk.say("secret-command")
    said = capsys.readouterr()
    assert "submitted" in said.out + said.err
    assert "secret" not in said.out + said.err
    assert "c2VjcmV0" not in said.out + said.err
    assert metrics.SUBMISSIONS.labels("fault")._value.get() >= 1


async def test_no_nonsense_is_a_fault(db: Pool) -> None:
    """Commands, halves of commands and bytes in any order: answered or cut off, never a fault."""
    words = [
        *(b"EHLO x\r\n", b"HELO\r\n", b"MAIL FROM:<a@mg.example.com>\r\n", b"MAIL FROM:<>\r\n"),
        *(b"RCPT TO:<b@example.net>\r\n", b"DATA\r\n", b".\r\n", b"\r\n.\r\n", b"From: a\r\n"),
        *(b"RSET\r\n", b"AUTH PLAIN\r\n", b"STARTTLS\r\n", b"QUIT", b"\r", b"\n", b"\r\n", b"\0"),
        *(b"MAIL", b" ", b"FROM:", b"<", b">", b"\xff\xfe", "ü".encode(), b"=", b"BDAT 5\r\n"),
        b"From: x <a@mg.example.com>\r\nReceived: x\r\n y\r\n\r\n",
    ]
    chance = random.Random(5)
    before = metrics.SUBMISSIONS.labels("fault")._value.get()
    async with submitting(db) as world:
        for _ in range(400):
            async with world.talk() as talk:
                talk.writer.write(b"".join(chance.choices(words, k=chance.randrange(1, 40))))
                talk.writer.write_eof()
                async with asyncio.timeout(20):
                    try:
                        text = (await talk.reader.read()).decode()
                    except ConnectionError:
                        continue
                assert all(line[:3].isdigit() for line in text.splitlines())
        assert (await world.send()).startswith("250")
    assert metrics.SUBMISSIONS.labels("fault")._value.get() == before
