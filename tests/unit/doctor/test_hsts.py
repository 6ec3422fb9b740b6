"""HSTS above a tracking host."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.doctor import hsts
from edge.doctor.hsts import Parent, Policy

HOST = "email.mg.example.com"
LONG = "max-age=63072000; includeSubDomains; preload"


@pytest.mark.parametrize(
    "header, policy",
    [
        ("max-age=300", Policy(300, False, False)),
        (' MAX-AGE="300" ; IncludeSubDomains ;', Policy(300, True, False)),
        (LONG, Policy(63_072_000, True, True)),
        ("includeSubDomains", None),
        ("max-age=-1", None),
        ("max-age=1; max-age=2", None),
        ("max-age=²", None),
        ("", None),
    ],
)
def test_headers(header: str, policy: Policy | None) -> None:
    """RFC 6797 § 6.1: names in any case, no directive twice, max-age required."""
    assert hsts.parse(header) == policy


@pytest.mark.parametrize(
    "host, scheme, header, codes",
    [
        (HOST, "http", None, []),
        (HOST, "http", "max-age=300", []),
        (HOST, "http", "max-age=0; includeSubDomains", []),
        (HOST, "http", "max-age=300; includeSubDomains", ["hsts-parent"]),
        (HOST, "http", "max-age=300; includeSubDomains; preload", ["hsts-parent"]),
        (HOST, "http", LONG, ["hsts-preloaded"]),
        (HOST, "https", LONG, []),
        ("email.shop.dev", "http", None, ["hsts-preloaded"]),
        ("email.dev.example", "http", None, []),
    ],
)
def test_parents(host: str, scheme: str, header: str | None, codes: list[str]) -> None:
    """http links below a name that wants https for everything are named; https links are fine."""
    parents = [Parent("mg.example.com", None), Parent("example.com", header)]
    assert [one.code for one in hsts.check(host, scheme, parents)] == codes


def test_the_names_above() -> None:
    """From the nearest up to the registered domain; of very deep names the most telling."""
    assert hsts.above(HOST, "example.com") == ["mg.example.com", "example.com"]
    assert hsts.above("example.com", "example.com") == []
    assert hsts.above("a.b.c.d.e.f.g.test", "g.test") == [
        *("b.c.d.e.f.g.test", "c.d.e.f.g.test", "d.e.f.g.test", "e.f.g.test", "g.test"),
    ]


@given(st.text(max_size=60))
def test_any_header_is_read(header: str) -> None:
    """A stranger's header never raises."""
    hsts.check(HOST, "http", [Parent("example.com", header)])
