"""Content-Transfer-Encoding undone (RFC 2045), total: what is broken is left as it is."""

import binascii
import re

_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")


def decode_base64(raw: bytes) -> bytes:
    """Base64 without its line breaks and foreign characters; a broken end is dropped."""
    clean = _NOT_BASE64.sub(b"", raw)
    clean = clean[: len(clean) // 4 * 4] if len(clean) % 4 == 1 else clean
    return binascii.a2b_base64(clean + b"=" * (-len(clean) % 4))


def decode_quoted(raw: bytes) -> bytes:
    """Quoted-printable."""
    return binascii.a2b_qp(raw)


def decode_transfer(raw: bytes, encoding: str) -> bytes:
    """A part's body by its Content-Transfer-Encoding."""
    name = encoding.strip().lower()
    if name.startswith("base64"):
        return decode_base64(raw)
    if name.startswith("quoted-printable"):
        return decode_quoted(raw)
    return raw
