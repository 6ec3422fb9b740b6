"""The address that bounces come back to, and the one that unsubscribes by mail: authenticated.

A local part is ``b-`` (bounces) or ``u-`` (unsubscribes) and base32 of the delivery's 8-byte id
and a 10-byte MAC: 31 characters, since 64 octets and a folded case (RFC 5321 §§ 4.5.3.1.1, 2.4)
leave no room for a sealed token. The id is resolved by the delivery's row; the MAC keeps anyone
from bouncing a delivery that they did not get mail from. What is not ours is None, never an error:
strangers write to these addresses all day.
"""

import base64
import binascii
import hmac
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ID_BYTES: Final = 8
MAC_BYTES: Final = 10
# 18 bytes are 29 characters of base32; its padding of three "=" is left out.
_ENCODED: Final = 29


class Purpose(StrEnum):
    """What an address is for: the first letter of its local part."""

    BOUNCE = "b"
    UNSUBSCRIBE = "u"


class ReturnPaths:
    """Writes addresses with the current key and reads those of every key that still opens.

    ``secrets`` maps key ids to the keyring's secrets (revoked ones left out), ``current`` names the
    one that writes. A MAC key of its own is derived for each purpose, so that an address of one
    kind never passes as the other.
    """

    def __init__(self, secrets: Mapping[int, bytes], current: int) -> None:
        order = [current, *(number for number in secrets if number != current)]
        self._keys = {
            purpose: [_derive(secrets[number], purpose) for number in order] for purpose in Purpose
        }

    def local_part(self, purpose: Purpose, delivery: int) -> str:
        """The local part for a delivery's id (0 ≤ id < 2**64), in lower case."""
        raw = delivery.to_bytes(ID_BYTES, "big")
        encoded = base64.b32encode(raw + _mac(self._keys[purpose][0], raw))
        return f"{purpose}-{encoded.decode().rstrip('=').lower()}"

    def delivery(self, purpose: Purpose, local_part: str) -> int | None:
        """The delivery's id, or None if this is not an authentic address of that purpose.

        Letter case is ignored; any other difference from the canonical spelling is not.
        """
        folded = local_part.lower()
        encoded = folded.removeprefix(f"{purpose}-")
        if len(folded) != len(encoded) + 2 or len(encoded) != _ENCODED or not encoded.isascii():
            return None
        try:
            raw = base64.b32decode(encoded.upper() + "===")
        except binascii.Error:
            return None
        if base64.b32encode(raw).decode().rstrip("=").lower() != encoded:
            return None  # the last character's spare bits are not zero
        number, mac = raw[:ID_BYTES], raw[ID_BYTES:]
        # Every key is tried, whichever fits: the time taken says nothing about any of them.
        matches = [hmac.compare_digest(_mac(key, number), mac) for key in self._keys[purpose]]
        return int.from_bytes(number, "big") if any(matches) else None


def _derive(secret: bytes, purpose: Purpose) -> bytes:
    info = b"edge return path v1 " + purpose.encode()
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info).derive(secret)


def _mac(key: bytes, raw: bytes) -> bytes:
    return hmac.digest(key, raw, "sha256")[:MAC_BYTES]
