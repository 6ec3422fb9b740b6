"""What an SMTP reply means: hard or soft, and why.

A reply is read in three steps, the first that knows it decides: the *text* rules below, in order
(the text is what servers are most exact about); the *enhanced status* (RFC 3463 and its registry);
the *basic code* (RFC 5321 § 4.2). The rule's name is the verdict's evidence.

Hard is: the address or its domain does not exist, has moved, or takes no mail at all. All else is
soft, whatever the code claims: a 550 about spam says nothing about the address. A status alone is
hard only with a 5: many servers say 4.1.1 when their directory is away.
"""

import re
from enum import StrEnum
from typing import Final

import msgspec

_ENHANCED = re.compile(r"(?:^|[\s(#-])([245])\.(\d{1,3})\.(\d{1,3})(?=$|[^\d.])")
_LINE_STATUS = re.compile(r"(?:^|\n)\s*[245]\.\d{1,3}\.\d{1,3}(?=\s|$)|[245]\d\d-[245]\.\d+\.\d+ ")


class Phase(StrEnum):
    """What had been sent when the reply came."""

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


class Rule(msgspec.Struct, frozen=True):
    """Text that decides; ``source`` says where the text is documented."""

    name: str
    reason: Reason
    pattern: re.Pattern[str]
    source: str
    phases: frozenset[Phase] = frozenset(Phase)


def _rule(name: str, reason: Reason, pattern: str, source: str, *phases: Phase) -> Rule:
    compiled = re.compile(pattern, re.IGNORECASE)
    return Rule(name, reason, compiled, source, frozenset(phases or Phase))


# In order. First what is about the sender or the message though it names a mailbox or a domain;
# then the address, its mailbox; then reputation and policy; last what only delays.
RULES: Final = (
    _rule(
        "sender-address",
        Reason.POLICY,
        r"sender (address )?(rejected|verif|unknown)|domain of sender|(invalid|bad) sender",
        "Postfix postconf(5) reject_unknown_sender_domain; Exim specification ch. 44; Sendmail cf/README",
    ),
    _rule(
        "helo-name",
        Reason.POLICY,
        r"helo command rejected|invalid helo|need fully-qualified hostname",
        "Postfix postconf(5) smtpd_helo_restrictions",
    ),
    _rule(
        "reverse-dns",
        Reason.AUTH_FAILURE,
        r"cannot find your (reverse )?hostname|reverse dns|\bptr record setup|"
        r"must have a ptr|no ptr record|missing ptr",
        "Postfix postconf(5) reject_unknown_client_hostname; Gmail 5.7.25; Comcast postmaster page",
    ),
    _rule(
        "authentication",
        Reason.AUTH_FAILURE,
        r"\bdmarc\b|\bdkim\b|\bspf\b|unauthenticated|required authentication level|"
        r"authentication (checks|credentials|required$)",
        "RFC 7372; Gmail SMTP errors; Outlook 5.7.509, 5.7.515; Yahoo SMTP error codes",
    ),
    _rule(
        "relay",
        Reason.RELAY_DENIED,
        r"relay(ing)? (access )?(is )?(denied|not permitted|prohibited)|unable to relay|"
        r"credentials for relay|allowed rcpthosts|relaying (denied|not allowed)|we do not relay",
        "Postfix, Sendmail, Exim and qmail-smtpd sources; Exchange NDR 5.7.54, 5.7.64; Gmail 5.7.1",
    ),
    _rule(
        "virus",
        Reason.VIRUS,
        r"\bvirus|malware|infected|potential security issue",
        "Exim specification ch. 45; Gmail 5.7.0",
    ),
    _rule(
        "too-big",
        Reason.TOO_BIG,
        r"message (size|length|file too big)|size limit|too (large|big)\b|databytes|RecipSizeLimit",
        "RFC 1870; RFC 3463 X.2.3, X.3.4; qmail-smtpd(8)",
    ),
    _rule(
        "rate-of-mailbox",
        Reason.RATE_LIMITED,
        r"at a rate that|per hour message receive limit|sending limit exceeded|send limit|"
        r"frequency limit|unusual sending activity",
        "Gmail 4.2.1, 5.2.1, 5.4.5; Exchange NDR 5.2.121; GMX; QQ; Zoho",
    ),
    _rule(
        "mailbox-full",
        Reason.MAILBOX_FULL,
        r"mailbox[^.;]{0,20}\bfull|over ?quota|quota ?exceeded|out of storage|"
        r"exceeded storage allocation|mailfolder is full|inbox is full|account is full",
        "RFC 3463 X.2.2; Gmail 5.2.2; Yahoo; Exim",
    ),
    _rule(
        "suspended",
        Reason.SUSPENDED,
        r"(account|mailbox|user|reach)[^.;]{0,30}\b(disabled|suspended|inactive|discontinued|deactivated|locked)",
        "RFC 3463 X.2.1; Gmail 5.2.1; Yahoo 554 dd; Mail.ru",
    ),
    _rule(
        "moved",
        Reason.MOVED,
        r"(user|mailbox|recipient|account) (has |is )?moved|no longer at this address|please try <",
        "RFC 5321 § 3.4 (551); RFC 3463 X.1.6; Postfix relocated(5)",
    ),
    _rule(
        "no-mail-here",
        Reason.NOT_ACCEPTING,
        r"null mx|(does not|doesn't|never) accepts? (any )?mail\b",
        "RFC 7504 (521, 556); RFC 7505",
    ),
    _rule(
        "recipient-domain",
        Reason.HOST_UNKNOWN,
        r"recipient address rejected: (domain|host) not found|host unknown|"
        r"dns domain \S+ does not exist|no such domain|domain (name )?not found|bad destination system",
        "Postfix postconf(5) reject_unknown_recipient_domain; Sendmail; Exchange NDR 5.4.310",
    ),
    _rule(
        "recipient",
        Reason.USER_UNKNOWN,
        r"(user|recipient|account|mailbox|alias|addressee)( is)? (unknown|not found|not exist)|"
        r"no such (user|recipient|mailbox|address|account)|unknown (user|recipient|local|or illegal alias)|"
        r"(recipient|user|account|address|email account)[^.;]{0,60}(does not|doesn't) (exist|have a)|"
        r"user doesn't have|invalid (recipient|mailbox)|no mailbox here|unrouteable address|recip(ient)?NotFound|"
        r"undeliverable address|not our customer|requested action not taken: mailbox unavailable \(S|"
        r"recipient address rejected: access denied|bad destination mailbox",
        "Postfix, Sendmail, Exim and qmail sources; Gmail 5.1.1; Yahoo 552 1; Outlook S2017062302, 5.4.1; Exchange NDR 5.1.10",
    ),
    _rule(
        "rate",
        Reason.RATE_LIMITED,
        r"rate limit|too many (concurrent|connections|recipients|messages)|throttl|tss04|RP-00\d|"
        r"message temporarily deferred|\bRL0000|unusual rate(?!.*has been blocked)|try again later, closing",
        "Gmail 4.7.28; Yahoo TSS04; Outlook RP-001; Comcast RL000003; Postfix anvil(8)",
    ),
    _rule(
        "blocked",
        Reason.BLOCKED,
        r"\b(block ?list|black ?list|spamhaus|dnsbl|rbl|banned)|blocked using|blocked - see|ip blocked|"
        r"\b(SC|OU|DY)-00\d|tss09|\bBL0000|from your ip address has been blocked|\bNOWL\b|ipcheck|"
        r"black listed|no smtp service",
        "Postfix reject_rbl_client; Outlook SC/OU/DY-001, S3140; Yahoo BL21, TSS09; Proofpoint; GMX; T-Online",
    ),
    _rule(
        "spam",
        Reason.SPAM,
        r"\bspam\b|unsolicited|suspicion of spam|mail content denied",
        "Gmail 5.7.1; Yandex; Mail.ru; QQ; GMX; Exchange content filter",
    ),
    _rule(
        "greylisted",
        Reason.ON_HOLD,
        r"gr[ea]y-?list|server busy|please come back later|please try later|try again in \d",
        "Postgrey; RFC 6647; Outlook 4.7.500; Exim",
    ),
    _rule(
        "content",
        Reason.CONTENT,
        r"rfc 5?322 compliant|8-bit characters in message|\bmedia error|non-ascii address",
        "Gmail 5.7.1; Postfix header_checks, strict_7bit_headers; RFC 3463 X.6",
    ),
    _rule(
        "header-syntax",
        Reason.MAILER,
        r"not valid syntax|syntax error",
        "Exim verify = header_syntax; RFC 5321 § 4.2.3",
    ),
    _rule(
        "policy",
        Reason.POLICY,
        r"policy|not authori[sz]ed|NotAuthenticatedForGroup|allowed-?senders",
        "RFC 3463 X.7.1; Yahoo PH01; iCloud CS01, HM08; Exchange NDR 5.7.124, 5.7.133",
    ),
    _rule(
        "loop",
        Reason.NETWORK,
        r"hop count|mail loop|routing loop|too many hops",
        "RFC 3463 X.4.6; Exchange NDR 5.4.14",
    ),
    _rule(
        "storage",
        Reason.SYSTEM_FULL,
        r"insufficient (system )?(storage|resources)|disk full|no space left",
        "RFC 5321 § 4.2.3 (452); Postfix; Exchange back pressure",
    ),
    _rule(
        "network",
        Reason.NETWORK,
        r"timeout exceeded|dns query failed|connection (timed out|refused)",
        "Postfix smtpd(8); Exchange NDR 4.4.0",
    ),
    _rule(
        "temporary",
        Reason.SYSTEM,
        r"temporar(y|ily) (lookup|system|local|rejected|unavailable)|service (shutting|not available)|"
        r"server configuration error|resources temporarily",
        "Postfix; Gmail 4.3.0; Yahoo; RFC 5321 § 3.8",
    ),
)

# RFC 3463 and the IANA registry of enhanced status codes (RFC 5248): subject.detail.
STATUS: Final = {
    "1.1": Reason.USER_UNKNOWN,
    "1.2": Reason.HOST_UNKNOWN,
    "1.3": Reason.USER_UNKNOWN,
    "1.6": Reason.MOVED,
    "1.7": Reason.POLICY,
    "1.8": Reason.POLICY,
    "1.10": Reason.NOT_ACCEPTING,
    "2.0": Reason.REJECTED,
    "2.1": Reason.SUSPENDED,
    "2.2": Reason.MAILBOX_FULL,
    "2.3": Reason.TOO_BIG,
    "2.4": Reason.POLICY,
    "3.1": Reason.SYSTEM_FULL,
    "3.2": Reason.SYSTEM,
    "3.4": Reason.TOO_BIG,
    "4.7": Reason.EXPIRED,
    "5.3": Reason.RATE_LIMITED,
    "7.8": Reason.AUTH_FAILURE,
    "7.9": Reason.AUTH_FAILURE,
    "7.20": Reason.AUTH_FAILURE,
    "7.21": Reason.AUTH_FAILURE,
    "7.22": Reason.AUTH_FAILURE,
    "7.23": Reason.AUTH_FAILURE,
    "7.24": Reason.AUTH_FAILURE,
    "7.25": Reason.AUTH_FAILURE,
    "7.26": Reason.AUTH_FAILURE,
    "7.27": Reason.NOT_ACCEPTING,
}
# Of the subject alone (RFC 3463 § 3), where the detail is not in the table.
SUBJECT: Final = {
    "3": Reason.SYSTEM,
    "4": Reason.NETWORK,
    "5": Reason.MAILER,
    "6": Reason.CONTENT,
    "7": Reason.POLICY,
}
# RFC 5321 §§ 4.2.2, 4.2.3; RFC 7504 for 521 and 556; RFC 4954 for 530, 534, 535 and 538.
CODE: Final = {
    421: Reason.SYSTEM,
    432: Reason.SYSTEM,
    451: Reason.SYSTEM,
    452: Reason.SYSTEM_FULL,
    454: Reason.SYSTEM,
    500: Reason.MAILER,
    501: Reason.MAILER,
    502: Reason.MAILER,
    503: Reason.MAILER,
    504: Reason.MAILER,
    521: Reason.NOT_ACCEPTING,
    530: Reason.AUTH_FAILURE,
    534: Reason.AUTH_FAILURE,
    535: Reason.AUTH_FAILURE,
    538: Reason.AUTH_FAILURE,
    551: Reason.MOVED,
    552: Reason.MAILBOX_FULL,
    556: Reason.NOT_ACCEPTING,
}


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
    reason, evidence = _decide(reply, phase)
    if reason in HARD and phase not in _ABOUT_ADDRESS.get(reason, frozenset(Phase)):
        reason, evidence = Reason.REJECTED, f"{evidence}-before-rcpt"
    return Verdict(reason, reply.code, reply.enhanced, reply.text, evidence)


# Before RCPT a server does not know the recipient: "user unknown" there is about the sender.
_AFTER_MAIL: Final = frozenset({Phase.RCPT, Phase.DATA, Phase.DOT})
_ABOUT_ADDRESS: Final = {
    Reason.USER_UNKNOWN: _AFTER_MAIL,
    Reason.HOST_UNKNOWN: _AFTER_MAIL,
    Reason.MOVED: _AFTER_MAIL,
}


def _decide(reply: Reply, phase: Phase) -> tuple[Reason, str]:
    for rule in RULES:
        if phase in rule.phases and rule.pattern.search(reply.text):
            return rule.reason, rule.name
    if reply.enhanced:
        kind, _, detail = reply.enhanced.partition(".")
        reason = STATUS.get(detail) or SUBJECT.get(detail.partition(".")[0])
        if reason in HARD and kind != "5":
            return Reason.REJECTED, f"status-{reply.enhanced}-not-final"
        if reason is not None:
            return reason, f"status-{reply.enhanced}"
    if (reason := CODE.get(reply.code)) is not None:
        return reason, f"code-{reply.code}"
    if 400 <= reply.code < 600:
        return Reason.REJECTED, f"code-{reply.code}"
    return Reason.UNDEFINED, "not-an-smtp-refusal"


def unanswered(reason: Reason, evidence: str, text: str) -> Verdict:
    """The verdict where no server answered: DNS, connection, TLS, a deadline."""
    return Verdict(reason, 0, "", text, evidence)
