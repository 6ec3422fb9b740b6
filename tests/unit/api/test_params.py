import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.api.body import Fields
from edge.api.params import Params, parse_time, rfc1123
from edge.clock import ManualClock
from edge.model.errors import CallerError
from edge.throttle import Bucket


def params(**values: str | list[str]) -> Params:
    """Parameters as a request would give them."""
    fields = Fields()
    for name, value in values.items():
        for one in [value] if isinstance(value, str) else value:
            fields.add(name, one)
    return Params(fields)


@pytest.mark.parametrize("text", ["yes", "Yes", "TRUE", "True", "1", "on", " yes "])
def test_what_is_true(text: str) -> None:
    """Every spelling that Mailgun's clients send."""
    assert params(a=text).boolean("a") is True


@pytest.mark.parametrize("text", ["no", "No", "FALSE", "False", "0", "off"])
def test_what_is_false(text: str) -> None:
    """The same for no."""
    assert params(a=text).boolean("a") is False


def test_all_mistakes_are_told_together() -> None:
    """One error with a part for each; good values are not lost in it."""
    given = params(flag="perhaps", count="many", word="c", at="soon", twice=["a", "b"], good="x")
    assert given.boolean("flag", default=True) is True
    assert given.number("count", 7, low=1, high=9) == 7
    assert given.choice("word", ("a", "b")) is None
    assert given.time("at") is None
    assert given.text("twice") is None
    assert given.text("gone", "", required=True) == ""
    assert given.text("good") == "x"
    with pytest.raises(CallerError) as caught:
        given.check()
    assert len(str(caught.value).split("; ")) == 6
    assert re.search(r"flag .*; count .*; word .*; at .*; twice .*; gone", str(caught.value))


def test_the_same_value_twice_is_one_and_empty_is_absent() -> None:
    """Clients that send a field in query and form mean it once; ``""`` is no date and no number."""
    given = params(a=["x", "x"], n="", t="", b="", c="")
    assert given.text("a") == "x"
    assert given.number("n", 5, low=1, high=9) == 5
    assert (given.time("t"), given.boolean("b"), given.choice("c", ("x",))) == (None, None, None)
    given.check()


@pytest.mark.parametrize("text", ["\0", "a\x1fb", "\x7f", "\x9b", "\ud800", "a\nb"])
def test_control_characters_are_refused(text: str) -> None:
    """C0, DEL, C1, lone surrogates; line ends only where text has lines."""
    given = params(a=text)
    given.text("a")
    given.texts("a")
    with pytest.raises(CallerError, match="control character"):
        given.check()
    if text == "a\nb":
        assert params(a=text).text("a", lines=True) == text


@pytest.mark.parametrize("text", ["0", "10", "1.5", "٣", "--1", "9" * 30, "0x5", "1e1", "-5", "+3"])
def test_numbers_out_of_range_or_oddly_written(text: str) -> None:
    """A whole number in ASCII digits within its bounds, nothing else."""
    given = params(n=text)
    assert given.number("n", low=1, high=9) is None
    with pytest.raises(CallerError, match="n has to be a whole number from 1 to 9"):
        given.check()


@pytest.mark.parametrize(
    "text, seconds",
    [
        ("1709632800", 1709632800),
        ("1709632800.5", 1709632800.5),
        ("Tue, 05 Mar 2024 10:00:00 +0000", 1709632800),
        ("Tue, 05 Mar 2024 04:00:00 -0600", 1709632800),
        ("Tue, 05 Mar 2024 10:00:00 -0000", 1709632800),
        ("Tue, 05 Mar 2024 10:00:00 GMT", 1709632800),
        ("Tue, 05 Mar 2024 10:00:00 UTC", 1709632800),
        ("5 Mar 2024 10:00:00 UTC", 1709632800),
    ],
)
def test_times(text: str, seconds: float) -> None:
    """RFC 2822 with every kind of zone, and epoch seconds."""
    assert params(at=text).time("at") == round(seconds * 1e6)


@pytest.mark.parametrize(
    "text", ["yesterday", "nan", "inf", "-1", "1e30", "2024-03-05", "Tue, 99 Mar 2024 10:00:00 UTC"]
)
def test_what_is_no_time(text: str) -> None:
    """Refused, never a 500."""
    given = params(at=text)
    assert given.time("at") is None
    with pytest.raises(CallerError, match="RFC 2822"):
        given.check()


@given(st.text(max_size=60))
def test_no_text_breaks_a_reader(text: str) -> None:
    """Any text is a value or a mistake, for every kind of parameter."""
    fields = Fields(texts={"a": [text]})
    read = Params(fields)
    read.boolean("a")
    read.number("a", low=-5, high=5)
    read.choice("a", ("x", "y"))
    read.time("a")
    read.text("a")
    with contextlib.suppress(CallerError):
        read.check()


@given(st.integers(0, 253_402_300_799))
def test_a_written_time_reads_back(seconds: int) -> None:
    """What the API prints, the API takes."""
    assert parse_time(rfc1123(seconds * 1_000_000)) == seconds * 1_000_000


def test_a_bucket_fills_again_and_never_overflows() -> None:
    """Six a minute is one in ten seconds; a long pause saves up no more than a minute's."""
    clock = ManualClock()
    bucket = Bucket(6, clock)
    assert [bucket.take("a") for _ in range(6)] == [0.0] * 6
    assert bucket.take("a") == pytest.approx(10)
    assert bucket.wait("b") == 0
    clock.advance(10)
    assert (bucket.take("a"), bucket.take("a") > 0) == (0.0, True)
    clock.advance(10_000)
    assert [bucket.take("a") > 0 for _ in range(7)] == [False] * 6 + [True]
    assert Bucket(0, clock).take("a") == Bucket(0, clock).wait("a") == 0
