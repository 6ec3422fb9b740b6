"""Paging by address: ``?page=next&address=<pivot>&limit=100``, and the four links of each page.

A client goes on along ``next`` until ``items`` is empty. All four links are always there; on an
empty table each is the first page's. They are built from the installation's public URL.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote, urlencode

import msgspec

from edge.api.context import Api
from edge.api.params import Params

PAGES: Final = ("first", "next", "previous", "prev", "last")
MOST: Final = 1000


class Asked(msgspec.Struct, frozen=True):
    """Which page: the items after ``pivot``, or (``backwards``) the last before it.

    None is the beginning, or backwards the end.
    """

    pivot: str | None
    backwards: bool
    limit: int


def asked(given: Params) -> Asked:
    """Which page a request asks for. ``next`` without an address is the first, as at Mailgun."""
    page = given.choice("page", PAGES, "first")
    pivot = given.text("address", "").strip().lower() or None
    limit = given.number("limit", 100, low=1, high=MOST)
    if page in {"first", "last"}:
        pivot = None
    return Asked(pivot, page in {"previous", "prev", "last"}, limit)


def links(
    api: Api, segments: Sequence[str], page: Asked, found: Sequence[str], keep: Mapping[str, str]
) -> dict[str, str]:
    """The four links; ``segments`` of the path, ``found`` addresses, ``keep`` other parameters."""
    path = "".join(f"/{quote(segment, safe='')}" for segment in segments)

    def url(name: str = "", pivot: str = "") -> str:
        place = {"page": name, "address": pivot}
        told = {name: value for name, value in place.items() if value}
        told |= {"limit": str(page.limit), **keep}
        return f"{api.public_url}{path}?{urlencode(told)}"

    first, last = url(), url("last")
    if found:
        following, before = url("next", found[-1]), url("previous", found[0])
    elif page.pivot is None:
        last = following = before = first
    elif page.backwards:
        following, before = first, url("previous", page.pivot)
    else:
        following, before = url("next", page.pivot), last
    return {"first": first, "next": following, "previous": before, "last": last}
