"""Storage in memory: for trying out, for tests and simulations. It forgets at the end."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

from certs import budgets
from certs.budgets import Charge
from certs.errors import LeaseLost
from certs.host import Host
from certs.issued import Certificate
from certs.names import host_name
from certs.storage import Account, Claim


class MemoryStorage:
    """A :class:`certs.storage.Storage` for one event loop: calls never interleave."""

    def __init__(self) -> None:
        self.hosts: dict[str, Host] = {}
        self.certificates: dict[str, Certificate] = {}
        self.accounts: dict[str, Account] = {}
        self.levels: dict[str, float] = {}
        self._leases: dict[str, tuple[int, float]] = {}
        self._tokens: Iterator[int] = itertools.count(1)

    async def add(self, name: str, tenant: str = "", due: float = 0.0) -> None:
        """Ask for a certificate; nothing if the host is there already."""
        name = host_name(name)
        self.hosts.setdefault(name, Host(name, tenant, due))

    async def remove(self, name: str) -> None:
        """Forget a host. Whoever holds its lease will find it lost; its certificate stays."""
        self.hosts.pop(name, None)
        self._leases.pop(name, None)

    async def claim(self, holder: str, now: float, seconds: float) -> Claim | None:
        """The host that is due longest and under no living lease, leased for ``seconds``."""
        free = [
            host
            for host in self.hosts.values()
            if host.due <= now and self._leases.get(host.name, (0, 0.0))[1] <= now
        ]
        if not free:
            return None
        host = min(free, key=lambda one: one.due)
        token = next(self._tokens)
        self._leases[host.name] = (token, now + seconds)
        return Claim(host, holder, token)

    def _fence(self, claim: Claim) -> str:
        name = claim.host.name
        if name not in self.hosts or self._leases.get(name, (0, 0.0))[0] != claim.token:
            raise LeaseLost(f"{name} is in other hands")
        return name

    async def extend(self, claim: Claim, now: float, seconds: float) -> None:
        """The lease lasts ``seconds`` from now."""
        self._leases[self._fence(claim)] = (claim.token, now + seconds)

    async def save(self, claim: Claim, host: Host) -> None:
        """Store the host's row, and keep the lease."""
        self.hosts[self._fence(claim)] = host

    async def release(self, claim: Claim, host: Host) -> None:
        """Store the host's row, and end the lease."""
        self.hosts[self._fence(claim)] = host
        del self._leases[host.name]

    async def store_certificate(self, claim: Claim, certificate: Certificate, host: Host) -> None:
        """Store certificate and row as one, and end the lease."""
        await self.release(claim, host)
        self.certificates[host.name] = certificate

    async def certificate(self, name: str) -> Certificate | None:
        """The current certificate of a host."""
        return self.certificates.get(name)

    async def account(self, directory: str) -> Account | None:
        """The account at an authority."""
        return self.accounts.get(directory)

    async def save_account(self, account: Account) -> Account | None:
        """Store it if ``revision`` is still the stored one's, else None."""
        stored = self.accounts.get(account.directory)
        if (stored.revision if stored else 0) != account.revision:
            return None
        self.accounts[account.directory] = replace(account, revision=account.revision + 1)
        return self.accounts[account.directory]

    async def take(self, charges: Sequence[Charge], now: float) -> float:
        """Take one unit of every bucket, or of none; the wait."""
        changed, wait = budgets.take(self.levels, charges, now)
        self.levels.update(changed)
        return wait
