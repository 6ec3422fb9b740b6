"""How a delivery proves where it comes from; pure.

Mailgun's signature is of the timestamp and a token, and says nothing about the body, so whoever
sees one can put another body under it. A second signature, in a header, is of the body as well.
"""

import hashlib
import hmac
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec

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


class Verdict(StrEnum):
    """What checking a signature came to."""

    GOOD = "good"
    PREVIOUS = "previous"
    """Made with the key before this one."""

    OLD = "old"
    """Right, but its timestamp is over :data:`FRESH_SECONDS` away."""

    WRONG = "wrong"
    MISSING = "missing"


FRESH_SECONDS: Final = 900


def _verdict(key: SigningKey, timestamp: str, given: str, made: Any, seconds: int) -> Verdict:
    """``made(key)`` is the signature as it should be."""
    for one, verdict in ((key.current, Verdict.GOOD), (key.previous, Verdict.PREVIOUS)):
        if one is not None and hmac.compare_digest(made(one).encode(), given.encode("utf-8")):
            fresh = timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 12
            if not fresh or abs(seconds - int(timestamp)) > FRESH_SECONDS:
                return Verdict.OLD
            return verdict
    return Verdict.WRONG


def checked_token(key: SigningKey, body: bytes, *, seconds: int) -> Verdict:
    """Mailgun's signature, which a body has in it, at a time (seconds)."""
    try:
        found = msgspec.json.decode(body)
        proof = found["signature"]
        parts = (proof["timestamp"], proof["token"], proof["signature"])
    except (msgspec.DecodeError, UnicodeDecodeError, LookupError, TypeError):
        return Verdict.MISSING
    if not all(isinstance(one, str) and one.isascii() for one in parts):
        return Verdict.WRONG if all(one is not None for one in parts) else Verdict.MISSING
    timestamp, token, signature = parts
    return _verdict(key, timestamp, signature, lambda one: sign(one, timestamp, token), seconds)


def checked_body(
    key: SigningKey, headers: Mapping[str, str], body: bytes, *, seconds: int
) -> Verdict:
    """Ours, of the whole body, which is in a header."""
    timestamp, signature = headers.get(TIMESTAMP, ""), headers.get(SIGNATURE, "")
    if not timestamp or not signature:
        return Verdict.MISSING
    if not (timestamp.isascii() and signature.isascii()):
        return Verdict.WRONG
    return _verdict(key, timestamp, signature, lambda one: sign_body(one, timestamp, body), seconds)
