"""Mail that came back as its doors hand it in, and what became of it."""

from enum import StrEnum
from typing import Any

import msgspec

from edge.returns.report import Report, as_json


class Outcome(StrEnum):
    """What a mail that came back led to."""

    RECORDED = "recorded"
    DUPLICATE = "duplicate"
    NOTED = "noted"
    UNPARSED = "unparsed"
    FULL = "full"


class Matched(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery that a report is about, and what was done. ``by`` says how it was found."""

    domain: str
    recipient: str
    message_id: str
    by: str
    fresh: bool
    event_id: str
    suppressed: bool


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one mail; ``number`` is that of an unparsed one."""

    outcome: Outcome
    report: Report
    matched: tuple[Matched, ...] = ()
    why: str = ""
    number: int | None = None

    def as_json(self) -> dict[str, Any]:
        """As the API and the command line give it."""
        return {
            "outcome": self.outcome.value,
            "why": self.why,
            "unparsed": self.number,
            "matched": [msgspec.to_builtins(one) for one in self.matched],
            "report": as_json(self.report),
        }


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """A mail that came back. ``way`` is smtp, api, cli or import; ``to`` the envelope's recipients.

    ``trusted``: whoever hands it in may report without proof. ``domain``: only of this domain.
    """

    raw: bytes
    way: str
    to: tuple[str, ...] = ()
    trusted: bool = False
    domain: int | None = None
    at: int | None = None
