"""The reader of what comes back: right on labelled mails, and total on everything else."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.returns import mime
from edge.returns.judging import Said, judged
from edge.returns.masking import masked
from edge.returns.reading import read
from edge.returns.reasons import HARD, MEANING, Reason
from edge.returns.report import Kind, as_json
from edge.returns.wording import RULES
from tests.unit.returns.fixtures import Fixture, diagnostics, fixtures

MAILS = fixtures()


@pytest.mark.parametrize("mail", MAILS, ids=[mail.name for mail in MAILS])
def test_labelled_mails(mail: Fixture) -> None:
    """Kind, recipients, hard or soft, reason and status are right for every labelled mail."""
    found = read(mail.raw)
    assert found.kind == mail.kind
    assert [one.recipient for one in found.recipients] == [one.recipient for one in mail.expected]
    for one, wanted in zip(found.recipients, mail.expected, strict=True):
        if wanted.severity:
            assert (one.severity, one.reason.value) == (wanted.severity, wanted.reason)
        if wanted.status:
            assert one.status == wanted.status
        assert one.evidence.rule
        assert one.evidence.source


@pytest.mark.parametrize("end", [b"\r\n", b"\r", b"\n"])
def test_line_ends_make_no_difference(end: bytes) -> None:
    """CRLF, CR and LF say the same."""
    for mail in MAILS:
        assert read(mail.raw.replace(b"\n", end)).recipients == read(mail.raw).recipients


def test_labelled_diagnostics() -> None:
    """Hard or soft is right for at least 99 % of the labelled texts, the reason for 98 %."""
    rows = diagnostics()
    assert len(rows) > 300
    wrong = []
    severe = 0
    for reason, text in rows:
        found = judged(Said(recipient="x@example.org", diagnostic=text))
        if found.reason != reason:
            wrong.append(f"{text}: {found.reason.value} ({found.evidence}), not {reason}")
            severe += found.hard != (Reason(reason) in HARD)
    print("\n".join(wrong))
    assert severe <= 0.01 * len(rows)
    assert len(wrong) <= 0.02 * len(rows)


def test_no_auto_reply_and_no_ordinary_mail_is_a_bounce() -> None:
    """Of those, and of all of them once more as a reply, none names a failed recipient."""
    for mail in MAILS:
        if mail.kind not in {"bounce", "delayed", "complaint", "unsubscribe", "not-spam"}:
            assert read(mail.raw).kind not in {Kind.BOUNCE, Kind.COMPLAINT}


def test_a_truncated_report_is_read_as_far_as_it_goes() -> None:
    """Cut off anywhere, a mail has a verdict, and never names somebody whom it does not name."""
    for mail in MAILS:
        known = {one.recipient.lower() for one in mail.expected}
        for at in range(0, len(mail.raw), 97):
            found = read(mail.raw[:at])
            if mail.kind == "bounce" and found.kind is Kind.BOUNCE and known:
                strangers = [
                    one.recipient
                    for one in found.recipients
                    if not any(name.startswith(one.recipient.lower()) for name in known)
                ]
                assert not strangers


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_mutated_mails_never_crash(data: st.DataObject) -> None:
    """Bytes changed, doubled, dropped and swapped between mails: always a verdict, always JSON."""
    first = data.draw(st.sampled_from(MAILS)).raw
    second = data.draw(st.sampled_from(MAILS)).raw
    chance = random.Random(data.draw(st.integers(0, 2**32)))  # a seed is enough to repeat it
    raw = bytearray(first)
    for _ in range(data.draw(st.integers(1, 20))):
        at = chance.randrange(len(raw) + 1)
        until = min(len(raw), at + chance.randrange(60))
        match chance.randrange(4):
            case 0:
                raw[at:until] = bytes(chance.randrange(256) for _ in range(until - at))
            case 1:
                del raw[at:until]
            case 2:
                raw[at:at] = raw[at:until] * 3
            case _:
                raw[at:until] = second[at:until]
    found = read(bytes(raw))
    assert as_json(found)["kind"] == found.kind.value
    assert all(one.reason in Reason for one in found.recipients)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=3_000))
def test_any_bytes_have_a_verdict(raw: bytes) -> None:
    """Whatever comes."""
    assert read(raw).kind is not Kind.BOUNCE or read(raw).recipients


_HEAD = b"Return-Path: <>\nFrom: MAILER-DAEMON@x\nSubject: Undelivered Mail\n"
_NOTICE = b"\nThis is the mail system at host x.\n"
_MULTIPART = _HEAD + b"Content-Type: multipart/report; boundary=b\n\n"
HOSTILE = {
    "letters": _HEAD + _NOTICE + b"a" * 25_000_000,
    "brackets": _HEAD + _NOTICE + b"<" * 3_000_000,
    "ats": _HEAD + _NOTICE + b"a@" * 1_500_000,
    "addresses": _HEAD
    + _NOTICE
    + b"".join(b"<a%d@b.example>: 550 no\n" % i for i in range(60_000)),
    "dashes": _HEAD + _NOTICE + b"--\n" * 1_000_000,
    "fields": b"A: b\n" * 1_000_000,
    "folds": b"A: b\n" + b" x\n" * 1_000_000,
    "words": b"Subject: " + b"=?utf-8?q?a?= " * 200_000 + b"\n\n",
    "nested": _HEAD
    + b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (i, i) for i in range(500)
    ),
    "parts": _MULTIPART
    + b"--b\nContent-Type: message/delivery-status\n\nAction: failed\n\n" * 50_000,
    "tags": _HEAD + b"Content-Type: text/html\n\n" + b"<style>" * 400_000,
    "base64": _HEAD + b"Content-Transfer-Encoding: base64\n\n" + b"QUFB" * 2_000_000,
    "recipients": _MULTIPART
    + b"--b\nContent-Type: message/delivery-status\n\n"
    + b"".join(
        b"Final-Recipient: rfc822; a%d@b.example\nStatus: 5.1.1\n\n" % i for i in range(40_000)
    ),
    "nothing": b"",
    "zeros": b"\0" * 1_000_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_mail_is_read_within_bounds(name: str) -> None:
    """Huge, deep, repetitive: a verdict, and no more recipients and parts than are looked at."""
    found = read(HOSTILE[name])
    assert len(found.recipients) <= 1_000
    data = mime.lines_of(HOSTILE[name])
    assert len(data) <= mime.MOST_OCTETS
    assert len(mime.leaves(*mime.split(data))) <= mime.MOST_PARTS


def test_every_rule_is_found_by_its_name_and_cites_its_source() -> None:
    """Evidence leads to one rule, the rule to a document; every reason has a meaning and a rule."""
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(rule.source and rule.phrases for rule in RULES)
    assert set(MEANING) == set(Reason)
    assert set(Reason) - {rule.reason for rule in RULES} == {Reason.UNDEFINED}


def test_a_status_that_lies_does_not_decide() -> None:
    """Words win over codes: 5.1.1 with a blocklist is soft, 5.0.0 with an unknown user hard."""
    soft = judged(Said(recipient="a@b.example", diagnostic="smtp; 550 5.1.1 blocked using a dnsbl"))
    hard = judged(Said(recipient="a@b.example", diagnostic="smtp; 550 5.0.0 no such user here"))
    assert (soft.hard, hard.hard) == (False, True)


def test_a_masked_mail_reads_the_same() -> None:
    """A fixture made of a mail has its verdict, and none of its addresses."""
    for mail in MAILS:
        before, after = read(mail.raw), read(masked(mail.raw))
        assert after.kind is before.kind
        assert [one.reason for one in after.recipients] == [one.reason for one in before.recipients]
        for one in before.recipients:
            assert one.recipient.encode() not in masked(mail.raw)
