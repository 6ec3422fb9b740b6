"""Reading a record's head: any bytes become text that JSON and Postgres accept."""

import json
from ipaddress import ip_address, ip_network

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.model.capture import (
    KEPT_HEADERS,
    TOKEN_KIND,
    Act,
    Capture,
    Hit,
    capture_of,
    clean_text,
    client_ip,
    read_head,
)
from edge.model.errors import InvalidToken
from edge.model.tokens import OpenTarget

TARGET = msgspec.msgpack.encode(OpenTarget(1, 1, "id@example.com", "a@example.com"))
PROXIES = [ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")]


def _trusted(ip: str) -> bool:
    try:
        return any(ip_address(ip) in network for network in PROXIES)
    except ValueError:
        return False


def _capture(head: bytes, peer: str = "192.0.2.7") -> Capture:
    return capture_of(Hit(bytes(16), 1, Act.OPEN, peer, False, TARGET, head), _trusted)


def _storable(text: str) -> None:
    """PostgreSQL's text refuses NUL and lone surrogates; JSON must round-trip."""
    assert "\x00" not in text
    assert text.encode("utf-8").decode("utf-8") == text
    assert json.loads(msgspec.json.encode(text)) == text


@given(st.binary(max_size=300))
def test_any_header_value_becomes_storable_text(value: bytes) -> None:
    """Arbitrary bytes in every kept header come out as text that can be stored."""
    lines = b"".join(
        name.encode() + b": " + value.replace(b"\r\n", b" ") + b"\r\n" for name in KEPT_HEADERS
    )
    capture = _capture(b"GET /o/x HTTP/1.1\r\n" + lines + b"\r\n")
    assert set(capture.headers) == KEPT_HEADERS
    for text in (capture.method, capture.ip, *capture.headers.values()):
        _storable(text)


@given(st.binary(max_size=400))
def test_any_head_can_be_read(head: bytes) -> None:
    """Whatever lies in a record, reading it never fails and gives storable text."""
    capture = _capture(head)
    for text in (capture.method, capture.ip, *capture.headers.values()):
        _storable(text)


@pytest.mark.parametrize(
    "raw,expected",
    [
        (b"plain", "plain"),
        ("Grüße".encode(), "Grüße"),
        ("Grüße".encode("latin-1"), "Grüße"),
        (b"a\x00b", "a\ufffdb"),
        (b"\xed\xa0\x80", "\u00ed\u00a0\u0080"),
        (b"\xff\xfe", "\u00ff\u00fe"),
        (b"x" * 8192, "x" * 8192),
    ],
)
def test_text_is_utf8_else_latin1_without_nul(raw: bytes, expected: str) -> None:
    """Invalid UTF-8 and encoded surrogates are read as Latin-1; NUL is replaced."""
    assert clean_text(raw) == expected


def test_only_known_headers_are_kept_and_the_first_value_counts() -> None:
    """Cookies and the like are dropped; repeated headers and odd cases do no harm."""
    method, headers, forwarded = read_head(
        b"HEAD /o/x HTTP/1.1\r\nHOST: e\r\nCookie: secret\r\nUser-Agent:  one \r\n"
        b"user-agent: two\r\nno colon\r\nX-Forwarded-For: 1.1.1.1, 2.2.2.2\r\n"
        b"x-forwarded-for: 3.3.3.3\r\n\r\n"
    )
    assert method == "HEAD"
    assert headers == {"user-agent": "one"}
    assert forwarded == ["1.1.1.1", "2.2.2.2", "3.3.3.3"]


@pytest.mark.parametrize(
    "peer,forwarded,expected",
    [
        ("192.0.2.7", ["203.0.113.1"], "192.0.2.7"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.1"], "203.0.113.1"),
        ("10.0.0.1", ["198.51.100.9", "203.0.113.1"], "203.0.113.1"),
        ("10.0.0.1", ["203.0.113.1", "10.0.0.2"], "203.0.113.1"),
        ("10.0.0.1", ["10.0.0.3", "10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["203.0.113.1", "nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.1", "unknown", "10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("2001:db8::1", ["2001:0DB9:0::5"], "2001:db9::5"),
        ("10.0.0.1", ["fe80::1%\x00"], "fe80::1"),
        ("10.0.0.1", ["::ffff:203.0.113.1"], "203.0.113.1"),
        ("::ffff:192.0.2.7", [], "192.0.2.7"),
        ("fe80::1%eth0", [], "fe80::1"),
    ],
)
def test_the_client_is_the_right_most_address_no_proxy_vouches_for(
    peer: str, forwarded: list[str], expected: str
) -> None:
    """Forwarded addresses count only from configured proxies, and only plain ones come out."""
    assert client_ip(peer, forwarded, _trusted) == expected
    lines = b"".join(f"X-Forwarded-For: {one}\r\n".encode() for one in forwarded)
    assert _capture(b"GET / HTTP/1.1\r\n" + lines + b"\r\n", peer).ip == expected


def test_every_act_has_a_kind_of_token() -> None:
    """A record of any act can be read back."""
    assert set(TOKEN_KIND) == set(Act)


def test_a_target_of_a_newer_release_is_reported() -> None:
    """Its record raises InvalidToken, so that the drain can set it aside."""
    newer = msgspec.msgpack.encode([9, 1, "id", "a@example.com"])
    with pytest.raises(InvalidToken, match="format 9"):
        capture_of(Hit(bytes(16), 1, Act.OPEN, "192.0.2.1", False, newer, b""), _trusted)
