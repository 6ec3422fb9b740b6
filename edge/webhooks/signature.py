"""How a delivery proves where it comes from; pure.

Mailgun's signature is of the timestamp and a token, and says nothing about the body, so whoever
sees one can put another body under it. A second signature, in a header, is of the body as well.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

from edge.model.mailgun_json import dumps
from edge.model.webhook import SigningKey

TIMESTAMP: Final = "X-Edge-Timestamp"
SIGNATURE: Final = "X-Edge-Signature"
PREVIOUS: Final = "X-Edge-Signature-Previous"
"""Present while a replaced key is still good: the same body, signed with that one."""

TOKEN_BYTES: Final = 25


def token(key: bytes, event: bytes, endpoint: int, delivery: int) -> str:
    """50 hexadecimal digits for one event at one URL, the same at each of its attempts.

    Receivers cache tokens against replay. Derived instead of kept: a row that is lost by a crash
    and written again has the same one. ``key`` is secret, so nobody else can tell a token before.
    """
    text = b"%b:%d:%d" % (event, endpoint, delivery)
    return hmac.new(key, text, hashlib.sha256).hexdigest()[: 2 * TOKEN_BYTES]


def sign(key: str, timestamp: str, token: str) -> str:
    """Mailgun's signature: HMAC-SHA256 of timestamp and token, without anything between them."""
    return hmac.new(key.encode(), (timestamp + token).encode(), hashlib.sha256).hexdigest()


def sign_body(key: str, timestamp: str, body: bytes) -> str:
    """Ours: HMAC-SHA256 of timestamp, a full stop, and the body as it is sent."""
    return hmac.new(key.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def signed(
    key: SigningKey, *, seconds: int, token: str, event: str
) -> tuple[bytes, Mapping[str, str]]:
    """Body and headers of one attempt at a time (seconds); ``event`` is its JSON.

    The body is put together from texts: an event that goes to many URLs is rendered once.
    """
    timestamp = str(seconds)
    proof = {
        "timestamp": timestamp,
        "token": token,
        "signature": sign(key.current, timestamp, token),
    }
    body = f'{{"signature":{dumps(proof)},"event-data":{event}}}'.encode()
    headers = {TIMESTAMP: timestamp, SIGNATURE: sign_body(key.current, timestamp, body)}
    if key.previous is not None:
        headers[PREVIOUS] = sign_body(key.previous, timestamp, body)
    return body, headers
