"""Known header lines: only what was accepted, put together only from whole lines, bounded."""

from hypothesis import given
from hypothesis import strategies as st

from edge.tracking import known_heads
from edge.tracking.known_heads import KnownHeads

LINE = b"GET /o/x HTTP/1.1"
HEAD = LINE + b"\r\nHost: a.example\r\nUser-Agent: b\r\n\r\n"


def test_host_and_rest_are_kept_apart() -> None:
    """The same rest behind another known host needs no second reading."""
    known = KnownHeads()
    known.remember(HEAD, len(LINE), b"a.example")
    assert known.hosts == {b"\r\nHost: a.example": b"a.example"}
    assert known.rests == {b"\r\nUser-Agent: b\r\n\r\n"}


@given(st.sampled_from([b"X: 1\r\n", b"Hos: a\r\n", b" Host: a\r\n"]))
def test_a_head_with_another_first_line_is_not_kept(first: bytes) -> None:
    """Its rest would have a Host of its own."""
    known = KnownHeads()
    known.remember(LINE + b"\r\n" + first + b"Host: a.example\r\n\r\n", len(LINE), b"a.example")
    assert not known.hosts
    assert not known.rests


def test_memory_is_bounded() -> None:
    """However many different lines arrive, and however long they are."""
    known = KnownHeads()
    for number in range(20_000):
        agent = b"%d" % number
        head = LINE + b"\r\nHost: " + agent + b".example\r\nUser-Agent: " + agent + b"\r\n\r\n"
        known.remember(head, len(LINE), agent)
    assert len(known.hosts) <= known_heads.MAX_HOSTS
    assert len(known.rests) <= known_heads.MAX_RESTS
    known = KnownHeads()
    known.remember(HEAD[:-2] + b"X: " + b"x" * 2000 + b"\r\n\r\n", len(LINE), b"a.example")
    known.remember(LINE + b"\r\nHost: " + b"x" * 300 + b"\r\n\r\n", len(LINE), b"x")
    assert not known.hosts
    assert not known.rests
