"""Webhooks as they are configured: endpoints, the types they are called for, signing keys.

A URL is one endpoint for the whole account. What a domain (or the account) wants of it is one row;
changes of one account wait for each other, so a limit that was looked at still holds when it is
written. What is queued and no longer wanted is dropped in the change's own transaction.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

from edge.model.vault import Vault
from edge.model.webhook import Address, Endpoint, SigningKey, Webhook, open_key, seal_key
from edge.store.pool import Connection
from edge.store.sql import queries

DROPPED_AT_ONCE = 20_000
"""Deliveries that a change drops; those beyond are dropped when they come due."""

_q = queries("webhooks")


def endpoint_in(row: asyncpg.Record) -> Endpoint:
    """An endpoint from a row that has its columns."""
    return Endpoint(
        id=row["id"],
        account=row["account"],
        address=Address(row["url"], row["userinfo"]),
        retried=None if row["retried"] is None else tuple(row["retried"]),
        paused_at=row["paused_at"],
        broken_until=row["broken_until"],
        full=row["is_full"],
    )


def _webhook_in(row: asyncpg.Record) -> Webhook:
    return Webhook(
        number=row["number"],
        account=row["account"],
        domain=row["domain"],
        endpoint=endpoint_in(row),
        types=tuple(row["types"]),
        key=row["key"] or "",
        description=row["description"],
        created_at=row["created_at"],
    )


async def _find(conn: Connection, condition: str, *values: Any) -> list[Webhook]:
    rows = await conn.fetch(f"{_q['select']} WHERE {condition} ORDER BY w.number", *values)
    return [_webhook_in(row) for row in rows]


async def of_domain(conn: Connection, domain: int) -> list[Webhook]:
    """A domain's own webhooks, oldest first."""
    return await _find(conn, "w.domain = $1", domain)


async def of_account(conn: Connection, account: int) -> list[Webhook]:
    """The webhooks of the whole account, oldest first."""
    return await _find(conn, "w.account = $1 AND w.domain IS NULL", account)


async def numbered(conn: Connection, number: int) -> Webhook | None:
    """The webhook of a number."""
    found = await _find(conn, "w.number = $1", number)
    return found[0] if found else None


async def everything(conn: Connection) -> list[Webhook]:
    """All webhooks there are, oldest first."""
    return await _find(conn, "true")


async def account_of(conn: Connection, domain: int) -> int:
    """The account that a domain belongs to."""
    found: int = await conn.fetchval(_q["account"], domain)
    return found


async def lock(conn: Connection, account: int) -> None:
    """Make all other changes of this account's webhooks wait for the caller's transaction."""
    await conn.execute(_q["lock"], account)


async def set_domain(
    conn: Connection,
    account: int,
    domain: int,
    wanted: Mapping[Address, Sequence[str]],
    *,
    now_us: int,
) -> None:
    """Make a domain's webhooks exactly these, in the caller's transaction; see :func:`lock`."""
    have = {one.endpoint.address: one for one in await of_domain(conn, domain)}
    gone = [one for address, one in have.items() if not wanted.get(address)]
    await conn.execute(_q["remove"], [one.number for one in gone])
    for address, types in wanted.items():
        if types and (address not in have or set(have[address].types) != set(types)):
            number = await conn.fetchval(
                _q["endpoint"], account, address.url, address.userinfo, now_us
            )
            await conn.execute(_q["put"], account, domain, number, list(types), None, "", now_us)
    await drop(conn, [one.endpoint.id for one in have.values()])


async def add_account(
    conn: Connection,
    account: int,
    address: Address,
    types: Sequence[str],
    *,
    key: str,
    description: str,
    now_us: int,
) -> None:
    """Add a webhook of the whole account, which must not have one with this URL."""
    number = await conn.fetchval(_q["endpoint"], account, address.url, address.userinfo, now_us)
    values = (account, None, number, list(types), key, description, now_us)
    await conn.execute(_q["put"], *values)


async def change_account(
    conn: Connection,
    webhook: Webhook,
    address: Address,
    types: Sequence[str],
    description: str,
    *,
    now_us: int,
) -> None:
    """Change a webhook of the whole account."""
    number = await conn.fetchval(
        _q["endpoint"], webhook.account, address.url, address.userinfo, now_us
    )
    await conn.execute(_q["change"], webhook.number, number, list(types), description)
    await drop(conn, [webhook.endpoint.id])


async def remove(conn: Connection, webhooks: Sequence[Webhook]) -> None:
    """Remove webhooks; what is queued for them is dropped and told as removed."""
    await conn.execute(_q["remove"], [one.number for one in webhooks])
    await drop(conn, [one.endpoint.id for one in webhooks])


async def remove_domain(conn: Connection, domain: int) -> None:
    """Remove all of a domain: they must not come back with it."""
    rows = await conn.fetch(_q["remove_domain"], domain)
    await drop(conn, [row["endpoint"] for row in rows])


async def drop(conn: Connection, endpoints: Sequence[int]) -> None:
    """End what is queued for these endpoints and no webhook wants any more."""
    if endpoints:
        await conn.execute(_q["drop"], sorted(set(endpoints)), DROPPED_AT_ONCE)


async def find_endpoint(conn: Connection, number: int) -> Endpoint | None:
    """One endpoint."""
    row = await conn.fetchrow(_q["find_endpoint"], number)
    return endpoint_in(row) if row else None


async def pause(conn: Connection, endpoint: int, at: int | None) -> bool:
    """Call an endpoint no more since ``at`` (µs), or (None) again; False if it is so already."""
    return str(await conn.execute(_q["pause"], endpoint, at)).endswith(" 1")


async def set_retried(conn: Connection, endpoint: int, types: Sequence[str] | None) -> None:
    """Which types are tried again; None for the usual ones."""
    await conn.execute(_q["retry"], endpoint, None if types is None else list(types))


def _key_in(vault: Vault, account: int, row: asyncpg.Record) -> SigningKey:
    previous = row["previous"]
    return SigningKey(
        open_key(vault, account, row["sealed"]),
        open_key(vault, account, previous) if previous else None,
        row["previous_until"] or 0,
    )


async def signing_key(
    conn: Connection, vault: Vault, account: int, made: str, *, now_us: int
) -> SigningKey:
    """An account's signing key; ``made`` becomes it where there was none."""
    row = await conn.fetchrow(_q["key"], account)
    if row is None:
        await conn.execute(_q["first_key"], account, seal_key(vault, account, made), now_us)
        row = await conn.fetchrow(_q["key"], account)
    assert row is not None, "it was put there just now"
    return _key_in(vault, account, row)


async def signing_keys(conn: Connection, vault: Vault) -> dict[int, SigningKey]:
    """The signing keys of all accounts that have one."""
    rows = await conn.fetch(_q["keys"])
    return {row["account"]: _key_in(vault, row["account"], row) for row in rows}


async def set_key(
    conn: Connection, vault: Vault, account: int, key: str, *, now_us: int, until: int | None
) -> None:
    """Replace a signing key; the old one goes on signing beside it ``until`` (µs; None: not)."""
    await conn.execute(_q["set_key"], account, seal_key(vault, account, key), now_us, until)
