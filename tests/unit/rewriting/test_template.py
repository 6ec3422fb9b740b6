"""Compile once, copy many: variables, unsubscribe links, footers, headers, encodings, report."""

import quopri

import pytest

from edge.model.domain import DEFAULT_FOOTERS
from edge.model.errors import CallerError
from edge.model.tokens import Level
from edge.rewriting.explain import explain, flawed
from edge.rewriting.headers import encoded_words, phrase
from edge.rewriting.switches import Clicks, Tracking
from edge.rewriting.template import compile_message, message_id_of
from edge.rewriting.transfer import QuotedPrintable, fold_into_line, to_quoted_printable
from edge.rewriting.variables import Recipient
from tests.unit.rewriting.samples import (
    ADA,
    ALL,
    BASE,
    CLICKS,
    TRACKED,
    cautions,
    check_faithful,
    click,
    destinations,
    html,
    instructions,
    instrument,
    message,
    opened,
    payloads,
    reasons,
    seal,
    text,
    unsubscribe,
    with_domain,
)

UNSUBSCRIBES = Tracking(unsubscribes=True)


def test_each_copy_is_its_recipients_own() -> None:
    """Tokens hold recipient, position and the message id; variables are the recipient's."""
    body = (
        "<p>Dear %recipient_fname% %recipient_lname% (%recipient%), %recipient.score% of 5</p>"
        '<a href="https://e.com/?u=%recipient.id%&amp;x=1">you</a><a href="https://e.com/">all</a>'
    )
    whole = message(body.encode())
    template = compile_message(whole, instructions(Tracking(opens=True, clicks=Clicks.YES)), seal)
    for recipient, number in ((ADA, 7), (Recipient("bob@example.net"), 8)):
        after = template.render(recipient, {"id": number, "score": 4.5})
        assert destinations(after) == [f"https://e.com/?u={number}&x=1", "https://e.com/"]
        tokens = [part.split(b'"')[0] for part in after.split(b"/c/")[1:]]
        assert [click(token).position for token in tokens] == [0, 1]
        assert {click(token).recipient for token in tokens} == {recipient.address}
        pixel = opened(after.split(b"/o/")[1].split(b'"')[0])
        assert pixel.recipient == recipient.address
        assert len(pixel.message_id) == 13
    assert "Dear Ada Lovelace (Ada Lovelace &lt;ada@example.net&gt;), 4.5 of 5" in (
        template.render(ADA, {"score": 4.5}).decode()
    )
    assert b"Dear   (bob@example.net), %recipient.score% of 5" in template.render("bob@example.net")


def test_variables_can_be_left_alone() -> None:
    """A message that is no batch keeps its percent signs."""
    body = "<p>%recipient% %recipient.x% %unsubscribe_url% 100%</p>"
    after, made = html(body, CLICKS, variables={"x": 1}, personal=False)
    assert after == body.encode()
    assert "unsubscribe-off" in cautions(made)


def test_values_are_in_the_charset_of_the_part() -> None:
    """What the charset lacks is a reference in HTML and a question mark in text."""
    for kind, expected in (("text/html", b"\xfc &#127881;"), ("text/plain", b"\xfc ?")):
        whole = message(b"%recipient.x%", f"{kind}; charset=iso-8859-1")
        assert instrument(whole, CLICKS, {"x": "ü 🎉"}).message.endswith(expected)


def test_unsubscribe_links_of_every_level() -> None:
    """Domain, tags and list; where tags or list are missing, the domain, with a warning."""
    body = (
        "%unsubscribe_url% %tag_unsubscribe_url% %mailing_list_unsubscribe_url% %unsubscribe_email%"
    )
    whole = message(body.encode(), "text/plain")
    template = compile_message(
        whole, instructions(UNSUBSCRIBES, tags=("a", "b"), mailing_list="l@example.com"), seal
    )
    after = template.render(ADA, unsubscribe_email=lambda to: f"u+{len(to.address)}@example.com")
    urls = after.rsplit(b"\r\n", 1)[1].decode().split(" ")
    targets = [unsubscribe(url.removeprefix(BASE + "u/").encode()) for url in urls[:3]]
    assert [(t.level, t.names) for t in targets] == [
        (Level.DOMAIN, []),
        (Level.TAG, ["a", "b"]),
        (Level.LIST, ["l@example.com"]),
    ]
    assert urls[3] == "u+15@example.com"
    assert b",\r\n <mailto:u+15@example.com>\r\n" in after
    made = instrument(whole, UNSUBSCRIBES)
    assert {"no-tags", "no-list"} <= cautions(made)
    assert made.message.endswith(b"%unsubscribe_email%")


def test_unsubscribe_links_are_not_click_tracked() -> None:
    """Neither in an attribute nor in the text, and the report says why."""
    after, made = html('<a href="%unsubscribe_url%">out</a>')
    assert after == b'<a href="%unsubscribe_url%">out</a>'
    made = instrument(message(b'<a href="%unsubscribe_url%">out</a>'), ALL)
    assert reasons(made) == ["unsubscribe-variable"]
    assert b'<a href="https://email.example.com/u/' in made.message


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_list_unsubscribe_headers(scheme: str) -> None:
    """Added at the end of the header; the one for one-click only over https (RFC 8058)."""
    whole = message(b"x", "text/plain")

    def sealed(*_: object) -> str:
        return f"{scheme}://email.example.com/u/token"

    template = compile_message(
        whole, instructions(UNSUBSCRIBES, domain=with_domain(web_scheme=scheme)), sealed
    )
    lines = template.render(ADA).split(b"\r\n")
    assert f"List-Unsubscribe: <{scheme}://email.example.com/u/token>".encode() in lines
    assert (b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in lines) is (scheme == "https")


def test_a_senders_own_list_unsubscribe_wins() -> None:
    """Nothing is added to it; but with our variable in it, one-click is declared."""
    own = b"List-Unsubscribe: <https://example.com/out>\r\n" + message(b"x", "text/plain")
    assert instrument(own, UNSUBSCRIBES).message == own
    with_variable = own.replace(b"https://example.com/out", b"%unsubscribe_url%")
    after = instrument(with_variable, UNSUBSCRIBES).message
    assert after.startswith(b"List-Unsubscribe: <https://email.example.com/u/")
    assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in after


def test_footers_go_to_the_html_and_to_its_alternative() -> None:
    """HTML before the pixel, text at the end; links in a footer are tracked like others."""
    whole = (
        b"Message-Id: <1@e>\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/plain\r\n\r\nHi\r\n"
        b"--b\r\nContent-Type: text/html\r\n\r\n<body>Hi</body>\r\n--b--\r\n"
    )
    made = instrument(
        whole,
        ALL,
        html_footer=DEFAULT_FOOTERS.html + '<a href="https://e.com/">us</a>',
        text_footer=DEFAULT_FOOTERS.text,
    )
    plain, marked = [raw.decode() for _, raw in payloads(made.message)]
    assert plain.startswith("Hi\r\n\r\nTo unsubscribe click: <https://email.example.com/u/")
    assert marked.startswith('<body>Hi\r\n<br>\r\n<p><a href="https://email.example.com/u/')
    assert marked.endswith('"></body>')
    assert marked.index("unsubscribe</a>") < marked.index("us</a>") < marked.index("<img ")
    assert reasons(made) == ["unsubscribe-variable", "tracked"]
    assert "footer-and-variable" not in cautions(made)
    twice = whole.replace(b"<body>Hi", b"<body>%unsubscribe_url%")
    assert "footer-and-variable" in cautions(
        instrument(twice, ALL, html_footer=DEFAULT_FOOTERS.html)
    )


def test_a_text_only_message() -> None:
    """Clicks as configured, no pixel, and the report says so; htmlonly leaves it alone."""
    after, made = text("see https://e.com/", Tracking(opens=True, clicks=Clicks.YES))
    assert destinations(after) == ["https://e.com/"]
    assert "no-html-part" in cautions(made)
    after, made = text("see https://e.com/", Tracking(clicks=Clicks.HTML_ONLY))
    assert after == b"see https://e.com/"
    assert reasons(made) == ["html-only"]
    _, made = html('<a href="https://e.com/">x</a>', Tracking(clicks=Clicks.NO))
    assert reasons(made) == ["clicks-off"]


def test_positions_count_html_first() -> None:
    """So the position of an HTML link does not depend on the text beside it."""
    whole = (
        b"Message-Id: <1@e>\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/plain\r\n\r\nhttps://e.com/t\r\n"
        b"--b\r\nContent-Type: text/html\r\n\r\n<a href='#x'></a><a href=//e.com/>\r\n--b--\r\n"
    )
    made = instrument(whole)
    assert [(link.position, link.where, link.part) for link in made.report.links] == [
        (0, "a", "2"),
        (1, "a", "2"),
        (2, "text", "1"),
    ]


@pytest.mark.parametrize(
    ("body", "before"),
    [
        ("<html><head><title>x</title></head><p>y", "<html><head><title>x</title></head>"),
        ("<!doctype html><p>x", "<!doctype html>"),
        ("\ufeff<p>x", "\ufeff"),
        ("<html lang=en><body\r\nclass=x>y", "<html lang=en><body\r\nclass=x>"),
    ],
)
def test_a_pixel_at_the_top_changes_no_structure(body: str, before: str) -> None:
    """After the body's tag, else after the head, else before the first content."""
    after, made = html(body, Tracking(opens=True, pixel_at_top=True))
    assert after.startswith(before.encode() + b"<img ")
    assert made.report.pixel == "top"


@pytest.mark.parametrize("body", ["<p>x<!-- open", "<p>x<script>", "<p>x<a href='"])
def test_a_pixel_is_never_put_where_nobody_sees_it(body: str) -> None:
    """Markup that ends inside something gets it at the top, with a warning."""
    after, made = html(body, Tracking(opens=True))
    assert after.startswith(b"<img ")
    assert "unfinished-html" in cautions(made)


def test_a_line_that_grows_too_long_switches_to_quoted_printable() -> None:
    """The part and its header are written anew, and the report says so; others stay."""
    body = b"<p>" + b"word " * 180 + b'</p><a href="https://e.com/">x</a>\r\nshort \r\n'
    for encoding in ("7bit", "8bit"):
        whole = message(body, encoding=encoding)
        made = instrument(whole)
        assert "to-quoted-printable" in cautions(made)
        assert b"Content-Transfer-Encoding: quoted-printable\r\n" in made.message
        assert max(map(len, made.message.splitlines())) <= 80
        raw = payloads(made.message)[0][1]
        assert destinations(raw) == ["https://e.com/"]
        assert raw.endswith(b"short \r\n")
    without = whole.replace(b"Content-Transfer-Encoding: 8bit\r\n", b"")
    made = instrument(without)
    assert made.message.count(b"Content-Transfer-Encoding: quoted-printable\r\n") == 1
    long_before = message(b"<p>" + b"word " * 300 + b'</p><a href="https://e.com/">x</a>')
    assert "to-quoted-printable" not in cautions(instrument(long_before))


def test_a_7_bit_part_stays_7_bit() -> None:
    """A value beyond ASCII switches it to quoted-printable."""
    whole = message(b"Dear %recipient.x%", "text/plain; charset=utf-8", "7bit")
    made = instrument(whole, CLICKS, {"x": "Zoë"})
    assert made.message.isascii()
    assert payloads(made.message)[0][1] == "Dear Zoë".encode()
    assert instrument(whole, CLICKS, {"x": "Zoe"}).message.endswith(b"\r\n\r\nDear Zoe")


def test_control_headers_are_removed() -> None:
    """Also where nothing else is done, and where the body is signed."""
    head = b'X-Mailgun-Tag: a\r\nX-MAILGUN-Variables: {"a":\r\n\t"b"}\r\n'
    for kind in ("text/plain", "application/pkcs7-mime"):
        whole = message(b"x", kind)
        assert instrument(head + whole, Tracking()).message == whole
    assert instrument(b"X-Mailgun-Tag: a\r\nA: b\r\n\r\nx", Tracking()).message == b"A: b\r\n\r\nx"


def test_a_message_needs_an_id() -> None:
    """Its own, or the given one, which is then added; tokens cannot do without."""
    whole = b"From: a@example.com\nContent-Type: text/html\n\n<a href='https://e.com/'>x</a>"
    with pytest.raises(CallerError, match="no Message-Id"):
        instrument(whole)
    made = instrument(whole, message_id="<9@example.com>")
    assert b"\nMessage-Id: <9@example.com>\n\n" in made.message
    assert message_id_of(made.message) == "9@example.com"
    assert message_id_of(b"no message") == ""
    with pytest.raises(CallerError):
        instrument(whole, message_id="a\r\nBcc: x@y")


def test_a_message_id_that_cannot_be_sealed() -> None:
    """The message goes out untouched; a comment behind an id is none of it."""
    whole = message(b"<a href='https://e.com/'>x</a>")
    head, _, rest = whole.partition(b"<20260101000000.0123456789abcdef@example.com>")
    for bad in (b"<a b@example.com>", b"<" + b"x" * 300 + b"@example.com>"):
        made = instrument(head + bad + rest, ALL)
        assert made.message == head + bad + rest
        assert made.report.untouched == "message-id"
    made = instrument(head + b"(x) <1@example.com> (y)" + rest)
    token = made.report.links[0].after or ""
    assert click(token.rsplit("/", 1)[1].encode()).message_id == "1@example.com"


def test_variables_in_quoted_printable() -> None:
    """Long, empty and many-lined values are folded and decode to what they are."""
    body = b"a=3D%recipient.x%%recipient.y% =\r\n%recipient.z% end\r\n"
    whole = message(body, "text/plain; charset=utf-8", "quoted-printable")
    values = {"x": "ü=" * 60, "y": "", "z": "one \ntwo\n" + "w" * 90}
    after = instrument(whole, CLICKS, values).message
    raw = payloads(after)[0][1]
    assert (
        raw
        == f"a={values['x']} {values['z']} end\r\n".replace("e \nt", "e \r\nt")
        .replace("o\nw", "o\r\nw")
        .encode()
    )
    assert all(len(line) <= 76 for line in after.split(b"\r\n"))


def test_text_that_is_not_of_its_charset() -> None:
    """ASCII URLs in it are tracked; of others nothing is known."""
    whole = message(b"\xff https://e.com/a https://e.com/\xc3\xbc", "text/plain; charset=utf-8")
    assert reasons(instrument(whole)) == ["tracked", "undecodable"]


def test_the_report_reads_well() -> None:
    """Every URL with its state, before and after; what is amiss makes the check fail."""
    made = instrument(message(b"<a href='https://e.com/'>x</a><a href='tel:1'>y</a>"), ALL)
    lines = list(explain(made.report))
    assert lines[0].startswith("2 links, 1 tracked; pixel at the bottom; +")
    assert any("skipped: scheme (tel)" in line for line in lines)
    assert any(line.startswith("      -> https://email.example.com/c/") for line in lines)
    assert not flawed(made.report)
    bad = instrument(message(b"<a href='https://u@e.com/\x1b[31m'>x</a>"))
    assert flawed(bad.report)
    assert all(line.isprintable() for line in explain(bad.report))
    http = instrument(message(b"<a href='http://e.com/'>x</a>"))
    assert "http-link" in cautions(http)


def test_quoted_printable_keeps_a_map_of_its_offsets() -> None:
    """Escapes, soft breaks and white space that a relay added are where they were."""
    body = b"a=3Db =\r\nc \t\r\n=E4"
    carrier = QuotedPrintable(b"head" + body, 4, 4 + len(body))
    assert carrier.decoded == b"a=b c\r\n\xe4"
    for start, end, raw in [(1, 2, b"=3D"), (4, 5, b"c"), (7, 8, b"=E4"), (0, 3, b"a=3Db")]:
        begin, stop = carrier.place(start, end)
        assert (b"head" + body)[begin:stop] == raw
    assert carrier.place(8, 8) == (4 + len(body), 4 + len(body))


@pytest.mark.parametrize("column", [0, 1, 74, 75, 76])
@pytest.mark.parametrize("tail", [0, 1, 75, 76])
def test_folding_keeps_lines_short(column: int, tail: int) -> None:
    """Each line has at most 76 characters, and no escape is torn."""
    value = b"=3D" * 60 + b"x" * 100
    lines = (b"p" * column + fold_into_line(value, column, tail, b"\r\n") + b"t" * tail).split(
        b"\r\n"
    )
    assert all(len(line) <= 76 for line in lines[1:])
    assert len(lines[0]) <= max(76, column + 1)
    joined = b"".join(line.removesuffix(b"=") for line in lines)
    assert joined == b"p" * column + value + b"t" * tail


def test_a_whole_body_in_quoted_printable() -> None:
    """It decodes to what it was; white space at the end of a line is safe."""
    raw = b"a=b \r\n\xff" + b"x" * 200 + b"\r\n\t\r\n"
    coded = to_quoted_printable(raw, b"\r\n")
    assert QuotedPrintable(coded, 0, len(coded)).decoded == raw
    assert all(len(line) <= 76 for line in coded.split(b"\r\n"))


def test_phrases() -> None:
    """Atoms as they are, specials quoted, the rest as encoded words of at most 75 characters."""
    assert phrase("Ada Lovelace", b"\r\n") == b"Ada Lovelace"
    assert phrase('A "B" <c>', b"\r\n") == b'"A \\"B\\" <c>"'
    assert phrase("Zoë", b"\r\n") == b"=?utf-8?b?Wm/Dqw==?="
    assert all(len(word) <= 76 for word in encoded_words("ä" * 200, b"\n").split(b"\n"))


def test_faithful_in_every_domain_setting() -> None:
    """Without https nothing else changes than the scheme of what is sealed."""
    whole = message(b"<a href='http://e.com/'>x</a>")
    made = instrument(whole, CLICKS, domain=with_domain(web_scheme="http"))
    assert "http-link" not in cautions(made)
    check_faithful(whole, made.message)


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r", b" "])
def test_a_part_that_becomes_quoted_printable_keeps_its_line_ends(end: bytes) -> None:
    """A bare line feed stays one among others, and nothing at the end of the body is lost."""
    body = b"first\nsecond\r\n" + b"x" * 900 + b" https://e.com/1 ." + end
    made = instrument(message(body, "text/plain; charset=utf-8", "7bit"))
    decoded = quopri.decodestring(made.message.partition(b"\r\n\r\n")[2])
    assert b"quoted-printable" in made.message
    assert TRACKED.sub(b"https://e.com/1", decoded) == body
