"""How an installation knows its own answer on port 80 again; pure.

Whoever wants to know whether a host name leads here asks it for a path with a nonce. Only an edge
with the installation's master key can answer: HMAC-SHA256 (RFC 2104) of the nonce under a key that
is derived from it. The answer is the same on every edge of the installation and needs no state, so
any worker gives it with Postgres down. A nonce of the strict alphabet is all that is ever hashed,
and nothing of the request is echoed.
"""

import hashlib
import hmac
import re
from typing import Final

from edge.model.vault import Vault

PREFIX: Final = "/.well-known/edge-probe/"
"""Well-known (RFC 8615), beside the path that certificate authorities ask for."""

NONCE: Final = re.compile(r"[A-Za-z0-9_-]{22,64}")
"""base64url without padding; at least 128 bits, so that no answer can be kept for later."""


def probe_secret(vault: Vault) -> bytes:
    """The key of the answers: the same on all machines of an installation, known to no stranger."""
    return vault.seal("probe key", b"edge")


def nonce_of(path: str) -> str | None:
    """The nonce that a request's path asks about; None if it is not a probe: answer 404."""
    if not path.startswith(PREFIX):
        return None
    nonce = path[len(PREFIX) :]
    return nonce if NONCE.fullmatch(nonce) else None


def probe_answer(secret: bytes, nonce: str) -> str:
    """The body that only this installation can give: 64 hexadecimal digits."""
    return hmac.new(secret, b"edge probe v1\0" + nonce.encode(), hashlib.sha256).hexdigest()
