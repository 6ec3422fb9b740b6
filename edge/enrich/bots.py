"""The bot verdict: an ordered list of strong rules, then weak signals that add up.

The first strong rule that answers decides: with a label, or with the empty one of a person. A
rule that only notices something leaves an evidence code and passes on. If no strong rule answers,
two weak signals make ``generic``. Every code is explained in :data:`edge.enrich.evidence.MEANING`
and in ``docs/bots.md``.

What the rules must never do: call a person's image proxy a bot (behind Gmail's and Yahoo's
proxies are readers), call a mailbox provider's one-click unsubscribe a bot for coming from a
server (RFC 8058 says it does), or treat a network alone as proof for an open.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from edge.enrich import burst
from edge.enrich.agents import GMAIL_FIXED_CHROME, Agent, Agents
from edge.enrich.ranges import Network
from edge.model.capture import Capture

RULES: Final = "2026.11"
"""Version of the rules, stored with every verdict; changes whenever a label could."""

GENERIC: Final = "generic"
APPLE: Final = "apple"
GMAIL: Final = "gmail"
PERSON: Final = ""

GOOGLE: Final = frozenset({"google", "google-fetch", "crawler:google"})
CERTAIN: Final = frozenset({"mailsec:eop", "mailsec:barracuda"})
"""Networks from which only a scanner follows links."""

PROBABLE: Final = frozenset({"mailsec:proofpoint", "mailsec:mimecast", "mailsec:ironport"})
"""Networks of scanners that people also browse from (isolation products)."""

_PREFETCH_HEADERS: Final = ("sec-purpose", "purpose", "x-purpose", "x-moz")
_PREFETCH_WORDS: Final = ("prefetch", "preview", "prerender")
_MODERN_CHROME: Final = 80
"""First Chrome that sends Sec-Fetch headers on every TLS request."""


class Case(msgspec.Struct, gc=False):
    """One capture under judgement; rules add to ``evidence`` and may not change anything else.

    ``delay``: seconds since the recipient's server took the message, None if unknown. ``posted``:
    an unsubscribe or resubscribe by POST, which acts for a person whoever sends it.
    ``private``: the address is of a private network, so it says nothing about who asks.
    """

    capture: Capture
    agent: Agent
    network: Network
    private: bool
    around: Sequence[Capture]
    agents: Agents
    delay: float | None
    proxy_is_bot: bool
    is_open: bool
    posted: bool
    evidence: list[str]


Rule = Callable[[Case], str | None]


def by_method(case: Case) -> str | None:
    """HEAD is never a person; nor is any method but GET on a pixel or a link."""
    if case.capture.method == "GET" or case.posted:
        return None
    case.evidence.append("method-head")
    return GENERIC


def by_prefetch(case: Case) -> str | None:
    """The client says itself that nobody is looking."""
    headers = case.capture.headers
    for name in _PREFETCH_HEADERS:
        value = headers.get(name)
        if value is not None and any(word in value.lower() for word in _PREFETCH_WORDS):
            case.evidence.append("hdr-prefetch")
            return GENERIC
    return None


def by_gmail(case: Case) -> str | None:
    """Gmail's own fetchers, which are not its image proxy."""
    code = case.agent.gmail
    google = case.network.label in GOOGLE
    if not code and google and case.capture.user_agent == GMAIL_FIXED_CHROME:
        code = "ua-gmail-fixed"
    if not code:
        return None
    case.evidence.append(code)
    if google:
        case.evidence.append("ip-google")
    return GMAIL


def by_bare(case: Case) -> str | None:
    """``Mozilla/5.0`` alone: Apple's privacy protection on opens, a scanner on clicks.

    Without a network that says otherwise an open counts as Apple's: relay prefixes change faster
    than anybody updates a list.
    """
    if not case.agent.bare or case.posted:
        return None
    label = case.network.label
    if not case.is_open:
        case.evidence.append("ua-bare-click")
        return GENERIC
    if label == "google-fetch":
        return None
    case.evidence.append("ua-bare")
    if label in {"apple-relay", "apple"}:
        case.evidence.append(f"ip-{label}")
        return APPLE
    if label:
        case.evidence.append("ip-dc")
        return GENERIC
    return APPLE


def by_image_proxy(case: Case) -> str | None:
    """A mailbox provider's image proxy: a person opened the message.

    Google's must come from Google's network; a private address (a proxy in front that is not
    listed in EDGE_TRUSTED_PROXIES) cannot tell.
    """
    proxy = case.agent.proxy
    if not proxy or not case.is_open:
        return None
    if proxy == "google" and case.network.label not in GOOGLE and not case.private:
        case.evidence.append("proxy-spoof")
        return GENERIC
    case.evidence.append(f"proxy-{proxy}")
    return GMAIL if proxy == "google" and case.proxy_is_bot else PERSON


def by_google_fetch(case: Case) -> str | None:
    """Any other user agent on an open from the network that fetches images for Gmail."""
    if not case.is_open or case.network.label != "google-fetch":
        return None
    case.evidence.append("ip-google-fetch")
    return GMAIL


def by_empty(case: Case) -> str | None:
    """No user agent at all."""
    if not case.agent.empty or case.posted:
        return None
    case.evidence.append("ua-empty")
    return GENERIC


def by_software(case: Case) -> str | None:
    """The user agent names a scanner, previewer, library or crawler."""
    agent = case.agent
    if agent.mail_client:
        case.evidence.append("ua-mail-client")
        return None
    if not agent.code or (agent.library and case.posted):
        return None
    case.evidence.append(agent.code)
    return GENERIC


def by_certain_scanner(case: Case) -> str | None:
    """Networks of mail security that nobody browses from."""
    label = case.network.label
    if label not in CERTAIN or case.posted or (case.is_open and label != "mailsec:eop"):
        return None
    case.evidence.append(f"net-{label}")
    return GENERIC


def by_probable_scanner(case: Case) -> str | None:
    """Networks of mail security that people also browse from: soon after delivery, a scanner."""
    label = case.network.label
    if label not in PROBABLE or case.posted or case.delay is None or case.delay >= 600:
        return None
    case.evidence += (f"net-{label}", "t<600")
    return GENERIC


def by_burst(case: Case) -> str | None:
    """Part of a sweep over several links of the message."""
    if len(case.around) < 2 or case.posted:
        return None
    capture = case.capture
    source = (capture.ip, capture.user_agent) if case.is_open else None
    code = burst.sweep(case.around, capture.at, source)
    if not code:
        return None
    case.evidence.append(code)
    return GENERIC


def by_instant(case: Case) -> str | None:
    """A click before anybody could have read: scanners look before the mailbox does, some even
    before their server has answered us."""
    if case.is_open or case.posted or case.delay is None or not -600 < case.delay < 2:
        return None
    case.evidence.append("t-instant")
    return GENERIC


STRONG: Final[tuple[Rule, ...]] = (
    by_method,
    by_prefetch,
    by_gmail,
    by_bare,
    by_image_proxy,
    by_google_fetch,
    by_empty,
    by_software,
    by_certain_scanner,
    by_probable_scanner,
    by_burst,
    by_instant,
)
"""In order; the first that answers decides."""


def is_early(case: Case) -> str:
    """Sooner after delivery than most people: 30 s for a click, 10 s for an open."""
    if case.delay is None:
        return ""
    return "t-early" if case.delay < (10 if case.is_open else 30) else ""


def is_hosted(case: Case) -> str:
    """A cloud's or a probable scanner's network (Apple's relay and Google are not clouds)."""
    label = case.network.label
    if label.startswith("dc:"):
        return "net-dc"
    return f"net-{label}" if label in PROBABLE else ""


def lacks_headers(case: Case) -> str:
    """Says it is a Chrome that sends Sec-Fetch headers on TLS, but sends none."""
    capture = case.capture
    if not capture.tls or case.agent.chrome < _MODERN_CHROME:
        return ""
    headers = capture.headers
    gap = "accept-language" not in headers or not (
        "sec-fetch-mode" in headers or "sec-fetch-site" in headers or "sec-fetch-dest" in headers
    )
    return "hdr-gap" if gap else ""


def is_doubled(case: Case) -> str:
    """The same link, within the window, from another address and another operating system."""
    if case.is_open or len(case.around) < 2:
        return ""
    capture = case.capture
    link = capture.link
    system = case.agent.info.client_os
    for seen in case.around[: burst.MOST]:
        if seen.link != link or seen.ip == capture.ip or seen.method == "POST":
            continue
        if case.agents.read(seen.user_agent).info.client_os != system:
            return "dup-os"
    return ""


WEAK: Final = (is_early, is_hosted, lacks_headers, is_doubled)
"""Each counts one; two make ``generic``."""


def judge(case: Case) -> str:
    """The label; ``case.evidence`` then holds the codes that led to it."""
    for rule in STRONG:
        label = rule(case)
        if label is not None:
            return label
    if case.posted:
        case.evidence.append("act-post")
        return PERSON
    found = 0
    for signal in WEAK:
        if code := signal(case):
            case.evidence.append(code)
            found += 1
    return GENERIC if found >= 2 else PERSON
