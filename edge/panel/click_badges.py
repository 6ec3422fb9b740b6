"""Clicks written beside the links of a stored message's HTML, so that no script has to. Pure.

The markup is read by the same scanner that put the tracking links into it, so that the links have
the positions of their clicks. Where both do not agree nothing is drawn: a number beside the wrong
link is worse than none.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from edge.rewriting import html_part
from edge.rewriting.html_part import FoundLink
from edge.rewriting.report import LinkReport

_NONE = re.compile(r"(?!)")
"""No variables are looked for: only links are of interest."""

_REST = re.compile(r"""(?:[^>"']|"[^"]*"|'[^']*')*>""")
"""From behind a value to the end of its tag."""

_SHARES: Final = (
    (0.3, "#8c1d14"),
    (0.1, "#8a5300"),
    (0.0, "#17456b"),
)
"""Colours of badges by their share of all clicks; white on each is legible."""

_NEVER: Final = "#52606f"
_BADGE: Final = (
    '<span style="display:inline-block;background:{colour};color:#fff;font:bold 11px/16px '
    "sans-serif;letter-spacing:0;text-decoration:none;text-indent:0;border-radius:8px;"
    'padding:0 6px;margin:0 3px;vertical-align:middle;white-space:nowrap">'
    "{text}</span>"
)


def drawn(html: str, links: Sequence[LinkReport], clicks: Mapping[int, int]) -> str | None:
    """The HTML with a badge in each link: its number (from 1), clicks, and share of all clicks.

    ``clicks`` are numbers by position. None where no part of the message has these links.
    """
    text = html.encode("utf-8", "replace").decode("latin-1")
    found = html_part.scan(text, "utf-8", _NONE).links
    positions = _positions(found, links)
    if positions is None:
        return None
    whole = sum(clicks.values())
    pieces: list[str] = []
    at = 0
    for link, position in zip(found, positions, strict=True):
        end = _tag_end(text, link)
        if link.outlook or link.where != "a" or end is None or end < at:
            continue
        pieces += [text[at:end], _badge(position, clicks.get(position, 0), whole)]
        at = end
    pieces.append(text[at:])
    return "".join(pieces).encode("latin-1").decode("utf-8", "replace")


def _positions(found: Sequence[FoundLink], links: Sequence[LinkReport]) -> list[int] | None:
    """The positions of the links, from the first part of the message that has all of them.

    In their order; between and behind them there may be others, which footers brought.
    """
    parts: dict[str, list[LinkReport]] = {}
    for one in links:
        if one.where != "text":
            parts.setdefault(one.part, []).append(one)
    for listed in parts.values():
        left = iter(listed)
        positions = [_next(left, one) for one in found]
        if None not in positions:
            return [one for one in positions if one is not None]
    return None


def _next(left: Iterator[LinkReport], link: FoundLink) -> int | None:
    value = _bare(link.value)
    return next((one.position for one in left if _same(one, link.where, value)), None)


def _same(one: LinkReport, where: str, value: str) -> bool:
    """Whether a link of the report, which shortens long ones, is this one."""
    told = _bare(one.before)
    return one.where == where and (told == value or (len(told) > 250 and value.startswith(told)))


def _bare(url: str) -> str:
    return "".join(url.split())


def _tag_end(text: str, link: FoundLink) -> int | None:
    """Behind the start tag that a link's value is in."""
    end = link.end
    before = text[: link.start].rstrip("\t\n\f\r ")[-1:]
    if before in {'"', "'"}:
        closing = text.find(before, end)
        if closing < 0:
            return None
        end = closing + 1
    match = _REST.match(text, end)
    return match.end() if match else None


def _badge(position: int, clicks: int, whole: int) -> str:
    number = f"{position + 1}"
    if not clicks:
        return _BADGE.format(colour=_NEVER, text=f"{number}: 0")
    share = clicks / whole
    colour = next(colour for least, colour in _SHARES if share >= least)
    return _BADGE.format(colour=colour, text=f"{number}: {clicks} ({share:.0%})")
