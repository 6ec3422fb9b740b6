"""A finding: what is wrong, how it shows, what was expected, and the step that mends it; pure."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final, Literal

import msgspec

LONGEST: Final = 500
"""Characters of a text that came from outside."""


Code = Literal[
    "aaaa-elsewhere",
    "address-untested",
    "addresses-copied",
    "addresses-elsewhere",
    "caa-account",
    "caa-critical",
    "caa-forbids",
    "caa-unanswered",
    "caa-unnamed",
    "cloudflare-proxy",
    "cname-at-apex",
    "cname-chain",
    "cname-loop",
    "cname-missing",
    "cname-wrong",
    "dkim-broken",
    "dkim-missing",
    "dkim-other-key",
    "dkim-revoked",
    "dkim-several",
    "dkim-testing",
    "dns-failed",
    "dnssec-bogus",
    "edge-name-missing",
    "edge-name-unresolved",
    "hsts-parent",
    "hsts-preloaded",
    "ipv6-not-us",
    "local-name",
    "mx-elsewhere",
    "mx-missing",
    "mx-not-first",
    "not-finished",
    "port-80",
    "resolvers-disagree",
    "spf-broken",
    "spf-lookups",
    "spf-missing",
    "spf-not-ours",
    "spf-several",
    "wildcard",
]
"""What programs may rely on: a code never changes its meaning."""


class Severity(StrEnum):
    """``error``: it does not work. ``warning``: it works, and will not for long or for everybody.

    ``note``: nothing is wrong; good to know.
    """

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Validity(StrEnum):
    """How Mailgun's API calls the state of a DNS record."""

    VALID = "valid"
    INVALID = "invalid"
    UNKNOWN = "unknown"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was found.

    ``code`` is for programs (``docs/doctor.md`` describes all); ``about`` is the name that it is
    about.
    """

    code: Code
    about: str
    seen: str
    expected: str
    mend: str
    severity: Severity = Severity.ERROR

    def as_json(self) -> dict[str, Any]:
        """All fields as JSON has them."""
        return {
            "code": self.code,
            "severity": self.severity.value,
            "about": self.about,
            "seen": self.seen,
            "expected": self.expected,
            "mend": self.mend,
        }


def shown(text: str, longest: int = LONGEST) -> str:
    """A text from outside, cut and without control characters, for terminals and logs."""
    cut = text[:longest] + ("…" if len(text) > longest else "")
    return "".join(one if one.isprintable() else "\ufffd" for one in cut)


def listed(values: Iterable[str]) -> str:
    """Some values in a sentence; ``nothing`` for none."""
    return shown(", ".join(sorted(values))) or "nothing"


def is_wrong(findings: Iterable[Finding]) -> bool:
    """Whether anything needs mending."""
    return any(one.severity is not Severity.NOTE for one in findings)
