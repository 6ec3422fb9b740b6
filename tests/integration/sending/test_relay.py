"""The relay against real servers, good and bad."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edge.clock import ManualClock
from edge.returns.reasons import Reason
from edge.sending.relay import Accepted, Failed, Limits, Relay
from edge.sending.resolve import Exchangers
from edge.sending.routes import DirectToMx, Smarthost, Tls
from edge.sending.session import Deadlines
from tests.integration.sending.servers import (
    CLOSE,
    SILENCE,
    Inbox,
    certificate,
    dns_server,
    scripted_server,
    smtp_server,
)

MESSAGE = b"From: a@brand.example\r\n\r\n.dot\r\n..two\r\nend"
SHORT = Deadlines(*[0.3] * 11)


@asynccontextmanager
async def _relay(
    deadlines: Deadlines | None = None,
    limits: Limits | None = None,
    dns_port: int = 1,
    ca_file: str | None = None,
    clock: ManualClock | None = None,
) -> AsyncIterator[Relay]:
    exchangers = Exchangers([("127.0.0.1", dns_port)], private_networks=True, timeout=2)
    relay = Relay(
        clock or ManualClock(),
        exchangers,
        helo="edge.test",
        deadlines=deadlines,
        limits=limits,
        ca_file=ca_file,
    )
    try:
        yield relay
    finally:
        await relay.close()


def _to(port: int, tls: Tls = Tls.OFF) -> Smarthost:
    return Smarthost("127.0.0.1", port, tls)


async def _send(relay: Relay, port: int, recipient: str = "r@example.org") -> Accepted | Failed:
    return await relay.deliver(_to(port), "b-x@bounces.brand.example", recipient, MESSAGE)


async def test_a_message_arrives_as_it_was() -> None:
    """Dots at line starts survive; the reply, host and TLS are told."""
    inbox = Inbox()
    async with smtp_server(inbox) as port, _relay() as relay:
        result = await _send(relay, port)
    assert isinstance(result, Accepted)
    assert (result.reply.code, result.reply.enhanced) == (250, "2.0.0")
    assert (result.host, result.tls, result.verified) == ("127.0.0.1", False, False)
    assert inbox.taken[0].content == MESSAGE + b"\r\n"
    assert inbox.taken[0].mail_from == "b-x@bounces.brand.example"


async def test_connections_are_reused_after_success_and_refusal() -> None:
    """One connection serves many messages; a refused recipient does not end it."""
    inbox = Inbox({"gone@example.org": "550 5.1.1 no such user"})
    async with smtp_server(inbox) as port, _relay() as relay:
        for _ in range(3):
            assert isinstance(await _send(relay, port), Accepted)
        refused = await _send(relay, port, "gone@example.org")
        assert isinstance(await _send(relay, port), Accepted)
    assert isinstance(refused, Failed)
    assert refused.verdict.hard
    assert (refused.verdict.reason, refused.verdict.code) == (Reason.USER_UNKNOWN, 550)
    assert len(inbox.sessions) == 1


async def test_idle_connections_end() -> None:
    """One that idled too long is not used again."""
    inbox, clock = Inbox(), ManualClock()
    async with smtp_server(inbox) as port, _relay(clock=clock) as relay:
        await _send(relay, port)
        clock.advance(60)
        await _send(relay, port)
    assert len(inbox.taken) == 2


async def test_caps_hold() -> None:
    """Twenty deliveries at once over at most two connections; without a free one: soft."""
    inbox = Inbox()
    async with smtp_server(inbox) as port, _relay(limits=Limits(per_host=2)) as relay:
        results = await asyncio.gather(*(_send(relay, port) for _ in range(20)))
    assert all(isinstance(result, Accepted) for result in results)
    assert len(inbox.sessions) <= 2
    async with (
        scripted_server({"RCPT": SILENCE}) as port,
        _relay(Deadlines(rcpt=1), Limits(per_host=1, wait=0.1)) as relay,
    ):
        first, second = await asyncio.gather(_send(relay, port), _send(relay, port))
    assert {r.verdict.evidence for r in (first, second) if isinstance(r, Failed)} == {
        "timeout-rcpt",
        "no-free-connection",
    }


@pytest.mark.parametrize(
    ("answers", "greeting", "evidence", "code"),
    [
        ({}, SILENCE, "timeout-connect", 0),
        ({}, b"SSH-2.0-x\r\n", "not-smtp", 0),
        ({}, CLOSE, "no-connection", 0),
        ({}, b"421 4.3.2 shutting down\r\n", "status-4.3.2", 421),
        ({}, b"554 no SMTP service\r\n", "blocked", 554),
        ({}, b"521 5.3.2 we do not\r\n", "status-5.3.2", 521),
        ({"EHLO": SILENCE}, None, "timeout-helo", 0),
        ({"MAIL": SILENCE}, None, "timeout-mail", 0),
        ({"MAIL": b"421 4.7.0 too many connections\r\n"}, None, "rate", 421),
        ({"RCPT": CLOSE}, None, "connection-lost-rcpt", 0),
        ({"RCPT": b"450 4.2.0 Greylisted\r\n"}, None, "greylisted", 450),
        ({"DATA": b"554 5.7.1 no\r\n"}, None, "status-5.7.1", 554),
        ({"DATA": SILENCE}, None, "timeout-data", 0),
        ({".": b"552 5.3.4 too big\r\n"}, None, "too-big", 552),
    ],
)
async def test_servers_that_misbehave(
    answers: dict[str, bytes], greeting: bytes | None, evidence: str, code: int
) -> None:
    """Each ends in a documented verdict, soft, and surely undelivered."""
    opening = greeting or b"220 mx.test\r\n"
    async with scripted_server(answers, opening) as port, _relay(SHORT) as relay:
        result = await _send(relay, port)
    assert isinstance(result, Failed)
    assert (result.verdict.evidence, result.verdict.code) == (evidence, code)
    assert not result.possible_duplicate


@pytest.mark.parametrize("answer", [SILENCE, CLOSE])
async def test_no_answer_to_the_final_dot_is_a_possible_duplicate(answer: bytes) -> None:
    """Unknown, so tried again, and counted."""
    async with scripted_server({".": answer}) as port, _relay(SHORT) as relay:
        result = await _send(relay, port)
    assert isinstance(result, Failed)
    assert result.verdict.evidence == "no-answer-to-dot"
    assert result.possible_duplicate
    assert not result.verdict.hard


async def test_a_close_while_a_long_message_goes_out_is_no_duplicate() -> None:
    """The dot never left, so the server cannot have taken it."""
    async with scripted_server({"body": CLOSE}) as port, _relay() as relay:
        result = await relay.deliver(_to(port), "", "r@example.org", MESSAGE + b"x\r\n" * 5_000_000)
    assert isinstance(result, Failed)
    assert not result.possible_duplicate
    assert result.verdict.reason is Reason.NETWORK


async def test_line_breaks_in_addresses_are_no_commands() -> None:
    """Nothing after the break reaches the server."""
    inbox = Inbox()
    async with smtp_server(inbox) as port, _relay() as relay:
        result = await _send(relay, port, "r@example.org>\r\nRCPT TO:<other@example.org")
    assert isinstance(result, Failed)
    assert result.verdict.evidence == "bad-address"


async def test_tls(tmp_path: Path) -> None:
    """Required: verified for the name, or nothing is sent. Opportunistic: encrypted, unverified."""
    context, ca_file = certificate(tmp_path, "localhost")
    inbox = Inbox()
    async with (
        smtp_server(inbox, context=context) as port,
        smtp_server(inbox) as plain,
        smtp_server(inbox, context=context, implicit=True, password="pw") as implicit,
        _relay(ca_file=ca_file) as trusting,
        _relay() as wary,
    ):

        async def told(relay: Relay, at: int, tls: Tls) -> Accepted | Failed:
            return await relay.deliver(Smarthost("localhost", at, tls), "", "r@e.org", MESSAGE)

        verified = await told(trusting, port, Tls.REQUIRED)
        assert isinstance(verified, Accepted)
        assert (verified.tls, verified.verified) == (True, True)
        lenient = await told(wary, port, Tls.OPPORTUNISTIC)
        assert isinstance(lenient, Accepted)
        assert (lenient.tls, lenient.verified) == (True, False)
        before = len(inbox.taken)
        untrusted = await told(wary, port, Tls.REQUIRED)
        unoffered = await told(trusting, plain, Tls.REQUIRED)
        assert isinstance(untrusted, Failed)
        assert untrusted.verdict.evidence == "tls-failed"
        assert isinstance(unoffered, Failed)
        assert unoffered.verdict.evidence == "tls-not-offered"
        assert len(inbox.taken) == before
        for password, fine in (("pw", True), ("wrong", False)):
            route = Smarthost("localhost", implicit, Tls.REQUIRED, True, "u", password)
            result = await trusting.deliver(route, "", "r@e.org", MESSAGE)
            assert isinstance(result, Accepted) == fine
        assert isinstance(result, Failed)
        assert result.verdict.evidence == "login-refused"


async def test_direct_to_mx_goes_on_to_the_next_server() -> None:
    """The first exchanger refuses connections; the second takes the message."""
    inbox = Inbox()
    zone: dict[tuple[str, str], list[str] | str] = {
        ("example.org", "MX"): ["10 dead.test.", "20 live.test."],
        ("dead.test", "A"): ["127.0.0.2"],
        ("live.test", "A"): ["127.0.0.1"],
    }
    async with (
        smtp_server(inbox) as port,
        dns_server(zone) as dns_port,
        _relay(dns_port=dns_port) as relay,
    ):
        route = DirectToMx(Tls.OPPORTUNISTIC, port)
        result = await relay.deliver(route, "", "r@example.org", MESSAGE)
        unknown = await relay.deliver(route, "", "r@nowhere.test", MESSAGE)
    assert isinstance(result, Accepted)
    assert result.host == "live.test"
    assert isinstance(unknown, Failed)
    assert unknown.verdict.reason is Reason.HOST_UNKNOWN
