"""The published lists of network ranges, and how to read each.

Addresses are those the publishers document. Ranks give precedence: where lists overlap, the
higher rank wins; Apple's relay wins over everything, because lists of clouds contain most of it.
"""

import csv
import io
import json
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Final

import msgspec

from edge.model.errors import PeerError


class Form(StrEnum):
    """How a list is written."""

    JSON = "json"
    """Any JSON: every text in it that looks like a prefix counts."""
    CSV = "csv"
    """First column (or the whole line) is a prefix; ``#`` starts a comment."""
    APPLE = "apple"
    """RFC 8805 columns: prefix, country, region, city."""
    OFFICE = "office"
    """Microsoft 365 endpoints; only the sets of Exchange Online Protection (ids 9 and 10)."""


class RangeList(msgspec.Struct, frozen=True):
    """One list: ``urls`` are all fetched and joined; without any it comes from files only."""

    name: str
    label: str
    rank: int
    form: Form
    urls: tuple[str, ...]
    licence: str


_CRAWLING: Final = "https://developers.google.com/static/crawling/ipranges/"
_OFFICE: Final = (
    "https://endpoints.office.com/endpoints/worldwide"
    "?clientrequestid=b10c5ed1-bad1-445f-b386-b919946339a7"
)
_PUBLISHED: Final = "published by the operator for this use"


def _networks(*numbers: int) -> tuple[str, ...]:
    base = "https://raw.githubusercontent.com/ipverse/as-ip-blocks/master/as"
    return tuple(f"{base}/{number}/aggregated.json" for number in numbers)


def _list(name: str, label: str, rank: int, form: Form, *urls: str) -> RangeList:
    licence = "CC0-1.0" if any("ipverse" in url for url in urls) else _PUBLISHED
    return RangeList(name, label, rank, form, urls, licence)


LISTS: Final = (
    _list("aws", "dc:amazon", 10, Form.JSON, "https://ip-ranges.amazonaws.com/ip-ranges.json"),
    _list("azure", "dc:microsoft", 10, Form.JSON),
    _list(
        "oracle",
        "dc:oracle",
        10,
        Form.JSON,
        "https://docs.oracle.com/en-us/iaas/tools/public_ip_ranges.json",
    ),
    _list(
        "digitalocean", "dc:digitalocean", 10, Form.CSV, "https://digitalocean.com/geo/google.csv"
    ),
    _list("linode", "dc:linode", 10, Form.CSV, "https://geoip.linode.com/"),
    _list("vultr", "dc:vultr", 10, Form.CSV, "https://geofeed.constant.com/?text"),
    _list("google", "google", 20, Form.JSON, "https://www.gstatic.com/ipranges/goog.json"),
    _list(
        "google-cloud", "dc:google", 30, Form.JSON, "https://www.gstatic.com/ipranges/cloud.json"
    ),
    _list(
        "google-crawlers",
        "crawler:google",
        40,
        Form.JSON,
        f"{_CRAWLING}common-crawlers.json",
        f"{_CRAWLING}special-crawlers.json",
    ),
    _list("bingbot", "crawler:bing", 40, Form.JSON, "https://www.bing.com/toolbox/bingbot.json"),
    _list(
        "applebot",
        "crawler:apple",
        40,
        Form.JSON,
        "https://search.developer.apple.com/applebot.json",
    ),
    _list(
        "google-fetchers",
        "google-fetch",
        50,
        Form.JSON,
        f"{_CRAWLING}user-triggered-fetchers-google.json",
    ),
    _list("ironport", "mailsec:ironport", 60, Form.JSON, *_networks(16417)),
    _list("mimecast", "mailsec:mimecast", 60, Form.JSON, *_networks(30031, 42427)),
    _list("proofpoint", "mailsec:proofpoint", 60, Form.JSON, *_networks(22843, 26211, 52129)),
    _list("barracuda", "mailsec:barracuda", 70, Form.JSON, *_networks(15324)),
    _list("microsoft-365", "mailsec:eop", 70, Form.OFFICE, _OFFICE),
    _list(
        "apple-relay",
        "apple-relay",
        90,
        Form.APPLE,
        "https://mask-api.icloud.com/egress-ip-ranges.csv",
    ),
)
"""Every list that ``edge ranges update`` knows, by name."""

RANKS: Final = {
    "dc": 0,
    "google": 15,
    "crawler": 35,
    "google-fetch": 45,
    "mailsec": 55,
    "apple": 80,
    "apple-relay": 85,
}
"""Ranks of the built-in prefixes, by the part of the label before its colon."""


def named(name: str) -> RangeList | None:
    """The list of that name."""
    return next((each for each in LISTS if each.name == name), None)


Row = tuple[str, str]
"""Prefix and country (empty where the list has none)."""


def read(form: Form, content: bytes) -> Iterator[Row]:
    """The rows of a list, unchecked. Raises PeerError if it is not of that form."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PeerError(f"it is not text: {error}") from None
    if form in {Form.JSON, Form.OFFICE}:
        try:
            document = json.loads(text)
        except ValueError as error:
            raise PeerError(f"it is not JSON: {error}") from None
        if form is Form.OFFICE:
            document = _exchange_online(document)
        yield from ((prefix, "") for prefix in _prefixes(document))
        return
    for row in csv.reader(io.StringIO(text)):
        if row and row[0].strip() and not row[0].lstrip().startswith("#"):
            country = row[1].strip().upper() if form is Form.APPLE and len(row) > 1 else ""
            yield row[0].strip(), country


def _exchange_online(document: Any) -> list[Any]:
    if not isinstance(document, list):
        raise PeerError("it is not a list of endpoint sets")
    return [
        each.get("ips", [])
        for each in document
        if isinstance(each, dict) and each.get("id") in {9, 10}
    ]


def _prefixes(document: Any) -> Iterator[str]:
    """Every text in a JSON document that has the shape of a prefix, wherever it stands."""
    if isinstance(document, dict):
        for value in document.values():
            yield from _prefixes(value)
    elif isinstance(document, list):
        for value in document:
            yield from _prefixes(value)
    elif isinstance(document, str) and "/" in document and ("." in document or ":" in document):
        address, _, length = document.partition("/")
        if length.isdigit() and set(address) <= set("0123456789abcdefABCDEF.:"):
            yield document
