"""What a message that was handed in says, and what its sender wants of it."""

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.model.domain import Domain
from edge.model.errors import CallerError
from edge.model.tokens import pack_message_id
from edge.rewriting.switches import Clicks, Given
from edge.sending.hops import author
from edge.sending.message import MAX_MESSAGE, Addressee, Message, Options, Origin
from edge.sending.reading import (
    LONGEST_VARIABLE,
    SECOND_US,
    Read,
    Rejected,
    by_recipient,
    delivery_time,
    delivery_window,
    read,
)

NOW = 1_750_000_000 * SECOND_US
DAY = 86_400 * SECOND_US
DOMAIN = Domain(number=1, name="mg.example.com")
ANN = Addressee("ann@example.net", "Ann")
FROM = b"From: News <news@mg.example.com>\r\n"


def _read(source: bytes, *recipients: Addressee, **options: Any) -> Read:
    message = Message(
        domain=DOMAIN,
        source=source,
        sender="news@mg.example.com",
        recipients=recipients or (ANN,),
        options=Options(**options),
        origin=Origin(method="HTTP"),
    )
    return read(message, NOW)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1h30m", 5400), ("0h5m", 300), ("24h0m", 86_400), ("24h", 86_400), ("90m", 5400),
     (" 1H 5M ", 3900), ("30", 1800)],
)  # fmt: skip
def test_windows(text: str, seconds: int) -> None:
    """Hours and minutes, either alone."""
    assert delivery_window(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "h",
        "m",
        "4m",
        "24h1m",
        "1h1h",
        "-1h",
        "1h-5m",
        "1.5h",
        "١h",
        "9" * 99 + "h",
        "1d",
        "1h5s",
    ],
)
def test_what_is_no_window(text: str) -> None:
    """Or is not between five minutes and a day."""
    with pytest.raises(CallerError):
        delivery_window(text)


@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)))
def test_times_come_back(moment: datetime) -> None:
    """To the second."""
    seconds = int(moment.replace(microsecond=0).timestamp())
    assert delivery_time(format_datetime(moment)) == seconds * SECOND_US


@settings(max_examples=100)
@given(
    st.text(max_size=30)
    | st.from_regex(r"[A-Z][a-z]{2}, \d{1,12} [A-Z][a-z]{2} \d{1,12} [-+:\d ]{1,30}")
)
@example("1 Jan 99999999999 00:00:00 +0000")
@example("1 Jan 2030 99999999999999999999:00:00")
@example("1 Jan 2030 10:00:00 +9999999999")
def test_any_text_is_a_time_or_a_mistake(text: str) -> None:
    """Nothing else is raised, by windows neither."""
    for parse in (delivery_time, delivery_window):
        try:
            parse(text)
        except CallerError:
            continue


def test_when_a_message_is_sent() -> None:
    """At once, or at its time up to a week ahead; its life counts from there."""
    plain = _read(FROM + b"\r\n")
    assert (plain.at, plain.due, plain.expires_at) == (NOW, NOW, NOW + DAY // 3)
    assert _read(FROM + b"\r\n", deliver_at=NOW - DAY).due == NOW
    later = _read(FROM + b"\r\n", deliver_at=NOW + 7 * DAY, deliver_within=300)
    assert (later.due, later.expires_at) == (NOW + 7 * DAY, NOW + 7 * DAY + 300 * SECOND_US)
    with pytest.raises(CallerError, match="at most 7 days"):
        _read(FROM + b"\r\n", deliver_at=NOW + 7 * DAY + SECOND_US)


def test_the_callers_options_go_before_the_messages() -> None:
    """Switches, tags and variables; what only the message says counts too."""
    source = (
        FROM + b"X-Mailgun-Tag: b\r\nx-mailgun-tag: A\r\nX-Mailgun-Track: no\r\n"
        b"X-Mailgun-Track-Opens: no\r\nX-Mailgun-Dkim: no\r\nX-Mailgun-Require-TLS: yes\r\n"
        b'X-Mailgun-Variables: {"a": 1, "b": [2]}\r\nX-Mailgun-Variables: {"c": "x"}\r\n'
        b"X-Mailgun-Drop-Message: yes\r\nX-Mailgun-Deliver-Within: 1h\r\n\r\n"
    )
    found = _read(
        source,
        tags=("a", "c", "é"),
        given=Given(clicks=Clicks.HTML_ONLY),
        variables={"a": "mine"},
        dkim=True,
    )
    options = found.options
    assert (options.tags, found.tags_dropped) == (("a", "c", "b"), 1)
    assert options.given == Given(tracking=Clicks.NO, opens=False, clicks=Clicks.HTML_ONLY)
    assert options.variables == {"a": "mine", "b": "[2]", "c": "x"}
    assert (options.dkim, options.require_tls, options.skip_verification) == (True, True, None)
    assert (options.test_mode, options.deliver_within) == (True, 3600)
    general = _read(source, given=Given(tracking=Clicks.YES)).options.given
    assert (general.tracking, general.opens) == (Clicks.YES, None)


def test_recipients_are_told_once() -> None:
    """In order and whatever the case; variables of a header are by address in any case."""
    source = FROM + b'X-Mailgun-Recipient-Variables: {"ANN@example.net": {"n": 1}}\r\n\r\n'
    twice = Addressee("ANN@Example.NET")
    found = _read(source, ANN, twice, Addressee("bob@example.org", variables={"n": 2}))
    assert found.recipients == (
        Addressee("ann@example.net", "Ann", {"n": 1}),
        Addressee("bob@example.org", "", {"n": 2}),
    )
    assert found.options.personal
    many = [Addressee(f"r{number}@example.net") for number in range(1001)]
    assert len(_read(FROM + b"\r\n", *many[:1000]).recipients) == 1000
    with pytest.raises(CallerError, match="at most 1000 recipients"):
        _read(FROM + b"\r\n", *many)
    with pytest.raises(CallerError, match="not an email address"):
        _read(FROM + b"\r\n", ANN, Addressee("nobody"))


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (b"", "header fields"),
        (b"\r\nFrom: a@b.cc\r\n", "header fields"),
        (b"Hello\r\n", "header fields"),
        (b"Subject: x\r\n\r\nFrom: a@b.cc\r\n", "no From"),
        (b"From:\r\n\r\n", "no From"),
        (FROM + b"\r\n" + b"x" * MAX_MESSAGE, "25 MB"),
    ],
)
def test_what_is_no_message(source: bytes, text: str) -> None:
    """Rejected, which is told by an event."""
    with pytest.raises(Rejected, match=text):
        _read(source)


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_a_message_gets_what_it_lacks(end: bytes) -> None:
    """Date and Message-Id, in its own line ends and before it; else not one octet changes."""
    bare = FROM.replace(b"\r\n", end) + b"Subject: x" + end + end + b"Hello" + end
    found = _read(bare)
    assert found.source.endswith(bare)
    added = found.source.removesuffix(bare).split(end)
    assert added[0] == f"Message-Id: <{found.message_id}>".encode()
    assert added[1].startswith(b"Date: Sun, 15 Jun 2025 15:06:40 +0000")
    assert found.message_id.endswith("@mg.example.com")
    whole = b"Date: x" + end + b"message-id: <1@b.cc>" + end + bare
    assert (_read(whole).source, _read(whole).message_id) == (whole, "1@b.cc")


def test_a_bare_return_is_no_line_end() -> None:
    """In the header, where sending would make a field of what is behind it; the body keeps it."""
    head = b"Message-Id: <1@b.cc>\r\nDate: x\r\nFrom: a@b.cc\r\nSubject: x%bBcc: v@b.cc\r\n\r\n"
    found = _read(head % b"\r" + b"a\rb")
    assert found.source == head % b" " + b"a\rb"
    assert found.headers["subject"] == "x Bcc: v@b.cc"


def test_a_header_ends_in_an_empty_line() -> None:
    """Also where there is no body, or a line that is no field: what comes behind it is text."""
    head = b"Message-Id: <1@b.cc>\r\nDate: x\r\nFrom: a@b.cc"
    for source in (head, head + b"\r\n", head + b"\r\n\r\n"):
        assert _read(source).source == head + b"\r\n\r\n"
    odd = head + b"\r\nno field\r\nBcc: x@b.cc\r\n\r\nHello"
    assert _read(odd).source == head + b"\r\n\r\nno field\r\nBcc: x@b.cc\r\n\r\nHello"


def test_what_no_recipient_may_see() -> None:
    """Bcc and a Return-Path are taken out, folded or repeated; the body is not looked at."""
    rest = FROM + b"Message-Id: <1@b.cc>\r\nDate: x\r\nTo: a@b.cc\r\n\r\nBcc: in the body\r\n"
    blind = b"Bcc: s@b.cc,\r\n t@b.cc\r\nReturn-Path: <x@b.cc>\r\nBCC : u@b.cc\r\nResent-Bcc: v\r\n"
    assert _read(blind + rest).source == rest
    assert _read(rest.replace(b"To:", blind + b"To:", 1)).source == rest
    assert _read(b"From x@y.zz Mon Sep 17 00:00:00 2001\r\n" + rest).source == rest


ODD = st.sampled_from(
    [b"From: a@b.cc", b"Message-Id: <", b"Message-Id: <a b@c>", b"Message-Id: \xff", b"Date:",
     b"Subject: =?utf-8?b?/w?=", b"Subject: =?x?q?=?=", b"X-Mailgun-Tag: \xe9", b"To: %recipient%",
     b"X-Mailgun-Variables: {", b'X-Mailgun-Variables: {"\\u0000": "\\u0000"}',
     b" folded", b"\x00: x",
     b"X-Mailgun-Deliver-By: 1 Jan 99999999999 00:00:00 +0000", b"Content-Type: multipart/mixed",
     b"Content-Type: multipart/mixed; boundary=x", b"--x", b"--x--", b"", b"From x@y Mon Jan 1",
     b"Content-Disposition: attachment; filename*0*=utf-8''%FF", b"Bcc: x", b"X-Mailgun-Track: no"]
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(st.lists(ODD | st.binary(max_size=20), max_size=12), st.sampled_from([b"\r\n", b"\n"]))
def test_any_octets_are_read_or_refused(lines: list[bytes], end: bytes) -> None:
    """Nothing but CallerError; what is told can be stored, and its id be sealed."""
    try:
        found = _read(end.join(lines))
    except CallerError:
        return
    pack_message_id(found.message_id, DOMAIN.name)
    shown = [*found.headers.values(), *(one["filename"] for one in found.about["attachments"])]
    for text in (*shown, *found.options.variables.values(), *found.options.tags):
        text.encode()
        assert "\0" not in text
    author(found.source)
    again = _read(found.source)
    assert again.source == found.source


def test_what_events_show_of_a_message() -> None:
    """Decoded, cut where it is absurd; attachments with names and sizes."""
    source = (
        FROM + b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= " + b"x" * 2000 + b"\r\nTo: Ann\r\n"
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHi\r\n--b\r\n"
        b"Content-Type: text/csv\r\nContent-Transfer-Encoding: base64\r\n"
        b"Content-Disposition: attachment;\r\n filename*=utf-8''%C3%9C.csv\r\n\r\nYTti\r\n--b--\r\n"
    )
    found = _read(source)
    assert found.headers["subject"].startswith("Grüße xxx")
    assert len(found.headers["subject"]) == 1000
    (file,) = found.about["attachments"]
    assert (file["filename"], file["content-type"]) == ("Ü.csv", "text/csv")
    assert file["size"] == 3


def test_user_variables_of_each_recipient() -> None:
    """Only where they can differ; one that has no value stays as it was written; all are cut."""
    options = Options(
        personal=True,
        variables={
            "id": "%recipient.id%",
            "who": "%recipient_fname%",
            "all": "x",
            "no": "%recipient.no%",
        },
    )
    ann = Addressee("ann@example.net", "Ann Bee", {"id": 7})
    bob = Addressee("bob@example.org", variables={"id": "y" * 5000})
    found = by_recipient(options, (ann, bob))
    assert found["ann@example.net"] == {"id": "7", "who": "Ann", "no": "%recipient.no%"}
    assert len(found["bob@example.org"]["id"]) == LONGEST_VARIABLE
    assert by_recipient(Options(variables=options.variables), (ann,)) == {}
    assert by_recipient(Options(personal=True, variables={"a": "b"}), (ann,)) == {}


def test_the_author_of_a_message() -> None:
    """The first address of From; nothing where there is none."""
    assert author(b"From: =?utf-8?q?J=C3=B6rg?= <j@b.cc>, x@b.cc\r\n\r\n") == "j@b.cc"
    for source in (b"", b"From: nobody\r\n\r\n", b"From: \r\n\r\n", b"To: a@b.cc\r\n\r\n"):
        assert author(source) == ""
