"""Hours, days and months (UTC) that figures are counted by. Times in µs since the epoch."""

import datetime
from typing import Final

HOUR_US: Final = 3_600_000_000
DAY_US: Final = 24 * HOUR_US
LATEST_US: Final = 253_370_764_800_000_000
"""The start of the year 9999: what any border is at most."""

_EPOCH: Final = datetime.date(1970, 1, 1)


def _date(at: int) -> datetime.date:
    return _EPOCH + datetime.timedelta(at // DAY_US)


def _start(date: datetime.date) -> int:
    return (date - _EPOCH).days * DAY_US


def floor(at: int, resolution: str) -> int:
    """The start of the hour, day or month that a time is in."""
    at = max(0, min(at, LATEST_US))
    if resolution == "month":
        return _start(_date(at).replace(day=1))
    step = HOUR_US if resolution == "hour" else DAY_US
    return at // step * step


def following(at: int, resolution: str) -> int:
    """The start of the next one, from the start of one."""
    if resolution == "month":
        return floor(at + 31 * DAY_US, "month")
    return at + (HOUR_US if resolution == "hour" else DAY_US)


def ceiling(at: int, resolution: str) -> int:
    """The first border that is not before a time."""
    low = floor(at, resolution)
    return low if low >= at or low >= LATEST_US else following(low, resolution)


def months_before(at: int, months: int) -> int:
    """The same time of day so many calendar months earlier, on the last day of a shorter month."""
    date = _date(at)
    number = date.year * 12 + date.month - 1 - months
    if number < 1970 * 12:
        return 0
    first = datetime.date(number // 12, number % 12 + 1, 1)
    last = (first + datetime.timedelta(31)).replace(day=1) - datetime.timedelta(1)
    return _start(first.replace(day=min(date.day, last.day))) + at % DAY_US


def buckets(begin: int, end: int, resolution: str, most: int) -> list[int]:
    """The starts of all from ``begin`` on and before ``end``; at most ``most`` and one more."""
    found: list[int] = []
    at = begin
    while at < end and len(found) <= most:
        found.append(at)
        at = following(at, resolution)
    return found


def rfc3339(at: int) -> str:
    """A time in UTC to the second (RFC 3339)."""
    moment = datetime.datetime.fromtimestamp(at // 1_000_000, datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
