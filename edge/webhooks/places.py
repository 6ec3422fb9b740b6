"""Where webhooks are configured, a domain or the whole account, and changes of them.

For the doors that speak of one URL at a time (the command line, the panel). Changes are made in a
transaction in which :func:`edge.store.webhooks.lock` was called, so that limits hold.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from edge.model import webhook_sets
from edge.model.domain import Domain
from edge.model.errors import CallerError, NotFound
from edge.model.vault import Vault
from edge.model.webhook import Address, Endpoint, Webhook, checked_url, full_url, sealed, shown_url
from edge.store import domains, webhooks
from edge.store.pool import Connection

ACCOUNT: Final = 1
"""The one account that there is."""

WHOLE: Final = "account"
MOST_OF_ACCOUNT: Final = 50
"""Webhooks of an account: each is called for every event of every domain."""

LONGEST_DESCRIPTION: Final = 500


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


async def _set(
    conn: Connection, vault: Vault, place: Place, want: webhook_sets.Webhooks, now_us: int
) -> None:
    assert place.domain is not None, "the caller has looked"
    wanted = {sealed(vault, url): types for url, types in want.items()}
    await webhooks.set_domain(conn, ACCOUNT, place.domain.number, wanted, now_us=now_us)


def _urls(vault: Vault, found: Sequence[Webhook]) -> dict[str, tuple[str, ...]]:
    """Types by full URL."""
    return {full_url(vault, one.endpoint.address): one.types for one in found}


def check_room(have: Sequence[Webhook]) -> None:
    """Raise CallerError where the account may not have another webhook."""
    if len(have) >= MOST_OF_ACCOUNT:
        raise CallerError(f"The account has {MOST_OF_ACCOUNT} webhooks, which is all it may have")


async def add(
    conn: Connection,
    vault: Vault,
    place: Place,
    url: str,
    types: Sequence[str],
    *,
    description: str = "",
    now_us: int,
) -> None:
    """Call a checked URL for further types; CallerError for one that is called for them already."""
    if place.domain is not None:
        want = webhook_sets.create_url(_urls(vault, place.webhooks), url, types)
        await _set(conn, vault, place, want, now_us)
        return
    address = sealed(vault, url)
    if any(one.endpoint.address == address for one in place.webhooks):
        raise CallerError(f"the account has a webhook with the URL {shown_url(address)}")
    check_room(place.webhooks)
    key = f"wh_{secrets.token_hex(16)}"
    about = {"key": key, "description": description, "now_us": now_us}
    await webhooks.add_account(conn, ACCOUNT, address, types, **about)  # type: ignore[arg-type]  # keywords of two types


async def change_types(
    conn: Connection, vault: Vault, place: Place, one: Webhook, types: Sequence[str], *, now_us: int
) -> None:
    """Call a webhook's URL for exactly these types; none removes it.

    What is queued for a type that it has no more is dropped, and told as removed.
    """
    if place.domain is None:
        if types:
            about = (one.endpoint.address, types, one.description)
            await webhooks.change_account(conn, one, *about, now_us=now_us)
        else:
            await webhooks.remove(conn, [one])
        return
    have, url = _urls(vault, place.webhooks), full_url(vault, one.endpoint.address)
    await _set(conn, vault, place, webhook_sets.replace_url(have, url, types), now_us)


def state_of(endpoint: Endpoint, waiting: int) -> str:
    """``paused``, ``full`` (nothing more is queued), ``down``, ``waiting`` or ``ok``."""
    if endpoint.paused_at is not None:
        return "paused"
    if endpoint.full:
        return "full"
    if endpoint.broken_until is not None:
        return "down"
    return "waiting" if waiting else "ok"
