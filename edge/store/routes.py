"""What a domain's mail leaves by: its route and its DKIM key, both sealed under the master key."""

import msgspec

from edge.model.vault import Vault
from edge.store.pool import Connection
from edge.store.sql import queries

_q = queries("routes")


class DkimKey(msgspec.Struct, frozen=True):
    """A private key (PKCS #8 DER) and the selector under which its public half is looked up."""

    selector: str
    private: bytes

    def __repr__(self) -> str:
        """Without the key: this ends up in logs."""
        return f"DkimKey({self.selector!r})"


class Limits(msgspec.Struct, frozen=True):
    """A domain's wishes about transport, and how long (s) a message may be tried."""

    require_tls: bool
    skip_verification: bool
    message_ttl: int


async def add_dkim_key(
    conn: Connection, vault: Vault, domain: int, key: DkimKey, now_us: int
) -> DkimKey:
    """Give a domain its DKIM key, unless it has one; the one that it has. Safe when raced."""
    sealed = vault.seal(_purpose(domain), key.private)
    await conn.execute(_q["put_dkim"], domain, key.selector, sealed, now_us)
    return (await dkim_keys(conn, vault, [domain]))[domain]


async def set_selector(conn: Connection, domain: int, selector: str) -> None:
    """Sign a domain's messages under another selector, with the key that it has."""
    await conn.execute(_q["set_selector"], domain, selector)


async def dkim_keys(
    conn: Connection, vault: Vault, domains: list[int] | None = None
) -> dict[int, DkimKey]:
    """The DKIM keys of some domains or of all, by number."""
    return {
        row["domain"]: DkimKey(row["selector"], vault.open(_purpose(row["domain"]), row["sealed"]))
        for row in await conn.fetch(_q["dkim"], domains)
    }


async def routes(conn: Connection, vault: Vault) -> dict[int, str]:
    """The routes of those domains that have one of their own, as they are spelled."""
    return {
        row["number"]: vault.open(_route_of(row["number"]), row["route"]).decode()
        for row in await conn.fetch(_q["routes"])
    }


async def set_route(conn: Connection, vault: Vault, domain: int, route: str | None) -> None:
    """Set a domain's route, or with None leave it to the installation's."""
    sealed = None if route is None else vault.seal(_route_of(domain), route.encode())
    await conn.execute(_q["set_route"], domain, sealed)


async def limits(conn: Connection) -> dict[int, Limits]:
    """Every domain's wishes about transport, by number."""
    return {
        row["number"]: Limits(row["require_tls"], row["skip_verification"], row["message_ttl"])
        for row in await conn.fetch(_q["limits"])
    }


def _purpose(domain: int) -> str:
    return f"dkim:{domain}"


def _route_of(domain: int) -> str:
    return f"route:{domain}"
