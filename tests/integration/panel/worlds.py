"""The panel on loopback, over a database of its own, and visitors of each role."""

import re
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import unescape
from typing import Any

import aiohttp

from edge.adapters import panel as assembly
from edge.clock import ManualClock
from edge.doctor.examine import Doctor
from edge.doctor.look import Looker
from edge.lifecycle import Tasks
from edge.model.probe import probe_secret
from edge.model.vault import Vault
from edge.panel.context import Panel
from edge.panel.guard import SESSION_COOKIE, cookie_name
from edge.sending.accept import Acceptor
from edge.sending.homes import Homes, Ports
from edge.store import panel_sessions, panel_users
from edge.store.panel_users import Role
from edge.store.pool import Pool

PASSWORD = "correct horse battery"


@dataclass
class Page:
    """One answer."""

    status: int
    headers: Any
    text: str

    @property
    def location(self) -> str:
        """Where it leads."""
        return str(self.headers.get("Location", ""))

    @property
    def words(self) -> str:
        """Its text without markup."""
        return unescape(re.sub(r"<[^>]+>", " ", self.text))


class Visitor:
    """Somebody with a browser that keeps cookies, and knows what forms need."""

    def __init__(self, world: "World", session: aiohttp.ClientSession) -> None:
        self.world, self.session = world, session
        self.token = ""

    async def ask(self, method: str, path: str, **more: Any) -> Page:
        """One request; no redirect is followed."""
        url = self.world.url + path
        async with self.session.request(method, url, allow_redirects=False, **more) as got:
            return Page(got.status, got.headers, (await got.read()).decode("utf-8", "replace"))

    async def get(self, path: str, **more: Any) -> Page:
        """A page; the token of its forms is remembered."""
        page = await self.ask("GET", path, **more)
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', page.text)
        self.token = found[1] if found else self.token
        return page

    async def post(self, path: str, fields: Any = None, **more: Any) -> Page:
        """A form as our own page would send it; its token is fetched first if there is none."""
        if not self.token:
            await self.get("/account")
            if not self.token:
                await self.get("/login")
        headers = {"Origin": self.world.url} | more.pop("headers", {})
        if isinstance(fields, aiohttp.FormData):
            fields.add_field("csrf", self.token)
            data: Any = fields
        else:
            data = {"csrf": self.token} | (fields or {})
        return await self.ask("POST", path, data=data, headers=headers, **more)


@dataclass
class World:
    """The served panel, its clock and its database."""

    url: str
    panel: Panel
    clock: ManualClock
    db: Pool

    async def add_user(self, name: str, role: Role) -> int:
        """A user with :data:`PASSWORD`."""
        query = panel_users._q["add"]
        made = panel_users._hasher.hash(PASSWORD)
        number: int = await self.db.fetchval(query, name, role.value, made, self.clock.now_us())
        return number

    @asynccontextmanager
    async def visitor(self, role: Role | None = None, name: str = "") -> AsyncIterator[Visitor]:
        """Somebody who is logged in if they have a role."""
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar) as session:
            if role is not None:
                whole = name or role.value
                number = await self.db.fetchval(
                    "SELECT id FROM panel_users WHERE name = $1", whole
                ) or await self.add_user(whole, role)
                async with self.panel.connection() as conn:
                    token = await panel_sessions.begin(
                        conn,
                        number,
                        address="127.0.0.1",
                        agent="test",
                        now_us=self.clock.now_us(),
                    )
                session.cookie_jar.update_cookies({cookie_name(self.panel, SESSION_COOKIE): token})
            yield Visitor(self, session)


@asynccontextmanager
async def serving(db: Pool, **given: Any) -> AsyncIterator[World]:
    """The panel on a port that the kernel chose."""
    clock = ManualClock(time.time())
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    listener.setblocking(False)
    host = f"127.0.0.1:{listener.getsockname()[1]}"
    acceptor = Acceptor(clock, public_url=f"http://{host}", queue_limit=1000, most_tags=100)
    acceptor.database = db
    vault = Vault(bytes(32))
    settings: dict[str, Any] = {
        "clock": clock,
        "vault": vault,
        "acceptor": acceptor,
        "doctor": Doctor(Looker([("127.0.0.1", 9)], timeout=0.1), probe_secret(vault)),
        "gate": None,
        "cname": "edge.example.org",
        "hosts": lambda name: name == host,
        "secure": False,
        "trusted": lambda _: False,
        "homes": Homes(vault, clock, Ports(80, 443), "sandbox"),
        "database": db,
    }
    panel = Panel(**(settings | given))
    tasks = Tasks(grace=2.0)
    tasks.spawn("accept", acceptor.run(tasks))
    async with assembly.serving(panel, [listener]):
        try:
            yield World(f"http://{host}", panel, clock, db)
        finally:
            await tasks.close()
