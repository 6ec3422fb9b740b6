"""What ``edge webhook`` is told to work on: a domain's webhooks, or the account's."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from edge.cli import session
from edge.cli.options import run
from edge.model.domain import Domain
from edge.model.errors import NotFound
from edge.model.vault import Vault
from edge.model.webhook import Address, Webhook, checked_url, full_url, sealed, shown_url
from edge.settings import Settings
from edge.store import domains, webhooks
from edge.store.pool import Connection

ACCOUNT = 1
WHOLE = "account"

T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """A domain, or None for the whole account, and its own webhooks."""

    name: str
    domain: Domain | None
    webhooks: list[Webhook]

    def only(self, address: Address) -> Webhook:
        """The webhook of a URL; raises NotFound."""
        for one in self.webhooks:
            if one.endpoint.address == address:
                return one
        raise NotFound(
            f"{shown_url(address)} is no webhook of {self.name}; `edge webhook list` shows them"
        )

    def chosen(self, vault: Vault, url: str) -> list[Webhook]:
        """The webhook of a URL, or with none all there are; raises NotFound for none at all."""
        if url:
            return [self.only(sealed(vault, checked_url(url)))]
        if not self.webhooks:
            raise NotFound(f"{self.name} has no webhooks; `edge webhook add` adds one")
        return self.webhooks


async def find(conn: Connection, where: str) -> Place:
    """A domain by its name, or the whole account; raises NotFound."""
    if where == WHOLE:
        return Place(where, None, await webhooks.of_account(conn, ACCOUNT))
    domain = await domains.get(conn, where)
    if domain.removed:
        raise NotFound(f"domain {domain.name} is removed; `edge domain add` brings it back")
    return Place(domain.name, domain, await webhooks.of_domain(conn, domain.number))


def on_account(
    settings: Settings, where: str, act: Callable[[Connection, Place], Awaitable[T]]
) -> T:
    """Do something with a place in one transaction, in which nobody else changes webhooks."""

    async def work() -> T:
        async with session.database(settings) as pool, pool.acquire() as conn, conn.transaction():
            await webhooks.lock(conn, ACCOUNT)
            return await act(conn, await find(conn, where))

    return run(work())


def urls_with(vault: Vault, found: Sequence[Webhook]) -> dict[str, tuple[str, ...]]:
    """Types by full URL."""
    return {full_url(vault, one.endpoint.address): one.types for one in found}
