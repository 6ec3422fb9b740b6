"""A receiver of webhooks on loopback that verifies as the seed's sample does, with odd manners."""

import asyncio
import hashlib
import hmac
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

KEY = "key-0123456789abcdef0123456789abcdef"


def verify(key: str, timestamp: str, token: str, signature: str) -> bool:
    """The seed's sample, in Python: HMAC-SHA256 of timestamp and token by the signing key."""
    encoded = hmac.new(key.encode(), timestamp.encode() + token.encode(), hashlib.sha256)
    return encoded.hexdigest() == signature


def verify_body(key: str, timestamp: str, body: bytes, signature: str) -> bool:
    """As docs/webhooks.md tells receivers to do it."""
    signed = timestamp.encode() + b"." + body
    expected = hmac.new(key.encode(), signed, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, signature)


@dataclass
class Post:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The payload."""
        decoded: dict[str, Any] = msgspec.json.decode(self.body)
        return decoded

    @property
    def event(self) -> dict[str, Any]:
        """Its event."""
        found: dict[str, Any] = self.json["event-data"]
        return found

    @property
    def signature(self) -> dict[str, str]:
        """Its signature."""
        found: dict[str, str] = self.json["signature"]
        return found

    def genuine(self, key: str) -> bool:
        """Whether both of its signatures are made with this key."""
        timestamp, body = self.headers["X-Edge-Timestamp"], self.headers["X-Edge-Signature"]
        same = timestamp == self.signature["timestamp"]
        return same and verify(key, **self.signature) and verify_body(
            key, timestamp, self.body, body
        )  # fmt: skip


@dataclass
class Receiver:
    """What came in, and how to answer: the path's first part is a status, or one of the manners.

    ``slow`` answers only when ``released`` is set, ``huge`` with megabytes, ``drip`` without an
    end, ``redirect`` to ``/200``, ``brief`` after a moment. ``status`` is what ``/said`` answers.
    """

    url: str = ""
    posts: list[Post] = field(default_factory=list)
    status: int = 200
    released: asyncio.Event = field(default_factory=asyncio.Event)
    now: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Keep a request and answer it."""
        manner = request.path.split("/")[1]
        self.now[request.path] += 1
        self.most[request.path] = max(self.most[request.path], self.now[request.path])
        try:
            body = await request.read()
            self.posts.append(Post(request.path_qs, dict(request.headers), body))
            return await self._answer(manner, request)
        finally:
            self.now[request.path] -= 1

    async def _answer(self, manner: str, request: web.Request) -> web.StreamResponse:
        match manner:
            case "slow":
                await self.released.wait()
                return web.Response()
            case "brief":
                await asyncio.sleep(0.02)
                return web.Response()
            case "huge":
                return web.Response(body=b"x" * 5_000_000)
            case "redirect":
                raise web.HTTPTemporaryRedirect("/200/redirected")
            case "drip":
                response = web.StreamResponse()
                await response.prepare(request)
                await response.write(b"partial")
                await self.released.wait()
                return response
            case "cut":
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            case "said":
                return web.Response(status=self.status, text=f"said\x00 {self.status}")
        return web.Response(status=int(manner), text=f"told {manner}")

    def at(self, path: str) -> list[Post]:
        """The posts to one path."""
        return [post for post in self.posts if post.path == path]

    async def wait(self, count: int, path: str | None = None) -> list[Post]:
        """The posts (of one path), as soon as there are so many."""
        async with asyncio.timeout(20):
            while len(found := self.posts if path is None else self.at(path)) < count:
                await asyncio.sleep(0.01)
        return found


@asynccontextmanager
async def receiving(context: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver on a port that the kernel chose."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.2)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        port = runner.addresses[0][1]
        receiver.url = f"{'https' if context else 'http'}://127.0.0.1:{port}"
        yield receiver
    finally:
        receiver.released.set()
        await runner.cleanup()
