"""What an SMTP reply means: hard or soft, and why.

The knowledge of texts, statuses and codes is :mod:`edge.returns`', which reads returned mail by the
same; here it is asked about one reply. The rule's name is the verdict's evidence.

Hard is: the address or its domain does not exist, has moved, or takes no mail at all. All else is
soft, whatever the code claims: a 550 about spam says nothing about the address.
"""

import re

import msgspec

from edge.returns.deciding import decide
from edge.returns.reasons import HARD, Phase, Reason

_ENHANCED = re.compile(r"(?:^|[\s(#-])([245])\.(\d{1,3})\.(\d{1,3})(?=$|[^\d.])")
_LINE_STATUS = re.compile(r"(?:^|\n)\s*[245]\.\d{1,3}\.\d{1,3}(?=\s|$)|[245]\d\d-[245]\.\d+\.\d+ ")


class Reply(msgspec.Struct, frozen=True):
    """A server's answer: basic code, enhanced status ("5.1.1" or ""), text without them."""

    code: int
    enhanced: str
    text: str


class Verdict(msgspec.Struct, frozen=True):
    """What became of a delivery that failed.

    ``code`` is the server's, or 0 where no server answered; ``evidence`` names the rule.
    """

    reason: Reason
    code: int
    enhanced: str
    text: str
    evidence: str

    @property
    def hard(self) -> bool:
        """Whether the address is to be suppressed, and not tried again."""
        return self.reason in HARD

    @property
    def severity(self) -> str:
        """``permanent`` for hard, ``temporary`` for soft."""
        return "permanent" if self.hard else "temporary"


def parse_reply(code: int, text: str) -> Reply:
    """A reply from its code and the text that follows it, several lines joined by newlines.

    The enhanced status is the first one whose class is the code's (RFC 2034 § 4), wherever in the
    text it stands: qmail and proxies put it last. It is taken out where it opens a line.
    """
    enhanced = ""
    for match in _ENHANCED.finditer(text):
        if match[1] == str(code)[:1]:
            enhanced = f"{match[1]}.{int(match[2])}.{int(match[3])}"
            break
    return Reply(code, enhanced, " ".join(_LINE_STATUS.sub(" ", text).split()))


def classify(reply: Reply, phase: Phase) -> Verdict:
    """The verdict on a reply that refuses; total: any code and text have one."""
    found = decide(reply.code, reply.enhanced, reply.text, phase)
    return Verdict(found.reason, reply.code, reply.enhanced, reply.text, found.rule)


def unanswered(reason: Reason, evidence: str, text: str) -> Verdict:
    """The verdict where no server answered: DNS, connection, TLS, a deadline."""
    return Verdict(reason, 0, "", text, evidence)
