"""https on tracking hosts: HSTS where it may be, names that agree, pages that move there."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

import pytest
import structlog

from certs.directory_storage import write_private
from edge.clock import ManualClock
from edge.observe import metrics
from edge.tracking import acceptor, server
from edge.tracking.answers import HSTS
from edge.tracking.handshakes import Handshakes, unraisable
from tests.integration.tracking.secure import (
    AGE,
    HOSTS,
    SECOND,
    THUMBPRINT,
    connected,
    keys_of,
    roster,
)
from tests.integration.tracking.worlds import captures, tracking
from tests.threats.serving import CLICK, KEYRING, OPEN, OTHER, OURS, UNSUBSCRIBE, hang_up

PIXEL = f"/o/{KEYRING.seal(OPEN)}"
LINK = f"/c/{KEYRING.seal(CLICK)}"
PAGE = f"/u/{KEYRING.seal(UNSUBSCRIBE)}"
TOKEN = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"
CHALLENGE = f"/.well-known/acme-challenge/{TOKEN}"
KEY = HSTS.lower()

both_ways = pytest.mark.parametrize("hot", [True, False], ids=["hot", "aiohttp"])


@both_ways
async def test_hsts_is_on_every_answer_over_tls_of_a_host_that_has_it(
    tmp_path: Path, hot: bool
) -> None:
    """Pixel, redirect, page, 404: each with the max-age of its own host, also the second time."""
    roster(tmp_path)
    async with tracking(tmp_path, hot=hot, certificates=keys_of(tmp_path, *HOSTS)) as world:
        for name, age in ((OURS, AGE), (SECOND, 300)):
            async with connected(world, name) as client:
                for path in (PIXEL, LINK, PIXEL, LINK, "/c/x", PAGE, "/nothing", "/robots.txt"):
                    for method in ("GET", "HEAD"):
                        answer = await client.get(path, name, method)
                        assert answer.headers.get(KEY) == f"max-age={age}", (path, answer)


@both_ways
async def test_hsts_is_nowhere_else(tmp_path: Path, hot: bool) -> None:
    """Not in plain, not for hosts that have none, not where the client named no host."""
    roster(tmp_path)
    paths = (PIXEL, LINK, PIXEL, LINK, PAGE, "/nothing")
    async with tracking(tmp_path, hot=hot, certificates=keys_of(tmp_path, *HOSTS)) as world:
        for path in paths:
            assert KEY not in (await world.get(path, OURS)).headers
        async with connected(world, OTHER) as client:
            for path in paths:
                assert KEY not in (await client.get(path, OTHER)).headers
        async with connected(world, None) as client:
            for path in paths:
                answer = await client.get(path, OURS)
                assert answer.status in {200, 302, 404}
                assert KEY not in answer.headers


async def test_hsts_follows_the_roster(tmp_path: Path) -> None:
    """A new max-age is sent from the next look at the roster on, with the date of that second."""
    roster(tmp_path)
    clock = ManualClock()
    certificates = keys_of(tmp_path, *HOSTS)
    async with (
        tracking(tmp_path, certificates=certificates, clock=clock) as world,
        connected(world, OURS) as client,
    ):
        before = await client.get(PIXEL, OURS)
        roster(tmp_path, version=2, age=300)
        clock.advance(10)
        await world.server.tick()
        after = await client.get(PIXEL, OURS)
        assert (before.headers[KEY], after.headers[KEY]) == (f"max-age={AGE}", "max-age=300")
        assert after.headers["date"] != before.headers["date"]


@both_ways
async def test_a_connection_for_one_domain_serves_no_other(tmp_path: Path, hot: bool) -> None:
    """421 and no record, on the first request and on a later one; the connection goes on."""
    roster(tmp_path)
    async with tracking(tmp_path, hot=hot, certificates=keys_of(tmp_path, *HOSTS)) as world:
        async with connected(world, OTHER) as client:
            assert (await client.get(PIXEL, OURS)).status == 421
            assert (await client.get("/robots.txt", OTHER)).status == 200
        async with connected(world, OTHER) as client:
            for _ in range(3):
                await client.get(PIXEL, OTHER)  # makes its header lines known
            head = (
                f"GET {PIXEL} HTTP/1.1\r\nHost: ".encode() + OURS + b"\r\nUser-Agent: test\r\n\r\n"
            )
            for _ in range(2):
                answer = await client.ask(head)
                assert answer.status == 421
                assert KEY not in answer.headers
            assert (await client.get(PAGE, OURS)).status == 421
            absolute = f"http://{OURS.decode()}{LINK}"
            assert (await client.get(absolute, OTHER)).status == 421
            assert (await client.get(CHALLENGE, OURS)).status == 421
        assert captures(world) == []


@both_ways
async def test_names_agree_within_a_domain_and_for_hosts_of_nobody(
    tmp_path: Path, hot: bool
) -> None:
    """Another host of the same domain, an address, any spelling; and no SNI at all."""
    roster(tmp_path)
    async with tracking(tmp_path, hot=hot, certificates=keys_of(tmp_path, *HOSTS)) as world:
        for name, hosts in (
            (OURS, (SECOND, b"127.0.0.1:8443", b"nobody.example", OURS.upper() + b".:443")),
            (None, (OURS, SECOND)),
        ):
            for host in hosts:
                async with connected(world, name) as client:
                    assert (await client.get(LINK, host)).status == 302
        assert len(captures(world)) == 6
        assert (await world.get(LINK, SECOND)).status == 302


@both_ways
async def test_pages_for_people_move_to_https(tmp_path: Path, hot: bool) -> None:
    """302 to the same page, for GET and HEAD, recorded only where it leads."""
    roster(tmp_path, unsubscribe_on_get=True)
    async with tracking(tmp_path, hot=hot, certificates=keys_of(tmp_path, *HOSTS)) as world:
        for method in ("GET", "HEAD"):
            answer = await world.get(f"{PAGE}?x=1", OURS.upper() + b":80", method)
            assert answer.status == 302
            assert answer.headers["location"] == f"https://{OURS.decode()}:8443{PAGE}"
            assert "no-store" in answer.headers["cache-control"]
            assert KEY not in answer.headers
        assert captures(world) == []
        async with connected(world, OURS) as client:
            assert (await client.get(PAGE, OURS)).status == 200
        assert len(captures(world)) == 1


async def test_what_is_not_a_page_for_people_stays_where_it_is(tmp_path: Path) -> None:
    """Pixels, links, forms, challenges; foreign tokens; clients whose TLS a proxy ended already."""
    roster(tmp_path)
    async with tracking(tmp_path, certificates=keys_of(tmp_path, *HOSTS)) as world:
        assert (await world.get(PIXEL)).status == 200
        assert "example.com/a?b" in (await world.get(LINK)).headers["location"]
        assert (await world.get(CHALLENGE)).status == 200
        assert (await world.post(PAGE, b"List-Unsubscribe=One-Click")).status == 200
        foreign = await world.get(PAGE[:-1] + ("A" if PAGE[-1] != "A" else "B"))
        assert foreign.status == 404
        for line in (b"X-Forwarded-Proto: https", b"Forwarded: proto=https"):
            head = f"GET {PAGE} HTTP/1.1\r\nHost: ".encode() + OURS + b"\r\n" + line + b"\r\n\r\n"
            assert (await world.ask(head)).status == 200
        assert (await world.get(PAGE, OTHER)).status == 404  # of another domain
        assert (await world.get(PAGE, b"127.0.0.1")).status == 200


@both_ways
async def test_a_domain_may_keep_its_pages_where_they_are_asked_for(
    tmp_path: Path, hot: bool
) -> None:
    """Switched off for one domain: its pages are answered in plain, HSTS over TLS stays."""
    roster(tmp_path, https_redirect=False)
    async with tracking(tmp_path, hot=hot, certificates=keys_of(tmp_path, *HOSTS)) as world:
        assert (await world.get(PAGE)).status == 200
        assert (await world.get(PAGE, SECOND)).status == 200
        async with connected(world, OURS) as client:
            answer = await client.get(PAGE, OURS)
            assert (answer.status, answer.headers[KEY]) == (200, f"max-age={AGE}")
        roster(tmp_path, version=2)
        await world.server.tick()
        assert (await world.get(PAGE)).status == 302


async def test_hsts_that_is_taken_back_moves_nobody(tmp_path: Path) -> None:
    """A max-age of 0 tells browsers to forget it (RFC 6797 section 6.1.1)."""
    roster(tmp_path, age=0)
    async with tracking(tmp_path, certificates=keys_of(tmp_path, *HOSTS)) as world:
        assert (await world.get(PAGE)).status == 200
        async with connected(world, OURS) as client:
            for path in (PIXEL, PAGE):
                assert (await client.get(path, OURS)).headers[KEY] == "max-age=0"


async def test_nothing_moves_to_https_that_is_not_served_there(tmp_path: Path) -> None:
    """HSTS is in the roster, and this edge has no certificate of the host, or no https."""
    roster(tmp_path)
    async with tracking(tmp_path, certificates=keys_of(tmp_path, HOSTS[2])) as world:
        assert (await world.get(PAGE)).status == 200
    async with tracking(tmp_path) as world:
        assert (await world.get(PAGE)).status == 200


@both_ways
async def test_challenges_are_answered_on_hosts_of_ours(tmp_path: Path, hot: bool) -> None:
    """Token, dot, thumbprint; as bytes that no browser takes for a page; HEAD without them."""
    roster(tmp_path)
    async with tracking(tmp_path, hot=hot) as world:
        for host in (OURS, OTHER, SECOND.upper() + b":80"):
            answer = await world.get(CHALLENGE, host)
            assert (answer.status, answer.body) == (200, f"{TOKEN}.{THUMBPRINT}".encode())
            assert answer.headers["content-type"] == "application/octet-stream"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "no-store" in answer.headers["cache-control"]
        head = await world.get(CHALLENGE, OURS, "HEAD")
        assert (head.status, head.body) == (200, b"")
        for host in (b"nobody.example", b"127.0.0.1", b"", b"email.example.com.evil.example"):
            assert (await world.get(CHALLENGE, host)).status == 404
        assert (await world.post(CHALLENGE, b"x")).status == 405
        assert captures(world) == []


@pytest.mark.parametrize(
    "token",
    [
        *("", "a", "a" * 15, "a" * 129, "<script>alert(1)</script>", "%3Cscript%3Ealert%281%29"),
        *(TOKEN + "/", TOKEN + "%2f", TOKEN + ".", TOKEN + "=", "../" + TOKEN, "..%2f" + TOKEN),
        *(TOKEN + "%00", TOKEN + "%0d%0aX: y", TOKEN[:-1] + "\xe9", TOKEN + "+"),
    ],
)
@both_ways
async def test_hostile_challenge_tokens_get_nothing(tmp_path: Path, token: str, hot: bool) -> None:
    """404 or 400, and nothing of the token comes back."""
    roster(tmp_path)
    async with tracking(tmp_path, hot=hot) as world:
        head = f"GET /.well-known/acme-challenge/{token} HTTP/1.1\r\nHost: ".encode("latin-1")
        answer = await world.ask(head + OURS + b"\r\nConnection: close\r\n\r\n")
        assert answer.status in {400, 404}
        assert b"script" not in answer.body
        assert THUMBPRINT.encode() not in answer.body


async def test_no_challenge_is_answered_before_there_is_an_account(tmp_path: Path) -> None:
    """A roster without a thumbprint."""
    async with tracking(tmp_path) as world:
        assert (await world.get(CHALLENGE)).status == 404


@both_ways
async def test_probes_of_the_doctor(tmp_path: Path, hot: bool) -> None:
    """Nonce and host go to who can answer; only for hosts of ours, and only plain nonces."""
    asked: list[tuple[str, str]] = []

    def prober(nonce: str, host: str) -> bytes | None:
        asked.append((nonce, host))
        return b"proof" if host == OURS.decode() else None

    roster(tmp_path)
    path = f"/.well-known/edge-probe/{TOKEN}"
    async with tracking(tmp_path, hot=hot, prober=prober) as world:
        answer = await world.get(path, OURS.upper())
        assert (answer.status, answer.body) == (200, b"proof")
        assert answer.headers["content-type"].startswith("text/plain")
        assert (await world.get(path, OTHER)).status == 404
        assert (await world.get(path, b"nobody.example")).status == 404
        assert (await world.get(path + "<b>", OURS)).status in {400, 404}
        assert asked == [(TOKEN, OURS.decode()), (TOKEN, OTHER.decode())]
    async with tracking(tmp_path, hot=hot) as world:
        assert (await world.get(path)).status == 404


@pytest.mark.parametrize("proxied", [False, True], ids=["direct", "behind a proxy"])
async def test_a_handshake_has_a_deadline(
    tmp_path: Path, proxied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who says nothing, or half a hello, is cut off (here after 0.5 s for 10)."""
    assert acceptor.HANDSHAKE_SECONDS <= 10 >= server.HANDSHAKE_SECONDS
    monkeypatch.setattr(acceptor, "HANDSHAKE_SECONDS", 0.5)
    monkeypatch.setattr(server, "HANDSHAKE_SECONDS", 0.5)
    roster(tmp_path)
    trusted = (lambda _: False) if proxied else None
    certificates = keys_of(tmp_path, *HOSTS)
    async with tracking(tmp_path, certificates=certificates, trusted=trusted) as world:
        for start in (b"", b"\x16\x03\x01\x02\x00\x01\x00"):
            reader, writer = await asyncio.open_connection("127.0.0.1", world.https)
            writer.write(start)
            assert len(await asyncio.wait_for(reader.read(), 20)) < 20
            await hang_up(writer)


async def test_what_is_wrong_with_a_file_is_told_once(tmp_path: Path) -> None:
    """A line when it is seen first, and one for each new fault; what was served before stays."""
    certificates = keys_of(tmp_path, *HOSTS)
    keys = tmp_path / "certificates"
    handshakes = Handshakes(certificates)
    with structlog.testing.capture_logs() as lines:
        (keys / f"{HOSTS[0]}.pem").chmod(0o644)
        write_private(keys / "new.example.pem", "garbage")
        for _ in range(3):
            await handshakes.tend()
            certificates.context("new.example")
        assert sorted(line["host"] for line in lines) == [HOSTS[0], "new.example"]
        write_private(tmp_path / "default.pem", "garbage")
        await handshakes.tend()
        assert lines[-1]["host"] == "(default)"
        keys.rename(tmp_path / "gone")
        await handshakes.tend()
        assert "cannot be listed" in lines[-1]["event"]
        assert HOSTS[1] in certificates
    handshakes.publish()
    assert b"edge_certificates_faulty" in metrics.render()


def test_only_made_up_names_are_no_exception_worth_a_line() -> None:
    """Python's complaint about a name that is not ASCII is dropped; any other is logged."""
    with structlog.testing.capture_logs() as lines:
        for error, at in (
            (UnicodeDecodeError("ascii", b"\xff", 0, 1, "ordinal"), b"\xff"),
            (UnicodeDecodeError("ascii", b"\xff", 0, 1, "ordinal"), None),
            (ValueError("x"), b"\xff"),
        ):
            unraisable(SimpleNamespace(exc_value=error, object=at))
    assert len(lines) == 2
