"""Captures and enrichers for tests; the shared enricher holds no state but its caches."""

from functools import cache
from pathlib import Path
from typing import Any

from mmdb_writer import MMDBWriter
from netaddr import IPSet

from edge.enrich.geo import Geo
from edge.enrich.pipeline import Enricher, Labelled
from edge.enrich.ranges import Ranges
from edge.model.capture import Act, Capture
from edge.model.tokens import ClickTarget, Level, OpenTarget, Target, UnsubscribeTarget

NOW = 1_750_000_000_000_000
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0.0.0 Safari/537.36"
)
GOOGLE_PROXY = (
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
)
YAHOO_PROXY = "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html"
GMAIL_PREFETCH = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0"
)
HOME = "81.2.69.142"
CLOUD = "52.1.2.3"
APPLE_RELAY = "172.225.7.10"
GOOGLE_FETCHER = "66.249.84.1"


@cache
def enricher(proxy: str = "human") -> Enricher:
    """An enricher on the built-in table, without geolocation."""
    return Enricher(ranges=Ranges(None), geo=Geo(None), gmail_image_proxy=proxy)


def capture(
    act: Act = Act.OPEN,
    ua: str | None = CHROME,
    ip: str = HOME,
    *,
    method: str | None = None,
    headers: dict[str, str] | None = None,
    tls: bool = False,
    at: int = NOW,
    position: int = 0,
) -> Capture:
    """One request; a POST where the act asks for one."""
    given = dict(headers or {})
    if ua is not None:
        given["user-agent"] = ua
    target: Target = OpenTarget(1, 1, "id", "a@example.com")
    if act is Act.CLICK:
        target = ClickTarget(1, 1, "id", "a@example.com", position, "https://example.com/")
    elif act is not Act.OPEN:
        target = UnsubscribeTarget(1, 1, "id", "a@example.com", Level.DOMAIN, [])
    posts = act in (Act.UNSUBSCRIBE, Act.RESUBSCRIBE)
    return Capture(
        id=bytes(16),
        at=at,
        act=act,
        method=method or ("POST" if posts else "GET"),
        ip=ip,
        tls=tls,
        headers=given,
        target=target,
    )


def label(one: Capture, *, proxy: str = "human", delivered_at: int | None = None) -> Labelled:
    """Its labels, alone in its window."""
    return enricher(proxy).label(one, (one,), delivered_at)


def verdict(one: Capture, **options: Any) -> tuple[str, tuple[str, ...]]:
    """Bot label and evidence."""
    found = label(one, **options).verdict
    return found.bot, found.evidence


def write_mmdb(path: Path, rows: dict[str, dict[str, Any]], kind: str = "GeoLite2-City") -> None:
    """An MMDB file with these rows (prefix to row), renamed into place."""
    writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type=kind)
    for prefix, row in rows.items():
        writer.insert_network(IPSet([prefix]), row)
    scratch = path.with_suffix(".new")
    writer.to_db_file(str(scratch))
    scratch.replace(path)
