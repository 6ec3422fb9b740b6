"""Certificates of tracking hosts: orders under leases, what is served, accounts, budgets, alarms.

What the certificate library needs of a storage, in SQL; :mod:`edge.adapters.certificate_storage`
puts it into the library's words. A host's row is under a lease with a fencing token: every write of
a holder names its token, and changes nothing when the row has another by then. Private keys are
sealed, each under a purpose that names its row. Times are seconds since the epoch.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from edge.model.certificate import HostCertificate
from edge.model.vault import Vault
from edge.store.pool import Connection
from edge.store.sql import queries

MOST_LISTED: Final = 100_000

_q = queries("certificates")


class Leased(msgspec.Struct, frozen=True):
    """A host's row as its holder gets it; ``order_key`` (PEM) is there while an order runs."""

    host: str
    state: dict[str, Any]
    order_key: str | None
    token: int


class StoredCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate; keys and chain are PEM."""

    host: str
    key: str
    chain: str
    not_before: float
    not_after: float
    renewal_id: str | None

    def __repr__(self) -> str:
        """Without the key: this ends up in logs."""
        return f"StoredCertificate({self.host!r}, until {self.not_after:.0f})"


class StoredAccount(msgspec.Struct, frozen=True, kw_only=True):
    """Our account at one authority; keys are PEM. ``revision`` counts its changes."""

    directory: str
    key: str
    url: str | None
    next_key: str | None
    changing_since: float
    revision: int

    def __repr__(self) -> str:
        """Without the keys: this ends up in logs."""
        return f"StoredAccount({self.directory!r}, revision {self.revision})"


# Purposes under which keys are sealed


def purpose(host: str) -> str:
    """What the key of a host's certificate is sealed for."""
    return f"certificate:{host}"


def _order(host: str) -> str:
    return f"certificate-order:{host}"


def _account(directory: str, which: str) -> str:
    return f"acme-account-{which}:{directory}"


def _sealed(vault: Vault, what: str, pem: str | None) -> bytes | None:
    return None if pem is None else vault.seal(what, pem.encode())


def _opened(vault: Vault, what: str, sealed: bytes | None) -> str | None:
    return None if sealed is None else vault.open(what, sealed).decode()


# A host's row under its lease


async def claim(
    conn: Connection, vault: Vault, holder: str, now: float, seconds: float
) -> Leased | None:
    """Lease the host that is due longest; None when nothing is due.

    None also while the account's key is changed, and until every living edge can answer by the new
    one: an authority that asks too early would count it against the host.

    Raises OperatorError when the master key does not open the key of a running order; the lease
    then runs out by itself.
    """
    row = await conn.fetchrow(_q["claim"], holder, now, seconds)
    if row is None:
        return None
    host = row["host"]
    key = _opened(vault, _order(host), row["order_key"])
    return Leased(host, json.loads(row["state"]), key, row["token"])


async def reclaim(conn: Connection, holder: str) -> list[str]:
    """End the leases that a holder left behind when it died; their hosts."""
    return [row["host"] for row in await conn.fetch(_q["reclaim"], holder)]


async def extend(conn: Connection, host: str, token: int, until: float) -> bool:
    """Move the end of a lease; False if it is lost."""
    return await conn.fetchval(_q["extend"], host, token, until) is not None


def _row(vault: Vault, row: Leased) -> tuple[Any, ...]:
    sealed = _sealed(vault, _order(row.host), row.order_key)
    return row.host, row.token, json.dumps(row.state), sealed, float(row.state["due"])


async def save(conn: Connection, vault: Vault, row: Leased) -> bool:
    """Store a host's row and keep the lease; False, and nothing done, if it is lost."""
    return await conn.fetchval(_q["save"], *_row(vault, row)) is not None


async def release(conn: Connection, vault: Vault, row: Leased) -> bool:
    """Store a host's row and end the lease; False, and nothing done, if it is lost."""
    return await conn.fetchval(_q["release"], *_row(vault, row)) is not None


async def finish(
    conn: Connection, vault: Vault, row: Leased, certificate: StoredCertificate, now: float
) -> bool:
    """Store a certificate with its host's row, and end the lease; False if it is lost."""
    async with conn.transaction():
        if not await release(conn, vault, row):
            return False
        await _put(conn, vault, certificate, now, imported=False)
        return True


async def _put(
    conn: Connection, vault: Vault, one: StoredCertificate, now: float, *, imported: bool
) -> None:
    await conn.execute(
        _q["put"],
        one.host,
        _sealed(vault, purpose(one.host), one.key),
        one.chain,
        digest(one.chain),
        one.not_before,
        one.not_after,
        one.renewal_id,
        imported,
        now,
    )


def digest(chain: str) -> bytes:
    """By what an edge recognizes the chain that it has already."""
    return hashlib.sha256(chain.encode()).digest()


async def get(conn: Connection, vault: Vault, host: str) -> StoredCertificate | None:
    """The certificate of a host; OperatorError when the master key does not open its key."""
    row = await conn.fetchrow(_q["get"], host)
    if row is None:
        return None
    fields = dict(row)
    key = vault.open(purpose(host), fields.pop("sealed_key")).decode()
    return StoredCertificate(host=host, key=key, **fields)


# What is asked of it from outside


async def show(conn: Connection, host: str) -> HostCertificate | None:
    """A tracking host and its certificate; None for a host that is no tracking host."""
    row = await conn.fetchrow(_q["show"], host)
    return None if row is None else _shown(dict(row))


async def list_all(conn: Connection, most: int = MOST_LISTED) -> list[HostCertificate]:
    """Every host with a certificate or an order; those without, then those that end first."""
    return [_shown(dict(row)) for row in await conn.fetch(_q["list"], most)]


def _shown(row: dict[str, Any]) -> HostCertificate:
    state = row["state"]
    return HostCertificate(**{**row, "state": None if state is None else json.loads(state)})


async def request(conn: Connection, host: str, tenant: str, due: float) -> bool:
    """Ask for a certificate, to be ordered when it is ``due``; False if that was done before."""
    state = json.dumps({"name": host, "tenant": tenant, "due": due})
    return await conn.fetchval(_q["request"], host, due, state) is not None


async def nudge(conn: Connection, host: str, now: float, *, renew: bool = False) -> bool:
    """Make a host due at once, and forget why it failed; ``renew`` even if its time is not come.

    False while somebody works on it, or without its row. How often it failed stays: whoever asks
    again and again must not get around the pauses that protect the authority's limits.
    """
    return await conn.fetchval(_q["nudge"], host, now, renew) is not None


async def import_certificate(
    conn: Connection, vault: Vault, certificate: StoredCertificate, now: float
) -> None:
    """Store somebody's own certificate for a host, which is ordered for no longer."""
    async with conn.transaction():
        await conn.execute(_q["forget"], certificate.host)
        await _put(conn, vault, certificate, now, imported=True)


async def forget(conn: Connection, host: str) -> None:
    """Order nothing for a host and serve it no longer; who works on it finds its lease lost."""
    async with conn.transaction():
        await conn.execute(_q["forget"], host)
        await conn.execute(_q["discard"], host)


# What edges serve


async def digests(conn: Connection) -> dict[str, bytes]:
    """Every host with a certificate, and by what its chain is recognized."""
    return {row["host"]: row["digest"] for row in await conn.fetch(_q["digests"])}


async def sealed_files(conn: Connection, hosts: Sequence[str]) -> list[tuple[str, bytes, str]]:
    """Host, sealed key and chain of some certificates."""
    rows = await conn.fetch(_q["files"], list(hosts))
    return [(row["host"], row["sealed_key"], row["chain"]) for row in rows]


async def ends(conn: Connection, most: int) -> list[tuple[str, float]]:
    """The hosts whose certificates end first, and when."""
    return [(row["host"], row["not_after"]) for row in await conn.fetch(_q["ends"], most)]


# Upkeep


async def ramp(conn: Connection, now: float) -> None:
    """Tell edges of every host whose HSTS has another step by now."""
    if await conn.fetchval(_q["ramp_due"], now):
        await conn.execute(_q["ramp"], now)


async def forget_lapsed(conn: Connection, before: float) -> int:
    """Forget certificates of removed domains that ended before a time; how many."""
    hosts = [row["host"] for row in await conn.fetch(_q["lapsed"], before)]
    for host in hosts:
        await forget(conn, host)
    await conn.execute(_q["forget_levels"], before)
    await conn.execute(_q["forget_alarms"], before)
    return len(hosts)


async def ending(conn: Connection, now: float) -> list[dict[str, Any]]:
    """Certificates with less than a quarter of their life left, the most urgent first."""
    return [dict(row) for row in await conn.fetch(_q["ending"], now)]


async def refused(conn: Connection, since: float) -> list[tuple[str, str]]:
    """Hosts whose last try failed since then for a fault that the operator must mend; some."""
    return [(row["host"], row["text"]) for row in await conn.fetch(_q["refused"], since)]


async def may_raise(conn: Connection, subject: str, now: float, every: float) -> bool:
    """Whether an alarm may be raised now; not again for the same subject within ``every`` s."""
    return await conn.fetchval(_q["raise"], subject, now, every) is not None


# Accounts and budgets


async def account(conn: Connection, vault: Vault, directory: str | None) -> StoredAccount | None:
    """The account at an authority; with None the one that answers challenges now."""
    if directory is None:
        row = await conn.fetchrow(_q["current_account"])
    else:
        row = await conn.fetchrow(_q["account"], directory)
    if row is None:
        return None
    fields = dict(row)
    at = fields["directory"]
    key = vault.open(_account(at, "key"), fields.pop("key")).decode()
    next_key = _opened(vault, _account(at, "next"), fields.pop("next_key"))
    return StoredAccount(key=key, next_key=next_key, **fields)


async def save_account(
    conn: Connection, vault: Vault, one: StoredAccount, thumbprint: str
) -> int | None:
    """Store an account if its revision is still the stored one's (0: there is none).

    The new revision, or None if somebody else was there first.
    """
    async with conn.transaction():
        await conn.fetchval(_q["lock"])  # the version that this change will have is noted in it
        revision: int | None = await conn.fetchval(
            _q["change_account" if one.revision else "add_account"],
            one.directory,
            _sealed(vault, _account(one.directory, "key"), one.key),
            thumbprint,
            one.url,
            _sealed(vault, _account(one.directory, "next"), one.next_key),
            one.changing_since,
            one.revision + 1,
        )
    return revision


async def answer_as(conn: Connection, directory: str) -> None:
    """From now on challenges are answered by the account at this authority."""
    async with conn.transaction():
        await conn.fetchval(_q["lock"])
        if not await conn.fetchval(_q["is_current"], directory):
            await conn.execute(_q["unset_current"])
            await conn.execute(_q["set_current"], directory)


async def edges_behind(conn: Connection) -> int:
    """How many edges that live cannot answer challenges for the present account yet."""
    found: int = await conn.fetchval(_q["behind"])
    return found


async def take(
    conn: Connection,
    keys: Sequence[str],
    change: Callable[[Mapping[str, float]], tuple[dict[str, float], float]],
) -> float:
    """Change the levels of some budgets in one transaction, their rows locked in order.

    ``change`` gets them by key, and gives those that change and the wait, which is returned.
    """
    async with conn.transaction():
        await conn.execute(_q["hold_levels"], list(keys))
        rows = await conn.fetch(_q["levels"], list(keys))
        changed, wait = change({row["key"]: row["level"] for row in rows})
        if changed:
            await conn.execute(_q["set_levels"], list(changed), list(changed.values()))
    return wait
