"""The authenticated return path."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.sending.return_path import Purpose, ReturnPaths

PATHS = ReturnPaths({1: b"o" * 32, 2: b"n" * 32}, current=2)
IDS = st.integers(0, 2**64 - 1)


@given(IDS, st.sampled_from(Purpose))
def test_round_trip(delivery: int, purpose: Purpose) -> None:
    """Opens in any case; fits a local part; is never of another purpose."""
    local = PATHS.local_part(purpose, delivery)
    assert local == local.lower()
    assert len(local) == 31
    assert PATHS.delivery(purpose, local.swapcase()) == delivery
    other = next(each for each in Purpose if each is not purpose)
    assert PATHS.delivery(other, local) is None
    assert PATHS.delivery(other, f"{other}{local[1:]}") is None


@given(IDS, st.integers(2, 30), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
def test_any_other_character_is_forged(delivery: int, place: int, letter: str) -> None:
    """Each character counts, the spare bits of the last one too."""
    local = PATHS.local_part(Purpose.BOUNCE, delivery)
    changed = local[:place] + letter + local[place + 1 :]
    assert (PATHS.delivery(Purpose.BOUNCE, changed) == delivery) == (changed == local)


@given(st.text(max_size=70))
def test_strangers_are_none(text: str) -> None:
    """Whatever is written to, nothing raises and nothing opens."""
    assert PATHS.delivery(Purpose.BOUNCE, text) is None
    assert PATHS.delivery(Purpose.BOUNCE, f"b-{text}") is None


@pytest.mark.parametrize(
    "text", ["b-" + "ſ" * 29, "b-" + "İ" * 29, "b-" + "=" * 29, "b-" + "1" * 29]
)
def test_characters_that_fold_into_the_alphabet(text: str) -> None:
    """Unicode case folding and padding open no door."""
    assert PATHS.delivery(Purpose.BOUNCE, text) is None


def test_retired_keys_still_open() -> None:
    """A bounce of mail sent before a rotation is ours; one under a revoked key is not."""
    old = ReturnPaths({1: b"o" * 32}, current=1).local_part(Purpose.BOUNCE, 7)
    assert PATHS.delivery(Purpose.BOUNCE, old) == 7
    assert ReturnPaths({2: b"n" * 32}, current=2).delivery(Purpose.BOUNCE, old) is None
