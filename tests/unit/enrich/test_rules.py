"""Each rule of the verdict, alone and in its order."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.enrich.evidence import MEANING, meaning
from edge.model.capture import Act
from edge.model.tokens import ClickTarget
from tests.unit.enrich.people import MAIL_CLIENTS
from tests.unit.enrich.world import (
    APPLE_RELAY,
    CHROME,
    CLOUD,
    GMAIL_PREFETCH,
    GOOGLE_FETCHER,
    GOOGLE_PROXY,
    HOME,
    NOW,
    capture,
    enricher,
    label,
    verdict,
)

EOP = "104.47.1.2"
BARRACUDA = "209.222.82.9"
PROOFPOINT = "148.163.130.4"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
)
SECOND = 1_000_000


@pytest.mark.parametrize("act", [Act.OPEN, Act.CLICK, Act.UNSUBSCRIBE_PAGE])
@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", ""])
def test_only_get_can_be_a_person(act: Act, method: str) -> None:
    """HEAD and every other method is generic, whoever sends it."""
    one = capture(act, CHROME, APPLE_RELAY, method=method or "BREW")
    assert verdict(one) == ("generic", ("method-head",))


@pytest.mark.parametrize(
    "name, value",
    [("sec-purpose", "prefetch;prerender"), ("purpose", "Prefetch"), ("x-purpose", "preview"),
     ("x-moz", "prefetch")],
)  # fmt: skip
def test_prefetch_says_so_itself(name: str, value: str) -> None:
    """Every header by which browsers mark what nobody looks at yet."""
    assert verdict(capture(Act.CLICK, headers={name: value})) == ("generic", ("hdr-prefetch",))


def test_gmail_prefetch_and_sampling() -> None:
    """Gmail's own fetchers by their user agents; their network is further evidence."""
    assert verdict(capture(Act.OPEN, GMAIL_PREFETCH)) == ("gmail", ("ua-gmail-prefetch",))
    sampler = GMAIL_PREFETCH.replace(" Mozilla/5.0", " Mozilla/5.0 Gmail-content-sampling", 1)
    bot, evidence = verdict(capture(Act.CLICK, f"{CHROME} Gmail-content-sampling", GOOGLE_FETCHER))
    assert (bot, evidence) == ("gmail", ("ua-gmail-sampling", "ip-google"))
    assert label(capture(Act.CLICK, sampler)).verdict.bot == "gmail"
    assert label(capture(Act.OPEN, GMAIL_PREFETCH)).client.client_type == "robot"


def test_old_edge_of_a_person_is_not_gmail() -> None:
    """The same browser without the odd tail is a person's Edge 12."""
    assert verdict(capture(Act.OPEN, GMAIL_PREFETCH.removesuffix(" Mozilla/5.0"))) == ("", ())


def test_one_old_chrome_is_gmail_only_from_google() -> None:
    """The fixed Chrome 104 is also a real browser."""
    ua = CHROME.replace("126", "104")
    assert verdict(capture(Act.CLICK, ua)) == ("", ())
    assert verdict(capture(Act.CLICK, ua, GOOGLE_FETCHER))[0] == "gmail"


@pytest.mark.parametrize(
    "ip, bot, evidence",
    [
        (APPLE_RELAY, "apple", ("ua-bare", "ip-apple-relay")),
        ("2a02:26f7:c9c4::1", "apple", ("ua-bare", "ip-apple-relay")),
        ("17.58.0.1", "apple", ("ua-bare", "ip-apple")),
        ("::ffff:17.58.0.1", "apple", ("ua-bare", "ip-apple")),
        (HOME, "apple", ("ua-bare",)),
        ("", "apple", ("ua-bare",)),
        (CLOUD, "generic", ("ua-bare", "ip-dc")),
        (PROOFPOINT, "generic", ("ua-bare", "ip-dc")),
        (GOOGLE_FETCHER, "gmail", ("ip-google-fetch",)),
    ],
)
def test_bare_user_agent_on_an_open(ip: str, bot: str, evidence: tuple[str, ...]) -> None:
    """Apple's, unless the network is known to be somebody else's."""
    assert verdict(capture(Act.OPEN, "Mozilla/5.0", ip)) == (bot, evidence)


def test_bare_user_agent_on_a_click_is_a_scanner() -> None:
    """Apple's privacy protection follows no links, not even from Apple's relay."""
    for act in (Act.CLICK, Act.UNSUBSCRIBE_BY_GET):
        one = capture(act, "Mozilla/5.0", APPLE_RELAY)
        assert verdict(one) == ("generic", ("ua-bare-click",))


def test_people_behind_apple_s_relay_and_inside_apple() -> None:
    """A relay address with a browser is a reader with Private Relay; 17/8 has employees."""
    for ip in (APPLE_RELAY, "17.58.0.1"):
        for act in (Act.OPEN, Act.CLICK):
            assert verdict(capture(act, SAFARI, ip), delivered_at=NOW - 20 * SECOND)[0] == ""


def test_client_of_an_apple_open_is_unknown() -> None:
    """Nothing is known of who reads behind Apple's relay."""
    client = label(capture(Act.OPEN, "Mozilla/5.0", APPLE_RELAY)).client
    assert {client.client_name, client.client_os, client.client_type, client.device_type} == {
        "unknown"
    }


def test_spoofed_google_proxy() -> None:
    """Gmail's proxy comes from Google's network; a private address can neither prove nor deny."""
    for ip in (HOME, CLOUD, APPLE_RELAY, "203.0.113.9"):
        assert verdict(capture(Act.OPEN, GOOGLE_PROXY, ip)) == ("generic", ("proxy-spoof",))
    for ip in ("10.1.2.3", "127.0.0.1", "", "fd00::1"):
        assert verdict(capture(Act.OPEN, GOOGLE_PROXY, ip)) == ("", ("proxy-google",))


def test_google_proxy_can_be_counted_as_a_bot() -> None:
    """``EDGE_GMAIL_IMAGE_PROXY=bot`` is Mailgun's literal reading."""
    one = capture(Act.OPEN, GOOGLE_PROXY, GOOGLE_FETCHER)
    assert verdict(one, proxy="bot") == ("gmail", ("proxy-google",))


def test_google_fetcher_without_its_proxy() -> None:
    """Any other user agent on an open from there is Gmail's; on a click it proves nothing."""
    assert verdict(capture(Act.OPEN, CHROME, GOOGLE_FETCHER)) == ("gmail", ("ip-google-fetch",))
    assert verdict(capture(Act.CLICK, CHROME, GOOGLE_FETCHER))[0] == ""


@pytest.mark.parametrize("ua", [None, "", "  ", "-"])
def test_no_user_agent(ua: str | None) -> None:
    """Every mail client and browser sends one."""
    assert verdict(capture(Act.OPEN, ua)) == ("generic", ("ua-empty",))
    assert verdict(capture(Act.CLICK, ua)) == ("generic", ("ua-empty",))


def test_mail_clients_are_told_from_software() -> None:
    """A mail client's name protects from the lists of crawlers, and shows in the evidence."""
    outlook = next(ua for ua in MAIL_CLIENTS if "Microsoft Outlook" in ua)
    assert verdict(capture(Act.OPEN, outlook)) == ("", ("ua-mail-client",))
    assert verdict(capture(Act.OPEN, "Microsoft Office Existence Discovery"))[0] == "generic"


def test_certain_mail_security() -> None:
    """Exchange Online Protection neither reads nor clicks; Barracuda's network is sure of clicks."""
    assert verdict(capture(Act.CLICK, CHROME, EOP)) == ("generic", ("net-mailsec:eop",))
    assert verdict(capture(Act.OPEN, CHROME, EOP)) == ("generic", ("net-mailsec:eop",))
    assert verdict(capture(Act.CLICK, CHROME, BARRACUDA)) == ("generic", ("net-mailsec:barracuda",))
    assert verdict(capture(Act.OPEN, CHROME, BARRACUDA))[0] == ""


def test_probable_mail_security_only_soon_after_delivery() -> None:
    """People browse through isolation products too, but not within ten minutes of everything."""
    one = capture(Act.CLICK, CHROME, PROOFPOINT)
    soon = verdict(one, delivered_at=NOW - 599 * SECOND)
    assert soon == ("generic", ("net-mailsec:proofpoint", "t<600"))
    assert verdict(one, delivered_at=NOW - 601 * SECOND)[0] == ""
    assert verdict(one)[0] == ""


def test_instant_click() -> None:
    """Nobody clicks within two seconds of delivery; a scanner may even click before it."""
    for delay in (-3, 0, 1.9):
        bot, evidence = verdict(capture(Act.CLICK), delivered_at=NOW - int(delay * SECOND))
        assert (bot, evidence) == ("generic", ("t-instant",))
    assert verdict(capture(Act.CLICK), delivered_at=NOW - 2 * SECOND) == ("", ("t-early",))
    assert verdict(capture(Act.OPEN), delivered_at=NOW - SECOND) == ("", ("t-early",))


def test_one_weak_signal_is_not_enough_and_two_are() -> None:
    """A cloud address alone proves nothing; soon after delivery it does."""
    cloud = capture(Act.CLICK, CHROME, CLOUD)
    assert verdict(cloud) == ("", ("net-dc",))
    assert verdict(cloud, delivered_at=NOW - 20 * SECOND) == ("generic", ("t-early", "net-dc"))
    assert verdict(cloud, delivered_at=NOW - 40 * SECOND) == ("", ("net-dc",))


def test_header_gap_only_counts_over_tls() -> None:
    """Over plain http no browser sends Sec-Fetch headers."""
    whole = {"accept-language": "en", "sec-fetch-mode": "navigate"}
    assert verdict(capture(Act.CLICK, CHROME, CLOUD, tls=True)) == (
        "generic",
        ("net-dc", "hdr-gap"),
    )
    assert verdict(capture(Act.CLICK, CHROME, CLOUD, tls=True, headers=whole))[0] == ""
    assert verdict(capture(Act.CLICK, CHROME, HOME, tls=True)) == ("", ("hdr-gap",))
    assert verdict(capture(Act.CLICK, CHROME.replace("126", "79"), HOME, tls=True)) == ("", ())


def test_same_link_from_another_system() -> None:
    """A scanner repeats a person's click from its own machine: weak, so a cloud must concur."""
    person = capture(Act.CLICK, SAFARI, HOME, position=3)
    scanner = capture(Act.CLICK, CHROME, CLOUD, position=3, at=NOW + SECOND)
    around = (person, scanner)
    assert enricher().label(scanner, around).verdict.evidence == ("net-dc", "dup-os")
    assert enricher().label(scanner, around).verdict.bot == "generic"
    assert enricher().label(person, around).verdict.bot == ""


@pytest.mark.parametrize("ua", ["", "Mozilla/5.0", "Go-http-client/2.0", CHROME])
@pytest.mark.parametrize("ip", [CLOUD, EOP, PROOFPOINT, GOOGLE_FETCHER, HOME])
def test_one_click_unsubscribe_is_a_person_s(ua: str, ip: str) -> None:
    """RFC 8058: the mailbox provider's server POSTs it, for a person, from wherever it stands."""
    one = capture(Act.UNSUBSCRIBE, ua, ip)
    assert verdict(one, delivered_at=NOW) == ("", ("act-post",))


def test_named_scanner_s_unsubscribe_is_generic() -> None:
    """A server that calls itself a crawler does not act for a person; nor does a GET from a cloud."""
    assert verdict(capture(Act.UNSUBSCRIBE, "Barracuda Sentinel (EE)"))[0] == "generic"
    assert verdict(capture(Act.UNSUBSCRIBE_BY_GET, "python-requests/2.32.3"))[0] == "generic"


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(Act),
    st.text(max_size=600),
    st.text(max_size=40),
    st.text(max_size=10),
    st.booleans(),
    st.one_of(st.none(), st.integers(-(2**63), 2**63)),
)
def test_label_never_raises(
    act: Act, ua: str, ip: str, method: str, tls: bool, delivered_at: int | None
) -> None:
    """Whatever text arrives: NUL, surrogates, no address at all."""
    one = capture(act, ua, ip, method=method, tls=tls, headers={"purpose": ua})
    found = label(one, delivered_at=delivered_at)
    assert found.verdict.bot in {"", "apple", "gmail", "generic"}
    assert all(meaning(code) != "Unknown code." for code in found.verdict.evidence)


@pytest.mark.parametrize(
    "ua", ["A" * 8192, "\x00" * 600, "\ud800 bot/1.0", "(" * 8000, "Mozilla/5.0 " + "é" * 4000]
)
@pytest.mark.parametrize("ip", ["", "::ffff:1.2.3.4", "999.1.1.1", "fe80::1%eth0", "\x00", "1.2.3"])
def test_odd_input_is_labelled(ua: str, ip: str) -> None:
    """Long, broken and empty values are judged like any other."""
    assert label(capture(Act.CLICK, ua, ip)).verdict.rules


def test_user_agents_are_read_to_512_characters() -> None:
    """What comes later is padding, and may not be remembered either."""
    hidden = "A" * 512 + " bingbot/2.0"
    assert verdict(capture(Act.CLICK, hidden)) == ("", ())


def test_every_code_of_the_rules_has_a_meaning() -> None:
    """Codes written in the rules are those that ``edge explain`` can put in words."""
    assert meaning("burst:9/1") == MEANING["burst"]
    assert meaning("ua-crawler:bingbot") == MEANING["ua-crawler"]
    assert meaning("nonsense") == "Unknown code."
    assert isinstance(capture(Act.CLICK).target, ClickTarget)
