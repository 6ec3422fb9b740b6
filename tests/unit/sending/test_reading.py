"""What is read of a message that was handed in, and the little that is changed of it."""

import pytest

from edge.model.domain import Domain
from edge.sending.message import Addressee, Message, Options, Origin
from edge.sending.reading import read

NOW = 1_700_000_000_000_000
DOMAIN = Domain(number=1, name="mg.example.com")


def message(source: bytes, options: Options | None = None) -> Message:
    """A message to Ann with these options."""
    return Message(
        domain=DOMAIN,
        source=source,
        sender="a@mg.example.com",
        recipients=(Addressee("ann@example.net"),),
        options=options or Options(),
        origin=Origin(method="HTTP"),
    )


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
def test_hidden_fields_go_and_others_stay(line_end: bytes) -> None:
    """Bcc and Return-Path are taken out with their folded lines, in the header only."""
    kept = (
        b"From: a@mg.example.com\r\nDate: Mon, 1 Jun 2026 10:00:00 +0000\r\n"
        b"Message-Id: <1@mg.example.com>\r\nSubject: bcc: kept\r\n folded\r\n"
    )
    body = b"\r\nBcc: in the body\r\n"
    hidden = b"Return-Path: <x@y>\r\nBCC : secret@example.net,\r\n\tother@example.net\r\n"
    given = (hidden + kept + body).replace(b"\r\n", line_end)
    assert read(message(given), NOW).source == (kept + body).replace(b"\r\n", line_end)
