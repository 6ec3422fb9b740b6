"""One authority for asyncio: its account, and blocking requests in a few threads of their own.

The account is found or made when it is first needed. Its key is stored before the request that
registers it, so a crash leaves no account that nobody can use; and when the authority has lost the
account, the same key registers again, so that the thumbprint which answers challenges stays.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

import josepy
from acme import errors as acme_errors

from certs.acme_client import AcmeClient, ExternalAccount
from certs.acme_wire import AccountState, Directory
from certs.clock import Clock
from certs.errors import AccountMissing, CertificateError, OperatorError
from certs.keys import new_key, thumbprint
from certs.storage import Account, Storage

T = TypeVar("T")
RACES = 5
CHANGE_TIME = 300.0  # seconds that a change of keys may take; no request lives as long


@dataclass(frozen=True, slots=True)
class Terms:
    """What the operator agreed with an authority, and wants of it.

    ``profile`` and ``preferred_chain`` are names of the authority's; ``ca_file`` the roots to
    trust its https by, instead of the machine's.
    """

    directory: str
    agree_terms: bool = False
    contact: tuple[str, ...] = ()
    external: ExternalAccount | None = None
    profile: str | None = None
    preferred_chain: str | None = None
    ca_file: str | None = None
    user_agent: str = "python-certs"


class Authority:
    """An authority and our account there. Close it: it holds threads and connections.

    With ``same_key_as`` the account uses that authority's account key, so that one thumbprint
    answers the challenges of both: that is for staging, which rehearses for production.
    """

    def __init__(
        self,
        terms: Terms,
        storage: Storage,
        clock: Clock,
        *,
        threads: int = 4,
        same_key_as: "Authority | None" = None,
    ) -> None:
        self.terms = terms
        self._storage = storage
        self._clock = clock
        self._same_key_as = same_key_as
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="acme")
        self._idle: deque[AcmeClient] = deque()
        self._registering = asyncio.Lock()

    def close(self) -> None:
        """End the threads (a request that is under way is waited for) and the connections."""
        self._threads.shutdown()
        while self._idle:
            self._idle.pop().close()

    async def call(self, verb: Callable[[AcmeClient], T]) -> T:
        """Run a verb that needs no account, or brings its own key."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._work, verb)

    def _work(self, verb: Callable[[AcmeClient], T]) -> T:
        try:
            client = self._idle.pop()
        except IndexError:
            client = AcmeClient(
                self.terms.directory,
                self._clock,
                user_agent=self.terms.user_agent,
                ca_file=self.terms.ca_file,
            )
        try:
            return verb(client)
        except (acme_errors.Error, josepy.errors.Error) as error:
            raise OperatorError(f"the acme library refuses: {error!r}") from error
        finally:
            # Here and not where it is awaited: that may have been cancelled long before.
            self._idle.append(client)

    async def signed(self, verb: Callable[[AcmeClient, str], T]) -> T:
        """Run a verb as our account; it gets the client and the account's address.

        If the authority lost the account, it is registered again, and the verb run once more.
        """
        account = await self.account()
        try:
            return await self._as(account, verb)
        except AccountMissing:
            account = await self._register_again(account)
            return await self._as(account, verb)

    async def _as(self, account: Account, verb: Callable[[AcmeClient, str], T]) -> T:
        url = account.url
        if url is None:
            raise OperatorError("the account is not registered")

        def work(client: AcmeClient) -> T:
            client.sign_as(account.key_pem, url)
            return verb(client, url)

        return await self.call(work)

    async def thumbprint(self) -> str:
        """What answers this account's HTTP-01 challenges (see :mod:`certs.challenges`).

        Nothing is asked of the authority: a server can answer before it could register.
        """
        if self._same_key_as is not None:
            return await self._same_key_as.thumbprint()
        stored = await self._storage.account(self.terms.directory)
        if stored is None:
            made = await self._storage.save_account(Account(self.terms.directory, new_key()))
            stored = made or await self._storage.account(self.terms.directory)
        if stored is None:
            raise OperatorError("the storage keeps no accounts")
        return thumbprint(stored.key_pem)

    async def account(self) -> Account:
        """Our account, made if there is none."""
        async with self._registering:
            key = (await self._same_key_as.account()).key_pem if self._same_key_as else None
            for _ in range(RACES):
                stored = await self._storage.account(self.terms.directory)
                if stored is not None and self._usable(stored, key):
                    return stored
                made = await self._towards(stored, key)
                if made is not None and self._usable(made, key):
                    return made
        raise OperatorError("the account is changed by somebody else all the time")

    def _usable(self, account: Account, key: str | None) -> bool:
        if account.url is None or key not in (None, account.key_pem):
            return False
        # A change of keys that has just begun is somebody's at work: it is not settled for him.
        begun = self._clock.now() - account.changing_since
        return account.next_key_pem is None or begun < CHANGE_TIME

    async def _towards(self, stored: Account | None, key: str | None) -> Account | None:
        """One step to a usable account; None if somebody else was there first."""
        directory = self.terms.directory
        if stored is None:
            return await self._storage.save_account(Account(directory, key or new_key()))
        if key is not None and stored.key_pem != key:
            return await self._storage.save_account(
                replace(stored, key_pem=key, url=None, next_key_pem=None)
            )
        if stored.next_key_pem is not None:
            return await self._settle_change(stored, stored.next_key_pem)
        url = await self.call(lambda client: self._register(client, stored.key_pem))
        return await self._storage.save_account(replace(stored, url=url))

    def _register(self, client: AcmeClient, key_pem: str) -> str:
        return client.register(
            key_pem,
            contact=self.terms.contact,
            agree_terms=self.terms.agree_terms,
            external=self.terms.external,
        )

    async def _register_again(self, lost: Account) -> Account:
        async with self._registering:
            url = await self.call(lambda client: self._register(client, lost.key_pem))
            saved = await self._storage.save_account(replace(lost, url=url))
        return saved or await self.account()

    async def directory(self) -> Directory:
        """What the authority offers; asked for at most once a day by each thread."""
        return await self.call(lambda client: client.directory())

    async def account_state(self) -> AccountState:
        """Our account as the authority has it; it is made if there is none."""
        return await self.signed(lambda client, url: client.account(url))

    async def change_contact(self) -> AccountState:
        """Tell the authority the contacts of our terms; without any it forgets those it had."""
        contact = self.terms.contact
        return await self.signed(lambda client, url: client.change_contact(url, contact))

    # Changing the account key (RFC 8555 § 7.3.5)

    async def change_key(self) -> str:
        """Give the account a new key; the new thumbprint.

        Do it while no order runs, and tell whoever answers challenges: orders that are pending are
        validated by the new thumbprint. The new key is stored first, so that a crash in between
        leaves both, and the next call finds out which one the authority knows.
        """
        account = await self.account()
        url, new = account.url, new_key()
        async with self._registering:
            begun = replace(account, next_key_pem=new, changing_since=self._clock.now())
            pending = None
            if account.next_key_pem is None and url is not None:
                pending = await self._storage.save_account(begun)
            if pending is None or url is None:
                raise OperatorError("the account is being changed by somebody else; try again")
            try:
                await self.call(lambda client: client.change_key(account.key_pem, url, new))
            except CertificateError:
                await self._settle_change(pending, new)
                raise
            done = replace(pending, key_pem=new, next_key_pem=None)
            if await self._storage.save_account(done) is None:
                raise OperatorError("the account was changed by somebody else meanwhile")
        return thumbprint(new)

    async def _settle_change(self, stored: Account, new: str) -> Account | None:
        """After a change of keys that broke off: keep the key that the authority knows."""
        url = await self.call(lambda client: client.find_account(new))
        key = stored.key_pem if url is None else new
        changed = replace(stored, key_pem=key, next_key_pem=None, url=url or stored.url)
        return await self._storage.save_account(changed)

    # Revocation (§ 7.6)

    async def revoke(self, chain_pem: str, reason: int = 0) -> None:
        """Revoke a certificate of ours (reasons: RFC 5280 § 5.3.1)."""
        await self.signed(lambda client, _: client.revoke(chain_pem, reason))

    async def revoke_with_key(self, chain_pem: str, key_pem: str, reason: int = 1) -> None:
        """Revoke by the certificate's own key; reason 1 is key compromise."""
        await self.call(lambda client: client.revoke_with_key(chain_pem, key_pem, reason))
