"""The figures that bot labels are accepted by; each run prints its misses and false positives."""

from collections.abc import Sequence

import crawleruseragents
import pytest

from edge.enrich.crawlers import IMAGE_PROXIES, PEOPLE
from edge.model.capture import Act
from tests.unit.enrich.machines import CRAWLERS, LIBRARIES, MACHINES, PREVIEWERS, SCANNERS
from tests.unit.enrich.people import BROWSERS, MAIL_CLIENTS, RARE_DEVICES, chrome, ios
from tests.unit.enrich.world import (
    GOOGLE_FETCHER,
    GOOGLE_PROXY,
    HOME,
    YAHOO_PROXY,
    capture,
    label,
    verdict,
)


def _flagged(agents: Sequence[str], act: Act) -> list[str]:
    return [ua for ua in agents if label(capture(act, ua)).verdict.bot]


def test_lists_are_as_long_as_promised() -> None:
    """A share of a short list proves nothing; no string counts twice."""
    for agents, fewest in ((BROWSERS, 100), (MAIL_CLIENTS, 60), (RARE_DEVICES, 40)):
        assert len(agents) == len(set(agents)) >= fewest
    assert len(MACHINES) == len(set(MACHINES)) >= 150


@pytest.mark.parametrize("act", [Act.OPEN, Act.CLICK])
@pytest.mark.parametrize(
    "name, agents, share",
    [
        ("browsers", BROWSERS, 0.0),
        ("mail clients", MAIL_CLIENTS, 0.01),
        ("rare", RARE_DEVICES, 0.02),
    ],
    ids=["browsers", "mail-clients", "rare-devices"],
)
def test_people_are_not_called_bots(
    name: str, agents: Sequence[str], share: float, act: Act
) -> None:
    """None of the commonest browsers, at most 1 % of mail clients and 2 % of rare devices."""
    wrong = _flagged(agents, act)
    print(f"{name}, {act.name}: {len(wrong)} false positives of {len(agents)}", *wrong, sep="\n  ")
    assert len(wrong) <= share * len(agents)


@pytest.mark.parametrize("act", [Act.OPEN, Act.CLICK])
def test_machines_are_recognised(act: Act) -> None:
    """At least 92 % of scanners, previewers, libraries and crawlers, from a network of people."""
    missed = []
    for agents in (SCANNERS, PREVIEWERS, LIBRARIES, CRAWLERS):
        missed += [ua for ua in agents if label(capture(act, ua)).verdict.bot != "generic"]
    print(f"{act.name}: {len(missed)} missed of {len(MACHINES)}", *missed, sep="\n  ")
    assert len(missed) <= 0.08 * len(MACHINES)


def test_whoever_is_called_a_bot_is_told_why() -> None:
    """No label without evidence."""
    for ua in [*MACHINES, "", "Mozilla/5.0"]:
        for act in Act:
            bot, evidence = verdict(capture(act, ua))
            assert evidence or not bot, (ua, act)


def test_image_proxies_are_never_called_bots() -> None:
    """Behind Gmail's, Yahoo's and Rambler's proxies are people who opened a message."""
    rambler = "RamblerMail/6.0 (incompatible; ImageProxy/6.0)"
    addresses = (GOOGLE_FETCHER, "66.102.8.9", "74.125.210.30", "64.233.172.4", "66.249.93.77")
    for ip in addresses:
        assert verdict(capture(Act.OPEN, GOOGLE_PROXY, ip)) == ("", ("proxy-google",))
    assert verdict(capture(Act.OPEN, YAHOO_PROXY, HOME)) == ("", ("proxy-yahoo",))
    assert verdict(capture(Act.OPEN, rambler, HOME)) == ("", ("proxy-rambler",))


def test_apps_that_open_links_are_people() -> None:
    """A window inside an app, and telephones named like crawlers, are not crawlers."""
    apps = [
        *(ios("17_5", f"Mobile/15E148 {app}/20.1") for app in ("Viber", "PayPal", "Tumblr")),
        *(chrome("Windows NT 10.0; Win64; x64", 118, f" {app}/2.2") for app in ("Notion", "Asana")),
        *(
            chrome(f"Linux; Android 13; {phone}", 120, mobile=True)
            for phone in ("Yeti 12", "Sonic 5")
        ),
    ]
    assert not _flagged(apps, Act.CLICK)


def test_patterns_taken_out_are_in_the_package() -> None:
    """A pattern that the package renamed would come back unnoticed."""
    patterns = {entry["pattern"] for entry in crawleruseragents.CRAWLER_USER_AGENTS_DATA}
    assert patterns >= IMAGE_PROXIES | PEOPLE
