"""From a capture to its labels: the ordered list of steps.

Pure CPU, a few microseconds for what was seen before: user agents and addresses are remembered in
bounded dictionaries. Nothing here raises for any input; missing or damaged data files mean
``Unknown`` and labels by user agent, never a failure.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
import structlog

from edge.clock import Clock, SystemClock
from edge.enrich import bots
from edge.enrich.agents import Agent, Agents
from edge.enrich.geo import Geo
from edge.enrich.mmdb import plain_ip
from edge.enrich.ranges import NOWHERE, STALE_AFTER, Network, Ranges, private_table
from edge.model.capture import Act, Capture
from edge.model.event import ClientInfo, Geolocation, Verdict

log = structlog.get_logger()

JUDGED: Final = 20_000
"""Verdicts remembered of requests without neighbours; then all are forgotten (25 MB at most)."""

PLACES: Final = 50_000
"""Addresses remembered; then all are forgotten and looked up anew (20 MB at most)."""


class Labelled(msgspec.Struct, frozen=True):
    """What enrichment adds to a capture. ``network`` is the label of :mod:`edge.enrich.ranges`."""

    client: ClientInfo
    geolocation: Geolocation
    network: str
    verdict: Verdict


class Place(msgspec.Struct, frozen=True):
    """What an address says by itself."""

    network: Network
    geolocation: Geolocation
    private: bool


class Draft(msgspec.Struct, gc=False):
    """One capture on its way through the steps."""

    capture: Capture
    around: Sequence[Capture]
    delivered_at: int | None
    agent: Agent
    place: Place
    bot: str = ""
    evidence: tuple[str, ...] = ()
    client: ClientInfo = ClientInfo()
    geolocation: Geolocation = Geolocation()


Step = Callable[["Enricher", Draft], None]


def judge(enricher: "Enricher", draft: Draft) -> None:
    """The bot label and its evidence; remembered where nothing but the request itself speaks."""
    capture = draft.capture
    if len(draft.around) > 1 or draft.delivered_at is not None:
        draft.bot, draft.evidence = _judged(enricher, draft)
        return
    headers, place = capture.headers, draft.place
    key = (
        *(id(headers), capture.act, capture.method, capture.tls),
        *(place.network.label, place.private),
    )
    known = enricher.judged.get(key)
    # Of equal header blocks there is one dictionary (see edge.model.capture.read_block). It is
    # kept with its verdict, so while that is known nothing else can have its id.
    if known is None or known[0] is not headers:
        if len(enricher.judged) >= JUDGED:
            enricher.judged.clear()
        known = enricher.judged[key] = (headers, _judged(enricher, draft))
    draft.bot, draft.evidence = known[1]


def _judged(enricher: "Enricher", draft: Draft) -> tuple[str, tuple[str, ...]]:
    capture = draft.capture
    act = capture.act
    delivered_at = draft.delivered_at
    case = bots.Case(
        capture=capture,
        agent=draft.agent,
        network=draft.place.network,
        private=draft.place.private,
        around=draft.around,
        agents=enricher.agents,
        delay=None if delivered_at is None else (capture.at - delivered_at) / 1_000_000,
        proxy_is_bot=enricher.proxy_is_bot,
        is_open=act is Act.OPEN,
        posted=capture.method == "POST" and act in (Act.UNSUBSCRIBE, Act.RESUBSCRIBE),
        evidence=[],
    )
    bot = bots.judge(case)
    return bot, tuple(case.evidence)


def describe_client(_: "Enricher", draft: Draft) -> None:
    """Client info by the user agent; nothing is known of who reads behind Apple's relay."""
    if draft.bot != bots.APPLE:
        draft.client = draft.agent.info


def locate(_: "Enricher", draft: Draft) -> None:
    """Where from; of Apple's relay and of image proxies only the country means anything."""
    geolocation = draft.place.geolocation
    vague = draft.bot == bots.APPLE or draft.agent.proxy or draft.place.network.country
    if vague and (geolocation.region != "Unknown" or geolocation.city != "Unknown"):
        geolocation = Geolocation(country=geolocation.country)
    draft.geolocation = geolocation


STEPS: Final[tuple[Step, ...]] = (judge, describe_client, locate)
"""In order. User agent and address are read before the first step."""


class Enricher:
    """Labels captures; one per process, not shared between threads."""

    def __init__(
        self,
        *,
        ranges: Ranges,
        geo: Geo,
        gmail_image_proxy: str = "human",
        clock: Clock | None = None,
    ) -> None:
        self.agents = Agents()
        self.proxy_is_bot = gmail_image_proxy == "bot"
        self._ranges = ranges
        self._geo = geo
        self._clock = clock or SystemClock()
        self._places: dict[str, Place] = {}
        self.judged: dict[tuple[object, ...], tuple[dict[str, str], tuple[str, tuple[str, ...]]]]
        self.judged = {}
        """Verdicts of requests without neighbours; :func:`judge` keeps it."""
        self._rules = f"{bots.RULES}+{ranges.version}"
        self._told: tuple[str, ...] = ()

    def label(
        self, capture: Capture, around: Sequence[Capture], delivered_at: int | None = None
    ) -> Labelled:
        """All labels of one capture.

        ``around``: every record of the same message and recipient within the settle window on
        either side, this one included. ``delivered_at``: when the recipient's server took the
        message, in µs since the epoch; rules that need it are skipped without it.
        """
        place = self._places.get(capture.ip)
        if place is None:
            place = self._place(capture.ip)
        agent = self.agents.read(capture.user_agent)
        draft = Draft(capture, around, delivered_at, agent, place)
        for step in STEPS:
            step(self, draft)
        return Labelled(
            draft.client,
            draft.geolocation,
            place.network.label,
            Verdict(draft.bot, draft.evidence, self._rules),
        )

    def _place(self, ip: str) -> Place:
        address = plain_ip(ip)
        if address is None:
            return Place(NOWHERE, Geolocation(), True)
        network = self._ranges.find(address)
        geolocation = self._geo.find(address)
        if network.country and network.country != geolocation.country:
            geolocation = Geolocation(country=network.country)
        private = bool(private_table().find(address))
        if len(self._places) >= PLACES:
            self._places.clear()
        place = self._places[ip] = Place(network, geolocation, private)
        return place

    def problems(self) -> tuple[str, ...]:
        """What an operator should know about the data files, one sentence each."""
        found = [text for text in (self._ranges.problem, self._geo.problem) if text]
        built = self._ranges.built
        if not built:
            found.append("no range data: labels use the built-in table; run `edge ranges update`")
        elif self._clock.now() - built > STALE_AFTER:
            found.append(f"range data is of {self._ranges.version}; run `edge ranges update`")
        if not self._geo.present:
            found.append("no geolocation database: places are Unknown; run `edge geo update`")
        return tuple(found)

    def reload(self) -> None:
        """Follow the data files: cheap (two ``stat`` calls) unless one was replaced."""
        ranges_changed = self._ranges.reload()
        geo_changed = self._geo.reload()
        if ranges_changed or geo_changed:
            self._places.clear()
            self._rules = f"{bots.RULES}+{self._ranges.version}"
            log.info("enrichment data loaded", ranges=self._ranges.version, geo=self._geo.present)
        problems = self.problems()
        for problem in problems:
            if problem not in self._told:
                log.warning("enrichment data", problem=problem)
        self._told = problems


def open_enricher(*, ranges_path: Path, geo_path: Path, gmail_image_proxy: str) -> Enricher:
    """An enricher on the files of a data directory; either may be missing."""
    return Enricher(
        ranges=Ranges(ranges_path), geo=Geo(geo_path), gmail_image_proxy=gmail_image_proxy
    )
