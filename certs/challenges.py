"""HTTP-01 without any state (RFC 8555 § 8.3).

The answer to a challenge is the token from the request's own path, a dot, and the thumbprint of
the account key. It does not depend on an order, so any process that knows the thumbprint answers
for any host, with every database down.

What it must never do: echo anything but a token of the strict alphabet. A path with markup gets
no answer at all, so that nobody's script comes out of somebody's host name.
"""

import re

PREFIX = "/.well-known/acme-challenge/"
CONTENT_TYPE = "application/octet-stream"
# RFC 8555 § 8.3: base64url without padding, at least 128 bits. The upper end is ours.
TOKEN = re.compile(r"[A-Za-z0-9_-]{16,128}")


def is_token(token: str) -> bool:
    """Whether this may be a challenge token."""
    return TOKEN.fullmatch(token) is not None


def answer(path: str, thumbprint: str) -> bytes | None:
    """The body for a request's path, or None: not a challenge, answer 404.

    Send it with ``CONTENT_TYPE`` and ``X-Content-Type-Options: nosniff``, on port 80, and never
    redirect it. Only host names that are yours should get this far.
    """
    if not path.startswith(PREFIX):
        return None
    token = path[len(PREFIX) :]
    return f"{token}.{thumbprint}".encode() if is_token(token) else None
