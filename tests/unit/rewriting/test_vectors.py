"""The 42 cases in which some product breaks a link or a message today, each by its number."""

import base64
import re

import pytest

from edge.rewriting.switches import Clicks, Tracking
from tests.unit.rewriting.samples import (
    ALL,
    CLICKS,
    PIXEL,
    TRACKED,
    cautions,
    check_faithful,
    destinations,
    html,
    instrument,
    message,
    reasons,
    text,
    undo,
)

LONG = "https://org.sharepoint.example/:w:/r/sites/x/_layouts/15/Doc.aspx?d=" + "w%2F4" * 400

TRACKED_IN_HTML = [
    (1, '<a href="https://e.com/?a=1&amp;b=2">x</a>', "https://e.com/?a=1&b=2"),
    (2, '<a href="https://e.com/?a=1&b=2">x</a>', "https://e.com/?a=1&b=2"),
    (
        2,
        '<a href="https://e.com/?a=1&copy=2&reg=1&times=3&region=4&lt=5">x</a>',
        "https://e.com/?a=1&copy=2&reg=1&times=3&region=4&lt=5",
    ),
    (3, '<a href="https://e.com/?a=1&amp;amp;b=2">x</a>', "https://e.com/?a=1&amp;b=2"),
    (4, '<a href="https://e.com/a,b!c@d*e\'f$g|h">x</a>', "https://e.com/a,b!c@d*e'f$g|h"),
    (5, '<a href="https://e.com?x=1">x</a>', "https://e.com?x=1"),
    (6, '<A HREF="https://e.com/">x</a>', "https://e.com/"),
    (6, '<a href = "https://e.com/">x</a>', "https://e.com/"),
    (6, "<a href=https://e.com/p?q=1 class=x>x</a>", "https://e.com/p?q=1"),
    (6, "<a href=https://e.com/p/>x</a>", "https://e.com/p/"),
    (6, '<a\r\n\thref\r\n=\r\n"https://e.com/">x</a>', "https://e.com/"),
    (6, "<a/href='https://e.com/'>x</a>", "https://e.com/"),
    (7, '<a href=" \r\n https://e.com/x \t\r\n">x</a>', "https://e.com/x"),
    (7, '<a href="https://e.com/long\r\npath">x</a>', "https://e.com/longpath"),
    (8, "<a title='it\"s' href='https://e.com/?q=\"x\"'>x</a>", 'https://e.com/?q="x"'),
    (8, '<a title="a>b href=\'no\'" href="https://e.com/it\'s">x</a>', "https://e.com/it's"),
    (11, '<map><area shape="rect" href="https://e.com/map"></map>', "https://e.com/map"),
    (
        12,
        (
            '<!--[if mso]><v:roundrect xmlns:v="urn:x" href="https://e.com/b" arcsize="8%">'
            "<w:anchorlock/></v:roundrect><![endif]-->"
        ),
        "https://e.com/b",
    ),
    (16, '<a href="//e.com/x">x</a>', "https://e.com/x"),
    (17, '<a href="https://e.com/a%20b?x=%2F">x</a>', "https://e.com/a%20b?x=%2F"),
    (18, '<a href="https://e.com/p#fragment">x</a>', "https://e.com/p#fragment"),
    (18, '<a href="https://e.com/#grün">x</a>', "https://e.com/#gr%C3%BCn"),
    (18, '<a href="https://e.com/#/spa/route?x">x</a>', "https://e.com/#/spa/route?x"),
    (
        19,
        '<a href="https://grün.example/ä?ü=ö🙂">x</a>',
        "https://xn--grn-ioa.example/%C3%A4?%C3%BC=%C3%B6%F0%9F%99%82",
    ),
    (20, f'<a href="{LONG}">x</a>', LONG),
    (
        21,
        '<a href="https://e.com/?f[0]=themes:2&f[1]=a">x</a>',
        "https://e.com/?f[0]=themes:2&f[1]=a",
    ),
]

UNTOUCHED_IN_HTML = [
    (9, '<link rel=stylesheet href="https://fonts.example/css"><base href="https://e.com/">'),
    (
        10,
        '<abbr title=x href="https://e.com/">a</abbr><a-custom href="https://e.com/">x</a-custom>',
    ),
    (13, '<!-- <a href="https://e.com/">x</a> -->'),
    (14, "<style>a{content:'<a href=\"https://e.com/\">'}</style>"),
    (14, "<script>document.write('<a href=\"https://e.com/\">')</script>"),
    (14, '<title><a href="https://e.com/"></title><textarea><a href="https://e.com/"></textarea>'),
    (15, '<a href="mailto:a@e.com">m</a><a href="tel:+1">t</a><a href="sms:+1">s</a>'),
    (15, '<a href="#top">x</a><a href="javascript:void(0)">j</a><a href="cid:a@b">c</a>'),
    (15, '<a href="data:text/html,x">d</a><a href="{{merge}}">m</a><a href="*|X|*">x</a>'),
    (15, '<a href="https://e.com/{{ id }}?x=*|ID|*">m</a><a href="">e</a><a>n</a>'),
]


@pytest.mark.parametrize(("number", "body", "url"), TRACKED_IN_HTML)
def test_html_links_that_are_tracked(number: int, body: str, url: str) -> None:
    """The destination is exactly what a browser would have asked for; nothing else changes."""
    after, made = html(body)
    assert destinations(after) == [url], number
    undo(body.encode(), after)
    assert reasons(made) == ["tracked"]


@pytest.mark.parametrize(("number", "body"), UNTOUCHED_IN_HTML)
def test_html_that_stays_as_it_is(number: int, body: str) -> None:
    """What is no link to the web, or no link at all, keeps its bytes."""
    after, made = html(body)
    assert after == body.encode(), number
    assert "tracked" not in reasons(made)


def test_12_vml_can_be_switched_off() -> None:
    """The comment stays byte-identical but for the URL, or wholly, with the switch off."""
    body = '<!--[if gte mso 9]><v:rect href="https://e.com/"><a href="https://e.com/2"><![endif]-->'
    after, _ = html(body)
    assert destinations(after) == ["https://e.com/", "https://e.com/2"]
    off, made = html(body, outlook=False)
    assert off == body.encode()
    assert reasons(made) == ["outlook-off", "outlook-off"]


@pytest.mark.parametrize(
    ("number", "before", "urls"),
    [
        (22, "see https://e.com/x= and https://e.com/y/", ["https://e.com/x=", "https://e.com/y/"]),
        (23, "(https://e.com/x)", ["https://e.com/x"]),
        (23, "<https://e.com/x>", ["https://e.com/x"]),
        (23, "Look at https://e.com/x. Or not", ["https://e.com/x"]),
        (23, "https://e.com/x, and https://e.com/y!", ["https://e.com/x", "https://e.com/y"]),
        (23, "https://e.com/a_(b) [https://e.com/c]", ["https://e.com/a_(b)", "https://e.com/c"]),
        (19, "https://grün.example/ä, ja", ["https://xn--grn-ioa.example/%C3%A4"]),
        (23, "https://e.com/xはこちら。", ["https://e.com/x"]),
        (17, "https://e.com/a%20b?x=%2F", ["https://e.com/a%20b?x=%2F"]),
    ],
)
def test_text_links(number: int, before: str, urls: list[str]) -> None:
    """Punctuation and brackets around a URL stay outside of it, what is its own stays inside."""
    after, _ = text(before)
    assert destinations(after) == urls, number
    undo(before.encode(), after, markup=False)


def test_24_urls_broken_by_an_encoding() -> None:
    """The transfer encoding is undone first: soft breaks and =3D are not part of a URL."""
    body = b"See https://e.com/a?b=3Dc&long=3D=\r\nvalue now=\r\n.\r\n"
    made = instrument(message(body, "text/plain", "quoted-printable"))
    assert [link.before for link in made.report.links] == ["https://e.com/a?b=c&long=value"]
    check_faithful(message(body, "text/plain", "quoted-printable"), made.message)
    flowed = b"See https://e.com/very/ \r\nlong/path and \r\nmore.\r\n"
    kind = "text/plain; format=flowed; delsp=yes"
    made = instrument(message(flowed, kind, "7bit"))
    assert [link.before for link in made.report.links] == ["https://e.com/very/long/path"]
    assert made.message.endswith(b" and \r\nmore.\r\n")
    made = instrument(message(flowed, "text/plain; format=flowed", "7bit"))
    assert [link.before for link in made.report.links] == ["https://e.com/very/"]


def test_25_a_link_text_that_is_a_url() -> None:
    """Only href changes."""
    after, _ = html('<a href="https://e.com/">https://e.com/</a>')
    assert after.endswith(b'">https://e.com/</a>')
    assert len(TRACKED.findall(after)) == 1


def test_26_the_same_url_twice_is_two_links() -> None:
    """Each has its own position and so its own token."""
    _, made = html('<a href="https://e.com/">logo</a> … <a href="https://e.com/">footer</a>')
    assert [link.position for link in made.report.links] == [0, 1]
    assert len({link.after for link in made.report.links}) == 2


def test_27_own_tracking_links_are_not_wrapped_again() -> None:
    """Instrumenting what was instrumented changes no link."""
    once, _ = html('<a href="https://e.com/">x</a><a href="https://e.com/y">y</a>')
    twice, made = html(once.decode())
    assert twice == once
    assert reasons(made) == ["own-link", "own-link"]


@pytest.mark.parametrize(
    "url",
    [
        "https://u123.ct.sendgrid.net/ls/click?upn=abc",
        "http://email.other.example/c/eJwVyUEKwyAQBdC7uC4Uq7NwHZ",
        "https://abc.r.us-east-1.awstrack.me/L0/https:%2F%2Fe.com/1/x",
        "https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fe.com",
    ],
)
def test_28_links_of_other_trackers_are_tracked_with_a_warning(url: str) -> None:
    """A sender learns of a double redirect before the message goes out."""
    after, made = html(f'<a href="{url}">x</a>')
    assert destinations(after) == [url]
    assert "already-wrapped" in cautions(made)


def test_29_tokens_survive_recipient_side_rewriters() -> None:
    """The token is in the path and has nothing that a query string would have to escape."""
    after, _ = html('<a href="https://e.com/?a=1&b=2">x</a>')
    assert re.fullmatch(rb'<a href="https://email\.example\.com/c/[A-Za-z0-9_-]+">x</a>', after)


@pytest.mark.parametrize(
    ("body", "before_pixel"),
    [
        ("<p>x</p>", "<p>x</p>"),
        ("<body><p>x</p></BODY></html>", "<body><p>x</p>"),
        ("<body>a</body>b</body >c", "<body>a</body>b"),
        ("<body>a</body><!-- </body> --><script>'</body>'</script>", "<body>a"),
        ("<html><p>x</html>", "<html><p>x"),
    ],
)
def test_30_and_31_one_pixel_in_the_right_place(body: str, before_pixel: str) -> None:
    """Before the last real end of the body, else at the end; a fragment gets nothing else."""
    after, made = html(body, Tracking(opens=True))
    assert len(PIXEL.findall(after)) == 1
    assert PIXEL.sub(b"|", after).decode() == f"{before_pixel}|{body[len(before_pixel) :]}"
    assert made.report.pixel == "bottom"


def test_32_and_33_structure_is_not_read_into_a_tree() -> None:
    """Doctypes, namespaces, Outlook's endings and blocks in anchors stay byte for byte."""
    body = (
        '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "x.dtd">\r\n'
        '<html xmlns:v="urn:schemas-microsoft-com:vml"><head><style>a {}</style></head>\r\n'
        "<body ><o:p></o:p><![if !mso]><a HREF='https://e.com/'><table><tr><td>x</a></table>\r\n"
        "<![endif]--></body></html>\r\n"
    )
    after, _ = html(body, Tracking(opens=True, clicks=Clicks.YES))
    undo(body.encode(), after)


@pytest.mark.parametrize(
    ("charset", "codec", "word"),
    [
        ("windows-1251", "cp1251", "Привет"),
        ("big5", "big5", "許功蓋"),
        ("shift_jis", "shift_jis", "表示ソ"),
        ("iso-8859-1", "latin-1", "grün"),
        ("gb18030", "gb18030", "你好㐀"),
    ],
)
def test_34_charsets_in_which_ascii_is_ascii_are_spliced(
    charset: str, codec: str, word: str
) -> None:
    """The part keeps its charset; a URL beyond ASCII is read in it."""
    body = f'<p>{word}</p><a href="https://e.com/{word}">{word}</a>'.encode(codec)
    made = instrument(message(body, f"text/html; charset={charset}"))
    assert reasons(made) == ["tracked"]
    assert f"<p>{word}</p>".encode(codec) in made.message
    check_faithful(message(body, f"text/html; charset={charset}"), made.message)


@pytest.mark.parametrize("charset", ["iso-2022-jp", "utf-16", "utf-7", "hz-gb-2312", "x-nonsense"])
def test_34_other_charsets_are_left_alone_and_reported(charset: str) -> None:
    """Not one byte of the part changes."""
    whole = message(b'<a href="https://e.com/">x</a>', f"text/html; charset={charset}")
    made = instrument(whole, Tracking(opens=True, clicks=Clicks.YES))
    assert made.message == whole
    assert [part.reason for part in made.report.parts] == ["charset"]


def test_34_wrong_and_missing_charsets() -> None:
    """Bytes that are not of the charset are kept; a URL that cannot be read in it is left."""
    body = b'<p>\xff\xfe</p><a href="https://e.com/">x</a><a href="https://e.com/\xff">y</a>'
    made = instrument(message(body))
    assert reasons(made) == ["tracked", "undecodable"]
    assert b'<p>\xff\xfe</p><a href="https://email' in made.message
    made = instrument(message("<a href='https://e.com/ü'>".encode(), "text/html"))
    assert [link.before for link in made.report.links] == ["https://e.com/ü"]


def test_35_base64_is_tracked() -> None:
    """It is encoded again in lines as wide as before."""
    raw = b"<p>" + b"x" * 300 + b'</p><a href="https://e.com/">x</a>\n'
    coded = base64.encodebytes(raw).replace(b"\n", b"\r\n")
    whole = message(coded, encoding="base64")
    made = instrument(whole)
    assert destinations_of_base64(made.message) == ["https://e.com/"]
    check_faithful(whole, made.message)
    assert max(len(line) for line in made.message.splitlines()[8:]) == 76


def destinations_of_base64(whole: bytes) -> list[str]:
    """Where the links of a base64 body lead."""
    return destinations(base64.b64decode(whole.split(b"\r\n\r\n", 1)[1]))


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        (
            'multipart/signed; boundary=b; protocol="application/pkcs7-signature"',
            (
                b"--b\r\nContent-Type: text/html\r\n\r\n<a href='https://e.com'>\r\n"
                b"--b\r\nContent-Type: application/pkcs7-signature\r\n\r\nx\r\n--b--\r\n"
            ),
            "signed",
        ),
        ("application/pkcs7-mime; smime-type=enveloped-data", b"AAAA", "signed"),
        (
            "multipart/encrypted; boundary=b",
            b"--b\r\nContent-Type: text/plain\r\n\r\nhttps://e.com\r\n--b--\r\n",
            "encrypted",
        ),
        (
            "text/plain",
            b"-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\nhttps://e.com/\r\n",
            "inline-pgp",
        ),
    ],
)
def test_36_signed_and_encrypted(kind: str, body: bytes, reason: str) -> None:
    """Never touched, and reported."""
    whole = message(body, kind)
    made = instrument(whole, Tracking(opens=True, clicks=Clicks.YES))
    assert made.message == whole
    assert reason in [part.reason for part in made.report.parts]


def test_37_a_foreign_dkim_signature_means_hands_off() -> None:
    """The message goes out untouched; an own signature is taken off instead, and said so."""
    body = message(b'<a href="https://e.com/">x</a>')
    foreign = b"DKIM-Signature: v=1; a=rsa-sha256; d=other.example;\r\n\ts=x; b=AAAA\r\n" + body
    made = instrument(foreign, ALL)
    assert made.message == foreign
    assert made.report.untouched == "foreign-signature"
    own = b"DKIM-Signature: v=1; a=rsa-sha256; s=x;\r\n\td=Example.COM; b=AAAA\r\n" + body
    made = instrument(own)
    assert made.message.startswith(b"From: Shop")
    assert "dkim-stripped" in cautions(made)
    assert instrument(own, Tracking()).message == own


MIXED = (
    b"From: a@example.com\r\nMessage-Id: <1@example.com>\r\n"
    b"Content-Type: multipart/mixed; boundary=m\r\n\r\n"
    b"--m\r\nContent-Type: text/html\r\n\r\n<a href='https://e.com/'>x</a>\r\n"
    b"--m\r\nContent-Type: %b\r\n\r\n%b\r\n--m--\r\n"
)
INSIDE = b"<a href='https://e.com/inside'>x</a>"


@pytest.mark.parametrize(
    ("number", "kind", "body", "reason"),
    [
        (38, b"message/rfc822", b"Content-Type: text/html\r\n\r\n" + INSIDE, "nested-message"),
        (39, b"text/html\r\nContent-Disposition: attachment", INSIDE, "attachment"),
        (39, b"text/html; name=page.html", INSIDE, "attachment"),
        (40, b"text/x-amp-html", INSIDE, "amp-off"),
        (0, b"text/calendar; method=REQUEST", b"URL:https://e.com/inside", "other-type"),
    ],
)
def test_38_to_40_parts_that_are_not_the_message(
    number: int, kind: bytes, body: bytes, reason: str
) -> None:
    """The body is instrumented, the other part keeps its bytes and is reported."""
    made = instrument(MIXED % (kind, body))
    assert body in made.message, number
    assert reasons(made) == ["tracked"]
    assert [part.reason for part in made.report.parts] == [None, reason]


def test_40_amp_has_a_switch_of_its_own() -> None:
    """Its links are tracked when it is on; it never gets a pixel."""
    made = instrument(MIXED % (b"text/x-amp-html", INSIDE), CLICKS, amp=True)
    assert reasons(made) == ["tracked", "tracked"]


def test_41_links_that_must_not_be_tracked() -> None:
    """By an attribute of the link, or by a list of hosts and paths."""
    body = (
        '<a href="https://e.com/1" disable-tracking=true>x</a>'
        '<a href="https://e.com/2" disable-tracking="true">x</a>'
        '<a disable-tracking=true\\ href="http://mailgun.com">x</a>'
        '<a href="http://mailgun.com" disable-tracking=true\\>Mailgun\\</a\\>'
        '<a href="https://e.com/3" disable-tracking=false>x</a>'
        '<a href="https://login.example/reset?t=1">x</a>'
        '<a href="https://sub.secret.example/">x</a>'
        '<a href="https://login.example/other">x</a>'
    )
    after, made = html(body, excluded=("login.example/reset", "*.secret.example"))
    assert reasons(made) == ["disable-tracking"] * 4 + [
        "tracked",
        "excluded",
        "excluded",
        "tracked",
    ]
    assert destinations(after) == ["https://e.com/3", "https://login.example/other"]
    undo(body.encode(), after)


def test_42_a_message_near_the_clip_is_reported() -> None:
    """With the count of octets; a pixel at the top is asked for by a switch."""
    body = "<body>" + "<p>x</p>" * 12_500 + "</body>"
    after, made = html(body, Tracking(opens=True, pixel_at_top=True))
    assert "near-gmail-clip" in cautions(made)
    assert made.report.pixel == "top"
    assert after.startswith(b'<body><img width="1"')
    assert "near-gmail-clip" not in cautions(html("<p>x</p>")[1])
    assert made.report.added == len(made.message) - len(message(body.encode()))
