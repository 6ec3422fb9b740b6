"""Sweeps over the links of a message, judged with hindsight."""

from collections.abc import Sequence

import pytest

from edge.enrich.burst import MOST, sweep
from edge.model.capture import Act, Capture
from tests.unit.enrich.world import CHROME, HOME, NOW, capture, enricher

SECOND = 1_000_000


def _clicks(*times: float, ip: str = HOME) -> list[Capture]:
    return [
        capture(Act.CLICK, CHROME, ip, position=place, at=NOW + int(time * SECOND))
        for place, time in enumerate(times)
    ]


def _labels(captures: Sequence[Capture]) -> list[tuple[str, tuple[str, ...]]]:
    verdicts = [enricher().label(one, captures).verdict for one in captures]
    return [(found.bot, found.evidence) for found in verdicts]


def test_a_sweep_is_labelled_from_its_first_request_on() -> None:
    """Three links in five seconds: all of them are generic, the earliest too."""
    assert _labels(_clicks(0, 2.4, 4.9)) == [("generic", ("burst:3/5",))] * 3


def test_two_links_within_a_second() -> None:
    """Nobody opens two links within a second; two within two seconds may be a person."""
    assert _labels(_clicks(0, 0.9)) == [("generic", ("burst:2/1",))] * 2
    assert _labels(_clicks(0, 1.5)) == [("", ())] * 2


def test_a_slow_reader_is_not_a_sweep() -> None:
    """Three links over more than five seconds."""
    assert _labels(_clicks(0, 2.5, 5.1)) == [("", ())] * 3


def test_the_same_link_again_is_not_a_sweep() -> None:
    """A double click is one link."""
    twice = [capture(Act.CLICK, position=4, at=NOW + place * 100_000) for place in range(5)]
    assert _labels(twice) == [("", ())] * 5


def test_a_click_after_the_sweep_is_judged_by_itself() -> None:
    """The person who clicks five seconds later is still a person."""
    labels = _labels(_clicks(0, 0.2, 0.4, 5.6))
    assert [bot for bot, _ in labels] == ["generic", "generic", "generic", ""]


def test_the_unsubscribe_page_is_a_link_too_but_a_post_is_not() -> None:
    """A scanner that follows the unsubscribe link sweeps; a one-click POST may coincide."""
    click = capture(Act.CLICK, at=NOW)
    page = capture(Act.UNSUBSCRIBE_PAGE, at=NOW + 1000)
    post = capture(Act.UNSUBSCRIBE, at=NOW + 1000)
    assert _labels([click, page])[0] == ("generic", ("burst:2/1",))
    assert _labels([click, post]) == [("", ()), ("", ("act-post",))]


def test_an_open_belongs_to_the_sweep_of_the_same_client_only() -> None:
    """A scanner that sweeps also loads the pixel; the reader's open beside it stays a person's."""
    clicks = _clicks(0, 0.1, 0.2)
    own = capture(Act.OPEN, CHROME, HOME, at=NOW)
    other = capture(Act.OPEN, CHROME, "81.2.69.99", at=NOW)
    labels = _labels([*clicks, own, other])
    assert [bot for bot, _ in labels] == ["generic"] * 4 + [""]


def test_a_flood_of_neighbours_is_bounded() -> None:
    """Only the nearest count, so that one message cannot cost the drain its evening."""
    flood = _clicks(*[place / 1000 for place in range(5000)])
    assert sweep(flood, NOW) == f"burst:{MOST}/1"


@pytest.mark.parametrize("around", [[], [capture(Act.OPEN)]])
def test_without_clicks_there_is_no_sweep(around: list[Capture]) -> None:
    """Opens alone never are one."""
    assert sweep(around, NOW) == ""
