"""Secrets at rest, sealed under the installation's master key.

AES-SIV with a 64-byte key derived for each purpose: deterministic, so it needs no nonce and no
randomness, and a sealed secret cannot be moved to another row, because the purpose (table and row)
is part of the key.
"""

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from edge.model.errors import OperatorError

MASTER_KEY_BYTES: Final = 32


class Vault:
    """Seals and opens secrets for one master key of 32 bytes."""

    def __init__(self, master_key: bytes) -> None:
        if len(master_key) != MASTER_KEY_BYTES:
            raise OperatorError(f"the master key has {len(master_key)} bytes; it must have 32")
        self._master_key = master_key

    def _cipher(self, purpose: str) -> AESSIV:
        info = b"edge vault v1 " + purpose.encode()
        key = HKDF(algorithm=hashes.SHA256(), length=64, salt=None, info=info)
        return AESSIV(key.derive(self._master_key))

    def key_for_macs(self, purpose: str) -> bytes:
        """A key of 32 bytes to authenticate with, for one purpose; it opens nothing sealed."""
        info = b"edge vault mac v1 " + purpose.encode()
        key = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info)
        return key.derive(self._master_key)

    def seal(self, purpose: str, secret: bytes) -> bytes:
        """Ciphertext of a secret; ``purpose`` names its row, for example ``key:3``."""
        return self._cipher(purpose).encrypt(secret, None)

    def open(self, purpose: str, sealed: bytes) -> bytes:
        """The secret; OperatorError when the master key is not the one that sealed it."""
        try:
            return self._cipher(purpose).decrypt(sealed, None)
        except InvalidTag:
            raise OperatorError(
                f"the master key does not open {purpose}: restore the file that "
                "EDGE_MASTER_KEY_FILE names from your backup (it must be the same on every edge)"
            ) from None
