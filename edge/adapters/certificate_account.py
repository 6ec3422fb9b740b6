"""What commands do about our account at the authority: look at it, change its key and contacts.

A change of keys is for a quiet moment, since a challenge that the authority looks at is answered by
one key only. So nobody begins anything from its announcement on, and what is under way is waited
for; it begins again when every living edge has the new thumbprint. Killed anywhere, the pause ends
by itself, and by then the next request finds out which key the authority knows.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from certs.acme_wire import AccountState
from certs.authority import CHANGE_TIME, Authority
from certs.errors import CertificateError
from certs.keys import thumbprint
from edge.adapters.certificate_jobs import OPTIONS, terms_of
from edge.adapters.certificate_storage import PostgresStorage
from edge.clock import Clock
from edge.model.errors import NotFound, OperatorError, PeerError
from edge.model.vault import Vault
from edge.settings import Settings
from edge.store import authorities, certificates
from edge.store.pool import Pool

POLL: Final = 0.2
QUIET: Final = OPTIONS.lease + 20.0
"""Seconds in which what is under way ends, or its lease does."""

KNOWN: Final = 90.0
"""Seconds in which edges that live take up a thumbprint, or count as dead."""

PAUSE: Final = QUIET + CHANGE_TIME + 60.0


@dataclass(frozen=True, slots=True)
class Shown:
    """Our account: where, which key answers challenges, and what the authority says of it.

    ``url`` is None before it was registered; ``state`` where it was not asked for.
    """

    directory: str
    url: str | None
    thumbprint: str
    changing: bool
    state: AccountState | None


class AccountWork:
    """Our account at the authority of the settings. Close it."""

    def __init__(
        self,
        settings: Settings,
        pool: Pool,
        vault: Vault,
        clock: Clock,
        *,
        quiet: float = QUIET,
        known: float = KNOWN,
    ) -> None:
        self._terms = terms_of(settings)
        self._pool = pool
        self._vault = vault
        self._clock = clock
        self._quiet = quiet
        self._known = known
        storage = PostgresStorage(pool, vault, clock)
        self._authority = Authority(self._terms, storage, clock, threads=1)

    async def close(self) -> None:
        """End its thread and its connection."""
        await asyncio.to_thread(self._authority.close)

    async def show(self, *, ask: bool) -> Shown:
        """The account as it is here, and with ``ask`` as the authority has it.

        NotFound when there is none yet; it is never made by this.
        """
        async with self._pool.acquire() as conn:
            found = await certificates.account(conn, self._vault, self._terms.directory)
        if found is None:
            raise NotFound(
                f"there is no account at {self._terms.directory} yet: a running edge makes it "
                "before its first order"
            )
        state = None
        if ask and found.url is not None:
            try:
                state = await self._authority.account_state()
            except CertificateError as error:
                raise OperatorError(
                    f"the authority does not show the account: {error}; --offline shows what is "
                    "known here"
                ) from None
        changing = found.next_key is not None
        return Shown(found.directory, found.url, thumbprint(found.key), changing, state)

    async def change_contact(self) -> AccountState:
        """Tell the authority the contact of the settings (RFC 8555 § 7.3.2)."""
        await self.show(ask=False)
        try:
            return await self._authority.change_contact()
        except CertificateError as error:
            raise OperatorError(f"the authority does not take the contact: {error}") from None

    async def change_key(self) -> AsyncIterator[str]:
        """Give the account a new key (RFC 8555 § 7.3.5); lines that say how far it is.

        PeerError when what is under way does not end in time: nothing was changed then.
        OperatorError when the authority refuses; the key that it knows stays.
        """
        directory = self._terms.directory
        await self.show(ask=False)
        async with self._pool.acquire() as conn:
            await authorities.pause(conn, directory, self._clock.now() + PAUSE)
        try:
            yield "waiting for orders that are under way"
            await self._until_quiet()
            yield "changing the key"
            try:
                new = await self._authority.change_key()
            except CertificateError as error:
                raise OperatorError(f"the key was not changed: {error}") from None
        finally:
            async with self._pool.acquire() as conn:
                await authorities.pause(conn, directory, 0.0)
        yield f"changed; challenges are answered by {new}"
        yield await self._taken_up()

    async def _until_quiet(self) -> None:
        began = self._clock.monotonic()
        while True:
            async with self._pool.acquire() as conn:
                hosts = await authorities.working(conn, self._clock.now())
            if not hosts:
                return
            if self._clock.monotonic() - began > self._quiet:
                raise PeerError(f"nothing was changed: {hosts[0]} is still worked on; try again")
            await asyncio.sleep(POLL)

    async def _taken_up(self) -> str:
        """Wait until every living edge answers by the new key; orders wait for that, too."""
        began = self._clock.monotonic()
        while self._clock.monotonic() - began < self._known:
            async with self._pool.acquire() as conn:
                if not await certificates.edges_behind(conn):
                    return "every edge answers by it"
            await asyncio.sleep(POLL)
        return "an edge does not answer by it yet; orders go on when it does"
