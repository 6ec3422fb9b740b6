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
    # c=US;a= ;p=X;o=Y;dda:SMTP=a@b; on Tue, 1 Oct       (Exchange 5.5 on X.400)
    re.compile(_OPEN + r"c=[A-Z]{0,2};.{0,300}smtp=(?P<a>[^\s<>;]{1,320}@[^\s<>;]{1,255})", re.I),
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
        + r")?(?P<a>[^\s<>\[\]@]{1,64}@[^\s<>\[\]@]{1,255})\]?>?(?: on \w{3}| ?\.\.\.|\s{1,8}[A-Z#(\-]|,)",
        re.I,
    ),
    # Unknown user: a@b    550 5.1.1 <a@b>...    RCPT TO:<a@b>     delivery to a@b failed
    re.compile(
        r"(?:unknown user|unknown host|user unknown|mailbox exceeds allowed size|user mailbox[^:]{0,40}|invalid final delivery user|rcpt to|deliver(?:ed)?(?: message| mail| it)? to(?: the)?(?: following)?(?: address| recipient| user| user/domain)?|delivery to|was addressed(?: to)?,?|could not be delivered to|not delivered to|message to|e-?mail to|mail to|sent to|failed to reach|couldn't be delivered to|wasn't delivered to|user|address|recipient|mailbox|[45]\d\d(?:[ -]+[45]\.\d{1,3}\.\d{1,3})?)[\s:：\"'<\[(]{1,8}(?:"
        + _SCHEMES
        + r")?(?P<a>[^\s<>\[\]\"'@]{1,64}@[^\s<>\[\]\"'@,;:()]{1,255})",
        re.I,
    ),
)
_NOT_RECIPIENT = re.compile(
    r"^[\s>*]{0,8}(?:from|sender|von|de|absender|return-path|reply-to|(?:the )?message[ -]?(?:id|identifier)(?: was)?|subject|cc|x-[\w-]{1,40}|date|sent|received|contact|e-?mail:? ?postmaster|remote host|reporting-mta|content-id|in-reply-to|references|list-[\w-]{1,20}|errors-to|exp.diteur|remitente|отправитель|差出人|发件人)\s?[:：]",
    re.I,
)
_ADVICE = re.compile(
    r"please (?:contact|forward|send|e-?mail|report)|for (?:assistance|help|further|example)|\bform(?:at)? of\b"
    r"|\bcontact\b|unsubscribe|kontakt",
    re.I,
)
"""Before an address: it is somebody to be asked."""

_ASKED = re.compile(
    r"\b(?:questions?|help|contact|assistance|support|write to)\b[^@]{0,80}:\s*$", re.I
)

_NOBODY = re.compile(
    r"^(?:mailer-daemon|postmaster|abuse|mail-daemon|mdaemon|hostmaster|majordomo|listserv)@|\.(?:png|gif|jpg)$|^(?:[0-9a-f-]{20,}|\d{14,}[.\w-]*)@|@(?:\d+\.){3}\d+$|@localhost(?:\.localdomain)?$",
    re.I,
)
_FROM = re.compile(r"\b(?:from|by|von|de|от)\s*[<\"'(]?$", re.I)
"""Before an address: it is the sender's, or the reporter's."""

_HEAD_OR_TO = re.compile(
    _NOT_RECIPIENT.pattern + r"|^[\s>*]{0,8}(?:to|an|à|a|para|кому|宛先|收件人)\s?[:：]", re.I
)
"""A copy of the returned message's To names a list as often as a recipient."""

_LISTS = re.compile(
    r"(?:following|these|undelivered|failed|siguientes|folgende\w*|suivants?|seguenti|seguintes) "
    r".{0,40}(?:recipient|address|user|group|empf|destinat)|was not delivered to|recipient\(s\)",
    re.I,
)
_NEAR: Final = 8
"""Lines below the words that begin a list of recipients within which its first one stands."""

_BEFORE = re.compile(
    r"\((?:generated|expanded) from:?\s?<?(?P<a>[^\s<>()]{1,320}@[^\s<>()]{1,255})>?", re.I
)
"""Exim, Postfix and Sendmail: the address that the message was sent to, beside what became of it."""

_LIST_OF_NAMES = re.compile(
    r"following recipients?\b[^@]{0,80}\bnot|not delivered to the following", re.I
)
_BARE_NAME = re.compile(
    r"^[ \t]{1,12}(?P<a>[A-Za-z0-9][A-Za-z0-9._-]{1,31})(?:[ \t]{2,}\S.{0,200})?$"
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
    host: str = ""
    """The domain of the mail system that writes, if it writes as a daemon; for names without one."""
    sent_to: tuple[str, ...] = ()
    """Recipients that the returned message names."""


def recipients(notice: Notice) -> list[Said]:
    """Everyone who did not get the message, with what is said of each."""
    lines = [line[:LONGEST_LINE] for line in notice.text[:MOST_TEXT].split("\n")]
    named = _named(notice, lines)
    names = _names(lines, named)
    asked_for = [_asked_for(lines, address, place) for address, place in named]
    first = min((place for _, place in named), default=-1)
    return [
        Said(
            recipient=asked,
            context=_context(lines, address, place, named, names),
            around="\n".join(lines[: max(first, 0)])[-LONGEST_CONTEXT:],
            final=final,
        )
        for (address, place), (asked, final) in zip(named, asked_for, strict=True)
    ]


def _asked_for(lines: list[str], address: str, place: int) -> tuple[str, str]:
    """The address that the message was sent to, and the one that was tried for it, if another."""
    low = address.lower()
    for at in range(max(place - 12, 0), min(place + 3, len(lines))) if place >= 0 else ():
        if low not in lines[at].lower():
            continue
        passage = "\n".join(lines[at : at + 3])
        if (match := _BEFORE.search(passage)) is not None:
            others = {one.lower() for one in addresses(passage[: match.start()])} - {low}
            before = _clean(match["a"])
            if before and not others:
                return before, address
    return address, ""


def _named(notice: Notice, lines: list[str]) -> list[tuple[str, int]]:
    """Failed recipients and the line that names each; -1 for one that no line names."""
    if notice.header:
        low = [line.lower() for line in lines]
        return [(one, _line_of(low, one.lower())) for one in notice.header][:MOST_RECIPIENTS]
    start = _listed_at(lines)
    for pattern in _RANKS if start >= 0 else ():
        found = _ranked(notice, lines, pattern, _HEAD_OR_TO)
        found = [pair for pair in found if pair[1] >= start]
        if found and found[0][1] <= start + _NEAR:
            return found
    for pattern in _RANKS:
        found = _ranked(notice, lines, pattern, _NOT_RECIPIENT)
        if found:
            return found
    return _left(notice, lines)


def _listed_at(lines: list[str]) -> int:
    """Where a notice lists the failed, if it has copied the message's To before that; else -1."""
    copied = next((at for at, line in enumerate(lines) if _LABELLED_TO.match(line)), len(lines))
    listed = (at for at in range(copied, len(lines)) if _LISTS.search(lines[at]))
    return next(listed, -1)


def _ranked(
    notice: Notice, lines: list[str], pattern: re.Pattern[str], skipped: re.Pattern[str]
) -> list[tuple[str, int]]:
    found: dict[str, tuple[str, int]] = {}
    for place, line in enumerate(lines):
        if "@" not in line or skipped.search(line):
            continue
        match = pattern.search(line)
        if match is None or _ADVICE.search(line[: match.start("a")]) or _is_asked(lines, place):
            continue
        address = _clean(match["a"])
        if address and _acceptable(notice, address):
            found.setdefault(address.lower(), (address, place))
    known = {one.lower() for one in notice.sent_to}
    sure = [pair for key, pair in found.items() if key in known]
    return (sure or list(found.values()))[:MOST_RECIPIENTS]


def _is_asked(lines: list[str], place: int) -> bool:
    """Whether the words above a line tell that whom it names can be asked."""
    above = next((line for line in reversed(lines[max(place - 2, 0) : place]) if line.strip()), "")
    return bool(_ASKED.search(above))


def _left(notice: Notice, lines: list[str]) -> list[tuple[str, int]]:
    """Addresses anywhere in the text; the returned message's only recipient if there is none."""
    found: dict[str, tuple[str, int]] = {}
    for place, line in enumerate(lines):
        if "@" not in line or _NOT_RECIPIENT.search(line):
            continue
        if _ADVICE.search(line):
            continue
        for address in addresses(line):
            if _acceptable(notice, address) and not _FROM.search(line[: line.find(address)]):
                found.setdefault(address.lower(), (address, place))
    if not found and notice.host:
        return _bare(notice, lines)
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


def _bare(notice: Notice, lines: list[str]) -> list[tuple[str, int]]:
    """Names without a domain, alone on lines under "the following recipients …": of that host."""
    place = next((at for at, line in enumerate(lines) if _LIST_OF_NAMES.search(line)), -1)
    if place < 0:
        return []
    found: list[tuple[str, int]] = []
    for at in range(place + 1, min(place + 40, len(lines))):
        match = _BARE_NAME.match(lines[at])
        if match is not None:
            found.append((f"{match['a']}@{notice.host}", at))
        elif found:
            break
    return found


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


def _context(
    lines: list[str], address: str, place: int, named: list[tuple[str, int]], names: list[set[str]]
) -> str:
    """What is said of one recipient: its own passage, then lines that name it, then the rest.

    ``names`` has the recipients that each line names. A passage ends where another one is named:
    some list everybody twice, first for people and then with what their servers said.
    """
    if place < 0 or len(named) == 1:
        return _whole(lines, place)
    low = address.lower()
    others = (at for at in range(place + 1, len(lines)) if names[at] - {low})
    end = next(others, len(lines))
    own = "\n".join(lines[place:end])[:LONGEST_CONTEXT]
    near = []
    for at in range(end, len(lines)):
        if low in names[at]:
            until = next((to for to in (at + 1, at + 2) if to < len(lines) and names[to]), at + 3)
            near.append("\n".join(lines[at:until]))
    if near or REPLY.search(own) or len(own.split()) > 6:
        return "\n".join((own, *near))[:LONGEST_CONTEXT]
    last = max(other for _, other in named)
    return (own + "\n" + "\n".join(lines[last + 1 :]))[:LONGEST_CONTEXT]


def _names(lines: list[str], named: list[tuple[str, int]]) -> list[set[str]]:
    """For each line the failed recipients that it names."""
    known = {address.lower() for address, _ in named}
    if len(known) < 2:
        return []
    return [
        {one.lower() for one in addresses(line)} & known if "@" in line else set() for line in lines
    ]


def _whole(lines: list[str], place: int) -> str:
    """From the line on that names the only recipient; all of it where no line does."""
    return "\n".join(lines[max(place, 0) :])[:LONGEST_CONTEXT]
