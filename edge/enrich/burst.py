"""Sweeps: a scanner follows all links of a message within a second; a person does not.

Judged with hindsight: ``around`` holds what came within the settle window before *and after* a
request, so the first request of a sweep gets the same label as the last.
"""

from collections.abc import Sequence
from typing import Final

from edge.model.capture import Capture

SPANS: Final = ((1_000_000, 2), (5_000_000, 3))
"""Microseconds, and how many different links within them make a sweep."""

MOST: Final = 64
"""Neighbours looked at: one link asked for without end must not cost the drain its evening."""


def _links_within(clicks: list[tuple[int, int]], at: int, span: int) -> int:
    """The most different links in any stretch of ``span`` µs that contains ``at``."""
    most = 0
    for first, _ in clicks:
        if at - span <= first <= at:
            within = {link for time, link in clicks if first <= time <= first + span}
            most = max(most, len(within))
    return most


def sweep(around: Sequence[Capture], at: int, source: tuple[str, str] | None = None) -> str:
    """The evidence code of the sweep that a request at ``at`` (µs) is part of, or empty.

    ``source``: only requests of this address and user agent; for an open, which is part of a
    sweep only if the sweeper itself made it. POSTs do not count: following links is done by GET
    or HEAD, and a mailbox provider's one-click unsubscribe may coincide with anything.
    """
    clicks = [
        (seen.at, link)
        for seen in around
        if (link := seen.link) is not None
        and seen.method != "POST"
        and (source is None or (seen.ip, seen.user_agent) == source)
    ]
    if len({link for _, link in clicks}) < SPANS[0][1]:
        return ""
    if len(clicks) > MOST:
        clicks = sorted(clicks, key=lambda click: abs(click[0] - at))[:MOST]
    clicks.sort()
    for span, fewest in SPANS:
        if (links := _links_within(clicks, at, span)) >= fewest:
            return f"burst:{links}/{span // 1_000_000}"
    return ""
