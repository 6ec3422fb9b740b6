"""Which URLs are tracked, and where they lead."""

import re
from collections.abc import Iterable
from typing import Final

import msgspec

from edge.model.destination import normalise
from edge.model.errors import CallerError, InvalidDestination
from edge.rewriting.report import Reason

MAX_LINKS: Final = 100_000
"""Positions that a token can hold."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_INNER_BREAKS = str.maketrans("", "", "\t\r\n")
_EDGES: Final = "".join(map(chr, range(0x21)))
"""Characters that browsers strip from both ends of a URL (WHATWG URL, section 4.4)."""

MERGE_TAG = re.compile(
    r"\{\{[^{}]*\}\}|\{%[^{}]*%\}|\*\|[^|*]*\|\*|<%[^<>]*%>|%%[^%]+%%|\[\[[^\[\]]*\]\]|\$\{[^{}]*\}"
)
"""Placeholders of other systems: {{ }}, {% %}, *| |*, <% %>, %% %%, [[ ]] and ${ }."""
_OWN_PATH = re.compile(r"/[ocu]/[A-Za-z0-9_-]{20,}(?:[?#].*)?", re.DOTALL)
_HOST_AND_PATH = re.compile(r"(?i)https?://([^/?#\\:@]*)(?::[0-9]*)?(.*)", re.DOTALL)

_OTHER_TRACKERS = re.compile(
    r"(?i)https?://(?:"
    r"[^/]+/ls/click\?upn=|"  # SendGrid
    r"[^/]+/c/eJ[A-Za-z0-9_-]{20}|"  # Mailgun
    r"[^/]*\.awstrack\.me/|"  # Amazon SES
    r"[^/]*\.list-manage[0-9]*\.com/track/click|"  # Mailchimp
    r"(?:[^/]*\.)?mandrillapp\.com/track/click|"  # Mandrill
    r"click\.pstmrk\.it/|"  # Postmark
    r"[^/]*\.sendib[mt][0-9]*\.com/|"  # Brevo
    r"[^/]*\.rs6\.net/|"  # Constant Contact
    r"click\.[^/]+/\?qs=[0-9a-f]{40}|"  # Salesforce Marketing Cloud
    r"[^/]*\.hubspotlinks\.com/|"  # HubSpot
    r"[^/]+/f/a/[A-Za-z0-9_~-]{20}|"  # SparkPost
    r"[^/]*\.safelinks\.protection\.outlook\.com/|"  # rewritten by a recipient's filter
    r"urldefense(?:\.proofpoint)?\.com/)"
)

Exclusion = tuple[bool, str, str]
"""Whether sub-domains are meant, the host, and the beginning of the path."""


class Judged(msgspec.Struct, frozen=True, gc=False):
    """A URL after judgement: a ``destination`` to seal, or the reason to leave it alone."""

    url: str
    destination: str = ""
    reason: Reason | None = None
    detail: str = ""


def exclusions(patterns: Iterable[str]) -> tuple[Exclusion, ...]:
    """Patterns of URLs not to track: ``host``, ``*.host``, either with the beginning of a path.

    ``login.example.com/reset`` means every URL there whose path begins with ``/reset``. Raises
    CallerError for a pattern that names no host.
    """
    found = []
    for pattern in patterns:
        bare = re.sub(r"(?i)^https?://", "", pattern.strip())
        host, slash, path = bare.partition("/")
        below = host.startswith("*.")
        host = host.removeprefix("*.").lower()
        if not re.fullmatch(r"[^\s*/:@?#\\]+", host):
            raise CallerError(f"{pattern!r} names no host: write host, *.host or host/path")
        found.append((below, host, slash + path))
    return tuple(found)


class Judge:
    """What of a message's URLs is tracked; the same for all its parts."""

    def __init__(self, own_hosts: Iterable[str], excluded: Iterable[str]) -> None:
        self._own = frozenset(host.lower() for host in own_hosts)
        self._excluded = exclusions(excluded)

    def judge(self, value: str) -> Judged:
        """A URL as a browser would read it: trimmed, inner line breaks removed, ``//`` as https."""
        url = value.strip(_EDGES).translate(_INNER_BREAKS)
        if MERGE_TAG.search(url):
            return Judged(url, reason=Reason.MERGE_TAG)
        full = "https:" + url if url.startswith("//") else url
        scheme = _SCHEME.match(full)
        if scheme is None:
            return Judged(url, reason=Reason.NOT_ABSOLUTE)
        if scheme[1].lower() not in ("http", "https"):
            return Judged(url, reason=Reason.SCHEME, detail=scheme[1].lower())
        split = _HOST_AND_PATH.match(full)
        if split is not None:
            host, path = split[1].lower(), split[2]
            if host in self._own and _OWN_PATH.fullmatch(path):
                return Judged(url, reason=Reason.OWN_LINK)
            for below, name, beginning in self._excluded:
                same = host == name or (below and host.endswith("." + name))
                if same and (path or "/").startswith(beginning):
                    return Judged(url, reason=Reason.EXCLUDED)
        try:
            return Judged(url, normalise(full))
        except InvalidDestination as error:
            return Judged(url, reason=Reason.UNSEALABLE, detail=str(error))


def other_tracker(url: str) -> bool:
    """Whether a URL has the shape of another tracker's links."""
    return _OTHER_TRACKERS.match(url) is not None
