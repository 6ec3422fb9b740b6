"""From a server's words, enhanced status and basic code to a reason, and to the rule that says so.

Read in this order, the first that knows decides: the text, by its strong wordings (a text is what
servers are most exact about); the status, where it is exact; wordings that go with many a refusal;
the status by its subject alone; the basic code.
"""

from typing import Final

import msgspec

from edge.returns import wording
from edge.returns.reasons import HARD, Phase, Reason
from edge.returns.rules import Match, plain
from edge.returns.statuses import CODE, CODES, REGISTRY, STATUS, SUBJECT


class Decision(msgspec.Struct, frozen=True):
    """A reason with its evidence: the rule's name, the words it matched, the rule's source."""

    reason: Reason
    rule: str
    words: str
    source: str


UNKNOWN: Final = Decision(Reason.UNDEFINED, "nothing-known", "", "no rule matched")

_PHASES_OF_ADDRESS: Final = frozenset({Phase.RCPT, Phase.DATA, Phase.DOT})
_NEEDS_RCPT: Final = frozenset({Reason.USER_UNKNOWN, Reason.HOST_UNKNOWN, Reason.MOVED})


def decide(code: int, enhanced: str, text: str, phase: Phase | None = None) -> Decision:
    """The decision on one reply; total. ``enhanced`` is "5.1.1" or "", ``code`` 0 if unknown.

    Before RCPT a server has not been told the recipient: "unknown" there is about the sender.
    A status alone is hard only with a 5: many servers say 4.1.1 when their directory is away.
    """
    found = _decided(code, enhanced, plain(text), phase)
    early = phase is not None and phase not in _PHASES_OF_ADDRESS
    if early and found.reason in _NEEDS_RCPT:
        return Decision(Reason.REJECTED, f"{found.rule}-before-rcpt", found.words, found.source)
    return found


def by_words(text: str, *, weak: bool = True, without: Reason | None = None) -> Decision | None:
    """What the wording alone says, if anything; ``without`` a reason that cannot be."""
    folded = plain(text)
    match = wording.STRONG.first(folded, without=without)
    if match is None and weak:
        match = wording.WEAK.first(folded, without=without)
    return None if match is None else _of(match)


def by_status(enhanced: str) -> Decision | None:
    """What the whole status says, where it says something exact."""
    kind, _, detail = enhanced.partition(".")
    reason = STATUS.get(detail)
    if reason is None:
        return None
    if reason in HARD and kind != "5":
        return Decision(Reason.REJECTED, f"status-{enhanced}-not-final", enhanced, REGISTRY)
    return Decision(reason, f"status-{enhanced}", enhanced, REGISTRY)


def _decided(code: int, enhanced: str, text: str, phase: Phase | None) -> Decision:
    if (match := wording.STRONG.first(text, phase)) is not None:
        return _of(match)
    if (exact := by_status(enhanced)) is not None:
        return exact
    if (match := wording.WEAK.first(text, phase)) is not None:
        return _of(match)
    return by_numbers(code, enhanced) or UNKNOWN


def by_numbers(code: int, enhanced: str) -> Decision | None:
    """What the status' subject or the basic code says where nothing else speaks."""
    subject = enhanced.split(".")[1] if enhanced.count(".") == 2 else ""
    if (reason := SUBJECT.get(subject)) is not None:
        return Decision(reason, f"status-{enhanced}", enhanced, REGISTRY)
    if (reason := CODE.get(code)) is not None:
        return Decision(reason, f"code-{code}", str(code), CODES)
    if 400 <= code < 600:
        return Decision(Reason.REJECTED, f"code-{code}", str(code), CODES)
    return None


def _of(match: Match) -> Decision:
    return Decision(match.rule.reason, match.rule.name, match.words, match.rule.source)
