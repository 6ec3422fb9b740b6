"""The built-in receiver: what it takes, from whom, how much; and that it opens nothing else."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from edge.api.context import RECEIVED_A_MINUTE
from edge.model.vault import Vault
from edge.store import receivers, retention, webhooks
from edge.store.pool import Pool
from edge.store.receivers import LARGEST, MOST
from edge.webhooks.delivery import Own, Poster, Refused
from edge.webhooks.signature import signed
from tests.integration.api.worlds import World, serving

KEY = "key-0123456789abcdef0123456789abcdef"
ACCOUNT = 1


@dataclass
class Receiving:
    """The served control port with its receiver on."""

    world: World
    vault: Vault
    token: str

    @property
    def path(self) -> str:
        """Of the receiver."""
        return f"/receive/{self.token}"

    async def came(self) -> list[receivers.Receipt]:
        """What it kept, the newest first."""
        async with self.world.api.connection() as conn:
            return await receivers.receipts(conn, ACCOUNT)


@asynccontextmanager
async def receiving(db: Pool) -> AsyncIterator[Receiving]:
    """A control port whose receiver is switched on."""
    async with serving(db) as world:
        now_us = world.clock.now_us()
        async with world.api.connection() as conn:
            vault = world.api.vault
            await webhooks.set_key(conn, vault, ACCOUNT, KEY, now_us=now_us, until=None)
            token = await receivers.switch_on(conn, vault, ACCOUNT, now_us=now_us)
        yield Receiving(world, vault, token)


async def test_it_keeps_posts_with_the_verdicts_on_their_signatures(db: Pool) -> None:
    """Genuine, by the key before, old, altered, and none at all; no key of the API is asked for."""
    async with receiving(db) as one:
        world, now = one.world, one.world.clock.now_us() // 1_000_000
        async with world.api.connection() as conn:
            first = await webhooks.signing_key(conn, one.vault, ACCOUNT, "", now_us=0)
        body, headers = signed(first, seconds=now, token="ab", event='{"event": "opened"}')
        for data, more, expected in (
            (body, headers, ("good", "good")),
            (body + b" ", headers, ("good", "wrong")),
            (body, {}, ("good", "missing")),
            (b"{}", {}, ("missing", "missing")),
            (b"\xff\x00", {"X-Edge-Timestamp": "1", "X-Edge-Signature": "x"}, ("missing", "wrong")),
            (b'{"signature": {"timestamp": 1, "token": [], "signature": "\\u00e9"}}', {},
             ("wrong", "missing")),
            (b"", {}, ("missing", "missing")),
        ):  # fmt: skip
            answer = await world.ask("POST", one.path, key="", data=data, headers=dict(more))
            assert (answer.status, answer.json) == (200, {"message": "received"})
            newest = (await one.came())[0]
            assert (newest.mailgun, newest.whole) == expected, data
            assert newest.body == data
            assert set(newest.headers) <= {*headers, "Content-Type", "User-Agent",
                                           "X-Edge-Timestamp", "X-Edge-Signature"}  # fmt: skip
        async with world.api.connection() as conn:
            until = (now + 9000) * 1_000_000
            about = {"now_us": now * 1_000_000, "until": until}
            await webhooks.set_key(conn, one.vault, ACCOUNT, "another-key", **about)
        await world.ask("POST", one.path, key="", data=body, headers=dict(headers))
        assert (await one.came())[0].whole == "previous"
        world.clock.advance(1000)
        await world.ask("POST", one.path, key="", data=body, headers=dict(headers))
        assert (await one.came())[0].whole == (await one.came())[0].mailgun == "old"


async def test_what_it_keeps_is_bounded_and_ends(db: Pool) -> None:
    """The last hundred, none too large, packed or not, so many a minute; nothing after its day."""
    async with receiving(db) as one:
        world = one.world
        for number in range(MOST + 5):
            assert (await world.ask("POST", one.path, key="", data=b"%d" % number)).status == 200
        kept = await one.came()
        assert [row.body for row in kept] == [b"%d" % n for n in range(MOST + 4, 4, -1)]
        bomb = gzip.compress(bytes(50 * LARGEST))
        for data, headers in ((bytes(LARGEST + 1), {}), (bomb, {"Content-Encoding": "gzip"})):
            answer = await world.ask("POST", one.path, key="", data=data, headers=headers)
            assert answer.status == 413, answer.body
        broken = {"Content-Encoding": "gzip"}
        answer = await world.ask("POST", one.path, key="", data=b"no gzip", headers=broken)
        assert answer.status == 400
        assert await one.came() == kept
        left = RECEIVED_A_MINUTE - MOST - 5 - 3
        for _ in range(left):
            assert not world.api.receiving.take(str(ACCOUNT))
        answer = await world.ask("POST", one.path, key="", data=b"x")
        assert (answer.status, "Retry-After" in answer.headers) == (429, True)
        world.clock.advance(24 * 3600 + 1)
        assert (await world.ask("POST", one.path, key="", data=b"x")).status == 404
        async with db.acquire() as conn:
            await retention.run(conn, now_us=world.clock.now_us())
        assert await db.fetchval("SELECT count(*) FROM receipts") == 0


async def test_without_its_exact_path_there_is_nothing(db: Pool) -> None:
    """Other methods, other spellings, other tokens, after it was switched off: the same 404."""
    async with receiving(db) as one:
        world, path = one.world, one.path
        unknown = await world.ask("POST", "/receive/" + "A" * 43, key="", data=b"x")
        assert unknown.status == 404
        for wrong in (path[:-1], path + "A", path.upper(), path + "/", "/receive/", "/receive/%00"):
            answer = await world.ask("POST", wrong, key="", data=b"x")
            assert answer.status == 404, wrong
        for method in ("GET", "PUT", "DELETE"):
            assert (await world.ask(method, path, key="")).status in {404, 405}
        assert await one.came() == []
        while not world.api.receiving.take("127.0.0.1"):
            pass  # as somebody who guesses
        guessed = await world.ask("POST", "/receive/" + "B" * 43, key="", data=b"x")
        assert (guessed.status, "Retry-After" in guessed.headers) == (429, True)
        world.clock.advance(60)
        async with world.api.connection() as conn:
            await receivers.switch_off(conn, ACCOUNT)
        gone = await world.ask("POST", path, key="", data=b"x")
        assert (gone.status, gone.body) == (unknown.status, unknown.body)


async def test_it_is_the_only_thing_of_this_machine_that_a_webhook_reaches(db: Pool) -> None:
    """The guard lets through exactly the receiver's URL, and no trick with it."""
    async with receiving(db) as one:
        world, base = one.world, one.world.url
        public = "https://api.example.com"
        async with world.api.connection() as conn:
            key = await webhooks.signing_key(conn, one.vault, ACCOUNT, "", now_us=0)
        async with Poster(world.clock, own=Own(base, (public,))) as poster:
            for url in (base + one.path, public + one.path):
                got = await poster.post(url, key, token="ab", event='{"event": "opened"}')
                assert (got.status, got.error) == (200, ""), url
            newest = (await one.came())[0]
            assert (newest.mailgun, newest.whole) == ("good", "good")
            port = world.port
            for url in (
                f"{base}/healthz",
                f"{base}/v3/domains",
                f"{base}{one.path}?x=1",
                f"{base}{one.path}/../../healthz",
                f"{base}/receive/../{'A' * 40}",
                f"{base}/./{one.path[1:]}",
                f"{base}/receive/%2e%2e/{'A' * 36}",
                f"{base}{one.path}#x",
                f"http://me:x@127.0.0.1:{port}{one.path}",
                f"http://localhost:{port}{one.path}",
                f"http://127.1:{port}{one.path}",
                f"http://127.0.0.1:{port + 1}{one.path}",
                f"{base}.evil.example{one.path}",
                f"{base}@evil.example{one.path}",
            ):
                got = await poster.post(url, key, token="ab", event="{}")
                assert got.status is None, url
        assert len(await one.came()) == 2


def test_the_way_to_the_receiver_opens_sockets_to_nothing_else() -> None:
    """Whatever its name resolved to: this machine and that port, or none."""
    own = Own("http://127.0.0.1:8025")
    info = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
    own.open((*info, ("127.0.0.1", 8025))).close()
    for address in (("127.0.0.1", 8026), ("192.0.2.1", 8025)):
        with pytest.raises(Refused):
            own.open((*info, address))


async def test_posts_at_the_same_time_leave_no_more_than_may_be_kept(db: Pool) -> None:
    """They wait for each other where the oldest is forgotten."""
    async with receiving(db) as one:
        work = (one.world.ask("POST", one.path, key="", data=b"x") for _ in range(MOST + 20))
        answers = await asyncio.gather(*work)
        assert {answer.status for answer in answers} == {200}
        assert await db.fetchval("SELECT count(*) FROM receipts") == MOST
