"""One POST over real sockets: whom it reaches, and what it makes of odd answers."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from certs.keys import self_signed
from edge.clock import SystemClock
from edge.model.webhook import SigningKey
from edge.webhooks.delivery import Attempt, Guard, Names, Own, Poster, Refused, is_own
from tests.integration.webhooks.receivers import KEY, receiving
from tests.integration.webhooks.worlds import LOOPBACK


@asynccontextmanager
async def poster(**settings: Any) -> AsyncIterator[Poster]:
    """What may call this machine."""
    async with Poster(SystemClock(), **({"allowed": LOOPBACK} | settings)) as made:
        yield made


async def call(made: Poster, url: str) -> Attempt:
    """One POST."""
    return await made.post(url, SigningKey(KEY), token="ab" * 25, event='{"id":"x"}')


async def test_only_so_much_of_an_answer_is_read() -> None:
    """Megabytes are cut off, one that never ends is given up, and the status counts either way."""
    async with receiving() as receiver, poster(seconds=1.0) as made:
        huge = await call(made, f"{receiver.url}/huge/x")
        assert (huge.status, huge.answer, huge.error) == (200, "x" * 300, "")
        drip = await call(made, f"{receiver.url}/drip/x")
        assert (drip.status, drip.answer) == (200, "partial")


async def test_an_answer_that_does_not_come_in_time_is_none() -> None:
    """The whole attempt has a deadline."""
    async with receiving() as receiver, poster(seconds=1.0) as made:
        got = await call(made, f"{receiver.url}/slow/x")
        assert (got.status, got.error) == (None, "no answer in time")
        assert got.duration_ms >= 900


async def test_a_redirect_is_an_answer_and_never_followed() -> None:
    """It would lead wherever the other side likes."""
    async with receiving() as receiver, poster() as made:
        got = await call(made, f"{receiver.url}/redirect/x")
        assert got.status == 307
        assert [post.path for post in receiver.posts] == ["/redirect/x"]


async def test_connections_are_kept_and_a_stale_one_costs_nothing() -> None:
    """A connection closed by the other side when it is used again is replaced at once."""
    closed = asyncio.Event()
    served: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError):  # the caller has closed it
            for turn in range(2):
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split()[0])
                await reader.readexactly(length)
                if turn:
                    break  # used again: closed without an answer
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            closed.set()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server, poster() as made:
        assert (await call(made, url)).status == 200
        assert len(served) == 1
        assert (await call(made, url)).status == 200
        assert closed.is_set()
        assert len(served) == 2
    await asyncio.gather(*filter(None, served))


async def test_a_connection_cut_without_an_answer_is_told() -> None:
    """And so is a port where nobody listens, without the URL, which may hold a secret."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        async with receiving() as receiver, poster() as made:
            cut = await call(made, f"{receiver.url}/cut/s3cret")
            assert (cut.status, cut.error) == (None, "no answer: ServerDisconnectedError")
            nobody = await call(made, f"http://any:s3cret@127.0.0.1:{port}/s3cret")
            assert nobody.status is None
            assert nobody.error.startswith("not connected: ")
            assert "s3cret" not in nobody.error


async def test_a_certificate_has_to_be_trusted(tmp_path: Path) -> None:
    """One that signed itself is refused unless the operator names it; the wrong name always is."""
    chain = tmp_path / "pem"
    chain.write_text(self_signed("localhost", SystemClock.now()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    async with receiving(context) as receiver:
        named = receiver.url.replace("127.0.0.1", "localhost")
        async with poster() as made:
            refused = await call(made, f"{named}/200/x")
            assert refused.status is None
            assert "certificate" in refused.error
        async with poster(ca_file=chain) as made:
            assert (await call(made, f"{named}/200/x")).status == 200
            wrong = await call(made, receiver.url.replace("127.0.0.1", "other.localhost") + "/200")
            assert wrong.status is None
            assert "certificate" in wrong.error


async def test_the_built_in_receiver_is_reached_over_tls_whatever_its_certificate(
    tmp_path: Path,
) -> None:
    """It is on this machine by construction; nothing else of the same port is."""
    chain = tmp_path / "pem"
    chain.write_text(self_signed("api.example.com", SystemClock.now()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    async with receiving(context) as receiver:
        path = "/receive/" + "A" * 43
        own = Own(receiver.url, ("https://api.example.com",))
        async with poster(allowed=(), own=own) as made:
            for base in (receiver.url, "https://api.example.com"):
                assert (await call(made, base + path)).error == ""
            refused = await call(made, f"{receiver.url}/200/x")
            assert (refused.status, "not a public" in refused.error) == (None, True)
        assert [post.path for post in receiver.posts] == [path, path]


HOSTILE = [
    *("127.0.0.1", "127.1", "0x7f.1", "2130706433", "017700000001", "0", "0.0.0.0", "localhost"),
    *("a.localhost", "localhost.", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"),
    *("[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]"),
    *("[fe80::1]", "[fec0::1]", "[fd00::1]", "[ff02::1]", "[2001:0:1::1]", "[100::1]"),
    *("10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "168.63.129.16"),
    *("[fd00:ec2::254]", "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "224.0.0.1"),
    *("240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "192.0.0.8", "[2001:db8::1]"),
]


async def test_no_spelling_of_a_private_address_is_reached() -> None:
    """Nothing is ever connected to: the receiver listens and hears nothing."""
    async with receiving() as receiver, poster(allowed=()) as made:
        port = receiver.url.rpartition(":")[2]
        for host in HOSTILE:
            got = await call(made, f"http://{host}:{port}/200/x")
            assert got.status is None, host
            assert got.error.startswith(("not connected", "the URL cannot be called")), host
        assert receiver.posts == []


class Rebinding(Names):
    """A resolver that somebody else answers for: an address that was not judged."""

    async def _addresses(self, host: str) -> list[str]:
        return ["93.184.216.34", "127.0.0.1"] if self.honest else ["127.0.0.1"]

    honest = False


async def test_what_was_resolved_is_judged_again_where_the_socket_is_made() -> None:
    """A name that turns to this machine is refused, and so is an address that came another way."""
    guard = Guard()
    names = Rebinding(guard)
    with pytest.raises(Refused, match=r"127\.0\.0\.1 is not a public address"):
        await names.resolve("evil.example", 80)
    names.honest = True
    found = await names.resolve("evil.example", 80)
    assert [one["host"] for one in found] == ["93.184.216.34"], "the private one is left out"
    info = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))
    with pytest.raises(Refused):
        guard.open(info)


def test_an_address_of_this_machine_is_known_for_one() -> None:
    """The kernel reaches it from itself, whatever number it has; strangers' it does not."""
    assert is_own("127.0.0.1")
    assert not is_own("192.0.2.1")
