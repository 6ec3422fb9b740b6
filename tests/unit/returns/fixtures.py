"""Mails that came back, of our own composition, with what is right for each.

One file holds many: a line ``=== name | kind | recipient severity reason status ; …`` and the mail.
"""

from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent / "fixtures"
MAILS = ("machine", "people", "held_out", "held_out_again", "held_out_third", "ordinary", "more")


class Expected(NamedTuple):
    """What is right for one recipient; ``status`` empty where it is not asked."""

    recipient: str
    severity: str = ""
    reason: str = ""
    status: str = ""


class Fixture(NamedTuple):
    """One mail."""

    name: str
    kind: str
    expected: list[Expected]
    raw: bytes


def fixtures() -> list[Fixture]:
    """All of them."""
    found = []
    for name in MAILS:
        text = (HERE / f"{name}.txt").read_text(encoding="utf-8")
        for piece in text.split("=== ")[1:]:
            head, _, body = piece.partition("\n")
            title, kind, wanted = (part.strip() for part in (head + "|").split("|")[:3])
            expected = [Expected(*one.split()) for one in wanted.split(";") if one.strip()]
            found.append(Fixture(title, kind, expected, body.encode()))
    return found


def diagnostics() -> list[tuple[str, str]]:
    """Reason and text of each labelled diagnostic."""
    text = (HERE / "diagnostics.txt").read_text(encoding="utf-8")
    rows = [line.split(" | ", 1) for line in text.splitlines() if not line.startswith("#")]
    return [(row[0], row[1]) for row in rows if len(row) == 2]
