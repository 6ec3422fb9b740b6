"""The time of a page: whole hours, days and months; any text is a span or a mistake."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.model.metrics import RESOLUTIONS
from edge.model.params import Fields, Params
from edge.model.periods import DAY_US, HOUR_US, floor
from edge.panel import spans
from edge.panel.spans import MOST, SPANS, Span

NOW = 1_764_081_000_000_000
"""2025-11-25 14:30 UTC."""

_TIMES = st.integers(min_value=0, max_value=4_000_000_000_000_000)


def _read(given_: dict[str, str], now: int = NOW, *, hours: bool = True) -> tuple[Span, Params]:
    fields = Fields()
    for name, value in given_.items():
        fields.add(name, value)
    params = Params(fields)
    return spans.read(params, now, hours=hours), params


@given(_TIMES, st.sampled_from(list(SPANS)[:-1]), st.sampled_from(("", *RESOLUTIONS)))
def test_a_span_is_whole_and_holds_now(now: int, name: str, by: str) -> None:
    """Both ends are borders, now is in it, and the time before is as long and ends where it
    begins; by hour it is the same hours of other days.
    """
    span, given_ = _read({"span": name, "by": by}, now)
    assert floor(span.begin, span.by) == span.begin
    assert floor(span.ending, span.by) == span.ending
    assert span.begin <= now < span.ending
    assert span.starts[0] == span.begin
    assert span.starts[-1] == span.last_start
    before = span.before
    if span.begin < 400 * DAY_US:
        return  # nothing is before 1970
    assert before.ending <= span.begin
    if span.by == "hour":
        assert before.ending - before.begin == span.ending - span.begin
        assert (span.begin - before.begin) % DAY_US == 0
    else:
        assert before.ending == span.begin
        assert len(before.starts) == len(span.starts)
    if not given_.mistakes:
        assert len(span.starts) <= MOST["day"]


@given(st.text(max_size=12), st.text(max_size=12), st.text(max_size=6), st.text(max_size=6))
def test_any_text_is_a_span_or_a_mistake(first: str, last: str, name: str, by: str) -> None:
    """Nothing raises, and what comes back can be asked for."""
    span, _ = _read({"span": name, "from": first, "to": last, "by": by})
    assert span.begin < span.ending
    assert span.by in RESOLUTIONS


@given(st.dates(), st.dates())
def test_own_days_are_those_that_were_asked_for(first: object, last: object) -> None:
    """As written, cut to now; or a mistake says what is wrong."""
    span, given_ = _read({"from": str(first), "to": str(last), "by": "month"})
    if not given_.mistakes:
        assert span.written() == {"span": "own", "from": str(first), "to": str(last), "by": "month"}
        assert spans.label(span.begin, "month") == str(first)[:7]
        assert span.ending <= NOW + 31 * DAY_US


@pytest.mark.parametrize(
    ("asked", "by", "days"),
    [
        ({"span": "today"}, "hour", 15 * HOUR_US / DAY_US),
        ({"span": "7d"}, "day", 7),
        ({"span": "90d"}, "day", 90),
        ({"span": "1y"}, "month", 0),
        ({"from": "2025-11-24", "to": "2025-11-24"}, "hour", 1),
        ({}, "day", 7),
    ],
)
def test_usual_resolutions(asked: dict[str, str], by: str, days: float) -> None:
    """Hours for up to two days, days for up to four months, months beyond."""
    span, given_ = _read(asked)
    assert given_.mistakes == ()
    assert span.by == by
    if by != "month":
        assert (span.ending - span.begin) / DAY_US == days
    else:
        assert len(span.starts) == 13
    assert _read(asked, hours=False)[0].by == "day"


@pytest.mark.parametrize(
    ("day", "by"),
    [("2025-09-27", "hour"), ("2025-09-26", "day"), ("2024-11-25", "day"), ("2024-11-24", "month")],
)
def test_what_is_not_kept_by_hour_is_shown_by_day_and_by_month(day: str, by: str) -> None:
    """A day long ago is not shown as empty hours."""
    span, given_ = _read({"from": day, "to": day})
    assert given_.mistakes == ()
    assert span.by == by
