"""The control port's application with the API, on loopback, over a database of its own."""

import asyncio
import base64
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from edge import control
from edge.api.context import Api
from edge.clock import ManualClock
from edge.lifecycle import Tasks
from edge.model.domain import Domain
from edge.model.vault import Vault
from edge.sending.accept import Acceptor
from edge.store import api_keys, domains
from edge.store.api_keys import Role
from edge.store.pool import Pool
from tests.integration.api import conformance

OURS, OTHER = "mg.example.com", "mg.example.net"


@dataclass
class Answer:
    """Status, headers and body of one answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    json: Any = None

    @property
    def message(self) -> str:
        """The ``message`` of a JSON answer."""
        return str(self.json["message"])


@dataclass
class World:
    """A served application, the clock it runs by, and keys for it."""

    url: str
    port: int
    api: Api
    clock: ManualClock
    session: aiohttp.ClientSession
    key: str = ""
    domains: dict[str, Domain] = field(default_factory=dict)

    async def make_key(self, **fields: Any) -> str:
        """A new key; of the account and for everything unless told otherwise."""
        async with self.api.connection() as conn:
            key, _ = await api_keys.create(conn, "test", now_us=self.clock.now_us(), **fields)
        return key

    async def add_domain(self, name: str) -> Domain:
        """A new domain."""
        async with self.api.connection() as conn:
            wanted = Domain(number=0, name=name)
            self.domains[name] = await domains.add(conn, wanted, now_us=self.clock.now_us())
        return self.domains[name]

    async def ask(self, method: str, path: str, *, key: str | None = None, **more: Any) -> Answer:
        """One request, with the account's key unless another is given; ``""`` is none.

        An answer that is not as the OpenAPI document says is a failure.
        """
        headers = dict(more.pop("headers", {}))
        chosen = self.key if key is None else key
        if chosen:
            headers.setdefault("Authorization", basic(chosen))
        async with self.session.request(method, self.url + path, headers=headers, **more) as got:
            body = await got.read()
            is_json = got.content_type == "application/json" and body
            answer = Answer(got.status, got.headers, body, await got.json() if is_json else None)
        said = body.decode("utf-8", "replace") if answer.json is None else answer.json
        conformance.check(method, path, answer.status, answer.headers, said)
        return answer

    async def raw(self, request: bytes) -> bytes:
        """Bytes as they are, and what comes back until the server closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        async with asyncio.timeout(20):
            received = await reader.read()
        writer.close()
        return received


def basic(key: str, user: str = "api") -> str:
    """The header of a key."""
    return "Basic " + base64.b64encode(f"{user}:{key}".encode()).decode()


@asynccontextmanager
async def serving(db: Pool, **settings: Any) -> AsyncIterator[World]:
    """Two domains, an account key, and the application on a port that the kernel chose."""
    clock = ManualClock(time.time())
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    listener.setblocking(False)
    port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    acceptor = Acceptor(clock, public_url=url, queue_limit=1000, most_tags=100)
    acceptor.database = db
    given = {"public_url": url} | settings
    api = Api(
        clock=clock,
        cname="edge.example.org",
        vault=Vault(bytes(32)),
        acceptor=acceptor,
        database=db,
        **given,
    )
    tasks = Tasks(grace=2.0)
    tasks.spawn("accept", acceptor.run(tasks))
    view = control.View(data_dir=Path("nowhere"), role="control", pool=db)
    async with control.serving(view, [listener], None, api), aiohttp.ClientSession() as session:
        world = World(url, port, api, clock, session)
        for name in (OURS, OTHER):
            await world.add_domain(name)
        world.key = await world.make_key()
        try:
            yield world
        finally:
            await tasks.close()


async def sending_key(world: World) -> str:
    """A key that may only send."""
    return await world.make_key(role=Role.SENDING)
