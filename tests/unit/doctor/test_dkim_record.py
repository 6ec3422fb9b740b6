"""DKIM records as people publish them."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.doctor import dkim_record
from edge.doctor.facts import Answer, Status

NAME = "edge1._domainkey.mg.example.com"
KEY = base64.b64encode(bytes(range(250))).decode()
WANTED = f"v=DKIM1; k=rsa; p={KEY}"


def _codes(*values: str) -> list[str]:
    answer = Answer(NAME, "TXT", Status.FOUND if values else Status.ABSENT, values)
    return [one.code for one in dkim_record.check(answer, WANTED)]


@pytest.mark.parametrize(
    "values, codes",
    [
        ((WANTED,), []),
        ((f"v=DKIM1;k=rsa;p={KEY};",), []),
        ((f"p={KEY}",), []),
        ((f"v=DKIM1; h=sha1:sha256; s=email; n=note; p={KEY[:100]} {KEY[100:]}",), []),
        ((WANTED, "google-site-verification=1"), []),
        ((), ["dkim-missing"]),
        ((WANTED, WANTED), ["dkim-several"]),
        (("v=DKIM1; p=",), ["dkim-revoked"]),
        (("v=DKIM1; k=rsa",), ["dkim-broken"]),
        ((f"v=DKIM2; p={KEY}",), ["dkim-broken"]),
        ((f"k=rsa; v=DKIM1; p={KEY}",), ["dkim-broken"]),
        ((f'v=DKIM1; p="{KEY}"',), ["dkim-broken"]),
        ((f"v=DKIM1; p={KEY[:-3]}",), ["dkim-broken"]),
        ((f"v=DKIM1; p={KEY}; p={KEY}",), ["dkim-broken"]),
        ((f"v=DKIM1; h=sha1; p={KEY}",), ["dkim-broken"]),
        ((f"v=DKIM1; s=other; p={KEY}",), ["dkim-broken"]),
        (("v=DKIM1 p",), ["dkim-broken"]),
        (("v=DKIM1; p=" + KEY[:-8],), ["dkim-other-key"]),
        ((f"v=DKIM1; k=ed25519; p={KEY}",), ["dkim-other-key"]),
        ((f"v=DKIM1; t=y; p={KEY}",), ["dkim-testing"]),
        ((f"v=DKIM1; t=s; p={KEY}",), []),
    ],
)
def test_records(values: tuple[str, ...], codes: list[str]) -> None:
    """Missing, doubled, cut, quoted, of another key, revoked."""
    assert _codes(*values) == codes


@given(st.text(max_size=100), st.integers(0, len(WANTED)))
def test_only_our_key_passes(junk: str, at: int) -> None:
    """Whatever is put into the record, it passes only with our key in it."""
    text = WANTED[:at] + junk + WANTED[at:]
    if not _codes(text):
        found = dkim_record.tags(text)
        assert found is not None
        assert dkim_record.key_of(found) == bytes(range(250))
