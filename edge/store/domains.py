"""Sending domains, their switches and their tracking hosts.

A domain's number is in every token it ever sent, so a removed domain keeps its row, and added
again it is the same one. A host is claimed for good: the same host never serves two domains.
"""

from typing import Any, Final

import msgspec

from edge.model.domain import Domain, host_name
from edge.model.errors import CallerError, NotFound
from edge.store import partitions, webhooks
from edge.store.pool import Connection
from edge.store.sql import queries

MAX_CLASSES: Final = 12
"""Different retentions in use; each costs a table a day."""

_q = queries("domains")


async def list_domains(conn: Connection, *, removed: bool = False) -> list[Domain]:
    """Domains by name; removed ones only when asked for."""
    rows = await conn.fetch(_q["list"], None)
    found = [Domain(**dict(row)) for row in rows]
    return [domain for domain in found if removed or not domain.removed]


async def get(conn: Connection, name: str) -> Domain:
    """One domain, removed or not; raises NotFound."""
    row = await conn.fetchrow(_q["list"], host_name(name))
    if row is None:
        raise NotFound(f"there is no domain {name}; `edge domain list` shows them")
    return Domain(**dict(row))


async def hosts(conn: Connection, number: int) -> list[str]:
    """Every tracking host that a domain ever had."""
    return [row["host"] for row in await conn.fetch(_q["hosts"], number)]


def _columns(domain: Domain) -> list[Any]:
    return [
        domain.web_prefix,
        domain.web_scheme,
        domain.open,
        domain.click,
        domain.unsubscribe,
        domain.pixel_at_top,
        domain.unsubscribe_on_get,
        domain.https_redirect,
        domain.retention_days,
    ]


async def add(conn: Connection, domain: Domain, *, now_us: int) -> Domain:
    """Add a domain (its ``number`` is ignored), or bring a removed one back under its number.

    Raises CallerError when it exists already or its host belongs to another domain.
    """
    name = host_name(domain.name)
    async with conn.transaction():
        number = await conn.fetchval(_q["add"], name, *_columns(domain))
        if number is None:
            raise CallerError(f"domain {name} exists already; change it with `edge domain set`")
        stored = msgspec.structs.replace(domain, name=name, number=number, removed=False)
        await _settle(conn, stored, now_us)
        return stored


async def change(conn: Connection, name: str, now_us: int, **changes: Any) -> Domain:
    """Change some fields of a domain; raises NotFound, and CallerError as :func:`add`.

    Events already stored keep the retention under which they were stored. The row is locked first:
    of two changes at the same time to different fields neither undoes the other.
    """
    async with conn.transaction():
        await conn.execute(_q["lock"], host_name(name))
        domain = await get(conn, name)
        if domain.removed:
            raise NotFound(f"domain {domain.name} is removed; `edge domain add` brings it back")
        changed = msgspec.structs.replace(domain, **changes)
        await conn.fetchval(_q["set"], domain.name, *_columns(changed))
        await _settle(conn, changed, now_us)
        return changed


async def _settle(conn: Connection, domain: Domain, now_us: int) -> None:
    """What follows from a domain's row: its host is claimed, its class has partitions."""
    host = host_name(domain.tracking_host)
    if await conn.fetchval(_q["claim_host"], host, domain.number) not in {None, domain.number}:
        raise CallerError(
            f"host {host} belongs to another domain, for good: its links are in mail already sent; "
            "choose another --web-prefix"
        )
    if await conn.fetchval(_q["classes"]) > MAX_CLASSES:
        raise CallerError(
            f"more than {MAX_CLASSES} different retentions are in use, and each costs a table a "
            "day: choose one that another domain has"
        )
    await partitions.ensure(conn, now_us=now_us)


async def remove(conn: Connection, name: str) -> Domain:
    """Remove a domain: it is instrumented no more, while its links go on working.

    Its API keys are revoked, its SMTP credentials and webhooks deleted: they must not come back
    with it.
    """
    async with conn.transaction():
        domain = await get(conn, name)
        if await conn.fetchval(_q["remove"], domain.name) is None:
            raise NotFound(f"domain {domain.name} is removed already")
        await conn.execute(_q["revoke_keys"], domain.number)
        await conn.execute(_q["remove_credentials"], domain.number)
        await webhooks.remove_domain(conn, domain.number)
        return msgspec.structs.replace(domain, removed=True)
