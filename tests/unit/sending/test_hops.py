"""Received fields, and the fields that are nobody else's business."""

import email
import email.policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.model.vault import Vault
from edge.sending import hops

HOP = hops.Hop(
    helo="client.example",
    ip="2001:db8::1",
    host="edge.example.org",
    protocol="ESMTPSA",
    mark="0123456789ab",
    id="0001",
    at=1_750_000_000.9,
)


def test_the_received_field() -> None:
    """RFC 5321 § 4.4, an IPv6 address as a literal (§ 4.1.3), time in UTC."""
    assert hops.received(HOP) == (
        b"Received: from client.example ([IPv6:2001:db8::1])\r\n"
        b"\tby edge.example.org with ESMTPSA (edge 0123456789ab)\r\n"
        b"\tid 0001; Sun, 15 Jun 2025 15:06:40 +0000\r\n"
    )


@pytest.mark.parametrize(
    ("extended", "tls", "authenticated", "utf8", "name"),
    [
        (False, False, False, False, "SMTP"),
        (True, False, False, False, "ESMTP"),
        (True, True, False, False, "ESMTPS"),
        (True, True, True, False, "ESMTPSA"),
        (True, True, True, True, "UTF8SMTPSA"),
    ],
)
def test_protocols(extended: bool, tls: bool, authenticated: bool, utf8: bool, name: str) -> None:
    """The names that IANA lists."""
    got = hops.protocol(extended=extended, tls=tls, authenticated=authenticated, utf8=utf8)
    assert got == name


def test_the_mark_is_the_installations() -> None:
    """The same for the same master key, another for another; no secret is in it."""
    one, same, other = Vault(b"1" * 32), Vault(b"1" * 32), Vault(b"2" * 32)
    assert hops.mark_of(one) == hops.mark_of(same) != hops.mark_of(other)
    assert len(hops.mark_of(one)) == 12


@pytest.mark.parametrize(
    ("source", "header"),
    [
        (b"", b""),
        (b"\r\nbody\r\n", b""),
        (b"A: 1\r\n\r\nbody", b"A: 1\r\n"),
        (b"A: 1\r\n B\r\n\r\n\r\n", b"A: 1\r\n B\r\n"),
        (b"A: 1\r\n", b"A: 1\r\n"),
    ],
)
def test_where_the_header_ends(source: bytes, header: bytes) -> None:
    """At the first empty line."""
    assert hops.header_of(source) == header


@given(st.binary(max_size=300))
def test_any_header_is_read(header: bytes) -> None:
    """Bytes of any kind are no error."""
    hops.author(header)
    hops.goes_round(header, "mark")


@pytest.mark.parametrize(
    ("field", "address"),
    [
        ("From: a@b.example", "a@b.example"),
        ("FROM : Ann <a@b.example>", "a@b.example"),
        ('From: "x@y.example" <a@b.example>', "a@b.example"),
        ("From: a@b.example, c@d.example", "a@b.example"),
        ("From: =?utf-8?q?J=C3=B6rg?=\r\n <a@b.example>", "a@b.example"),
        ("From: Jörg <ä@b.example>", "ä@b.example"),
        ("From: nobody", ""),
        ("From:", ""),
        ("Sender: a@b.example", ""),
        ("To: x\r\n From: a@b.example", ""),
    ],
)
def test_authors(field: str, address: str) -> None:
    """The first address of From, whatever is written around it."""
    assert hops.author(f"X: 1\r\n{field}\r\n".encode()) == address


def test_a_message_stays_readable() -> None:
    """A parser finds our field first, and the others as they were."""
    message = hops.received(HOP) + b"From: a@b.example\r\nSubject: x\r\n\r\nbody\r\n"
    parsed = email.message_from_bytes(message, policy=email.policy.SMTP)
    assert parsed.keys() == ["Received", "From", "Subject"]
    assert not parsed.defects


@pytest.mark.parametrize(
    ("source", "bare"),
    [
        (b"", False),
        (b"a\r\nb\r\n", False),
        (b"a\nb\r\n", True),
        (b"a\rb\r\n", True),
        (b"a\r\r\n", True),
        (b"a\n\r\n", True),
        (b"\n\r", True),
    ],
)
def test_bare_line_breaks(source: bytes, bare: bool) -> None:
    """CR and LF come in pairs or not at all."""
    assert hops.has_bare_breaks(source) is bare
