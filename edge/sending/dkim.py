"""DKIM signatures (RFC 6376): relaxed/relaxed, rsa-sha256 and ed25519-sha256 (RFC 8463).

A message is signed as the bytes that go out: bare CR and LF become CRLF first, because that is
what every receiver hashes (RFC 6376 § 5.3); nothing else of it is touched. The fields a reader
sees or a mailbox acts on are *oversigned*: ``h=`` names each once more than it occurs, so that a
second one added on the way breaks the signature (RFC 6376 § 8.15). No ``l=``, ever (§ 8.2).
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from edge.model.errors import CallerError

# RFC 6376 § 5.4.1 lists what to sign; oversigned is what a reader is shown or acts upon.
OVERSIGNED: Final = (
    b"from", b"to", b"cc", b"subject", b"date", b"message-id", b"reply-to", b"mime-version",
    b"content-type", b"content-transfer-encoding", b"list-unsubscribe", b"list-unsubscribe-post",
)  # fmt: skip
SIGNED_IF_PRESENT: Final = (
    b"sender", b"in-reply-to", b"references", b"list-id", b"list-help", b"list-subscribe",
    b"list-post", b"list-owner", b"list-archive", b"feedback-id", b"content-id",
    b"content-description", b"resent-from", b"resent-to", b"resent-cc", b"resent-date",
    b"resent-message-id", b"resent-sender",
)  # fmt: skip

RSA_BITS: Final = 2048
TXT_STRING_OCTETS: Final = 255  # RFC 1035 § 3.3.14: one <character-string>
_MAY_APPEAR: Final = frozenset((*OVERSIGNED, *SIGNED_IF_PRESENT))

_BARE_ENDS = re.compile(rb"\r\n|\r|\n")
_BLANKS = re.compile(rb"[ \t]+")
_BLANKS_AT_END = re.compile(rb"[ \t]+(?=\r\n|\Z)")
_FOLD = re.compile(rb"\r\n(?=[ \t])")
_LABELS = re.compile(
    r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*"
)

Key = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


class Algorithm(StrEnum):
    """What a key signs with, as ``a=`` spells it."""

    RSA = "rsa-sha256"
    ED25519 = "ed25519-sha256"


def generate_key(algorithm: Algorithm = Algorithm.RSA) -> bytes:
    """A new private key in PKCS #8 DER; RSA keys have 2048 bits (RFC 8301 § 3.2)."""
    key: Key
    if algorithm is Algorithm.RSA:
        key = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    else:
        key = ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def normalized(message: bytes) -> bytes:
    """The message with every line ending as CRLF: what is signed is what must be sent."""
    if message.count(b"\n") == message.count(b"\r") == message.count(b"\r\n"):
        return message
    return _BARE_ENDS.sub(b"\r\n", message)


def relaxed_body(body: bytes) -> bytes:
    """The body in relaxed form (RFC 6376 § 3.4.4); CRLF line endings are expected."""
    if b"\t" in body or b"  " in body or b" \r\n" in body or body.endswith(b" "):
        body = _BLANKS.sub(b" ", _BLANKS_AT_END.sub(b"", body))
    body = body.rstrip(b"\r\n")
    return body + b"\r\n" if body else b""


def relaxed_field(name: bytes, value: bytes) -> bytes:
    """A header field in relaxed form, without its CRLF (RFC 6376 § 3.4.2)."""
    unfolded = _BLANKS.sub(b" ", _FOLD.sub(b"", value)).strip(b" \t\r\n")
    return name.strip(b" \t").lower() + b":" + unfolded


def _fields(head: bytes) -> dict[bytes, list[bytes]]:
    """Values of the fields that may be signed, by lower-case name, in order."""
    found: dict[bytes, list[bytes]] = {}
    for line in re.split(rb"\r\n(?![ \t])", head):
        name, colon, value = line.partition(b":")
        name = name.rstrip(b" \t").lower()
        if colon and name in _MAY_APPEAR:
            found.setdefault(name, []).append(value)
    return found


class Signer:
    """Signs the messages of one domain with one key; load it once, it is safe to share.

    ``private_key`` is PKCS #8 DER. Raises CallerError for a domain or selector that is not a DNS
    name in lower case, or a key that is neither RSA of ≥ 1024 bits (RFC 8301) nor Ed25519.
    """

    def __init__(self, domain: str, selector: str, private_key: bytes) -> None:
        for name in (domain, selector):
            if len(name) > 253 or _LABELS.fullmatch(name) is None:
                raise CallerError(f"{name!r} is not a DNS name in lower-case ASCII")
        try:
            key = serialization.load_der_private_key(private_key, password=None)
        except (ValueError, TypeError) as error:
            raise CallerError(f"the DKIM key of {domain} is not PKCS #8 DER: {error}") from None
        if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= 1024:
            self.algorithm = Algorithm.RSA
        elif isinstance(key, ed25519.Ed25519PrivateKey):
            self.algorithm = Algorithm.ED25519
        else:
            raise CallerError("a DKIM key is RSA with at least 1024 bits, or Ed25519")
        self.domain = domain
        self.selector = selector
        self._key: Key = key

    @property
    def record_name(self) -> str:
        """Where the public key is looked up (RFC 6376 § 3.6.2.1)."""
        return f"{self.selector}._domainkey.{self.domain}"

    def record(self) -> str:
        """Text of the TXT record; :func:`txt_strings` splits it for DNS."""
        public = self._key.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            kind = "rsa"
            raw = public.public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        else:  # RFC 8463 § 4: the 32 bytes alone, not a SubjectPublicKeyInfo
            kind = "ed25519"
            raw = public.public_bytes_raw()
        return f"v=DKIM1; k={kind}; p={base64.b64encode(raw).decode()}"

    def sign(self, message: bytes, at: int) -> bytes:
        """The DKIM-Signature field, folded and with its CRLF, to be put before the message.

        ``at`` is the time of signing in seconds (``t=``). What is signed is
        :func:`normalized` ``(message)``; send that. Raises CallerError for a message without From,
        which RFC 6376 § 5.4 does not let anyone sign.
        """
        head, _, body = normalized(message).partition(b"\r\n\r\n")
        if head.startswith(b"\r\n"):  # a message whose first line is empty has no fields at all
            head = b""
        fields = _fields(head)
        if b"from" not in fields:
            raise CallerError("a message without From cannot be signed (RFC 6376 § 5.4)")
        names, lines = _signed(fields)
        digest = base64.b64encode(hashlib.sha256(relaxed_body(body)).digest())
        field = (
            f" v=1; a={self.algorithm}; c=relaxed/relaxed; d={self.domain};\r\n"
            f"\ts={self.selector}; t={at};\r\n\th="
        ).encode()
        field += _folded(names) + b";\r\n\tbh=" + digest + b";\r\n\tb="
        lines.append(relaxed_field(b"dkim-signature", field))
        signature = base64.b64encode(self._signature(b"\r\n".join(lines)))
        pieces = [signature[at : at + 70] for at in range(0, len(signature), 70)]
        return b"DKIM-Signature:" + field + b"\r\n\t ".join(pieces) + b"\r\n"

    def signed(self, message: bytes, at: int) -> bytes:
        """The normalized message with its signature before it: the bytes to send."""
        return self.sign(message, at) + normalized(message)

    def _signature(self, text: bytes) -> bytes:
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(text, padding.PKCS1v15(), hashes.SHA256())
        # RFC 8463 § 3: Ed25519 signs the SHA-256 of the text, not the text.
        return self._key.sign(hashlib.sha256(text).digest())


def _signed(fields: dict[bytes, list[bytes]]) -> tuple[list[bytes], list[bytes]]:
    """Names for ``h=`` and the fields' relaxed forms, both in signing order.

    Of a name that occurs several times the last field is taken first (RFC 6376 § 5.4.2); a name
    beyond the last occurrence stands for an absent field and hashes as nothing.
    """
    names: list[bytes] = []
    lines: list[bytes] = []
    for name in (*OVERSIGNED, *SIGNED_IF_PRESENT):
        values = fields.get(name, ())
        extra = 1 if name in OVERSIGNED else 0
        names.extend([name] * (len(values) + extra))
        lines.extend(relaxed_field(name, value) for value in reversed(values))
    return names, lines


def _folded(names: Sequence[bytes]) -> bytes:
    """The list of names, colon-separated, folded near 72 columns (FWS is allowed: § 3.5)."""
    folded, width = b"", 4
    for place, name in enumerate(names):
        if place:
            folded, width = folded + b":", width + 1
            if width + len(name) > 72:
                folded, width = folded + b"\r\n\t ", 2
        folded, width = folded + name, width + len(name)
    return folded


def txt_strings(record: str) -> list[str]:
    """The record in strings of at most 255 octets, as zone files and DNS panels want it."""
    return [record[at : at + TXT_STRING_OCTETS] for at in range(0, len(record), TXT_STRING_OCTETS)]
