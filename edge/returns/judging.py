"""From what is said about one recipient to the verdict on it."""

import re
from typing import Final

import msgspec

from edge.returns.deciding import UNKNOWN, Decision, by_numbers, by_status, by_words
from edge.returns.reasons import Phase, Reason
from edge.returns.report import Evidence, Recipient
from edge.returns.rules import plain
from edge.returns.texts import phase_in, reply_in, status_in

LONGEST_REPLY: Final = 1_000

_MOBILE = re.compile(
    r"\b(docomo|ezweb|au\.com|softbank|vodafone|i\.softbank)\b.{0,3}(ne\.jp|com)", re.I
)
_GAVE_UP = re.compile(
    r"connection timed? ?out|operation timed out|no answer|4\.4\.[17]|not respond|no response", re.I
)
_UNAVAILABLE = re.compile(
    r"\b550\b.{0,40}(requested (mail )?action (was )?not taken:? ?mailbox unavailable"
    r"|(mailbox|account|recipient) (is )?(unavailable|not available))",
    re.I,
)
_ALWAYS: Final = re.compile(
    r"this is a permanent error;? ?(?:i've given up)?|sorry it didn't work out|"
    r"permanent (?:fatal )?errors?|(?:could|can) ?not be delivered to (?:one or more|some)|"
    r"please try again|for (?:further )?assistance[^.]{0,80}",
    re.I,
)
_SPACE = re.compile(r"\s+")
_SCHEME = re.compile(r"^\s*(?:smtp|x-[a-z0-9-]+|dns|unix|lmtp|http|local)\s*;\s*", re.I)


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a report says of one recipient.

    ``diagnostic`` is the server's reply as it is quoted, ``context`` what people are told beside
    it, ``around`` what stands before that, ``status`` the report's own enhanced status, ``action``
    RFC 3464's word.
    """

    recipient: str
    diagnostic: str = ""
    context: str = ""
    around: str = ""
    status: str = ""
    action: str = "failed"
    final: str = ""
    remote: str = ""


def judged(said: Said) -> Recipient:
    """The verdict, with its evidence; total."""
    reply = _SPACE.sub(" ", _SCHEME.sub("", said.diagnostic)).strip()
    code, own, _ = reply_in(reply)
    own = own or status_in(reply)
    context_code, context_status = 0, ""
    if not reply:
        context_code, context_status, place = reply_in(said.context)
        if place < 0:  # some tell the reason first, and then whom it is about
            context_code, context_status, place = reply_in(said.around)
            if place >= 0:
                quoted = said.around[place:].partition("\n\n")[0]
                said = msgspec.structs.replace(said, context=quoted, around=said.context)
                place = 0
        if place >= 0:
            quoted = said.context[place : place + LONGEST_REPLY].partition("\n\n")[0]
            said = msgspec.structs.replace(said, diagnostic=quoted)
            reply = _SPACE.sub(" ", quoted).strip()
        else:
            reply = _SPACE.sub(" ", said.context[:LONGEST_REPLY]).strip()
            context_status = status_in(said.context)
    code, own = code or context_code, own or context_status
    phase = phase_in(said.diagnostic) or phase_in(said.context)
    found = _decided(said, own, code, phase)
    found = _adjusted(said, found, phase)
    return Recipient(
        recipient=said.recipient,
        reason=found.reason,
        status=_better(own, said.status),
        code=code,
        reply=reply[:LONGEST_REPLY],
        evidence=Evidence(found.rule, found.words, found.source),
        action=said.action,
        final=said.final if said.final.lower() != said.recipient.lower() else "",
    )


def _better(own: str, reported: str) -> str:
    """The more exact one of the server's status and the report's."""
    if own and not own.endswith(".0.0"):
        return own
    return reported or own


def _decided(said: Said, own: str, code: int, phase: Phase | None) -> Decision:
    # Nothing has expired yet where a notice tells that it is still being tried.
    barred = Reason.EXPIRED if said.action == "delayed" else None
    words = by_words(said.diagnostic, weak=False, without=barred)
    if words is not None:
        return words
    for status in (own, said.status):
        exact = by_status(status) if status else None
        if exact is not None and not exact.rule.endswith("-not-final"):
            return exact
    if _UNAVAILABLE.search(plain(said.diagnostic) or plain(said.context)):
        return Decision(
            Reason.USER_UNKNOWN,
            "mailbox-unavailable",
            "mailbox unavailable",
            "RFC 5321 § 4.2.3 (550); Outlook.com SMTP error codes (550)",
        )
    own_words = by_words(said.diagnostic, without=barred)
    if own_words is not None and own_words.reason is Reason.POLICY:
        return own_words
    return (
        by_words(said.context, weak=False, without=barred)
        or own_words
        or by_words(said.context, without=barred)
        or by_words(_without_phrases(said.around), without=barred)
        or by_numbers(code, _better(own, said.status))
        or UNKNOWN
    )


def _without_phrases(text: str) -> str:
    """Text without what stands in every notice of its kind and says nothing of this one."""
    return _ALWAYS.sub(" ", text)


def _adjusted(said: Said, found: Decision, phase: Phase | None) -> Decision:
    """What the phase, the place and the end of the message's life make of the words."""
    early = phase in {Phase.CONNECT, Phase.HELO, Phase.MAIL}
    late = phase in {Phase.DATA, Phase.DOT}
    if early and found.reason in {Reason.USER_UNKNOWN, Reason.MOVED}:
        return Decision(Reason.REJECTED, f"{found.rule}-before-rcpt", found.words, found.source)
    if (
        late
        and found.reason is Reason.USER_UNKNOWN
        and _MOBILE.search(said.recipient + " " + said.remote)
    ):
        source = "au and NTT docomo: a user's own filter answers 550 unknown user after DATA"
        return Decision(Reason.FILTERED, "mobile-filter", found.words, source)
    if found.reason is Reason.NETWORK and said.action == "failed" and _GAVE_UP.search(found.words):
        source = "RFC 3463 X.4.7: what failed for good for want of an answer was given up"
        return Decision(Reason.EXPIRED, f"{found.rule}-given-up", found.words, source)
    return found
