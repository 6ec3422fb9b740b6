"""All that a user agent says by itself, read once and remembered.

A drain sees few distinct user agents and many requests, so everything that costs microseconds
(two engines of patterns) hangs on one bounded dictionary.
"""

import re
from typing import Final

import msgspec

from edge.enrich.client import MAIL_FAMILIES, UNKNOWN, ClientParser
from edge.enrich.crawlers import Catalogue, Sort
from edge.model.event import ClientInfo

MAX_LENGTH: Final = 512
"""Characters of a user agent that are looked at; longer ones are padding or an attack."""

CACHE: Final = 20_000
"""Distinct user agents remembered; then all are forgotten and learnt anew (25 MB at most)."""

BARE: Final = "Mozilla/5.0"
"""What Apple's Mail Privacy Protection sends, and nothing else."""

GMAIL_PREFETCH: Final = " Edge/12.246 Mozilla/5.0"
"""End of the user agent with which Gmail loads images of a message nobody opened yet."""

GMAIL_SAMPLING: Final = "Gmail-content-sampling"
"""Part of the user agent with which Gmail samples links."""

GMAIL_FIXED_CHROME: Final = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/104.0.0.0 Safari/537.36"
)
"""A real browser's user agent that Google's fetchers also send; counts only from their network."""

PROXIES: Final = (
    ("google", "GoogleImageProxy"),
    ("yahoo", "YahooMailProxy"),
    ("rambler", "RamblerMail/"),
)
"""Image proxies of mailbox providers: name and what their user agents contain."""

_CHROME = re.compile(r"\bChrome/(\d{1,4})")
_ROBOT = ClientInfo(client_type="robot", device_type="other")


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """One user agent, read.

    ``code``: evidence of a machine (scanner, previewer, library, crawler), or empty. ``gmail``:
    evidence of Gmail's own fetchers. ``proxy``: name of a mailbox provider's image proxy.
    ``chrome``: major version of a Chromium browser that a person uses directly, else 0.
    """

    info: ClientInfo
    code: str = ""
    library: bool = False
    mail_client: bool = False
    gmail: str = ""
    proxy: str = ""
    bare: bool = False
    empty: bool = False
    chrome: int = 0


class Agents:
    """Reads user agents; the same one costs a dictionary lookup from the second time on."""

    def __init__(self) -> None:
        self._parser = ClientParser()
        self._catalogue = Catalogue()
        self._cache: dict[str, Agent] = {}

    def read(self, user_agent: str) -> Agent:
        """What this user agent says; any text is fine, only the first 512 characters count."""
        agent = self._cache.get(user_agent)
        if agent is not None:
            return agent
        text = user_agent[:MAX_LENGTH]
        agent = self._cache.get(text)
        if agent is None:
            if len(self._cache) >= CACHE:
                self._cache.clear()
            agent = self._cache[text] = self._learn(text)
        return agent

    def _learn(self, text: str) -> Agent:
        text = text.strip()
        if text in {"", "-"}:
            return Agent(info=UNKNOWN, empty=True)
        if text == BARE:
            return Agent(info=UNKNOWN, bare=True)
        if text.endswith(GMAIL_PREFETCH):
            return Agent(info=_ROBOT, gmail="ua-gmail-prefetch")
        if GMAIL_SAMPLING in text:
            return Agent(info=_ROBOT, gmail="ua-gmail-sampling")
        text = text.encode("utf-8", "replace").decode("utf-8")  # both engines refuse surrogates
        for name, mark in PROXIES:
            if mark in text:
                return Agent(info=ClientInfo(client_name=self._parser.family(text)), proxy=name)
        software = self._catalogue.find(text)
        info = self._parser.read(text, software)
        mail_client = info.client_type == "email client" or info.client_name in MAIL_FAMILIES
        if mail_client and (software is None or software.sort is not Sort.SCANNER):
            return Agent(info=info, mail_client=True)
        if software is not None:
            return Agent(info=info, code=software.code, library=software.sort is Sort.LIBRARY)
        match = _CHROME.search(text)
        return Agent(info=info, chrome=int(match[1]) if match else 0)
