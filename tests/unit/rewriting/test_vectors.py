"""What other instrumenters get wrong, one case each; the numbers are those of docs/rewriting.md."""

import base64
import quopri

import pytest

from edge.rewriting.report import Caution, Reason
from edge.rewriting.switches import Clicks, Tracking
from tests.unit.rewriting.world import (
    HOST,
    clicks,
    html,
    instrumented,
    opens,
    reasons,
    text,
    undone,
)

LONG = "https://contoso.sharepoint.example/:w:/r/sites/x/_layouts/15/Doc.aspx?d=" + "w9%7Bz" * 320


def link(url: str) -> str:
    """An anchor."""
    return f'<p><a href="{url}">here</a></p>'


TRACKED = [
    ("1 references are decoded", link("https://e.com/?a=1&amp;b=2"), "https://e.com/?a=1&b=2"),
    ("2 raw ampersands stay", link("https://e.com/?a=1&b=2"), "https://e.com/?a=1&b=2"),
    ("2 copy is no reference", link("https://e.com/?x=1&copy=2&reg=1&times=3&region=4"),
     "https://e.com/?x=1&copy=2&reg=1&times=3&region=4"),
    ("3 decoded once only", link("https://e.com/?a=1&amp;amp;b=2"), "https://e.com/?a=1&amp;b=2"),
    ("4 odd characters", link("https://e.com/a,b!c@d*e'f$g|h"), "https://e.com/a,b!c@d*e'f$g|h"),
    ("5 no slash", link("https://e.com?x=1"), "https://e.com?x=1"),
    ("6 upper case", '<A HREF="https://e.com/1">x</A>', "https://e.com/1"),
    ("6 spaces around =", '<a href = "https://e.com/1">x</a>', "https://e.com/1"),
    ("6 no quotes", "<a href=https://e.com/1>x</a>", "https://e.com/1"),
    ("6 a line break in the tag", '<a\n  href="https://e.com/1">x</a>', "https://e.com/1"),
    ("7 white space in the quotes", '<a href=" \n https://e.com/1 ">x</a>', "https://e.com/1"),
    ("8 a quote of the other kind", "<a href='https://e.com/it\"s'>x</a>", 'https://e.com/it"s'),
    ("11 image maps", '<map><area href="https://e.com/1"></map>', "https://e.com/1"),
    ("12 Outlook's buttons", '<!--[if mso]><v:roundrect href="https://e.com/1"><![endif]-->',
     "https://e.com/1"),
    ("16 no scheme", link("//e.com/x"), "https://e.com/x"),
    ("17 escapes stay", link("https://e.com/a%20b?x=%2F"), "https://e.com/a%20b?x=%2F"),
    ("18 fragments stay", link("https://e.com/#/spa/route?x"), "https://e.com/#/spa/route?x"),
    ("19 ASCII in Location", link("https://grün.example/ä?ü=ö"),
     "https://xn--grn-ioa.example/%C3%A4?%C3%BC=%C3%B6"),
    ("20 two kilobytes", link(LONG), LONG),
    ("21 brackets", link("https://e.com/?f[0]=themes:2&amp;f[1]=x"),
     "https://e.com/?f[0]=themes:2&f[1]=x"),
    ("33 blocks in a link", '<a href="https://e.com/1"><table><tr><td>x</td></tr></table></a>',
     "https://e.com/1"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "url"), [row[1:] for row in TRACKED], ids=[r[0] for r in TRACKED])
def test_a_link_is_tracked_and_nothing_else_changes(body: str, url: str) -> None:
    """The destination is what a browser would ask for; taken out again, the body is as it was."""
    sent, report = instrumented(html(body))
    assert clicks(sent) == [url]
    assert opens(sent) == 1
    assert sent.count(b"<a") + sent.count(b"<A") == html(body).count(b"<a") + html(body).count(
        b"<A"
    )
    assert report.untouched is None


UNTOUCHED = [
    ("9 style sheets", '<link rel=stylesheet href="https://fonts.example/x.css">'),
    ("9 base", '<base href="https://e.com/">'),
    ("10 look-alikes", '<abbr title href="https://e.com/1">x</abbr>'),
    ("10 custom elements", '<a-custom href="https://e.com/1">x</a-custom>'),
    ("13 comments", '<!-- <a href="https://e.com/1"> -->'),
    ("14 style", '<style>a[href="https://e.com/1"] {}</style>'),
    ("14 script", "<script>'<a href=\"https://e.com/1\">'</script>"),
    ("14 title", '<title><a href="https://e.com/1"></title>'),
    ("14 textarea", '<textarea><a href="https://e.com/1"></textarea>'),
    *(
        (f"15 {url}", link(url))
        for url in (
            *("mailto:a@e.com", "tel:+491", "sms:1", "#top", "javascript:x()", "cid:1", "data:,x"),
            *("{{merge}}", "*|MERGE|*", "https://e.com/{{ id }}", "%%url%%", "/path"),
        )
    ),
    ("25 the text of a link", '<a name="x">https://e.com/1</a>'),
    ("27 our own link", link(f"http://{HOST}/c/AbcdefghijklmnopqrstuvwxyZ0123456789-_")),
    ("disabled", '<a disable-tracking="true" href="https://e.com/1">x</a>'),
    ("disabled, as documented", '<a href="https://e.com/1" disable-tracking=true\\>x</a>'),
]


@pytest.mark.parametrize("body", [row[1] for row in UNTOUCHED], ids=[row[0] for row in UNTOUCHED])
def test_what_is_no_link_to_track_stays(body: str) -> None:
    """Only the pixel is added."""
    sent, report = instrumented(html(body))
    assert clicks(sent) == []
    assert opens(sent) == 1
    assert undone(sent, report) == html(body)


def test_the_same_url_twice_is_two_links() -> None:
    """26: logo and footer are told apart by their position."""
    sent, report = instrumented(html(link("https://e.com/1") * 2))
    assert clicks(sent) == ["https://e.com/1"] * 2
    assert [one.position for one in report.links] == [0, 1]
    assert report.links[0].after != report.links[1].after


def test_an_excluded_url_is_left_alone() -> None:
    """41: one-time login and reset links."""
    body = link("https://login.example.org/reset/1") + link("https://e.com/")
    _, report = instrumented(html(body), excluded=("login.example.org/reset",))
    assert reasons(report) == [Reason.EXCLUDED, None]


def test_another_trackers_link_is_tracked_and_told() -> None:
    """28: the sender sees that something upstream wraps links too."""
    _, report = instrumented(html(link("https://click.pstmrk.it/3/x/y")))
    assert [warned.code for warned in report.warnings] == [Caution.OTHER_TRACKER]


def test_tokens_are_in_the_path_and_plain() -> None:
    """29: what recipients' filters do to queries does not matter, as there is none."""
    _, report = instrumented(html(link("https://e.com/?a=1&amp;b=2")))
    assert report.links[0].after is not None
    assert not set("?&=%") & set(report.links[0].after)


@pytest.mark.parametrize(
    ("body", "before_pixel"),
    [
        ("<p>x</p></body></html>", "<p>x</p>"),
        ("<p>x</p></BODY></html>", "<p>x</p>"),
        ("<body>a</body>b</body>c", "<body>a</body>b"),
        ("<p>x</p><!-- </body> -->y", "<p>x</p><!-- </body> -->y"),
        ("<p>no end", "<p>no end"),
        ("just words", "just words"),
        ("<p>x</p></html>", "<p>x</p>"),
    ],
)
def test_one_pixel_in_the_right_place(body: str, before_pixel: str) -> None:
    """30, 31: however the document ends, and nothing else is added to a fragment."""
    sent, report = instrumented(html(body))
    at = sent.index(b"<img")
    assert sent[:at] == html(before_pixel)
    assert opens(sent) == 1
    assert report.pixel == "bottom"
    assert undone(sent, report) == html(body)


@pytest.mark.parametrize(
    ("body", "before_pixel"),
    [
        ("<html><head></head><body class=x>a</body>", "<html><head></head><body class=x>"),
        ("<p>x</p>", ""),
        ("<!doctype html><p>x</p>", "<!doctype html>"),
        ("<p>x</p><script>", ""),
    ],
)
def test_the_pixel_at_the_top(body: str, before_pixel: str) -> None:
    """42: first thing in the body; also where the end of the markup swallows what is added."""
    tracking = Tracking(opens=True, clicks=Clicks.YES, pixel_at_top=True)
    sent, _ = instrumented(html(body), tracking=tracking)
    assert sent[: sent.index(b"<img")] == html(before_pixel)


def test_a_document_for_outlook_is_byte_identical_but_for_its_links() -> None:
    """32: doctype, namespaces and conditional comments."""
    body = (
        '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "x.dtd">\r\n'
        '<html xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="x"><head><!--[if gte mso 9]>'
        "<xml><o:PixelsPerInch>96</o:PixelsPerInch></xml><![endif]--></head><body>"
        "<!--[if !mso]><!--><A  Href='https://e.com/1'   Title=\"&lt;\">x</A><!--<![endif]-->"
        "<o:p></o:p><![endif]--></body></html>"
    )
    sent, report = instrumented(html(body))
    assert clicks(sent) == ["https://e.com/1"]
    assert undone(sent, report) == html(body)


TEXT = [
    ("22 an equals sign at the end", "x https://e.com/a= y", ["https://e.com/a="]),
    ("22 a slash at the end", "x https://e.com/a/ y", ["https://e.com/a/"]),
    ("23 in brackets", "(https://e.com/x)", ["https://e.com/x"]),
    ("23 in angle brackets", "<https://e.com/x>", ["https://e.com/x"]),
    ("23 at the end of a sentence", "see https://e.com/x.", ["https://e.com/x"]),
    ("23 before a comma", "https://e.com/x, and", ["https://e.com/x"]),
    ("23 brackets of its own", "https://e.com/a_(b)", ["https://e.com/a_(b)"]),
    ("no other scheme", "mailto:a@e.com ftp://e.com xhttps://e.com/", []),
    ("before a script without spaces", "https://e.com/はこちら", ["https://e.com/"]),
]


@pytest.mark.parametrize(("body", "urls"), [row[1:] for row in TEXT], ids=[row[0] for row in TEXT])
def test_urls_in_plain_text(body: str, urls: list[str]) -> None:
    """Punctuation stays outside."""
    sent, report = instrumented(text(body))
    assert clicks(sent) == urls
    assert undone(sent, report) == text(body)


def test_urls_that_are_encoded_or_flowed() -> None:
    """24: soft line breaks, ``=3D``, and lines of flowed text that are to be joined."""
    url = "https://e.com/?x=" + "1234567890" * 8
    head = b"Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    packed = quopri.encodestring(f"see {url} now".encode()).replace(b"\n", b"\r\n")
    sent, _ = instrumented(b"Subject: x\r\n" + head + packed)
    assert clicks(quopri.decodestring(sent.split(b"\r\n\r\n", 1)[1])) == [url]
    flowed = "text/plain; format=flowed; delsp=yes"
    sent, _ = instrumented(text("https://e.com/ \r\nlong/path and", flowed))
    assert clicks(sent) == ["https://e.com/long/path"]
    sent, _ = instrumented(text("https://e.com/ \r\nlong", "text/plain; format=flowed"))
    assert clicks(sent) == ["https://e.com/"]


@pytest.mark.parametrize("charset", ["windows-1251", "big5", "koi8-r", "shift_jis", "gb18030"])
def test_charsets_that_extend_ascii_are_spliced(charset: str) -> None:
    """34: the letters around a link are untouched."""
    letters = {"big5": "中文", "shift_jis": "日本語ソ表", "gb18030": "中文"}.get(charset, "Привет")
    raw = f'<p>{letters} <a href="https://e.com/1">{letters}</a></p>'.encode(charset)
    sent, report = instrumented(html(raw, charset))
    assert clicks(sent) == ["https://e.com/1"]
    assert undone(sent, report) == html(raw, charset)


@pytest.mark.parametrize("charset", ["utf-16", "iso-2022-jp", "utf-7", "x-unknown", "hz"])
def test_other_charsets_are_left_alone(charset: str) -> None:
    """34: and the report says so."""
    message = html(b'<a href="https://e.com/1">x</a>', charset)
    sent, report = instrumented(message)
    assert sent == message
    assert [part.reason for part in report.parts] == [Reason.CHARSET]


@pytest.mark.parametrize(("width", "end"), [(76, b"\r\n"), (60, b"\r\n"), (76, b"\n")])
def test_base64_keeps_its_lines(width: int, end: bytes) -> None:
    """35: tracked, in lines as wide as before; what lies before the first link is untouched."""
    body = b"<p>" + b"lorem ipsum " * 40 + b'<a href="https://e.com/1">x</a></p>' + b"dolor " * 40
    packed = base64.b64encode(body)
    lines = end.join(packed[at : at + width] for at in range(0, len(packed), width)) + end
    head = b"Content-Type: text/html" + end + b"Content-Transfer-Encoding: base64" + end + end
    sent, _ = instrumented(b"Subject: x" + end + head + lines)
    after = sent[len(b"Subject: x" + end + head) :]
    assert after[: 5 * width] == lines[: 5 * width]
    assert {len(line) for line in after.split(end)[:-2]} == {width}
    decoded = base64.b64decode(after)
    assert clicks(decoded) == ["https://e.com/1"]
    assert opens(decoded) == 1


SIGNED = (
    "Content-Type: multipart/signed; boundary=b; protocol=x\r\n\r\n--b\r\nContent-Type: text/html"
    '\r\n\r\n<a href="https://e.com/1">\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\n'
    "x\r\n--b--\r\n"
)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (SIGNED, Reason.SIGNED),
        ("Content-Type: application/pkcs7-mime\r\n\r\nx", Reason.SIGNED),
        (SIGNED.replace("signed", "encrypted"), Reason.ENCRYPTED),
        ("DKIM-Signature: v=1; d=other.example; b=x\r\n\r\nhttps://e.com/",
         Reason.FOREIGN_SIGNATURE),
        ("ARC-Seal: i=1; d=example.com\r\n\r\nhttps://e.com/", Reason.FOREIGN_SIGNATURE),
        ("no headers at all https://e.com/", Reason.BROKEN),
        ("", Reason.BROKEN),
    ],
)  # fmt: skip
def test_messages_that_must_not_change(message: str, reason: Reason) -> None:
    """36, 37: out as they came in, and the report says why."""
    sent, report = instrumented(message.encode())
    assert sent == message.encode()
    assert report.untouched is reason


def test_the_domains_own_signature_is_taken_out() -> None:
    """37: a broken signature is worse than none; the sender is told to sign again."""
    message = text("https://e.com/")
    signed = b"DKIM-Signature: v=1; d=Example.com;\r\n\tb=abc\r\n" + message
    sent, report = instrumented(signed)
    assert undone(sent, report) == message
    assert Caution.DKIM_STRIPPED in [warned.code for warned in report.warnings]


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ("Content-Type: message/rfc822", Reason.NESTED_MESSAGE),
        ("Content-Type: text/html\r\nContent-Disposition: attachment", Reason.ATTACHMENT),
        ("Content-Type: text/html; name=a.html", Reason.ATTACHMENT),
        ("Content-Type: text/x-amp-html", Reason.AMP_OFF),
        ("Content-Type: text/calendar", Reason.OTHER_TYPE),
        ("Content-Type: text/html\r\nContent-Transfer-Encoding: base64", Reason.BAD_ENCODING),
        ("Content-Type: text/html\r\nContent-Transfer-Encoding: x-uu", Reason.ENCODING),
        ("Content-Type: text/html\r\nContent-Type: text/plain", Reason.BROKEN),
    ],
)
def test_parts_that_are_left_alone(head: str, reason: Reason) -> None:
    """38, 39, 40: beside an HTML part that is instrumented."""
    odd = f'{head}\r\n\r\n<a href="https://e.com/1">!</a>\r\n'
    message = (
        "Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble https://e.com/0\r\n"
        f'--b\r\n{odd}--b\r\nContent-Type: text/html\r\n\r\n<a href="https://e.com/2">'
        "\r\n--b--\r\nepilogue"
    ).encode()
    sent, report = instrumented(message)
    assert odd.encode() in sent
    assert clicks(sent) == ["https://e.com/2"]
    assert [part.reason for part in report.parts] == [reason, None]
    assert undone(sent, report) == message


def test_inline_pgp_is_left_alone() -> None:
    """36: text that is signed or encrypted in itself."""
    message = text("-----BEGIN PGP SIGNED MESSAGE-----\r\n\r\nhttps://e.com/\r\n")
    sent, report = instrumented(message)
    assert sent == message
    assert report.parts[0].reason is Reason.INLINE_PGP


def test_a_line_that_a_link_makes_too_long_goes_out_quoted_printable() -> None:
    """34: mail allows 998 octets; the part is declared anew, and nothing else changes."""
    body = "ä" * 200 + link("https://e.com/1") + "x" * 400
    sent, report = instrumented(html(body))
    assert Caution.TO_QUOTED_PRINTABLE in [warned.code for warned in report.warnings]
    head, _, raw = sent.partition(b"\r\n\r\n")
    assert head.endswith(b"Content-Transfer-Encoding: quoted-printable")
    assert max(map(len, raw.split(b"\r\n"))) <= 76
    assert undone(quopri.decodestring(raw), report) == body.encode()


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", " "])
def test_a_part_that_becomes_quoted_printable_keeps_its_line_ends(end: str) -> None:
    """A bare line feed stays one among others, and nothing at the end of the body is lost."""
    body = "first\nsecond\r\n" + "x" * 900 + link("https://e.com/1") + end
    sent, report = instrumented(html(body), tracking=Tracking(clicks=Clicks.YES))
    assert [one.code for one in report.warnings] == [Caution.TO_QUOTED_PRINTABLE]
    decoded = quopri.decodestring(sent.partition(b"\r\n\r\n")[2])
    after = report.links[0].after
    assert after is not None
    assert decoded.replace(after.encode(), b"https://e.com/1") == body.encode()


def test_a_message_near_gmails_limit_is_told() -> None:
    """42: a pixel at the bottom of a clipped message is never loaded."""
    body = "<p>x</p>\r\n" * 10_500
    _, report = instrumented(html(body))
    assert [warned.code for warned in report.warnings] == [Caution.NEAR_CLIP]
