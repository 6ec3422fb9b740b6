"""Which tracking is on for one message: Mailgun's switches and their precedence.

A message's own specific switch (``o:tracking-clicks``) goes before its general one
(``o:tracking``), and that before the domain's setting. Parameters of the API go before the
``X-Mailgun-*`` headers of the message that they send.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from edge.model.domain import Domain
from edge.model.errors import CallerError


class Clicks(StrEnum):
    """Where links are tracked."""

    YES = "yes"
    NO = "no"
    HTML_ONLY = "htmlonly"


class Tracking(msgspec.Struct, frozen=True, kw_only=True):
    """What is put into one message."""

    opens: bool = False
    clicks: Clicks = Clicks.NO
    unsubscribes: bool = False
    pixel_at_top: bool = False


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """A message's own switches; None where it says nothing."""

    tracking: Clicks | None = None
    opens: bool | None = None
    clicks: Clicks | None = None
    pixel_at_top: bool | None = None

    def over(self, other: "Given") -> "Given":
        """These switches, with those of ``other`` where these say nothing.

        A general switch here goes before a specific one there: it is nearer to the sender.
        """
        general = self.tracking is not None
        return Given(
            tracking=self.tracking if general else other.tracking,
            opens=self.opens if self.opens is not None or general else other.opens,
            clicks=self.clicks if self.clicks is not None or general else other.clicks,
            pixel_at_top=other.pixel_at_top if self.pixel_at_top is None else self.pixel_at_top,
        )


_WORDS: Final = {
    "yes": Clicks.YES,
    "true": Clicks.YES,
    "no": Clicks.NO,
    "false": Clicks.NO,
    "htmlonly": Clicks.HTML_ONLY,
}

PARAMETERS: Final = {
    "o:tracking": "tracking",
    "o:tracking-opens": "opens",
    "o:tracking-clicks": "clicks",
    "o:tracking-pixel-location-top": "pixel_at_top",
    "o:x-mailgun-track-pixel-location-top": "pixel_at_top",
}
"""Parameters of the API, in lower case; the last is the spelling of Mailgun's user manual."""

HEADERS: Final = {
    "x-mailgun-track": "tracking",
    "x-mailgun-track-opens": "opens",
    "x-mailgun-track-clicks": "clicks",
    "x-mailgun-track-pixel-location-top": "pixel_at_top",
}
"""Header fields of messages that come as MIME, in lower case."""


def given(values: Mapping[str, str], names: Mapping[str, str]) -> Given:
    """Switches by their names in ``PARAMETERS`` or ``HEADERS``; others are passed over.

    Names and values are not case-sensitive. Raises CallerError for a value that is none of a
    switch's; ``htmlonly`` is none for opens.
    """
    found: dict[str, Clicks | bool] = {}
    for name, value in values.items():
        switch = names.get(name.lower())
        if switch is None:
            continue
        word = _WORDS.get(value.strip().lower())
        if word is None or (switch == "opens" and word is Clicks.HTML_ONLY):
            allowed = "yes, no, true or false" + ("" if switch == "opens" else ", or htmlonly")
            raise CallerError(f"{name} must be {allowed}, not {value.strip()[:60]!r}")
        found[switch] = word if switch in ("tracking", "clicks") else word is not Clicks.NO
    return msgspec.convert(found, Given)


def decide(domain: Domain, message: Given) -> Tracking:
    """The switches of a message of this domain."""
    opens, clicks = domain.open, Clicks(domain.click)
    if message.tracking is not None:
        opens, clicks = message.tracking is not Clicks.NO, message.tracking
    if message.opens is not None:
        opens = message.opens
    if message.clicks is not None:
        clicks = message.clicks
    at_top = domain.pixel_at_top if message.pixel_at_top is None else message.pixel_at_top
    return Tracking(
        opens=opens, clicks=clicks, unsubscribes=domain.unsubscribe, pixel_at_top=at_top
    )
