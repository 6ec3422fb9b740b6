"""Log lines as a person at a terminal reads them."""

import pytest

from edge.observe import logs


def test_a_line_says_when_who_what_and_the_fields() -> None:
    """Time, role and message come first; fields without a value are left out."""
    event = {"event": "serving", "http": "0.0.0.0:80", "https": None, "workers": 2}
    event |= {"role": "supervisor", "level": "info", "timestamp": "2026-11-24T01:16:26.946938Z"}
    line = logs.for_people(None, "info", event)
    assert line == '01:16:26 supervisor  serving  http="0.0.0.0:80"  workers=2'


def test_what_is_worse_than_information_is_marked() -> None:
    """Warnings and errors start with their level, and a trace follows on lines of its own."""
    event = {"event": "child failed", "level": "error", "exception": "one\ntwo"}
    assert logs.for_people(None, "error", event).splitlines() == [
        "             ERROR: child failed",
        "    one",
        "    two",
    ]


@pytest.mark.parametrize("field", ["event", "role", "agent", "exception"])
def test_no_field_can_move_the_cursor_or_forge_a_line(field: str) -> None:
    """Control characters of text from outside are shown, not obeyed."""
    event = {"event": "x", field: 'a\x1b[2Jb\r"\x9b'}
    line = logs.for_people(None, "info", event)
    assert line.isprintable() or line.count("\n") == 2  # a trace keeps its lines
    assert "\x1b" not in line
    assert "\r" not in line
    assert "\x9b" not in line
