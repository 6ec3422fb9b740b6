"""The snapshot of hostnames, keys and switches that the edge serves from.

Read from Postgres by the keeper, written to a file in the data directory, and read from there by
every tracking worker: the edge serves with Postgres dead, also across a restart. Secrets in it
stay sealed by the vault.
"""

import msgspec

from edge.model.domain import DEFAULT_FOOTERS, Domain, Footers
from edge.model.tokens import Key, Keyring, KeyState
from edge.model.vault import Vault


class SealedKey(msgspec.Struct, frozen=True):
    """A key of the ring as it lies in the database; ``sealed`` opens with purpose ``key:<id>``."""

    id: int
    state: KeyState
    sealed: bytes


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a tracking worker knows about the world.

    ``version`` grows with every change. ``hosts`` maps every tracking host name that ever was, in
    lower case, to its domain's number: hosts are tombstoned, never deleted. ``footers`` holds, by
    number, those of domains that have others than a new domain has. ``thumbprint`` is that of the
    account key by which authorities' challenges are answered (RFC 8555 § 8.1), empty for none.
    ``hsts`` maps hosts whose certificate is healthy to the seconds that browsers may be told to
    insist on https.
    """

    version: int
    domains: list[Domain]
    hosts: dict[str, int]
    keys: list[SealedKey]
    footers: dict[int, Footers] = {}
    thumbprint: str = ""
    hsts: dict[str, int] = {}

    def footers_of(self, domain: Domain) -> Footers:
        """What is put under messages of a domain."""
        return self.footers.get(domain.number, DEFAULT_FOOTERS)

    def keyring(self, vault: Vault) -> Keyring:
        """The opened keyring; OperatorError when the master key is the wrong one."""
        return Keyring(
            Key(id=key.id, state=key.state, secret=vault.open(f"key:{key.id}", key.sealed))
            for key in self.keys
        )
