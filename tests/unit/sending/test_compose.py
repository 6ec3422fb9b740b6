"""Messages made of parts, read back by the standard library's parser."""

import re
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import getaddresses
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.model.addresses import Mailbox, mailboxes
from edge.model.errors import CallerError
from edge.rewriting import mime
from edge.sending.compose import Attachment, Parts, compose, message_id_given, with_headers

EXAMPLES = 25
SENDER = Mailbox("news@mg.example.com", "News")
ANN = Mailbox("ann@example.net", "Ann")
ODD = st.sampled_from(
    ["\r\nBcc: x@evil.example", "\n\n<html>", "\r", "\0", "=?utf-8?q?x?=", "é", "👩‍💻", '"', "\\",
     "%recipient%", "<x@y.example>", ",", ";", ":", "  ", "\t", "\u2028", "\x85", "\x0b", "a" * 90,
     "--=_", "%0d%0a", "=0D=0A", "ü" * 40]
)  # fmt: skip
TEXT = st.lists(ODD | st.text(max_size=12), max_size=8).map("".join)
NAMES = {
    "From", "To", "Cc", "Subject", "Date", "Message-Id", "MIME-Version", "Content-Type",
    "Content-Transfer-Encoding", "X-Odd", "Reply-To",
}  # fmt: skip


def _made(**parts: Any) -> bytes:
    fields: dict[str, Any] = {
        "sender": [SENDER],
        "to": [ANN],
        "message_id": "1@mg.example.com",
        "at": 1.75e9,
    }
    return compose(Parts(**(fields | parts)))


def _read(message: bytes) -> EmailMessage:
    parsed = message_from_bytes(message, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    assert not parsed.defects
    return parsed


def _clean(text: str) -> str:
    """What is left of text in a header: control characters are spaces, and none is at its ends."""
    return re.sub("[\x00-\x1f\x7f\ud800-\udfff\u2028\u2029\x80-\x9f]+", " ", text).strip()


def _shown(raw: str) -> str:
    return str(make_header(decode_header(re.sub(r"\r\n(?=[ \t])", "", raw))))


def _sound(message: bytes) -> None:
    """Every line ends in CRLF and none is too long; the header is ASCII and has its fields."""
    lines = message.split(b"\r\n")
    assert not any(b"\r" in line or b"\n" in line or len(line) > 998 for line in lines)
    head, _, _ = message.partition(b"\r\n\r\n")
    assert head.isascii()
    for line in head.split(b"\r\n"):
        assert line.strip(), "a line of white space ends the header for some readers"
        assert line[:1] in b" \t" or line.partition(b":")[0].decode() in NAMES


@settings(max_examples=EXAMPLES, deadline=None)
@given(TEXT, TEXT, TEXT)
@example(subject="a" * 2000, value=" ", name="")
@example(subject="x  y", value="  a", name="a  b")
def test_no_text_ends_a_header(subject: str, value: str, name: str) -> None:
    """Subject, own headers and names: one line each, and what they say comes back."""
    message = _made(
        subject=subject,
        text="Hello",
        headers=[("X-Odd", value)],
        sender=[Mailbox(SENDER.address, _clean(name))],
        to=[Mailbox(ANN.address, _clean(name)), SENDER],
    )
    _sound(message)
    raw = message_from_bytes(message)
    assert set(raw.keys()) <= NAMES
    assert [len(raw.get_all(key, [])) for key in raw] == [1] * len(raw.keys())
    for header, text in (("Subject", subject), ("X-Odd", value)):
        if "=?" not in text:
            assert _shown(raw[header]).split() == _clean(text).split()
    boxes = mailboxes(re.sub(r"\r\n(?=[ \t])", "", raw["To"]))
    assert [box.address for box in boxes] == [ANN.address, SENDER.address]
    assert [address for _, address in getaddresses([raw["To"]])] == [ANN.address, SENDER.address]
    if "=?" not in name:
        assert _shown(boxes[0].name).split() == _clean(name).split()


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT, st.binary(max_size=60), st.booleans()), max_size=3))
def test_files_come_back(files: list[tuple[str, str, bytes, bool]]) -> None:
    """Data to the byte, names but for control characters, whatever type they claim."""
    given_files = [
        Attachment(name, kind, data, inline=inline) for name, kind, data, inline in files
    ]
    message = _made(text="Hello", html="<p>Hello", attachments=given_files)
    _sound(message)
    found = [part for part in _read(message).walk() if part.get_filename() is not None]
    ordered = sorted(given_files, key=lambda file: not file.inline)
    assert [part.get_payload(decode=True) for part in found] == [file.data for file in ordered]
    for part, file in zip(found, ordered, strict=True):
        assert not part.is_multipart()
        assert part.get_content_disposition() == ("inline" if file.inline else "attachment")
        if "=?" not in file.filename:
            # get_filename() would strip angle brackets
            name = part["Content-Disposition"].params["filename"]
            assert name.split() == (_clean(file.filename) or "file").split()


@settings(max_examples=EXAMPLES, deadline=None)
@given(TEXT, st.none() | TEXT)
@example("x" * 3000, "é" * 3000)
@example("line\n" * 3 + ".", "From here\r\n. \r\n=\r\n")
def test_texts_come_back(text: str, html: str | None) -> None:
    """Text and HTML as they were given, whatever encoding they need; lines end in CRLF."""
    message = _made(text=text, html=html)
    _sound(message)
    parsed = _read(message)
    for kind, given_text in (("plain", text), ("html", html)):
        if given_text is not None:
            part = parsed.get_body((kind,))
            assert part is not None
            raw = part.get_payload(decode=True)
            assert isinstance(raw, bytes)
            assert _lines(raw.decode("utf-8", "surrogatepass")) == _lines(
                given_text.replace("\0", "")
            )
    assert all(not leaf.fault for leaf in mime.split(message).leaves())


def _lines(text: str) -> list[str]:
    return re.split(r"\r\n|\r|\n", text.removesuffix("\n").removesuffix("\r"))


def test_the_order_of_alternatives() -> None:
    """Text, AMP, HTML; inline files beside them, attachments around; MIME-Version first of all."""
    files = [Attachment("a.png", "image/png", b"1", inline=True), Attachment("b", "x", b"2")]
    message = _made(text="t", html="h", amp="a", attachments=files, subject="S")
    kinds = [part.get_content_type() for part in _read(message).walk()]
    assert kinds == [
        *("multipart/mixed", "multipart/related", "multipart/alternative"),
        *("text/plain", "text/x-amp-html", "text/html", "image/png", "application/octet-stream"),
    ]
    assert b"Content-Id: <a.png>" in message


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("text/csv; charset=utf-8", "text/csv; charset=utf-8;"),
        ('text/csv; name="a;b.csv"; header=present', "text/csv; header=present;"),
        ('text/csv; x="a; name=b"', 'text/csv; x="a; name=b";'),
        ("multipart/mixed; boundary=x", "application/octet-stream;"),
        ("message/rfc822", "application/octet-stream;"),
        ("text/html\r\nX: y", "application/octet-stream;"),
        ('text/html; a="b', "text/html;"),
        ("nonsense", "application/octet-stream;"),
    ],
)
def test_types_of_files(kind: str, expected: str) -> None:
    """A type with sound parameters stays, but for the name; what would have parts is bytes."""
    message = _made(text="x", attachments=[Attachment("f", kind, b"x")])
    assert f'\r\nContent-Type: {expected}\r\n name="f"\r\n'.encode() in message


def test_long_names_are_cut_between_octets() -> None:
    """No piece of an RFC 2231 parameter holds half an octet; a short name is one piece."""
    long, short = "ü1" * 60 + ".pdf", "Grüße.pdf"
    message = _made(
        text="x", attachments=[Attachment(name, "application/pdf", b"x") for name in (long, short)]
    )
    for piece in re.findall(rb"name\*\d+\*=(?:utf-8'')?([^;\r]*)", message):
        assert re.fullmatch(rb"(?:%[0-9A-F]{2}|[^%])+", piece)
    assert b"filename*=utf-8''Gr%C3%BC%C3%9Fe.pdf\r\n" in message
    names = [part.get_filename() for part in _read(message).iter_attachments()]
    assert names == [long, short]


@pytest.mark.parametrize(
    "name",
    [
        *("Content-Type", "content-transfer-encoding", "MIME-Version", "Bcc", "Received"),
        *(
            "Return-Path",
            "DKIM-Signature",
            "Resent-To",
            "X Y",
            "X:Y",
            "X\r\nBcc",
            "",
            "é",
            "X" * 77,
        ),
    ],
)
def test_headers_that_cannot_be(name: str) -> None:
    """What the structure depends on, and what is no name."""
    with pytest.raises(CallerError, match="h:"):
        _made(text="x", headers=[(name, "v")])


def test_own_headers_replace() -> None:
    """A caller's header takes the place of ours; several of one name all stay."""
    message = _made(
        text="x",
        subject="ours",
        headers=[("subject", "theirs"), ("X-A", "1"), ("X-a", "2"), ("Message-Id", "9@x.example")],
    )
    raw = message_from_bytes(message)
    assert raw.get_all("Subject") == ["theirs"]
    assert raw.get_all("X-A") == ["1", "2"]
    assert raw.get_all("Message-Id") == ["<9@x.example>"]
    assert message_id_given([("message-id", " <a@b> ")]) == "a@b"
    for bad in ("a b@c", "<a@b", "<a@b> <c@d>", "", "a\r\nb"):
        with pytest.raises(CallerError, match="not a Message-Id"):
            message_id_given([("Message-Id", bad)])


@pytest.mark.parametrize(
    "value",
    [
        "Jörg <j@example.com>",
        "=?utf-8?q?J=C3=B6rg?= <j@example.com>",
        '"Jörg" <j@example.com>, a@b.cc',
    ],
)
def test_addresses_in_own_headers(value: str) -> None:
    """Names are encoded, once; the address stays readable."""
    reply = _read(_made(text="x", headers=[("Reply-To", value)]))["Reply-To"]
    first = reply.addresses[0]
    assert (first.display_name, first.addr_spec) == ("Jörg", "j@example.com")


def test_a_subject_encoded_by_the_caller() -> None:
    """It reads as its author meant it, and cannot smuggle a line in."""
    encoded = "=?utf-8?q?Gr=C3=BC=C3=9Fe=0D=0AX-Evil=3A_1?="
    parsed = _read(_made(text="x", subject=encoded))
    assert parsed["Subject"] == "Grüße X-Evil: 1"
    assert "X-Evil" not in parsed


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_headers_of_a_whole_message(end: str) -> None:
    """They replace those of their name, in the message's own line ends; the rest is untouched."""
    message = (
        f"From: a@b.cc{end}Subject: one{end} two{end}X-A: 1{end}x-a: 2{end}{end}Hi{end}".encode()
    )
    changed = with_headers(message, [("X-A", "9"), ("Reply-To", "r@b.cc")])
    expected = (
        f"X-A: 9{end}Reply-To: r@b.cc{end}From: a@b.cc{end}Subject: one{end} two{end}{end}Hi{end}"
    )
    assert changed == expected.encode()
    assert with_headers(message, []) == message
    assert with_headers(b"\r\nno message", [("X-A", "9")]) == b"\r\nno message"
    with pytest.raises(CallerError, match="structure"):
        with_headers(message, [("Content-Type", "text/html")])
