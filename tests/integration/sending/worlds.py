"""Sending from end to end: accepted, dispatched and told of, over a database of its own."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from edge.clock import ManualClock
from edge.lifecycle import Tasks
from edge.model.addresses import Mailbox
from edge.model.domain import Domain
from edge.model.vault import Vault
from edge.sending.accept import Acceptor
from edge.sending.compose import Attachment, Parts, compose
from edge.sending.dispatch import Dispatcher
from edge.sending.dkim import Algorithm, generate_key
from edge.sending.homes import Homes, Ports
from edge.sending.message import Accepted, Addressee, Message, Options, Origin
from edge.sending.relay import Limits, Relay
from edge.sending.resolve import Exchangers
from edge.sending.session import Deadlines
from edge.store import domains, keys, list_members, lists, partitions, routes, search, verify
from edge.store.filters import Filter
from edge.store.list_members import Entry
from edge.store.pool import Pool
from edge.store.routes import DkimKey
from tests.integration.sending.servers import Inbox, smtp_server
from tests.integration.store.worlds import NOW

OURS, OTHER = "mg.example.com", "mg.example.net"
URL = "http://edge.example"
HTML = '<html><body><a href="https://shop.example/a">Shop</a></body></html>'

_SHORT = Deadlines(*[2.0] * 11)


class TickingClock(ManualClock):
    """Stands still but for one µs at each look, so that what follows has a later time."""

    def now_us(self) -> int:
        """Microseconds since the epoch, UTC."""
        self.advance(1e-6)
        return super().now_us()


@dataclass
class World:
    """A database with domains, what accepts messages for them, and a server that takes them."""

    pool: Pool
    clock: ManualClock
    acceptor: Acceptor
    inbox: Inbox
    port: int
    vault: Vault = field(default_factory=lambda: Vault(bytes(32)))
    domains: dict[str, Domain] = field(default_factory=dict)

    async def add_domain(self, name: str, route: str | None = None, **switches: Any) -> Domain:
        """A domain whose mail goes to the world's server, unless another route is given."""
        async with self.pool.acquire() as conn:
            made = await domains.add(
                conn, Domain(number=0, name=name, **switches), now_us=self.clock.now_us()
            )
            key = DkimKey("edge1", generate_key(Algorithm.ED25519))
            await routes.add_dkim_key(conn, self.vault, made.number, key, self.clock.now_us())
            route = route or f"smtp://127.0.0.1:{self.port}?tls=off"
            await routes.set_route(conn, self.vault, made.number, route)
        self.domains[name] = made
        return made

    async def add_list(self, address: str, *members: Entry, **said: Any) -> None:
        """A mailing list with members."""
        now_us = self.clock.now_us()
        async with self.pool.acquire() as conn:
            await lists.add(conn, address, lists.Changes(**said), only=None, now_us=now_us)
            await list_members.put(conn, address, members, upsert=False, now_us=now_us)

    async def send(
        self,
        *to: str | Addressee,
        domain: str = OURS,
        text: str | None = "Hello",
        html: str | None = None,
        attachments: Sequence[Attachment] = (),
        headers: Sequence[tuple[str, str]] = (),
        **options: Any,
    ) -> Accepted:
        """Accept one message."""
        recipients = tuple(Addressee(one) if isinstance(one, str) else one for one in to)
        shown = [Mailbox(one.address, one.name) for one in recipients]
        now = self.clock.now()
        source = compose(
            Parts(
                sender=[Mailbox(f"news@{domain}", "News")],
                to=None if options.get("personal") else shown,
                subject="News",
                text=text,
                html=html,
                attachments=attachments,
                headers=headers,
                message_id=f"{len(shown)}.{id(recipients)}.{now}@{domain}",
                at=now,
            )
        )
        return await self.hand_in(source, recipients, domain=domain, **options)

    async def hand_in(
        self,
        source: bytes,
        recipients: Sequence[Addressee],
        *,
        domain: str = OURS,
        **options: Any,
    ) -> Accepted:
        """Accept one message as it is."""
        return await self.acceptor.accept(
            Message(
                domain=self.domains[domain],
                source=source,
                sender=f"news@{domain}",
                recipients=tuple(recipients),
                options=Options(**options),
                origin=Origin(method="HTTP", ip="192.0.2.7", api_key=1),
            )
        )

    async def events(self, *kinds: str, **wanted: Any) -> list[dict[str, Any]]:
        """Stored events as the API shows them, oldest first."""
        async with self.pool.acquire() as conn:
            found = await search.search(
                conn, Filter(events=kinds, **wanted), limit=5000, ascending=True
            )
        return [one.render() for one in found]

    async def rows(self) -> list[dict[str, Any]]:
        """The queue, finished deliveries too, by recipient."""
        found = await self.pool.fetch("SELECT * FROM deliveries ORDER BY recipient, id")
        return [dict(row) for row in found]

    async def settled(self) -> None:
        """Wait until nothing is due or under way."""
        async with asyncio.timeout(30):
            while await self.pool.fetchval(
                "SELECT count(*) FROM deliveries WHERE due <= $1 OR holder <> ''",
                self.clock.now_us() + 1_000_000,
            ):
                await asyncio.sleep(0.01)

    async def differences(self) -> list[verify.Difference]:
        """What ``edge stats verify`` finds."""
        async with self.pool.acquire() as conn:
            return await verify.verify(conn, now_us=self.clock.now_us())

    @asynccontextmanager
    async def dispatching(
        self,
        holder: str = "edge1:sending",
        *,
        most: int = 40,
        deadlines: Deadlines = _SHORT,
        pool: Pool | None = None,
    ) -> AsyncIterator[Homes]:
        """A dispatcher at work."""
        tasks = Tasks(grace=5.0)
        exchangers = Exchangers([("127.0.0.1", 1)], private_networks=True, timeout=1)
        homes = Homes(self.vault, self.clock, Ports(80, 443), "sandbox")
        dispatcher = Dispatcher(
            pool=pool or self.pool,
            clock=self.clock,
            tasks=tasks,
            homes=homes,
            relay=Relay(
                self.clock,
                exchangers,
                helo="edge.test",
                deadlines=deadlines,
                limits=Limits(per_host=10, wait=5.0),
            ),
            holder=holder,
            public_url=URL,
            most=most,
        )
        tasks.spawn("dispatch", dispatcher.run())
        try:
            yield homes
        finally:
            await tasks.close()


@asynccontextmanager
async def sending(
    db: Pool, *, refusals: dict[str, str] | None = None, queue_limit: int = 100_000
) -> AsyncIterator[World]:
    """A world with one domain that tracks everything."""
    clock = TickingClock(NOW / 1e6)
    inbox = Inbox(refusals)
    acceptor = Acceptor(clock, public_url=URL, queue_limit=queue_limit, most_tags=100)
    acceptor.database = db
    tasks = Tasks(grace=5.0)
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(smtp_server(inbox))
        world = World(db, clock, acceptor, inbox, port)
        async with db.acquire() as conn:
            await keys.create_first(conn, world.vault)
            await partitions.ensure(conn, now_us=NOW)
        await world.add_domain(OURS, open=True, click="yes", unsubscribe=True)
        tasks.spawn("accept", acceptor.run(tasks))
        try:
            yield world
        finally:
            await tasks.close()


def mail(content: bytes | str | None) -> EmailMessage:
    """A message as the standard library reads it."""
    assert isinstance(content, bytes)
    parsed = message_from_bytes(content, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed
