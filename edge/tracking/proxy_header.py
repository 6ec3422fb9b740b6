"""The PROXY protocol, versions 1 and 2: pure reading of a header.

Source: the HAProxy project's "The PROXY protocol, versions 1 & 2" specification. A header is only
ever looked for on connections from the configured networks.
"""

from ipaddress import ip_address
from typing import Final

import msgspec

SIGNATURE_V2: Final = b"\r\n\r\n\x00\r\nQUIT\n"
MAX_V1: Final = 107
MAX_HEADER: Final = 16 + 4096
"""Bytes; a version 2 header may carry up to 64 KiB of extensions, which nobody sends."""


class ProxyHeader(msgspec.Struct, frozen=True):
    """``length`` bytes to skip; ``ip`` is empty for LOCAL and UNKNOWN: the peer itself."""

    length: int
    ip: str


class MalformedHeader(ValueError):
    """A connection from a trusted proxy starts with a broken PROXY header."""


def read_header(data: bytes) -> ProxyHeader | None:
    """The header ``data`` starts with; None when more bytes are needed to tell.

    A connection without one gives a header of length 0. Raises MalformedHeader.
    """
    if data.startswith(SIGNATURE_V2[: len(data)][:12]) and data[:1] == b"\r":
        return _version_2(data)
    if data[:6] == b"PROXY "[: len(data)]:
        return _version_1(data)
    return ProxyHeader(0, "")


def _version_1(data: bytes) -> ProxyHeader | None:
    end = data.find(b"\r\n", 0, MAX_V1)
    if end < 0:
        if len(data) >= MAX_V1:
            raise MalformedHeader("a version 1 header has no line end within 107 bytes")
        return None
    words = data[:end].decode("ascii", "replace").split(" ")
    if words[1:2] == ["UNKNOWN"]:
        return ProxyHeader(end + 2, "")
    if len(words) != 6 or words[1] not in {"TCP4", "TCP6"}:
        raise MalformedHeader(f"not a version 1 header: {data[:end]!r}")
    try:
        return ProxyHeader(end + 2, str(ip_address(words[2])))
    except ValueError:
        raise MalformedHeader(f"not an address: {words[2]!r}") from None


def _version_2(data: bytes) -> ProxyHeader | None:
    if len(data) < 16:
        return None
    version_command, family = data[12], data[13]
    length = int.from_bytes(data[14:16], "big")
    if version_command >> 4 != 2 or version_command & 15 > 1 or 16 + length > MAX_HEADER:
        raise MalformedHeader("not a version 2 header of at most 4 KiB")
    if len(data) < 16 + length:
        return None
    if version_command & 15 == 0:
        return ProxyHeader(16 + length, "")
    size = {0x11: 4, 0x21: 16}.get(family)
    if size is None:
        return ProxyHeader(16 + length, "")
    if length < 2 * size + 4:
        raise MalformedHeader("a version 2 header is too short for its addresses")
    return ProxyHeader(16 + length, str(ip_address(data[16 : 16 + size])))
