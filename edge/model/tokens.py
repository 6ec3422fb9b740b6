"""Sealed tracking tokens: ``/o/<token>``, ``/c/<token>``, ``/u/<token>``.

A token is base64url, without padding, of ``key id (1 byte) || AES-SIV(plaintext)``. AES-SIV
(RFC 5297) is deterministic and needs no nonce, so the same facts always give the same URL and a
repeated seal cannot leak anything; its 16-byte tag authenticates the whole plaintext. One key per
kind is derived with HKDF (RFC 5869), so a token of one kind never opens as another.

The plaintext is a msgpack array that starts with its version. It holds everything a redirect
needs, so links outlive rows, domains and Postgres itself. Only the canonical base64url spelling
opens: two spellings of one token would be two URLs for caches and counters.

This module is pure: no clock, no files, no randomness.
"""

import binascii
import calendar
import re
import time
from binascii import a2b_base64
from collections.abc import Iterable
from enum import IntEnum, StrEnum
from functools import lru_cache
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from edge.model.errors import CallerError, InvalidToken

FORMAT_VERSION: Final = 1
SECRET_BYTES: Final = 32
MAX_FOREIGN_MESSAGE_ID: Final = 255
MAX_RECIPIENT: Final = 320
"""Octets: 64 for the local part, 255 for the domain, one ``@`` (RFC 5321 section 4.5.3.1)."""


class Kind(StrEnum):
    """What a token is for; also the first path segment of its URL."""

    OPEN = "o"
    CLICK = "c"
    UNSUBSCRIBE = "u"
    RESUBSCRIBE = "r"
    """Never a URL: the one-hour nonce on the page that confirms an unsubscribe."""


class Level(IntEnum):
    """How far an unsubscribe reaches."""

    DOMAIN = 0
    TAG = 1
    LIST = 2


class KeyState(StrEnum):
    """Life of a key: it seals only as current, and opens until it is revoked."""

    ANNOUNCED = "announced"
    CURRENT = "current"
    RETIRED = "retired"
    REVOKED = "revoked"


class OpenTarget(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Plaintext of an open token.

    ``message_id`` is ``bytes`` for one of our own ids (packed, see :func:`pack_message_id`) and
    ``str`` for a foreign one, verbatim without angle brackets (typed ``Any`` because msgspec has no
    union of the two).
    """

    version: int
    domain: int
    message_id: Any
    recipient: str


class ClickTarget(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Plaintext of a click token; ``position`` counts the message's links from 0."""

    version: int
    domain: int
    message_id: Any
    recipient: str
    position: int
    url: str


class UnsubscribeTarget(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Plaintext of an unsubscribe token; ``names`` are the tags, or the one list's address."""

    version: int
    domain: int
    message_id: Any
    recipient: str
    level: Level
    names: list[str]


Target = OpenTarget | ClickTarget | UnsubscribeTarget


class Key(msgspec.Struct, frozen=True):
    """One master secret of the keyring; ``id`` is 0 to 255."""

    id: int
    state: KeyState
    secret: bytes


_TO_STANDARD = bytes.maketrans(b"-_+/=", b"+/!!!")
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_PADDING: Final[tuple[dict[int, bytes], ...]] = (
    dict.fromkeys(_ALPHABET, b""),
    {},
    dict.fromkeys(b"AQgw", b"=="),
    dict.fromkeys(b"AEIMQUYcgkosw048", b"="),
)
"""By length modulo 4: the canonical last characters, and the padding they stand for."""
_decoders: dict[Kind, msgspec.msgpack.Decoder[Any]] = {
    Kind.OPEN: msgspec.msgpack.Decoder(OpenTarget),
    Kind.CLICK: msgspec.msgpack.Decoder(ClickTarget),
    Kind.UNSUBSCRIBE: msgspec.msgpack.Decoder(UnsubscribeTarget),
}
_ID_TYPES: Final[frozenset[object]] = frozenset({bytes, str})
_encode = msgspec.msgpack.Encoder().encode


def derive(secret: bytes, kind: Kind) -> AESSIV:
    """The cipher for one kind under one master secret of 32 bytes."""
    info = b"edge token v1 " + kind.value.encode()
    key = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info).derive(secret)
    return AESSIV(key)


def decode_base64url(token: bytes) -> bytes | None:
    """Bytes of the canonical base64url spelling, or None for any other input (RFC 4648 section 5).

    The unused bits of the last character must be zero (RFC 4648 section 3.5), else several
    spellings would open.
    """
    if not token:
        return None
    padding = _PADDING[len(token) & 3].get(token[-1])
    if padding is None:
        return None
    try:
        return a2b_base64(token.translate(_TO_STANDARD) + padding, strict_mode=True)
    except binascii.Error:
        return None


def encode_base64url(raw: bytes) -> str:
    """Canonical base64url without padding."""
    text = binascii.b2a_base64(raw, newline=False).rstrip(b"=")
    return text.replace(b"+", b"-").replace(b"/", b"_").decode("ascii")


class Opener:
    """Opens tokens of one kind; what the hot path holds on to."""

    __slots__ = ("_ciphers", "_decode")

    def __init__(self, kind: Kind, ciphers: dict[int, AESSIV]) -> None:
        self._ciphers = ciphers
        decoder = _decoders.get(kind)
        self._decode = decoder.decode if decoder else _no_target

    def plaintext(self, token: bytes) -> bytes | None:
        """Plaintext of an authentic token of this kind, else None."""
        raw = decode_base64url(token)
        cipher = self._ciphers.get(raw[0]) if raw else None
        if raw is None or cipher is None:
            return None
        try:
            return cipher.decrypt(raw[1:], None)
        except InvalidTag:
            return None

    def open(self, token: bytes) -> tuple[bytes, Target] | None:
        """Plaintext and target of an authentic token that this release can read, else None."""
        raw = decode_base64url(token)
        cipher = self._ciphers.get(raw[0]) if raw else None
        if raw is None or cipher is None:
            return None
        try:
            plaintext = cipher.decrypt(raw[1:], None)
            target: Target = self._decode(plaintext)
        except (InvalidTag, msgspec.DecodeError):
            return None
        if target.version != FORMAT_VERSION or target.message_id.__class__ not in _ID_TYPES:
            return None
        return plaintext, target


def _no_target(_: bytes) -> Target:
    raise msgspec.DecodeError("tokens of this kind have no target")


class Keyring:
    """Seals with the one current key and opens with any that is not revoked.

    Immutable after construction; safe to share between tasks.
    """

    __slots__ = ("_current", "_open")

    def __init__(self, keys: Iterable[Key]) -> None:
        self._open: dict[Kind, dict[int, AESSIV]] = {kind: {} for kind in Kind}
        self._current: int | None = None
        for key in keys:
            if key.state is KeyState.REVOKED:
                continue
            for kind in Kind:
                self._open[kind][key.id] = derive(key.secret, kind)
            if key.state is KeyState.CURRENT:
                if self._current is not None:
                    raise CallerError(
                        f"keys {self._current} and {key.id} are both current; one may be"
                    )
                self._current = key.id

    def seal_raw(self, kind: Kind, plaintext: bytes) -> str:
        """Token for an encoded plaintext.

        Raises :class:`~edge.model.errors.CallerError` when no key is current.
        """
        if self._current is None:
            raise CallerError("no key is current: run `edge keys rotate` to make one")
        sealed = self._open[kind][self._current].encrypt(plaintext, None)
        return encode_base64url(bytes((self._current,)) + sealed)

    def open_raw(self, kind: Kind, token: bytes) -> bytes | None:
        """Plaintext of an authentic token of this kind, else None."""
        return self.opener(kind).plaintext(token)

    def opener(self, kind: Kind) -> Opener:
        """The part of the ring that opens one kind."""
        return Opener(kind, self._open[kind])

    def seal(self, target: Target) -> str:
        """Token for a target; its kind follows from its type."""
        return self.seal_raw(kind_of(target), _encode(target))

    def open(self, kind: Kind, token: str | bytes) -> Target:
        """Target of an authentic token; raises :class:`~edge.model.errors.InvalidToken`."""
        raw = token.encode("ascii", "replace") if isinstance(token, str) else token
        plaintext = self.open_raw(kind, raw)
        if plaintext is None:
            raise InvalidToken(
                "not a token of this keyring: forged, cut short, of another kind, "
                "or its key is revoked"
            )
        return decode_target(kind, plaintext)


def kind_of(target: Target) -> Kind:
    """The kind of token that carries this target."""
    if isinstance(target, ClickTarget):
        return Kind.CLICK
    if isinstance(target, UnsubscribeTarget):
        return Kind.UNSUBSCRIBE
    return Kind.OPEN


def decode_target(kind: Kind, plaintext: bytes) -> Target:
    """Target in an authentic plaintext; InvalidToken for what this release cannot read."""
    decoder = _decoders.get(kind)
    try:
        target: Target = (decoder.decode if decoder else _no_target)(plaintext)
    except msgspec.DecodeError as error:
        raise InvalidToken(f"authentic, but not readable by this release: {error}") from None
    if target.version != FORMAT_VERSION:
        raise InvalidToken(f"authentic, but of format {target.version}; this release reads 1")
    if target.message_id.__class__ not in _ID_TYPES:
        raise InvalidToken("authentic, but its message id is neither bytes nor text")
    return target


def check_recipient(recipient: str) -> str:
    """A recipient fit for a token; CallerError for empty, over-long or control characters."""
    if not recipient or len(recipient.encode("utf-8", "surrogatepass")) > MAX_RECIPIENT:
        raise CallerError(f"recipient must have 1 to {MAX_RECIPIENT} octets: {recipient[:60]!r}")
    if any(ord(c) < 32 or ord(c) == 127 or 0xD800 <= ord(c) <= 0xDFFF for c in recipient):
        raise CallerError(f"recipient holds a control character or half a surrogate: {recipient!r}")
    return recipient


_OWN_ID = re.compile(r"(\d{14})\.([0-9a-f]{16})@(.+)")


def make_message_id(domain: str, at: int, entropy: bytes) -> str:
    """A Message-Id of ours without angle brackets: ``at`` in µs, eight bytes of ``entropy``."""
    stamp = time.strftime("%Y%m%d%H%M%S", time.gmtime(at // 1_000_000))
    return f"{stamp}.{entropy[:8].hex()}@{domain}"


def pack_message_id(message_id: str, domain: str) -> bytes | str:
    """Our own ids (``yyyymmddHHMMSS.<16 hex>@<domain>``) as 13 bytes, others verbatim.

    Angle brackets are stripped. Raises CallerError for an empty, over-long or unprintable id.
    """
    bare = message_id.strip().removeprefix("<").removesuffix(">")
    if not bare or len(bare.encode("utf-8", "surrogatepass")) > MAX_FOREIGN_MESSAGE_ID:
        raise CallerError(
            f"message id must have 1 to {MAX_FOREIGN_MESSAGE_ID} octets: {bare[:60]!r}"
        )
    if any(ord(c) < 33 or ord(c) == 127 or 0xD800 <= ord(c) <= 0xDFFF for c in bare):
        raise CallerError(f"message id holds a space or control character: {bare!r}")
    match = _OWN_ID.fullmatch(bare)
    if match is None or match[3] != domain:
        return bare
    try:
        seconds = calendar.timegm(time.strptime(match[1], "%Y%m%d%H%M%S"))
        packed = seconds.to_bytes(5, "big") + bytes.fromhex(match[2])
    except (ValueError, OverflowError):
        return bare
    return packed if unpack_message_id(packed, domain) == bare else bare


def unpack_message_id(packed: bytes | str, domain: str) -> str:
    """Inverse of :func:`pack_message_id`; without angle brackets."""
    if isinstance(packed, str):
        return packed
    return f"{_stamp(packed[:5])}.{packed[5:].hex()}@{domain}"


@lru_cache(maxsize=4096)
def _stamp(seconds: bytes) -> str:
    """Of one campaign thousands of messages are made in the same second."""
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(int.from_bytes(seconds, "big")))
