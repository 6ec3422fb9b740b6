"""Bounces written for people: who did not get the message, and what was said about it.

However different they look, they have one shape: an address, on a line of its own or behind a
label, and near it the reason. Lines are ranked by how surely they name a failed recipient; of the
best rank that occurs, all are taken. What belongs to each reaches to the next one.
"""

import re
from typing import Final

import msgspec

from edge.returns.judging import Said
from edge.returns.texts import ADDRESS, REPLY, addresses, is_address, trimmed

MOST_TEXT: Final = 48_000
"""Characters of a notice that are looked at."""

LONGEST_CONTEXT: Final = 2_500
MOST_RECIPIENTS: Final = 200
LONGEST_LINE: Final = 1_500

_OPEN = r"^[\s>*•·\-–\"'\[(]{0,12}"
_SCHEMES = r"(?:smtp|rfc822|mailto|internet|dns|x400|ex)\s?[:;=]\s?"
_LABELS = (
    r"(?:(?:failed |original |final |intended |bad |invalid |actual |affected |the )?"
    r"(?:recipients?|addresses|address|addressee|mailbox|rcpt(?: to)?|user|e-?mail|mail(?:box)? address|to address|"
    r"recipient (?:address|e-?mail|name)|empf(?:ä|ae)nger(?:adresse)?|adressat|destinataire|destinatario|destinat.rio|"
    r"получатель|адрес|受信者|宛先|送信先|あて先|收件人(?:地址)?|收件者|받는 ?사람|수신자|ontvanger|adresat|mottagare)"
    r"(?:\(s\)|\(es\))?)"
)

# Ranked: the first pattern that finds any line decides.
_RANKS: Final = (
    # <a@b>: reason     a@b:     "a@b":      (QSBMF, Postfix, Exim at GMX, James)
    re.compile(
        _OPEN
        + r"<?(?:"
        + _SCHEMES
        + r")?(?P<a>[^\s<>]{1,320}@[^\s<>:]{1,255})>?\"?(?: ?\((?:expanded|generated|ultimately|originally|reason)[^)]{0,300}\))?\s?:(?:\s|$)",
        re.I,
    ),
    # Recipient: [SMTP:a@b]    Final-Recipient: rfc822;a@b
    re.compile(
        _OPEN
        + _LABELS
        + r"\s{0,3}[:：=]\s{0,8}[<\[\"']?(?:"
        + _SCHEMES
        + r"\s?)?<?(?P<a>[^\s<>\[\]\"']{1,320}@[^\s<>\[\]\"']{1,255})",
        re.I,
    ),
    # a@b on a line of its own, perhaps in brackets, with a remark or as a link
    re.compile(
        _OPEN
        + r"(?:[^\s@<>()]{1,40} {1,3}){0,4}<?\[?(?:"
        + _SCHEMES
        + r")?(?P<a>[^\s<>\[\]@]{1,64}@[^\s<>\[\]@()]{1,255})\]?>?(?:<mailto:[^>\s]{1,320}>|\(mailto:[^)\s]{1,320}\))?\s{0,8}(?:\([^)]{0,300}\)?)?[\"')\]:;,.]{0,3}\s*$",
        re.I,
    ),
    # a@b on Tue, 1 Oct ...     a@b ... User unknown     a@b  Invalid Address, ERROR_CODE :550
    re.compile(
        _OPEN
        + r"<?\[?(?:"
        + _SCHEMES
        + r")?(?P<a>[^\s<>\[\]@]{1,64}@[^\s<>\[\]@]{1,255})\]?>?(?: on \w{3}|\.\.\.|\s{1,8}[A-Z#(\-]|,)",
        re.I,
    ),
    # Unknown user: a@b    550 5.1.1 <a@b>...    RCPT TO:<a@b>     delivery to a@b failed
    re.compile(
        r"(?:unknown user|unknown host|user unknown|mailbox exceeds allowed size|user mailbox[^:]{0,40}|invalid final delivery user|rcpt to|deliver(?:ed)?(?: message| mail| it)? to(?: the)?(?: following)?(?: address| recipient| user| user/domain)?|delivery to|could not be delivered to|not delivered to|message to|e-?mail to|mail to|sent to|failed to reach|couldn't be delivered to|wasn't delivered to|user|address|recipient|mailbox|[45]\d\d(?:[ -]+[45]\.\d{1,3}\.\d{1,3})?)[\s:：\"'<\[(]{1,8}(?:"
        + _SCHEMES
        + r")?(?P<a>[^\s<>\[\]\"'@]{1,64}@[^\s<>\[\]\"'@,;:()]{1,255})",
        re.I,
    ),
)
_NOT_RECIPIENT = re.compile(
    r"^[\s>*]{0,8}(?:from|sender|von|de|absender|return-path|reply-to|message-?id|subject|cc|x-[\w-]{1,40}|date|sent|received|contact|e-?mail:? ?postmaster|remote host|reporting-mta|content-id|in-reply-to|references|list-[\w-]{1,20}|errors-to|exp.diteur|remitente|отправитель|差出人|发件人)\s?[:：]",
    re.I,
)
_ADVICE = re.compile(
    r"please (?:contact|forward|send|e-?mail|report)|for (?:assistance|help|further)"
    r"|contact (?:the|your|us)|unsubscribe|kontakt",
    re.I,
)
"""Before an address: it is somebody to be asked."""

_NOBODY = re.compile(
    r"^(?:mailer-daemon|postmaster|abuse|mail-daemon|mdaemon|hostmaster|majordomo|listserv)@|\.(?:png|gif|jpg)$|^(?:[0-9a-f-]{20,}|\d{14,}[.\w-]*)@|@(?:\d+\.){3}\d+$|@localhost(?:\.localdomain)?$",
    re.I,
)
_LABELLED_TO = re.compile(
    r"^[\s>*]{0,8}(?:to|an|à|a|para|кому|宛先|收件人)\s?[:：]\s?(?P<rest>.{3,800})$", re.I
)


class Notice(msgspec.Struct, frozen=True):
    """A notice's text, without what it returns; who it was sent to and by."""

    text: str
    header: tuple[str, ...] = ()
    """Recipients that the mail's header names (X-Failed-Recipients)."""
    ours: frozenset[str] = frozenset()
    """Addresses, in lower case, that are no recipients: the sender's, the reporter's."""
    sent_to: tuple[str, ...] = ()
    """Recipients that the returned message names."""


def recipients(notice: Notice) -> list[Said]:
    """Everyone who did not get the message, with what is said of each."""
    lines = [line[:LONGEST_LINE] for line in notice.text[:MOST_TEXT].split("\n")]
    named = _named(notice, lines)
    return [
        Said(
            recipient=address,
            context=_context(lines, address, place, named),
            around="\n".join(lines[:place])[-LONGEST_CONTEXT:]
            if place > 0 and len(named) == 1
            else "",
        )
        for address, place in named
    ]


def _named(notice: Notice, lines: list[str]) -> list[tuple[str, int]]:
    """Failed recipients and the line that names each; -1 for one that no line names."""
    if notice.header:
        low = [line.lower() for line in lines]
        return [(one, _line_of(low, one.lower())) for one in notice.header][:MOST_RECIPIENTS]
    for pattern in _RANKS:
        found = _ranked(notice, lines, pattern)
        if found:
            return found
    return _left(notice, lines)


def _ranked(notice: Notice, lines: list[str], pattern: re.Pattern[str]) -> list[tuple[str, int]]:
    found: dict[str, tuple[str, int]] = {}
    for place, line in enumerate(lines):
        if "@" not in line or _NOT_RECIPIENT.search(line):
            continue
        match = pattern.search(line)
        if match is None or _ADVICE.search(line[: match.start("a")]):
            continue
        address = _clean(match["a"])
        if address and _acceptable(notice, address):
            found.setdefault(address.lower(), (address, place))
    known = {one.lower() for one in notice.sent_to}
    sure = [pair for key, pair in found.items() if key in known]
    return (sure or list(found.values()))[:MOST_RECIPIENTS]


def _left(notice: Notice, lines: list[str]) -> list[tuple[str, int]]:
    """Addresses anywhere in the text; the returned message's only recipient if there is none."""
    found: dict[str, tuple[str, int]] = {}
    for place, line in enumerate(lines):
        if "@" not in line or _NOT_RECIPIENT.search(line):
            continue
        if _ADVICE.search(line):
            continue
        for address in addresses(line):
            if _acceptable(notice, address):
                found.setdefault(address.lower(), (address, place))
    known = {one.lower() for one in notice.sent_to}
    sure = [pair for key, pair in found.items() if key in known]
    if sure or len(found) == 1:
        return sure or list(found.values())
    for place, line in enumerate(lines):
        if (match := _LABELLED_TO.match(line)) is not None:
            to = [one for one in addresses(match["rest"]) if _acceptable(notice, one)]
            if len(to) == 1:
                return [(to[0], place)]
    if len(notice.sent_to) == 1 and not found:
        return [(notice.sent_to[0], -1)]
    return list(found.values())[:1]


def _clean(text: str) -> str:
    match = ADDRESS.search(text)
    address = trimmed(match[0]) if match else ""
    return address if is_address(address) else ""


def _acceptable(notice: Notice, address: str) -> bool:
    low = address.lower()
    if low in {one.lower() for one in notice.sent_to}:
        return True
    return low not in notice.ours and not _NOBODY.search(low)


def _line_of(low: list[str], address: str) -> int:
    for place, line in enumerate(low):
        if address in line:
            return place
    return -1


def _context(lines: list[str], address: str, place: int, named: list[tuple[str, int]]) -> str:
    """What is said of one recipient: its own passage, then lines that name it, then the rest."""
    if place < 0 or len(named) == 1:
        return _whole(lines, place)
    others = [other for _, other in named if other > place]
    end = min(others) if others else len(lines)
    own = "\n".join(lines[place:end])[:LONGEST_CONTEXT]
    if REPLY.search(own) or len(own.split()) > 6:
        return own
    low = address.lower()
    near = [
        "\n".join(lines[at : at + 3])
        for at, line in enumerate(lines)
        if at >= end and low in line.lower()
    ]
    if near:
        return (own + "\n" + "\n".join(near))[:LONGEST_CONTEXT]
    last = max(other for _, other in named)
    return (own + "\n" + "\n".join(lines[last + 1 :]))[:LONGEST_CONTEXT]


def _whole(lines: list[str], place: int) -> str:
    """From the line on that names the only recipient; all of it where no line does."""
    return "\n".join(lines[max(place, 0) :])[:LONGEST_CONTEXT]
