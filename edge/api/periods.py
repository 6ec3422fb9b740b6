"""The span of time that figures are asked for: ``start``, ``end``, ``resolution``, ``duration``.

Both ends are cut to the resolution, and the hour, day or month that each is in belongs to the
answer. ``duration`` (``24h``, ``7d``, ``2m``; ``m`` is calendar months) counts back from ``end``
and goes before ``start``. Without anything it is the last seven days.
"""

import re
from typing import Final

import msgspec

from edge.api.params import Params
from edge.model.metrics import RESOLUTIONS
from edge.model.periods import DAY_US, HOUR_US, floor, following, months_before

_DURATION: Final = re.compile(r"(\d{1,5})([hdm])")
DEFAULT_DAYS: Final = 7


class Period(msgspec.Struct, frozen=True):
    """From the hour, day or month ``start`` to ``end``, both whole (µs); before ``ending``."""

    start: int
    end: int
    resolution: str

    @property
    def ending(self) -> int:
        """What is at or after this is no part of it."""
        return following(self.end, self.resolution)


def period(given: Params, now_us: int) -> Period:
    """The span that a request asks for; mistakes are noted in ``given``."""
    resolution = _resolution(given)
    end = given.time("end")
    start = given.time("start")
    end = now_us if end is None else end
    back = _back(given, end)
    if back is not None:
        start = back
    elif start is None:
        start = max(0, end - DEFAULT_DAYS * DAY_US)
    if start > end:
        given.mistake("start is after end")
    return Period(floor(start, resolution), floor(end, resolution), resolution)


def _resolution(given: Params) -> str:
    text = (given.text("resolution", "") or "day").strip().lower()
    if text in RESOLUTIONS:
        return text
    given.mistake("'resolution' attribute is invalid: it has to be hour, day or month")
    return "day"


def _back(given: Params, end: int) -> int | None:
    """Where a duration begins; None without one. Months are counted from the day of ``end``."""
    text = (given.text("duration", "") or "").strip().lower()
    if not text:
        return None
    match = _DURATION.fullmatch(text)
    if match is None or int(match[1]) == 0:
        given.mistake("'duration' attribute is invalid: write 24h, 7d or 1m (a month)")
        return None
    count = int(match[1])
    if match[2] == "m":
        return months_before(end, count)
    return max(0, end - count * (HOUR_US if match[2] == "h" else DAY_US))
