"""Which switch goes before which."""

import pytest

from edge.model.domain import Domain
from edge.model.errors import CallerError
from edge.rewriting.switches import HEADERS, PARAMETERS, Clicks, Given, decide, given

DOMAIN = Domain(number=1, name="example.com", open=True, click="yes")


@pytest.mark.parametrize(
    ("values", "opens", "clicks"),
    [
        ({}, True, Clicks.YES),
        ({"o:tracking": "no"}, False, Clicks.NO),
        ({"o:tracking": "False", "o:tracking-opens": "yes"}, True, Clicks.NO),
        ({"o:tracking": "htmlonly"}, True, Clicks.HTML_ONLY),
        ({"o:tracking-clicks": "htmlonly"}, True, Clicks.HTML_ONLY),
        ({"o:tracking-clicks": "no"}, True, Clicks.NO),
        ({"o:tracking-opens": "no"}, False, Clicks.YES),
        ({"O:Tracking": "YES", "o:tracking-clicks": "no"}, True, Clicks.NO),
    ],
)
def test_the_specific_goes_before_the_general(
    values: dict[str, str], opens: bool, clicks: Clicks
) -> None:
    """And both before the domain's settings."""
    tracking = decide(DOMAIN, given(values, PARAMETERS))
    assert (tracking.opens, tracking.clicks) == (opens, clicks)


def test_parameters_go_before_headers() -> None:
    """Even a general one before a specific header: it is nearer to the sender."""
    headers = given({"X-Mailgun-Track-Opens": "yes", "X-Mailgun-Track-Clicks": "yes"}, HEADERS)
    both = given({"o:tracking": "no"}, PARAMETERS).over(headers)
    assert (both.opens, both.clicks, both.tracking) == (None, None, Clicks.NO)
    assert not decide(DOMAIN, both).opens
    assert Given().over(headers) == headers


@pytest.mark.parametrize("name", [name for name in (*PARAMETERS, *HEADERS) if "top" in name])
def test_every_spelling_of_the_pixels_place(name: str) -> None:
    """Mailgun's documents have three."""
    names = PARAMETERS if name in PARAMETERS else HEADERS
    assert decide(DOMAIN, given({name: "yes"}, names)).pixel_at_top
    assert not decide(DOMAIN, given({name: "no"}, names)).pixel_at_top


@pytest.mark.parametrize(
    ("name", "value"),
    [("o:tracking-opens", "htmlonly"), ("o:tracking", "maybe"), ("o:tracking-clicks", "")],
)
def test_a_value_that_is_none_is_named(name: str, value: str) -> None:
    """Rather than taken for a no."""
    with pytest.raises(CallerError, match=name):
        given({name: value}, PARAMETERS)
