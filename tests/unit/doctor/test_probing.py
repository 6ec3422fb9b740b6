"""The probe's answer, and reading what comes back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.doctor import fetch, probing
from edge.doctor.facts import Outcome
from edge.model.probe import PREFIX, nonce_of, probe_answer, probe_secret
from edge.model.vault import Vault

NONCE = "n" * 32


def test_the_answer_is_the_same_everywhere_and_nobody_elses() -> None:
    """Two machines with one master key agree; another key, or another nonce, gives another."""
    one, same = probe_secret(Vault(bytes(32))), probe_secret(Vault(bytes(32)))
    other = probe_secret(Vault(bytes(31) + b"\1"))
    assert probe_answer(one, NONCE) == probe_answer(same, NONCE)
    assert len({probe_answer(one, NONCE), probe_answer(other, NONCE), probe_answer(one, "m")}) == 3
    assert len(probe_answer(one, NONCE)) == 64


@pytest.mark.parametrize(
    "path, nonce",
    [
        (PREFIX + NONCE, NONCE),
        (PREFIX + "a" * 21, None),
        (PREFIX + "a" * 65, None),
        (PREFIX + NONCE + "/", None),
        (PREFIX + "<script>" + NONCE, None),
        (PREFIX + NONCE + "\n", None),
        ("/.well-known/acme-challenge/" + NONCE, None),
        ("", None),
    ],
)
def test_only_a_nonce_of_the_strict_alphabet_is_answered(path: str, nonce: str | None) -> None:
    """128 bits or more, at most 64 characters, nothing behind them."""
    assert nonce_of(path) == nonce


def test_nonces_are_nonces() -> None:
    """What we ask with is answered, and never the same twice."""
    first, second = probing.nonce(), probing.nonce()
    assert first != second
    assert nonce_of(PREFIX + first) == first


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(received: bytes) -> None:
    """A stranger's answer is a response or a ValueError."""
    fetch.is_whole(received)
    try:
        response = fetch.parse(received)
    except ValueError:
        return
    assert 0 <= response.status <= 999


@given(st.binary(max_size=200), st.integers(100, 999))
def test_nobody_guesses_the_answer(body: bytes, status: int) -> None:
    """Only a body that holds the whole answer is ours, whatever the status."""
    expected = probe_answer(b"secret", NONCE)
    assert probing.judged("192.0.2.1", fetch.Response(status, {}, body), expected).outcome in {
        Outcome.OTHER,
        Outcome.REDIRECT,
    }
    whole = fetch.Response(status, {}, body + expected.encode())
    assert probing.judged("192.0.2.1", whole, expected).outcome is Outcome.OURS
    cut = fetch.Response(status, {}, body + expected[:-1].encode())
    assert probing.judged("192.0.2.1", cut, expected).outcome is not Outcome.OURS


def test_a_whole_answer_is_known_by_its_length() -> None:
    """With a length the reading ends with the body; without one, with the connection."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
    assert not fetch.is_whole(head + b"a")
    assert fetch.is_whole(head + b"ab")
    assert not fetch.is_whole(b"HTTP/1.1 200 OK\r\n\r\nab")
    assert not fetch.is_whole(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\nab")
