"""PROXY headers, versions 1 and 2: read from their bytes, refused when broken."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.tracking.proxy_header import (
    MAX_HEADER,
    MAX_V1,
    SIGNATURE_V2,
    MalformedHeader,
    ProxyHeader,
    read_header,
)


def version_2(ip: str, *, command: int = 0x21, more: bytes = b"") -> bytes:
    """A version 2 header that names this client; ``command`` 0x20 is LOCAL."""
    source = ip_address(ip).packed
    family = 0x11 if len(source) == 4 else 0x21
    body = source + bytes(len(source)) + b"\x12\x34\x01\xbb" + more
    return SIGNATURE_V2 + bytes((command, family)) + len(body).to_bytes(2, "big") + body


GOOD = [
    (b"PROXY TCP4 203.0.113.9 192.0.2.1 56324 443\r\n", "203.0.113.9"),
    (b"PROXY TCP6 2001:db8::9 2001:db8::1 56324 443\r\n", "2001:db8::9"),
    (b"PROXY UNKNOWN\r\n", ""),
    (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", ""),
    (version_2("203.0.113.9"), "203.0.113.9"),
    (version_2("2001:db8::9"), "2001:db8::9"),
    (version_2("203.0.113.9", more=b"\x03\x00\x04abcd"), "203.0.113.9"),
    (version_2("203.0.113.9", command=0x20), ""),
    (SIGNATURE_V2 + b"\x21\x00\x00\x00", ""),
    (SIGNATURE_V2 + b"\x21\x31\x00\x04abcd", ""),
]


@pytest.mark.parametrize("header,ip", GOOD)
@pytest.mark.parametrize("behind", [b"", b"GET / HTTP/1.1\r\n", b"\x16\x03\x01", b"PROXY "])
def test_a_header_gives_its_client_and_its_length(header: bytes, ip: str, behind: bytes) -> None:
    """What follows is not looked at; UNKNOWN, LOCAL and other families name nobody."""
    assert read_header(header + behind) == ProxyHeader(len(header), ip)


@pytest.mark.parametrize("header,ip", GOOD)
def test_a_header_in_pieces_is_waited_for(header: bytes, ip: str) -> None:
    """Every proper beginning asks for more; none is taken for something else."""
    for cut in range(1, len(header)):
        assert read_header(header[:cut]) is None, header[:cut]


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n", b"\x16\x03\x01\x02", b"PROXIES", b"\r\nX"])
def test_no_header_is_no_error(data: bytes) -> None:
    """A connection of the proxy's own, a health check for example, goes straight on."""
    assert read_header(data) == ProxyHeader(0, "")


@pytest.mark.parametrize(
    "data",
    [
        b"PROXY TCP4 203.0.113.9 192.0.2.1 56324\r\n",
        b"PROXY TCP4 203.0.113.999 192.0.2.1 1 2\r\n",
        b"PROXY TCP5 203.0.113.9 192.0.2.1 1 2\r\n",
        b"PROXY  TCP4 203.0.113.9 192.0.2.1 1 2\r\n",
        b"PROXY TCP4 \xff 192.0.2.1 1 2\r\n",
        b"PROXY " + b"x" * MAX_V1,
        SIGNATURE_V2 + b"\x11\x11\x00\x0c" + bytes(12),
        SIGNATURE_V2 + b"\x22\x11\x00\x0c" + bytes(12),
        SIGNATURE_V2 + b"\x21\x11\x00\x04" + bytes(4),
        SIGNATURE_V2 + b"\x21\x21\x00\x0c" + bytes(12),
        SIGNATURE_V2 + b"\x21\x11" + (MAX_HEADER - 15).to_bytes(2, "big"),
    ],
)
def test_a_broken_header_of_a_proxy_is_refused(data: bytes) -> None:
    """A trusted proxy that sends half a header is misconfigured; guessing would be worse."""
    with pytest.raises(MalformedHeader):
        read_header(data)


@given(st.binary(max_size=200), st.sampled_from([b"", b"PROXY ", SIGNATURE_V2, b"PROXY TCP4 "]))
def test_any_bytes_are_read_refused_or_waited_for(data: bytes, start: bytes) -> None:
    """Never another error, never more bytes than there are."""
    try:
        header = read_header(start + data)
    except MalformedHeader:
        return
    assert header is None or header.length <= len(start + data)
