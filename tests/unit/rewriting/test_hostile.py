"""Hostile messages, recipients and variables: no damage, no injection, and bounded work."""

import sys
from email import message_from_bytes
from email.policy import default

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from turbohtml import Token, TokenType, tokenize

from edge.model.errors import CallerError
from edge.rewriting import html_part, mime, text_part
from edge.rewriting.report import Reason
from edge.rewriting.switches import Clicks, Tracking
from edge.rewriting.template import MAX_MESSAGE, compile_message
from edge.rewriting.variables import Recipient, pattern
from tests.unit.rewriting.samples import (
    ALL,
    CLICKS,
    DOMAIN,
    cautions,
    destinations,
    html,
    instructions,
    instrument,
    message,
    reasons,
    seal,
    text,
    undo,
)

BOTH = Tracking(opens=True, clicks=Clicks.YES)
NONE = pattern(personal=True, unsubscribe=True)


class Steps:
    """Counts function calls while something runs: a measure of work that needs no clock."""

    def __init__(self) -> None:
        self.calls = 0

    def __enter__(self) -> "Steps":
        sys.setprofile(self._count)
        return self

    def _count(self, _: object, event: str, __: object) -> None:
        if event in ("call", "c_call"):
            self.calls += 1

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)


@pytest.mark.parametrize(
    "unit",
    [
        *(
            "<a ",
            '<a href="',
            "<a href=x",
            "<!--[if mso]>",
            "<a href='https://e.com/'>x",
            "<v:x href=",
        ),
        *(
            "</body>",
            "<noscript>",
            "%recipient.x%",
            "<a x=1 ",
            "&amp;",
            "\r\n",
            "</noscript><noscript>",
        ),
    ],
)
def test_work_on_markup_is_linear(unit: str) -> None:
    """Ten times the markup is about ten times the steps, where careless readers are quadratic."""
    counts = []
    for size in (3_000, 30_000):
        body = unit * (size // len(unit))
        with Steps() as steps:
            html_part.scan(body, "utf-8", NONE)
        counts.append(steps.calls)
    assert counts[1] <= 15 * counts[0] + 200


def test_five_megabytes_of_open_tags() -> None:
    """The notorious cases go through whole, at a size where a quadratic reader never ends."""
    for unit in (
        b"<a ",
        b'<a href="x',
        b"<!--[if mso]>",
        b"https://e.com/ ",
        b"((((",
        b"=?utf-8?q?",
    ):
        for kind in ("text/html", "text/plain"):
            whole = message(unit * (5_000_000 // len(unit)), kind)
            made = instrument(whole, Tracking(opens=True))
            assert len(made.message) >= len(whole)


def test_text_scanning_is_linear_in_brackets_and_breaks() -> None:
    """A URL of a hundred thousand brackets, and as many flowed lines."""
    run = "https://e.com/" + ")" * 100_000
    assert text_part.scan(run, NONE, joined=False)[0][0].value == "https://e.com/"
    flowed = "https://e.com/" + "a \r\n" * 50_000
    assert len(text_part.scan(flowed, NONE, joined=True)[0]) == 1


def test_a_message_over_the_limit_goes_out_untouched() -> None:
    """25 MB is the limit; what is larger is not even looked at."""
    whole = message(b'<a href="https://e.com/">x</a>') + b"x" * MAX_MESSAGE
    made = instrument(whole, ALL)
    assert made.message is whole
    assert made.report.untouched is Reason.TOO_LARGE


def test_a_large_message_is_instrumented() -> None:
    """An attachment of 20 MB keeps its bytes and costs no copy of them per piece."""
    attachment = b"QUJD" * 5_000_000
    whole = (
        b"Message-Id: <1@e>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/html\r\n\r\n<a href='https://e.com/'>x</a>\r\n"
        b"--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + attachment
        + b"\r\n--b--\r\n"
    )
    made = instrument(whole)
    assert attachment in made.message
    assert reasons(made) == ["tracked"]


def test_deep_nesting_is_bounded() -> None:
    """Five hundred multiparts in each other: the parts beyond the limit are left alone."""
    depth = 500
    opening = b"".join(
        b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n" % (n, n + 1)
        for n in range(depth)
    )
    whole = (
        b"Message-Id: <1@e>\r\nContent-Type: multipart/mixed; boundary=b0\r\n\r\n"
        + opening
        + b"--b%d\r\nContent-Type: text/html\r\n\r\n<a href=https://e.com/>\r\n" % depth
    )
    made = instrument(whole, BOTH)
    assert made.message == whole
    assert made.report.parts[0].reason is Reason.TOO_DEEP


def test_a_bomb_of_parts_is_bounded() -> None:
    """A hundred thousand parts are not a hundred thousand objects."""
    part = b"--b\r\nContent-Type: text/html\r\n\r\n<a href=https://e.com/>\r\n"
    whole = (
        b"Message-Id: <1@e>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        + part * 100_000
        + b"--b--\r\n"
    )
    root = mime.split(whole)
    assert root.fault is Reason.TOO_DEEP
    assert instrument(whole, BOTH).message == whole


BROKEN = [
    b"",
    b"\r\n",
    b"no headers here\r\n\r\nhttps://e.com/",
    b"From: a\r\nthis is no header\r\n\r\n<a href=https://e.com/>",
    b"From: a\r\nContent-Type: multipart/mixed\r\n\r\n--b\r\n\r\nhttps://e.com/\r\n--b--\r\n",
    b"From: a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\nhttps://e.com/ without boundary",
    b"From: a\r\nContent-Type: text/html\r\nContent-Type: text/plain\r\n\r\n<a href=https://e.com/>",
    (
        b"Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: base64\r\n"
        b"\r\n--b\r\n\r\nhttps://e.com/\r\n--b--\r\n"
    ),
]


@pytest.mark.parametrize("data", BROKEN)
def test_broken_mime_goes_out_untouched(data: bytes) -> None:
    """What two readers could read in two ways is not edited at all."""
    made = instrument(data, BOTH, message_id="1@example.com")
    assert made.message == data
    assert made.report.untouched is Reason.BROKEN or not data.strip()


@pytest.mark.parametrize(
    ("encoding", "body", "reason"),
    [
        ("base64", b"!!!! no base64 !!!!", "bad-encoding"),
        ("base64", b"QUJD=QUJD", "bad-encoding"),
        ("x-uuencode", b"begin 644 x", "transfer-encoding"),
    ],
)
def test_bodies_that_cannot_be_decoded(encoding: str, body: bytes, reason: str) -> None:
    """They are left alone and reported."""
    whole = message(body, encoding=encoding)
    made = instrument(whole, BOTH)
    assert made.message == whole
    assert [part.reason for part in made.report.parts] == [reason]


def test_a_missing_closing_boundary_is_no_harm() -> None:
    """Mail readers take the rest as the last part, and so is it here, with a warning."""
    whole = (
        b"Message-Id: <1@e>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/html\r\n\r\n<a href='https://e.com/'>x</a>\r\n"
    )
    made = instrument(whole)
    assert reasons(made) == ["tracked"]
    assert "unclosed-multipart" in cautions(made)


def test_nul_bytes_and_8_bit_headers_are_kept() -> None:
    """Neither stops the rest from being tracked, and neither is changed."""
    whole = b"Subject: gr\xfc\xdfe\r\n" + message(b'<p>\0</p><a href="https://e.com/">x</a>\0')
    made = instrument(whole)
    assert made.message.startswith(b"Subject: gr\xfc\xdfe\r\n")
    undo(b'<p>\0</p><a href="https://e.com/">x</a>\0', made.message.split(b"\r\n\r\n", 1)[1])


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ada",
        "a@b\r\nBcc: victim@example.net",
        "a@b\0",
        "a@b, victim@example.net",
        "a@b> <victim@example.net",
        "\ud800@b",
        "a b@c",
        "x" * 400 + "@b",
    ],
)
def test_recipients_that_would_inject_are_refused(address: str) -> None:
    """One bare address, and nothing else, can be sealed and written into a header."""
    template = compile_message(message(b"<a href=https://e.com/>"), instructions(), seal)
    with pytest.raises(CallerError):
        template.render(address)


EVIL = [
    "x\r\nBcc: victim@example.net\r\n\r\n<script>",
    'x" <victim@example.net>, "y',
    "=?utf-8?q?=0D=0ABcc:_v?=",
    "ä" * 500,
    "x" * 5_000,
    "\ud800\udfff\0\x85\u2028",
    "x, victim@example.net",
]
TO_MANY = (
    b"From: Shop <a@example.com>\r\n"
    b'To: "Dear %recipient.x%" <%recipient_email%>\r\n'
    b"Cc: %recipient.x% <c@example.net>\r\n"
    b"Subject: Hi %recipient.x%,\r\n news\r\n"
    b"X-Other: =?utf-8?q?=C3=A4_%recipient=2Ex%25?=\r\n"
    b"List-Help: <https://example.com/%recipient.x%>\r\n"
    b"Message-Id: <1@example.com>\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n\r\nHi\r\n"
)


@pytest.mark.parametrize("value", EVIL)
@pytest.mark.parametrize("name", [*EVIL, "Ada"])
def test_variables_never_inject_header_lines_or_addresses(value: str, name: str) -> None:
    """The same fields, each one on its own line, with the same number of addresses."""
    template = compile_message(TO_MANY, instructions(), seal)
    after = template.render(Recipient("ada@example.net", name), {"x": value})
    parsed = message_from_bytes(after, policy=default)
    assert parsed.keys() == message_from_bytes(TO_MANY).keys()
    assert [address.addr_spec for address in parsed["To"].addresses] == ["ada@example.net"]
    assert [address.addr_spec for address in parsed["Cc"].addresses] == ["c@example.net"]
    assert after.endswith(b"\r\n\r\nHi\r\n")
    assert all(len(line) <= 998 for line in after.split(b"\r\n"))
    assert b"\r" not in after.replace(b"\r\n", b"")


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60))
def test_variables_in_html_stay_text(value: str) -> None:
    """No element, attribute or reference comes out of a value, wherever the variable stands."""
    body = '<p>%recipient.x%</p><p title="%recipient.x%" class=%recipient.x% id=k>y</p>'
    after, _ = html(body, variables={"x": value})
    plain, _ = html(body, variables={"x": "v"})
    shape = [(t.type, t.tag, [n for n, _ in t.attrs or ()]) for t in _markup(after)]
    assert shape == [(t.type, t.tag, [n for n, _ in t.attrs or ()]) for t in _markup(plain)]


def _markup(body: bytes) -> list[Token]:
    return [token for token in tokenize(body.decode()) if token.type is not TokenType.TEXT]


def test_variables_cannot_end_a_part() -> None:
    """A value that holds the boundary loses it, in every encoding that shows it."""
    for encoding in ("7bit", "quoted-printable"):
        whole = (
            b"Message-Id: <1@e>\r\nContent-Type: multipart/mixed; boundary=bound\r\n\r\n"
            b"--bound\r\nContent-Type: text/plain; charset=utf-8\r\n"
            b"Content-Transfer-Encoding: %b\r\n\r\nHi %%recipient.x%%\r\n--bound--\r\n"
        ) % encoding.encode()
        value = "a\n--bound\nContent-Type: text/html\n\n<script>--bo--boundund--"
        after = instrument(whole, CLICKS, {"x": value}).message
        assert after.count(b"--bound") == whole.count(b"--bound")


def test_a_destination_from_a_variable_is_judged_like_any_other() -> None:
    """What cannot be sealed is left as the text it is, never a redirect to it."""
    body = '<a href="%recipient.url%">x</a>'
    for value, reason in [
        ("https://e.com/?a=1&b=2", "tracked"),
        ("javascript:alert(1)", "scheme"),
        ("https://user@e.com/", "unsealable"),
        ('https://e.com/"><script>', "tracked"),
        ("https://e.com/#\r\n<p>", "tracked"),
    ]:
        after, made = html(body, variables={"url": value})
        assert reasons(made) == [reason], value
        assert b"<script" not in after
    made = instrument(message(body.encode()), CLICKS, {"url": "https://e.com/" + "x" * 6_000})
    assert reasons(made) == ["unsealable"]
    after, made = html(body)
    assert reasons(made) == ["unresolved-variable"]
    assert after == body.encode()


def test_unsealable_links_are_left_and_reported() -> None:
    """User information, impossible ports and over-long URLs, each with its reason in words."""
    body = (
        '<a href="https://good.example@evil.example/">1</a><a href="https://e.com:99999/">2</a>'
        f'<a href="https://e.com/{"x" * 5_000}">3</a><a href="https:\\\\e.com/">4</a>'
        '<a href="https://e.com/ok">5</a>'
    )
    after, made = html(body)
    assert reasons(made) == ["unsealable"] * 4 + ["tracked"]
    assert all(link.detail for link in made.report.links[:4])
    assert destinations(after) == ["https://e.com/ok"]


def test_own_links_are_known_by_host_and_path_only() -> None:
    """A look-alike host, and an own host with another path, are ordinary links."""
    host = DOMAIN.tracking_host
    token = "A" * 30
    body = (
        f"https://{host}/c/{token} https://{host}.evil.example/c/{token} "
        f"https://{host}/about http://{host.upper()}:8080/u/{token}"
    )
    _, made = text(body)
    assert reasons(made) == ["own-link", "tracked", "tracked", "own-link"]


ADDRESSING = st.lists(
    st.sampled_from(
        [
            '"',
            "\\",
            "%recipient.x%",
            "%recipient%",
            "<",
            ">",
            ",",
            " ",
            "\r\n ",
            "=?utf-8?q?%?=",
            "ü",
            "a@b",
        ]
    ),
    max_size=12,
).map("".join)


@settings(max_examples=200, deadline=None)
@given(ADDRESSING, st.text(max_size=20), st.sampled_from(["To", "Subject", "List-Help", "X-Y"]))
def test_any_header_keeps_its_lines(value: str, x: str, name: str) -> None:
    """However a header is written, a value adds no field and breaks no other."""
    whole = f"A: 1\r\n{name}: {value}\r\nMessage-Id: <1@e>\r\nZ: 2\r\n\r\nbody".encode()
    after = instrument(whole, CLICKS, {"x": x}).message
    assert after.startswith(b"A: 1\r\n" + name.encode() + b":")
    assert after.endswith(b"\r\nMessage-Id: <1@e>\r\nZ: 2\r\n\r\nbody")
    head = after.split(b"\r\nMessage-Id")[0].split(b"\r\n")[2:]
    assert all(line.startswith((b" ", b"\t")) for line in head)


@pytest.mark.parametrize("unit", ["%recipient%", "=?a?q?", '"', "\\", "<%recipient.x%", "?=", ","])
@pytest.mark.parametrize("name", ["To", "Subject", "List-Help", "Content-Type", "DKIM-Signature"])
def test_huge_headers_are_read_in_one_pass(unit: str, name: str) -> None:
    """A megabyte of what makes careless header readers quadratic."""
    whole = f"{name}: {unit * (1_000_000 // len(unit))}\r\nMessage-Id: <1@e>\r\n\r\nbody".encode()
    assert instrument(whole, CLICKS, recipient="a@b.example").message.endswith(b"body")
