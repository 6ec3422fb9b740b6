"""Why mail was not delivered: one vocabulary for SMTP replies and for returned mail."""

from enum import StrEnum
from typing import Final


class Phase(StrEnum):
    """What had been sent when a reply came."""

    CONNECT = "connect"
    HELO = "helo"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    DOT = "dot"


class Reason(StrEnum):
    """Why a delivery failed; the same words for replies and for returned mail."""

    USER_UNKNOWN = "user-unknown"
    HOST_UNKNOWN = "host-unknown"
    MOVED = "moved"
    NOT_ACCEPTING = "not-accepting"
    SUSPENDED = "suspended"
    MAILBOX_FULL = "mailbox-full"
    TOO_BIG = "too-big"
    FILTERED = "filtered"
    BLOCKED = "blocked"
    SPAM = "spam"
    POLICY = "policy"
    AUTH_FAILURE = "auth-failure"
    VIRUS = "virus"
    CONTENT = "content"
    RATE_LIMITED = "rate-limited"
    NETWORK = "network"
    RELAY_DENIED = "relay-denied"
    EXPIRED = "expired"
    SYSTEM = "system"
    SYSTEM_FULL = "system-full"
    MAILER = "mailer"
    REJECTED = "rejected"
    ON_HOLD = "on-hold"
    UNDEFINED = "undefined"


HARD: Final = frozenset(
    {Reason.USER_UNKNOWN, Reason.HOST_UNKNOWN, Reason.MOVED, Reason.NOT_ACCEPTING}
)
"""The address or its domain does not exist, has moved, or takes no mail at all."""

MEANING: Final = {
    Reason.USER_UNKNOWN: "there is no such mailbox",
    Reason.HOST_UNKNOWN: "the address's domain does not exist",
    Reason.MOVED: "the recipient has another address now",
    Reason.NOT_ACCEPTING: "the address, or all of its domain, takes no mail at all",
    Reason.SUSPENDED: "the mailbox exists, and is disabled, locked or inactive",
    Reason.MAILBOX_FULL: "the mailbox has no room",
    Reason.TOO_BIG: "the message is larger than the mailbox or the server takes",
    Reason.FILTERED: "the recipient's own settings refuse the sender",
    Reason.BLOCKED: "the sending machine is refused: its address, its reputation, its name in DNS",
    Reason.SPAM: "the message was taken for spam",
    Reason.POLICY: "a rule of the receiving side refuses the message",
    Reason.AUTH_FAILURE: "SPF, DKIM, DMARC or a login failed",
    Reason.VIRUS: "the message was taken for malware",
    Reason.CONTENT: "the message's form is refused: headers, MIME, characters, attachments",
    Reason.RATE_LIMITED: "too much in too short a time",
    Reason.NETWORK: "no way to the server: connection, route, name look-up, a mail loop",
    Reason.RELAY_DENIED: "the server does not feel responsible for the address",
    Reason.EXPIRED: "tried until the message's life was over",
    Reason.SYSTEM: "a fault of the receiving system",
    Reason.SYSTEM_FULL: "the receiving system has no room",
    Reason.MAILER: "a program on the way failed, or two programs did not understand each other",
    Reason.REJECTED: "the sender's address is refused, or the message is without a reason given",
    Reason.ON_HOLD: "to be tried again later: greylisting, a busy server, a quarantine",
    Reason.UNDEFINED: "nothing that any rule knows",
}
"""One line for each reason, for people."""
