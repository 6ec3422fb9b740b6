"""What commands do about certificates: watch an order that the edge works on, and revoke."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from certs.authority import Authority
from certs.errors import CertificateError
from edge.adapters.certificate_jobs import terms_of
from edge.adapters.certificate_storage import PostgresStorage
from edge.clock import Clock
from edge.model.certificate import HostCertificate, Status
from edge.model.errors import NotFound, OperatorError, PeerError
from edge.model.vault import Vault
from edge.settings import Settings
from edge.store import certificates
from edge.store.pool import Pool

POLL: Final = 0.5
"""Seconds between two looks at a row."""

UNTOUCHED: Final = 30.0
"""Seconds after which a due host that nobody has touched means that no edge orders."""


async def progress(
    pool: Pool, host: str, clock: Clock, patience: float, *, before: str = ""
) -> AsyncIterator[str]:
    """Lines that say what becomes of a host, until it has another certificate than ``before``.

    Raises OperatorError when it failed for a fault that somebody must mend, PeerError when it is
    not done within ``patience`` seconds, NotFound when the host was forgotten meanwhile.
    """
    started, told = clock.monotonic(), ""
    while True:
        async with pool.acquire() as conn:
            found = await certificates.show(conn, host)
        if found is None or (found.state is None and not found.chain):
            raise NotFound(f"{host}: nobody asks for its certificate any more")
        now, waited = clock.now(), clock.monotonic() - started
        if found.valid(now) and found.chain != before:
            yield f"active, {found.days_left(now):.1f} days left"
            return
        _raise_failure(found, now)
        line = _line(found, now)
        if waited > UNTOUCHED and line == "waiting for the edge":
            line = "waiting for the edge: is `edge serve` (role all or control) running?"
        if line != told:
            told = line
            yield line
        if waited > patience:
            raise PeerError(f"{host}: not done yet; watch it with `edge cert status {host}`")
        await asyncio.sleep(POLL)


def _raise_failure(found: HostCertificate, now: float) -> None:
    failure = found.failure
    if failure is not None and failure.get("who") in {"customer", "operator"}:
        wait = max(0.0, found.due - now)
        raise OperatorError(
            f"{found.host}: {failure.get('text')} (tried again by itself in {wait:.0f} s)"
        )


def _line(found: HostCertificate, now: float) -> str:
    state = found.state or {}
    order = state.get("order")
    if found.failure is not None:
        return f"the authority: {found.failure.get('text')}"
    if order is not None:
        where = "rehearsing at staging" if order.get("rehearsal") else "ordering"
        return where if order.get("url") is None else f"{where}: the authority looks at the host"
    if found.due > now + 1 and found.status(now) is not Status.ACTIVE:
        return "waiting for a budget below the authority's limits"
    return "checking the host's DNS" if found.until > now else "waiting for the edge"


class Revocation:
    """Tells the authority that a certificate counts no longer."""

    def __init__(self, settings: Settings, pool: Pool, vault: Vault, clock: Clock) -> None:
        storage = PostgresStorage(pool, vault, clock)
        self._authority = Authority(terms_of(settings), storage, clock, threads=1)

    async def revoke(self, chain: str, reason: int) -> None:
        """Revoke (reasons: RFC 5280 § 5.3.1); OperatorError if the authority refuses."""
        try:
            await self._authority.revoke(chain, reason)
        except CertificateError as error:
            raise OperatorError(
                f"the authority does not revoke it: {error}; --only-here serves it no longer "
                "without telling the authority"
            ) from None
        finally:
            await asyncio.to_thread(self._authority.close)
