"""Which tracking is on: Mailgun's precedence, its spellings, and clear errors for the rest."""

import pytest

from edge.model.errors import CallerError
from edge.rewriting import controls
from edge.rewriting.switches import HEADERS, PARAMETERS, Clicks, Given, decide, given
from tests.unit.rewriting.samples import with_domain


@pytest.mark.parametrize(
    ("message", "opens", "clicks"),
    [
        ({}, True, "htmlonly"),
        ({"o:tracking": "no"}, False, "no"),
        ({"o:tracking": "yes"}, True, "yes"),
        ({"o:tracking": "htmlonly"}, True, "htmlonly"),
        ({"o:tracking": "no", "o:tracking-clicks": "htmlonly"}, False, "htmlonly"),
        ({"o:tracking": "no", "o:tracking-opens": "True"}, True, "no"),
        ({"o:tracking-clicks": "TRUE"}, True, "yes"),
        ({"o:tracking-opens": "false"}, False, "htmlonly"),
        ({"o:tag": "no", "o:tracking-clicks": " no "}, True, "no"),
    ],
)
def test_specific_before_general_before_domain(
    message: dict[str, str], opens: bool, clicks: str
) -> None:
    """A message's own specific switch, then its general one, then the domain's setting."""
    domain = with_domain(open=True, click="htmlonly", unsubscribe=True)
    tracking = decide(domain, given(message, PARAMETERS))
    assert (tracking.opens, tracking.clicks) == (opens, clicks)
    assert tracking.unsubscribes


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("o:tracking-pixel-location-top", PARAMETERS),
        ("o:X-Mailgun-Track-Pixel-Location-Top", PARAMETERS),
        ("X-Mailgun-Track-Pixel-Location-Top", HEADERS),
    ],
)
@pytest.mark.parametrize(("value", "top"), [("yes", True), ("htmlonly", True), ("no", False)])
def test_the_pixels_place_in_all_three_spellings(
    name: str, names: dict[str, str], value: str, top: bool
) -> None:
    """Whichever way it is written, it goes before the domain's setting."""
    domain = with_domain(pixel_at_top=not top)
    assert decide(domain, given({name: value}, names)).pixel_at_top is top
    assert decide(domain, Given()).pixel_at_top is not top


@pytest.mark.parametrize(
    ("name", "value"),
    [("o:tracking", "maybe"), ("o:tracking-opens", "htmlonly"), ("o:tracking-clicks", "")],
)
def test_bad_values_are_named(name: str, value: str) -> None:
    """The error says which switch, and what it may be."""
    with pytest.raises(CallerError, match=f"{name} must be yes, no, true or false"):
        given({name: value}, PARAMETERS)


def test_the_call_goes_before_the_message() -> None:
    """Parameters of the API override headers; a general parameter also a specific header."""
    header = Given(clicks=Clicks.YES, opens=False, pixel_at_top=True)
    assert Given(tracking=Clicks.NO).over(header) == Given(tracking=Clicks.NO, pixel_at_top=True)
    assert Given(opens=True).over(header) == Given(opens=True, clicks=Clicks.YES, pixel_at_top=True)


MESSAGE = (
    b"From: a@example.com\r\nX-Mailgun-Track: no\r\nx-mailgun-track-clicks: htmlonly\r\n"
    b"X-Mailgun-Tag: one\r\nX-Mailgun-Tag: two\r\n"
    b'X-Mailgun-Variables: {"order":\r\n 17, "name": "Ada"}\r\nX-Mailgun-Variables: {"b": [1]}\r\n'
    b'X-Mailgun-Recipient-Variables: {"ada@example.net": {"x": 1}}\r\n'
    b"X-Mailgun-Drop-Message: yes\r\nX-Mailgun-Deliver-By: Thu, 1 Jan 2026 00:00:00 +0000\r\n"
    b"\r\nX-Mailgun-Tag: not a header\r\n"
)


def test_control_headers_are_read() -> None:
    """Switches, tags, merged variables as texts, recipients' variables, and all others by name."""
    said = controls.read(MESSAGE)
    assert said.given == Given(tracking=Clicks.NO, clicks=Clicks.HTML_ONLY)
    assert said.tags == ("one", "two")
    assert said.variables == {"order": "17", "name": "Ada", "b": "[1]"}
    assert said.recipient_variables == {"ada@example.net": {"x": 1}}
    assert said.test_mode
    assert said.others["deliver-by"].startswith("Thu")
    assert controls.read(b"nothing of a message") == controls.Controls()


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("X-Mailgun-Track: perhaps", "X-Mailgun-Track must be"),
        ("X-Mailgun-Track-Opens: htmlonly", "X-Mailgun-Track-Opens must be"),
        ("X-Mailgun-Variables: {", "x-mailgun-variables must be a JSON object"),
        ("X-Mailgun-Variables: [1]", "must be a JSON object"),
        ('X-Mailgun-Recipient-Variables: {"a@b": 1}', "must be a JSON object"),
        ("X-Mailgun-Dkim: perhaps", "must be yes, no"),
        ("X-Mailgun-Variables: " + "x" * 17_000, "limited to 16KB"),
    ],
)
def test_bad_control_headers_are_named(header: str, text: str) -> None:
    """A sender learns which header is wrong."""
    with pytest.raises(CallerError, match=text):
        controls.read(f"From: a@b\r\n{header}\r\n\r\nx".encode())
