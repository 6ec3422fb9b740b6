"""Points in time as people and Mailgun's API write them."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from edge.model.errors import CallerError

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGO = re.compile(r"(\d{1,6})([smhdw])")


def parse_time(text: str, *, now_us: int) -> int:
    """Microseconds since the epoch; raises CallerError.

    Takes epoch seconds, RFC 2822 (``Tue, 05 Mar 2024 10:00:00 +0000``), ISO 8601 (UTC unless it
    says otherwise), and spans back from now: ``90m``, ``24h``, ``7d``.
    """
    value = text.strip()
    if match := _AGO.fullmatch(value):
        return now_us - int(match[1]) * _UNITS[match[2]] * 1_000_000
    try:
        return round(float(value) * 1_000_000)
    except (ValueError, OverflowError):
        pass
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = read(value)
        except ValueError:
            continue
        return round(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() * 1_000_000)
    raise CallerError(
        f"{text!r} is no time: write 2024-03-05T10:00:00, epoch seconds, RFC 2822, or 24h for a "
        "day ago"
    )


def parse_expiry(text: str, *, now_us: int) -> int:
    """As :func:`parse_time`, but spans lead forward from now: ``90d`` is in ninety days."""
    if match := _AGO.fullmatch(text.strip()):
        return now_us + int(match[1]) * _UNITS[match[2]] * 1_000_000
    return parse_time(text, now_us=now_us)


def format_time(at: int) -> str:
    """A point in time (µs) in UTC, to the second."""
    return datetime.fromtimestamp(at // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
