"""The certificate library's storage on our store: hosts under leases, sealed keys, budgets.

While Postgres is away a claim finds nothing due, and whoever holds one puts it down
(:class:`certs.errors.LeaseLost`): its lease runs out, and the next holder goes on from the row.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import structlog

from certs import budgets
from certs.budgets import Charge
from certs.clock import Clock
from certs.errors import CertificateError, LeaseLost, OperatorError, Unavailable
from certs.host import Host, from_json, to_json
from certs.issued import Certificate
from certs.keys import new_key, thumbprint
from certs.storage import Account, Claim
from edge.model import errors
from edge.model.vault import Vault
from edge.observe import metrics
from edge.store import certificates
from edge.store.certificates import Leased, StoredAccount, StoredCertificate
from edge.store.pool import UNAVAILABLE, Connection, Pool

log = structlog.get_logger()

PATIENCE = 10.0
"""Seconds that a call waits for a free connection."""


def _leased(claim: Claim, host: Host) -> Leased:
    state = to_json(host)
    order = state["order"]
    return Leased(host.name, state, order.pop("key_pem") if order else None, claim.token)


def as_host(row: Leased) -> Host:
    """A stored row in the library's words."""
    state = dict(row.state)
    if state.get("order"):
        state["order"] = {**state["order"], "key_pem": row.order_key or ""}
    return from_json(state)


class PostgresStorage:
    """A :class:`certs.storage.Storage` for any number of processes and machines."""

    def __init__(self, pool: Pool, vault: Vault, clock: Clock) -> None:
        self._pool = pool
        self._vault = vault
        self._clock = clock

    @asynccontextmanager
    async def _connection(self, away: type[CertificateError]) -> AsyncIterator[Connection]:
        """A connection; our errors in the library's words, ``away`` while Postgres is."""
        try:
            async with self._pool.acquire(timeout=PATIENCE) as conn:
                yield conn
        except errors.OperatorError as error:
            raise OperatorError(str(error)) from error
        except UNAVAILABLE as error:
            raise away(f"the database is away: {error!r}") from error

    async def claim(self, holder: str, now: float, seconds: float) -> Claim | None:
        """The host that is due longest and under no living lease, leased for ``seconds``."""
        try:
            async with self._connection(Unavailable) as conn:
                row = await certificates.claim(conn, self._vault, holder, now, seconds)
        except Unavailable as error:
            log.debug("no certificate job", error=str(error))
            return None
        return None if row is None else Claim(as_host(row), holder, row.token)

    async def extend(self, claim: Claim, now: float, seconds: float) -> None:
        """The lease lasts ``seconds`` from now."""
        async with self._connection(LeaseLost) as conn:
            _fence(
                claim, await certificates.extend(conn, claim.host.name, claim.token, now + seconds)
            )

    async def save(self, claim: Claim, host: Host) -> None:
        """Store the host's row, and keep the lease."""
        async with self._connection(LeaseLost) as conn:
            _fence(claim, await certificates.save(conn, self._vault, _leased(claim, host)))

    async def release(self, claim: Claim, host: Host) -> None:
        """Store the host's row, and end the lease."""
        async with self._connection(LeaseLost) as conn:
            _fence(claim, await certificates.release(conn, self._vault, _leased(claim, host)))

    async def store_certificate(self, claim: Claim, certificate: Certificate, host: Host) -> None:
        """Store certificate and row as one, and end the lease."""
        stored, row = as_stored(certificate), _leased(claim, host)
        async with self._connection(LeaseLost) as conn:
            now = self._clock.now()
            _fence(claim, await certificates.finish(conn, self._vault, row, stored, now))
        kind = "first" if claim.host.validity is None else "renewal"
        metrics.CERTIFICATES_STORED.labels(kind).inc()
        log.info("certificate stored", host=host.name, until=certificate.not_after)

    async def certificate(self, name: str) -> Certificate | None:
        """The current certificate of a host."""
        async with self._connection(Unavailable) as conn:
            found = await certificates.get(conn, self._vault, name)
        if found is None:
            return None
        times = (found.not_before, found.not_after)
        return Certificate(found.host, found.key, found.chain, *times, found.renewal_id)

    async def account(self, directory: str) -> Account | None:
        """The account at an authority."""
        async with self._connection(Unavailable) as conn:
            found = await certificates.account(conn, self._vault, directory)
        return None if found is None else _account(found)

    async def save_account(self, account: Account) -> Account | None:
        """Store it if ``revision`` is still the stored one's, else None."""
        stored = StoredAccount(
            directory=account.directory,
            key=account.key_pem,
            url=account.url,
            next_key=account.next_key_pem,
            changing_since=account.changing_since,
            revision=account.revision,
        )
        printed = thumbprint(account.key_pem)
        async with self._connection(Unavailable) as conn:
            revision = await certificates.save_account(conn, self._vault, stored, printed)
        return None if revision is None else replace(account, revision=revision)

    async def take(self, charges: Sequence[Charge], now: float) -> float:
        """Take one unit of every bucket, or of none; the wait."""
        change = partial(budgets.take, charges=charges, now=now)
        keys = sorted({charge.key for charge in charges})
        async with self._connection(Unavailable) as conn:
            return await certificates.take(conn, keys, change)

    async def answer_as(self, directory: str) -> None:
        """Make the account at this authority the one whose thumbprint answers challenges.

        An installation has one account key: an authority without an account gets the key that
        answered before, so that edges which know only the former thumbprint go on answering.
        """
        async with self._connection(Unavailable) as conn:
            before = await certificates.account(conn, self._vault, None)
        if await self.account(directory) is None:
            await self.save_account(Account(directory, before.key if before else new_key()))
        async with self._connection(Unavailable) as conn:
            await certificates.answer_as(conn, directory)


def as_stored(certificate: Certificate) -> StoredCertificate:
    """A certificate of the library in the store's words."""
    return StoredCertificate(
        host=certificate.host,
        key=certificate.key_pem,
        chain=certificate.chain_pem,
        not_before=certificate.not_before,
        not_after=certificate.not_after,
        renewal_id=certificate.renewal_id,
    )


def _account(found: StoredAccount) -> Account:
    return Account(
        found.directory,
        found.key,
        found.url,
        found.next_key,
        found.changing_since,
        found.revision,
    )


def _fence(claim: Claim, held: bool) -> None:
    if not held:
        raise LeaseLost(f"{claim.host.name} is in other hands")
