"""Verdicts on SMTP replies, judged by labelled ones that were written before the rules."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.returns.reasons import HARD, Phase, Reason
from edge.returns.wording import RULES
from edge.sending.replies import (
    Reply,
    Verdict,
    classify,
    parse_reply,
)

LABELLED = Path(__file__).with_name("labelled_replies.txt")


def _labelled() -> list[tuple[str, Phase, str, Reason, str]]:
    rows = []
    for line in LABELLED.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            provider, phase, expected, reply = line.split(" | ", 3)
            severity, reason = expected.split()
            rows.append((provider, Phase(phase), severity, Reason(reason), reply))
    return rows


def _verdict(reply: str, phase: Phase) -> Verdict:
    return classify(parse_reply(int(reply[:3]), reply[4:]), phase)


def test_labelled_replies() -> None:
    """Hard or soft is right for every labelled reply, the reason for at least 97 %."""
    rows = _labelled()
    assert len(rows) >= 150
    total: Counter[str] = Counter()
    wrong: Counter[tuple[str, str]] = Counter()
    errors = []
    for provider, phase, severity, reason, reply in rows:
        verdict = _verdict(reply, phase)
        total[provider] += 1
        right = ("hard" if verdict.hard else "soft") == severity
        if not right:
            wrong[provider, "severity"] += 1
        if verdict.reason is not reason:
            wrong[provider, "reason"] += 1
            errors.append(f"{reply}: {verdict.reason} ({verdict.evidence}), not {reason}")
    print(f"{'provider':12}{'replies':>8}{'hard/soft wrong':>17}{'reason wrong':>14}")
    for provider, count in sorted(total.items()):
        bad = wrong[provider, "severity"], wrong[provider, "reason"]
        print(f"{provider:12}{count:8}{bad[0]:17}{bad[1]:14}")
    print("\n".join(errors))
    assert not any(kind == "severity" for _, kind in wrong)
    assert len(errors) <= 0.03 * len(rows)


@given(st.integers(0, 999), st.text(max_size=300), st.sampled_from(Phase))
def test_every_reply_has_a_verdict(code: int, text: str, phase: Phase) -> None:
    """Whatever a server says, there is one verdict, and its severity follows from its reason."""
    verdict = classify(parse_reply(code, text), phase)
    assert verdict.hard == (verdict.reason in HARD) == (verdict.severity == "permanent")
    assert verdict.evidence


@pytest.mark.parametrize("phase", [Phase.CONNECT, Phase.HELO, Phase.MAIL])
def test_nobody_is_unknown_before_rcpt(phase: Phase) -> None:
    """A server that has not been told the recipient cannot say that it does not exist."""
    assert not classify(Reply(550, "5.1.1", "User unknown"), phase).hard


def test_a_temporary_status_alone_is_never_hard() -> None:
    """4.1.1 without words is a directory that is away."""
    assert classify(Reply(450, "4.1.1", "later"), Phase.RCPT).reason is Reason.REJECTED


def test_a_status_of_another_class_is_not_taken() -> None:
    """RFC 2034: the first digit of both codes agrees, or the status is someone else's."""
    assert parse_reply(550, "4.1.1 odd").enhanced == ""
    assert parse_reply(550, "no mailbox (#5.1.1)").enhanced == "5.1.1"


def test_every_rule_is_named_once_and_cites_its_source() -> None:
    """Evidence leads to one rule, and the rule to a document."""
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(rule.source for rule in RULES)
