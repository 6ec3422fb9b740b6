"""Framing: whole frames come back, torn ones wait or vanish, damaged ones are named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.spool.segment import HEAD_BYTES, MAGIC, MAX_PAYLOAD, Damage, Frame, frame, scan

payloads = st.lists(st.one_of(st.binary(max_size=60), st.just(MAGIC * 9)), max_size=8)


def _items(buffer: bytes, *, sealed: bool = True, base: int = 0) -> list[Frame | Damage]:
    return list(scan(buffer, base, sealed=sealed))


@given(payloads, st.integers(0, 2**40), st.booleans())
def test_frames_come_back_in_order_with_their_places(
    bodies: list[bytes], base: int, sealed: bool
) -> None:
    """Scanning what was framed gives the payloads, end to end, from the given base."""
    items = _items(b"".join(map(frame, bodies)), sealed=sealed, base=base)
    position = base
    for item, body in zip(items, bodies, strict=True):
        assert isinstance(item, Frame)
        assert (item.start, item.end) == (position, position + HEAD_BYTES + len(body))
        assert item.payload == body
        position = item.end


@given(payloads, st.binary(max_size=40), st.data())
def test_any_cut_gives_the_whole_frames_before_it(
    bodies: list[bytes], last: bytes, data: st.DataObject
) -> None:
    """Cut anywhere inside the last frame, a segment has exactly the frames before, no damage."""
    before, torn = b"".join(map(frame, bodies)), frame(last)
    cut = data.draw(st.integers(0, len(torn) - 1))
    for sealed in (True, False):
        items = _items(before + torn[:cut], sealed=sealed)
        assert [i.payload for i in items if isinstance(i, Frame)] == bodies
        assert len(items) == len(bodies)


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=3, max_size=5), st.data())
def test_one_changed_byte_costs_one_frame_and_is_reported(
    bodies: list[bytes], data: st.DataObject
) -> None:
    """Whatever byte of a frame in the middle changes, its neighbours survive and it is damage."""
    frames = [frame(body) for body in bodies]
    start = len(frames[0])
    buffer = bytearray(b"".join(frames))
    place = data.draw(st.integers(start, start + len(frames[1]) - 1))
    buffer[place] ^= data.draw(st.integers(1, 255))
    items = _items(bytes(buffer))
    good = [i.payload for i in items if isinstance(i, Frame)]
    assert good == [bodies[0], *bodies[2:]]
    assert [i for i in items if isinstance(i, Damage)] == [Damage(start, start + len(frames[1]))]


@given(st.binary(max_size=200), payloads)
def test_noise_is_damage_and_reading_goes_on_behind_it(noise: bytes, bodies: list[bytes]) -> None:
    """Items always cover the segment without gap or overlap, and good frames behind noise live."""
    buffer = noise + b"".join(map(frame, bodies))
    position = 0
    for item in _items(buffer):
        assert item.start == position
        assert item.end > item.start
        position = item.end
    good = [i.payload for i in _items(buffer) if isinstance(i, Frame)]
    assert good[len(good) - len(bodies) :] == bodies


def test_while_a_segment_grows_its_end_is_no_damage() -> None:
    """The writer may be in the middle of it; only a good frame behind proves damage."""
    whole = frame(b"one") + frame(b"two")
    broken = bytearray(frame(b"three"))
    broken[-1] ^= 1
    assert len(_items(whole + bytes(broken), sealed=False)) == 2
    assert isinstance(_items(whole + bytes(broken), sealed=True)[-1], Damage)
    assert isinstance(_items(whole + bytes(broken) + frame(b"4"), sealed=False)[2], Damage)


def test_a_payload_too_long_for_a_reader_is_never_framed() -> None:
    """The largest one that is read is the largest one that is written."""
    assert len(_items(frame(bytes(MAX_PAYLOAD)))) == 1
    with pytest.raises(ValueError, match="at most"):
        frame(bytes(MAX_PAYLOAD + 1))


def test_a_frame_inside_a_payload_is_never_read_as_one() -> None:
    """Whoever gets bytes of their own into a record, and a read that ends within it."""
    data = frame(b"before") + frame(b"head " + frame(b"forged") + b" tail") + frame(b"after")
    for cut in range(len(data)):
        found = list(scan(data[:cut], 0, sealed=False))
        assert all(isinstance(item, Frame) for item in found)
        assert b"forged" not in [item.payload for item in found if isinstance(item, Frame)]
