"""AUTH and TLS: who may send, with real clients, on both event loops."""

import asyncio
import base64
import smtplib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiosmtplib
import pytest
import uvloop

from edge.model.errors import PeerError
from edge.store import credentials, domains
from edge.store import pool as store
from edge.store.pool import Pool
from tests.integration.sending.servers import certificate
from tests.integration.sending.submitting import (
    DOMAIN,
    LOGIN,
    MESSAGE,
    PASSWORD,
    Talk,
    World,
    plain,
    submitting,
    unverified,
    with_smtplib,
)
from tests.postgres import Cluster, database

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


@asynccontextmanager
async def _secured(world: World) -> AsyncIterator[Talk]:
    """A raw connection over TLS from its first byte, greeted."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", world.tls_port, ssl=unverified(), server_hostname="localhost"
    )
    talk = Talk(reader, writer)
    try:
        talk.greeting = await talk.reply()
        await talk.hello()
        yield talk
    finally:
        writer.close()


@pytest.mark.parametrize("loop", LOOPS, ids=["asyncio", "uvloop"])
def test_starttls_and_login(
    cluster: Cluster, tmp_path: Path, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """smtplib and aiosmtplib with a verified certificate; the Received field says ESMTPSA."""
    context, ca_file = certificate(tmp_path, "localhost")

    def standard(port: int) -> None:
        with smtplib.SMTP("localhost", port, timeout=20) as client:
            client.starttls(context=ssl.create_default_context(cafile=ca_file))
            client.ehlo()
            assert not client.has_extn("starttls")
            client.login(LOGIN, PASSWORD)
            client.sendmail("x@elsewhere.example", ["b@example.net"], MESSAGE)
            client.sendmail("x@elsewhere.example", ["b@example.net"], MESSAGE + b"y\r\n" * 900_000)

    async def main() -> None:
        async with database(cluster) as url, store.opened(url) as db:
            async with submitting(db, context=context, trusted=None) as world:
                await asyncio.to_thread(standard, world.port)
                await aiosmtplib.send(
                    MESSAGE,
                    sender=LOGIN,
                    recipients=["b@example.net"],
                    hostname="localhost",
                    port=world.port,
                    username=LOGIN,
                    password=PASSWORD,
                    start_tls=True,
                    cert_bundle=ca_file,
                )
            assert len(world.inbox.taken) == 3
            for message in world.inbox.taken:
                assert message.origin.authenticated
                assert message.domain.name == DOMAIN
                assert b" with ESMTPSA " in message.source
            assert len(world.inbox.taken[1].source) > 2_700_000

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())


@pytest.mark.parametrize("loop", LOOPS, ids=["asyncio", "uvloop"])
def test_implicit_tls(
    cluster: Cluster, tmp_path: Path, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """TLS from the first byte (RFC 8314): AUTH is offered at once, STARTTLS never."""
    context, _ = certificate(tmp_path, "localhost")

    def standard(client: smtplib.SMTP) -> bool:
        client.login(LOGIN, PASSWORD)
        client.sendmail(LOGIN, ["b@example.net"], MESSAGE)
        return client.has_extn("starttls")

    async def main() -> None:
        async with database(cluster) as url, store.opened(url) as db:
            async with submitting(db, context=context, trusted=None) as world:
                assert not await with_smtplib(world, standard, tls=True)
            assert world.inbox.taken[0].origin.authenticated

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())


@pytest.mark.parametrize("loop", LOOPS, ids=["asyncio", "uvloop"])
def test_nothing_comes_with_starttls(
    cluster: Cluster, tmp_path: Path, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """Commands put behind STARTTLS in plain text never run, before TLS or after (CVE-2011-0411)."""
    context, _ = certificate(tmp_path, "localhost")
    injected = b"STARTTLS\r\nEHLO evil\r\nMAIL FROM:<evil@mg.example.com>\r\n"

    async def main() -> None:
        async with (
            database(cluster) as url,
            store.opened(url) as db,
            submitting(db, context=context) as world,
        ):
            async with world.talk() as talk:
                await talk.hello()
                assert (await talk.say(injected)).startswith("421 4.7.0")
                assert await talk.reply() == ""
            async with world.talk() as talk:  # what comes later is taken for TLS, and fails
                await talk.hello()
                assert (await talk.say("STARTTLS")).startswith("220")
                talk.writer.write(b"MAIL FROM:<evil@mg.example.com>\r\n")
                async with asyncio.timeout(20):
                    rest = await talk.reader.read()
                assert b"250" not in rest
            assert (await world.send()).startswith("250")

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())


async def test_tls_forgets_what_was_said_before(db: Pool, tmp_path: Path) -> None:
    """RFC 3207 § 4.2: EHLO again, and no message half begun in plain text goes on."""
    context, _ = certificate(tmp_path, "localhost")

    def talk(client: smtplib.SMTP) -> list[int]:
        client.ehlo()
        codes = [client.docmd("MAIL FROM:<a@mg.example.com>")[0]]
        client.docmd("STARTTLS")
        assert client.sock is not None
        client.sock = unverified().wrap_socket(client.sock)
        client.file = None
        codes.append(client.docmd("RCPT TO:<b@example.net>")[0])
        codes.append(client.docmd("MAIL FROM:<a@mg.example.com>")[0])
        client.ehlo()
        codes.append(client.docmd("STARTTLS")[0])
        codes.append(client.docmd("MAIL FROM:<a@mg.example.com>")[0])
        return codes

    async with submitting(db, context=context) as world:
        assert await with_smtplib(world, talk) == [250, 503, 503, 503, 250]


async def test_auth_only_over_tls(db: Pool, tmp_path: Path) -> None:
    """In plain text it is neither offered nor taken, even with the right password."""
    context, _ = certificate(tmp_path, "localhost")
    async with submitting(db, context=context, trusted=None) as world, world.talk() as talk:
        offered = await talk.hello()
        assert "STARTTLS" in offered
        assert "AUTH" not in offered
        assert (await talk.say(f"AUTH PLAIN {plain()}")).startswith("538 5.7.11")
        assert (await talk.say(f"MAIL FROM:<{LOGIN}>")).startswith("530 5.7.0")


async def test_every_way_to_say_a_password(db: Pool, tmp_path: Path) -> None:
    """PLAIN and LOGIN, with and without initial response, in any case of letters."""
    context, _ = certificate(tmp_path, "localhost")
    user, word = (base64.b64encode(text.encode()).decode() for text in (LOGIN.upper(), PASSWORD))
    async with submitting(db, context=context, trusted=None) as world:
        for lines in (
            [f"AUTH PLAIN {plain()}"],
            ["auth plain", plain()],
            ["AUTH LOGIN", user, word],
            [f"AUTH Login {user}", word],
        ):
            async with _secured(world) as talk:
                for line in lines[:-1]:
                    assert (await talk.say(line)).startswith("334 ")
                assert (await talk.say(lines[-1])).startswith("235 2.7.0")
                assert (await talk.say(lines[0])).startswith("503 5.5.1")
                assert "AUTH" not in await talk.hello()


async def test_wrong_passwords(db: Pool, tmp_path: Path) -> None:
    """Whatever is wrong gets the same answer; three of them end the connection."""
    context, _ = certificate(tmp_path, "localhost")
    wrong = [plain(password="wrong"), plain("nobody@mg.example.com"), plain("\u00fc@x")]
    async with submitting(db, context=context, trusted=None) as world:
        async with _secured(world) as talk:
            answers = {await talk.say(f"AUTH PLAIN {one}") for one in wrong}
            assert answers == {"535 5.7.8 authentication credentials invalid"}
            assert (await talk.reply()).startswith("421 4.7.0")
        async with _secured(world) as talk:
            for line, reply in {
                "AUTH CRAM-MD5": "504 5.5.4",
                "AUTH": "504 5.5.4",
                "AUTH PLAIN !!!": "501 5.5.2",
                "AUTH PLAIN AAAA": "501 5.5.2",
                "AUTH PLAIN " + "A" * 12_300: "500 5.5.2",
            }.items():
                assert (await talk.say(line)).startswith(reply), line
            await talk.say("AUTH LOGIN")
            assert (await talk.say("*")).startswith("501 5.5.2")
            assert (await talk.say(f"MAIL FROM:<{LOGIN}>")).startswith("530 5.7.0")


async def test_guessing_is_slowed_down(db: Pool, tmp_path: Path) -> None:
    """After so many failures a minute from a network or at a login, nobody is asked; but who was
    right a moment ago goes on.
    """
    context, _ = certificate(tmp_path, "localhost")
    async with submitting(db, context=context, trusted=None, failures=2) as world:
        check = world.server.login
        assert await check(LOGIN, PASSWORD, "192.0.2.9") != ""
        for _ in range(2):
            assert str(await check("x@mg.example.com", "guess", "192.0.2.1")).startswith("535")
            assert str(await check(LOGIN, "guess", "192.0.2.2")).startswith("535")
        for login, ip in (("y@mg.example.com", "192.0.2.1"), (LOGIN, "192.0.2.3")):
            assert str(await check(login, "guess", ip)).startswith("454 4.7.0")
        assert not isinstance(await check(LOGIN, PASSWORD, "192.0.2.2"), str)
        world.clock.advance(31)
        assert str(await check("y@mg.example.com", "guess", "192.0.2.4")).startswith("535")
        world.clock.advance(60)
        assert not isinstance(await check(LOGIN, PASSWORD, "192.0.2.2"), str)


async def test_a_removed_login_ends(db: Pool, tmp_path: Path) -> None:
    """Half a minute later at most."""
    context, _ = certificate(tmp_path, "localhost")
    async with submitting(db, context=context, trusted=None) as world:
        assert not isinstance(await world.server.login(LOGIN, PASSWORD, "192.0.2.9"), str)
        async with db.acquire() as conn:
            await credentials.remove(conn, await domains.get(conn, DOMAIN), LOGIN)
        world.clock.advance(31)
        assert str(await world.server.login(LOGIN, PASSWORD, "192.0.2.9")).startswith("535")


async def test_logins_without_postgres(db: Pool, tmp_path: Path) -> None:
    """Nobody is told that a password is wrong because it could not be looked up."""
    context, _ = certificate(tmp_path, "localhost")

    def away() -> None:
        raise PeerError("not reached since the start")

    async with submitting(db, context=context, trusted=None, connect=away) as world:
        assert str(await world.server.login(LOGIN, PASSWORD, "192.0.2.9")).startswith("454 4.7.0")


async def test_who_may_send_without_a_login(db: Pool) -> None:
    """Only the addresses that the operator named; without a certificate the refusal says so."""
    async with submitting(db, trusted=lambda ip: ip == "127.0.0.1") as world:
        assert (await world.send()).startswith("250")
        assert not world.server.trusts("127.0.0.2")


async def test_strangers_are_no_senders(db: Pool) -> None:
    """No open relay: without login or network not even the domain's own mail is taken."""
    async with submitting(db, trusted=None) as world, world.talk() as talk:
        await talk.hello()
        reply = await talk.say(f"MAIL FROM:<{LOGIN}>")
        assert reply.startswith("550 5.7.1")
        assert "EDGE_SMTP_NETWORKS" in reply
        assert (await talk.say("RCPT TO:<b@example.net>")).startswith("503")
        assert (await talk.say("DATA")).startswith("503")
