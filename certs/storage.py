"""What the manager needs of storage and tasks, with the obligations of whoever provides them."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from certs.budgets import Charge
from certs.host import Host
from certs.issued import Certificate


@dataclass(frozen=True, slots=True)
class Account:
    """Our account at one authority.

    ``url`` is None from before registering until its answer is stored. ``next_key_pem`` is the key
    that a change of keys under way is changing to, since ``changing_since`` (seconds since the
    epoch). ``revision`` is the storage's.
    """

    directory: str
    key_pem: str
    url: str | None = None
    next_key_pem: str | None = None
    changing_since: float = 0.0
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """A lease on one host. ``token`` differs between any two holders: the fence."""

    host: Host
    holder: str
    token: int


class Storage(Protocol):
    """Where hosts, accounts, certificates and budgets are kept.

    Each call is atomic and durable when it returns: after a crash it happened whole or not at all.
    Calls may come from several tasks, processes and machines at once. Every call that takes a
    claim must refuse with :class:`certs.errors.LeaseLost`, changing nothing, when the claim's token
    is no longer the host's, or the host is gone (the fence); an expired lease that nobody else took
    may still be used. Private keys are in hosts with an order, in accounts and in certificates:
    keep them encrypted, or in files that only their owner can read. A call may be cancelled: then
    it happened or not.
    """

    async def claim(self, holder: str, now: float, seconds: float) -> Claim | None:
        """The host that is due longest and under no living lease, leased for ``seconds``."""
        ...

    async def extend(self, claim: Claim, now: float, seconds: float) -> None:
        """The lease lasts ``seconds`` from now."""
        ...

    async def save(self, claim: Claim, host: Host) -> None:
        """Store the host's row, and keep the lease."""
        ...

    async def release(self, claim: Claim, host: Host) -> None:
        """Store the host's row, and end the lease."""
        ...

    async def store_certificate(self, claim: Claim, certificate: Certificate, host: Host) -> None:
        """Store certificate and row as one, and end the lease."""
        ...

    async def certificate(self, name: str) -> Certificate | None:
        """The current certificate of a host."""
        ...

    async def account(self, directory: str) -> Account | None:
        """The account at an authority."""
        ...

    async def save_account(self, account: Account) -> Account | None:
        """Store it if ``revision`` is still the stored one's (0: none is stored).

        The account with its new revision, or None if another was there first: read it again.
        """
        ...

    async def take(self, charges: Sequence[Charge], now: float) -> float:
        """Apply :func:`certs.budgets.take` to the stored levels in one transaction.

        Its wait: 0 when all were taken. Lock the rows in the order of their keys.
        """
        ...


class Spawn(Protocol):
    """How tasks are made, so that whoever runs the program owns them."""

    def __call__(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run ``work`` as a task whose caller awaits it and gets its errors."""
        ...


class Gate(Protocol):
    """Whether a host may be ordered for at all; see :func:`open_gate` for none."""

    async def __call__(self, name: str) -> None:
        """Return if the name is ours, its DNS leads here and port 80 answers; else raise.

        CustomerError says what is wrong and how to mend it. It should cost no more than a few DNS
        queries and one request to ourselves.
        """
        ...


async def open_gate(name: str) -> None:
    """A gate for whoever checks elsewhere: lets every name pass."""
