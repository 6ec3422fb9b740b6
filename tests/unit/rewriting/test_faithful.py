"""Whatever comes in, only the links, the pixel and the variables differ in what goes out."""

import base64
import quopri
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.model.errors import CallerError
from edge.rewriting import mime
from edge.rewriting.message import compile_message
from edge.rewriting.report import LinkReport, Reason
from edge.rewriting.transfer import open_body
from edge.rewriting.variables import recipient_of
from tests.unit.rewriting.world import (
    URL,
    clicks,
    copy,
    html,
    instrumented,
    options,
    targets,
    text,
    undone,
)

PIECES = (
    *(
        "<p>",
        "</p>",
        "\r\n",
        "<br>",
        "</body>",
        "</html>",
        "<!-- ",
        " -->",
        "<![endif]-->",
        "&amp;",
    ),
    *('<a href="https://e.com/1?a=1&amp;b=2">', "<a href='//e.com/x'>", "<a href=https://e.com/3>"),
    *(
        "</a>",
        "<a",
        " href=",
        '"',
        "'",
        ">",
        "<",
        "=",
        "%",
        "<!--[if mso]>",
        "<script>",
        "</script>",
    ),
    *(
        '<area href=" https://e.com/4 ">',
        "https://e.com/5",
        "https://e.com/6.",
        "ä",
        "é",
        "\t",
        " ",
    ),
    *("word ", "x" * 70, "=3D", "--b", "%recipient.x%", "%unsubscribe_url%", "<style>", "\n"),
    *('<a href="https://e.com/%recipient.x%">', '<v:rect href="https://e.com/7">', "\x00", "\\"),
)
BODY = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)


def _encoded(raw: bytes, encoding: str) -> bytes:
    if encoding == "base64":
        return base64.encodebytes(raw).replace(b"\n", b"\r\n")
    if encoding == "quoted-printable":
        lines = [quopri.encodestring(line) for line in raw.split(b"\r\n")]
        return b"\r\n".join(re.sub(rb"(?<!\r)\n", b"\r\n", line) for line in lines)
    return raw


@st.composite
def _parts(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from(["text/html", "text/plain", "text/plain; format=flowed"]))
    encoding = draw(st.sampled_from(["7bit", "8bit", "base64", "quoted-printable"]))
    charset = draw(st.sampled_from(["utf-8", "iso-8859-1", "windows-1252"]))
    raw = draw(BODY).encode(charset, "replace")
    head = f"Content-Type: {kind}; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n"
    return head.encode() + b"\r\n" + _encoded(raw, encoding)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A message of one part, or of several in a row or one inside the other."""
    top = b"Subject: =?utf-8?q?x?=\r\n folded\r\nX-Odd:  spaces  \r\n"
    parts = draw(st.lists(_parts(), min_size=1, max_size=3))
    if len(parts) == 1:
        return top + parts[0]
    kind = draw(st.sampled_from([b"alternative", b"mixed", b"related"]))
    body = b"".join(b"--=_b\r\n" + part + b"\r\n" for part in parts)
    return top + b'Content-Type: multipart/%b; boundary="=_b"\r\n\r\n%b--=_b--\r\n' % (kind, body)


def _read(message: bytes) -> list[tuple[bytes, bytes | None]]:
    """Head and decoded body of every leaf; a transfer encoding that was changed does not count."""
    found = []
    for part in mime.split(message).leaves():
        head = message[part.start : part.body]
        head = re.sub(rb"(?i)(content-transfer-encoding:).*", rb"\1", head)
        try:
            carrier = open_body(message, part.body, part.end, part.encoding)
        except ValueError:
            carrier = None
        found.append((head, carrier.decoded if carrier is not None else None))
    return found


@settings(max_examples=300, deadline=None)
@given(messages())
@example(
    b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n\n<p>"
    + b'<a href="https://e.com/1?a=1&amp;b=2">' * 8
)
@example(b"Content-Type: text/html\r\n\r\n<!--[if mso]><a href=")
@example(b"Content-Type: text/html\r\n\r\n<noscript><!--[if mso]><a href=</noscript>x")
def test_taken_out_again_the_message_is_as_it_was(message: bytes) -> None:
    """Heads are the same; decoded bodies are, once links and pixel are taken out."""
    sent, report = instrumented(message, personal=False, tracking=_without_unsubscribes())
    before, after = _read(message), _read(sent)
    assert [head for head, _ in after] == [head for head, _ in before]
    tracked = {link.after.encode(): link for link in report.links if link.after is not None}
    for (_, old), (_, new) in zip(before, after, strict=True):
        if old is None or new is None:
            assert old == new
            continue
        _explain(old, new, tracked)
    if not report.links and not report.pixel:
        assert sent == message


def _without_unsubscribes() -> object:
    tracking = options().tracking
    return type(tracking)(opens=True, clicks=tracking.clicks)


PIXEL = rb'<img width="1" height="1" alt="" src="http://email\.example\.com/o/[\w-]+">'


def _explain(old: bytes, new: bytes, tracked: dict[bytes, LinkReport]) -> None:
    """What went out is what came in, but for URLs that were read there, and the pixel."""
    ours = b"|".join([PIXEL, *map(re.escape, tracked)])
    pattern, befores, here = b"", [], 0
    for match in re.finditer(ours, new):
        pattern += re.escape(new[here : match.start()])
        here = match.end()
        link = tracked.get(match[0])
        if link is not None:
            befores.append(link.before)
            pattern += b"(.*?)"
    found = re.fullmatch(pattern + re.escape(new[here:]), old, re.DOTALL)
    assert found is not None, (old, new)
    for raw, before in zip(found.groups(), befores, strict=True):
        # In HTML references are decoded and white space is dropped; in text neither is.
        kept = re.sub(rb"[\t\r\n ]", b"", raw).replace(b"&amp;", b"&")
        read = re.sub(r"[\t\r\n ]", "", before).replace("&amp;", "&")
        assert not kept.isascii() or kept.decode() == read, (raw, before)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.sampled_from([b"text/html", b"text/plain", b"multipart/mixed"]))
def test_no_bytes_break_it(raw: bytes, kind: bytes) -> None:
    """Noise under any type: no error, and nothing lost."""
    message = b"Content-Type: " + kind + b"; boundary=x\r\n\r\n" + raw
    sent, report = instrumented(message)
    if report.untouched is not None:
        assert sent == message
    assert len(sent) >= len(message) - 3 * raw.count(b"\n") - 100


@pytest.mark.parametrize(
    "body",
    [
        *("<a " * 200_000, '<a href="' * 100_000, "<!--" * 100_000, "<" * 500_000, "&" * 300_000),
        *('<a href="https://e.com/' * 30_000, "https://" * 60_000, "https://e.com/(" * 30_000),
        *("%recipient." * 50_000, "<script>" * 60_000, "<!--[if mso]>" * 40_000, "{{" * 200_000),
        *("https://e.com/ \r\n" * 30_000, "<noscript>" * 50_000, "]" * 400_000),
    ],
    ids=lambda body: body[:16],
)
def test_hostile_markup_is_read_in_linear_time(body: str) -> None:
    """Half a megabyte of the worst: the time limit of the tests is the proof."""
    for message in (html(body), text(body), text(body, "text/plain; format=flowed; delsp=yes")):
        instrumented(message)


def test_hostile_structure_is_bounded() -> None:
    """Nesting without end, a thousand parts, headers by the ten thousand."""
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n" % (n, n)
                    for n in range(300))  # fmt: skip
    assert instrumented(deep)[0] == deep
    many = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nhi\r\n" * 5000
    assert instrumented(many)[0] == many
    heads = b"X: y\r\n" * 20_000 + b"\r\nhttps://e.com/"
    assert instrumented(heads)[1].untouched is Reason.BROKEN


def test_more_than_25_megabytes_go_out_as_they_came_in() -> None:
    """Mailgun's limit; nothing is read."""
    message = text("https://e.com/ " + "x" * 26 * 2**20)
    sent, report = instrumented(message)
    assert sent is message
    assert report.untouched is Reason.TOO_LARGE


def test_compiled_once_rendered_for_many() -> None:
    """Each recipient has tokens of their own; variables are filled in, and made safe."""
    body = (
        '<p title="%recipient.x%">%recipient.x% <a href="https://e.com/?id=%recipient.id%">x</a>'
        '<a href="%unsubscribe_url%">u</a></p>'
    )
    compiled = compile_message(html(body), options())
    for number, who in enumerate(("ann@example.net", "bob@example.org")):
        theirs = copy(who, {"x": '"><script>&', "id": number})
        sent = compiled.render(theirs)
        found = targets(sent)
        assert {target.recipient for target in found} == {who}
        assert clicks(sent) == [f"https://e.com/?id={number}"]
        assert b"<script>" not in sent
        assert sent.count(b"&quot;&gt;&lt;script&gt;&amp;") == 2
        assert [link.reason for link in compiled.report(theirs, sent).links] == [
            None,
            Reason.UNSUBSCRIBE,
        ]


def test_an_empty_value_without_quotes_takes_no_other_attribute() -> None:
    """``title= href=…`` would make the link the title's value, and no link any more."""
    body = '<a title=%recipient.x% href="https://e.com/1">x</a>'
    sent = compile_message(html(body), options()).render(copy(variables={"x": ""}))
    assert b"<a title=&#32; href=" in sent


def test_a_7bit_part_never_holds_8_bit_values() -> None:
    """Such a part goes out as quoted-printable; each part of the message by itself."""
    part = "Content-Type: text/plain; charset=utf-8\r\n\r\n%recipient.x%\r\n"
    message = (
        f"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n{part}--b\r\n{part}--b--\r\n"
    )
    compiled = compile_message(message.encode(), options())
    plain, wide = copy(variables={"x": "cafe"}), copy(variables={"x": "café"})
    assert compiled.render(plain) == message.replace("%recipient.x%", "cafe").encode()
    sent = compiled.render(wide)
    assert sent.isascii()
    assert sent.count(b"Content-Transfer-Encoding: quoted-printable") == 2
    assert [body for _, body in _read(sent)] == ["café".encode()] * 2
    assert len(compiled.report(wide, sent).warnings) == 3  # two parts, and no HTML


def test_a_variable_never_ends_its_part() -> None:
    """A value with a boundary in it does not begin another part."""
    message = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n"
        b"%recipient.x%\r\n--b--\r\n"
    )
    compiled = compile_message(message, options())
    sent = compiled.render(copy(variables={"x": "\n--b\nContent-Type: text/html\n\nhi --b"}))
    assert len(list(mime.split(sent).leaves())) == 1


@pytest.mark.parametrize("address", ["a b@c.example", "a@b\r\nBcc: x@y.example", "", "a@b, c@d"])
def test_a_recipient_is_one_bare_address(address: str) -> None:
    """What could add a header or a second recipient is refused."""
    with pytest.raises(CallerError):
        recipient_of(address)


def test_without_tracking_nothing_changes() -> None:
    """Every switch off: byte for byte."""
    message = html('<a href="https://e.com/1">%recipient.x%</a></body>')
    off = type(options().tracking)()
    sent, report = instrumented(message, tracking=off, personal=False)
    assert sent == message
    assert [link.reason for link in report.links] == [Reason.CLICKS_OFF]
    assert report.added == 0


def test_instrumented_twice_is_wrapped_once() -> None:
    """A resent or forwarded message keeps its links."""
    once, _ = instrumented(html('<a href="https://e.com/1">x</a>'))
    twice, report = instrumented(once)
    assert [link.reason for link in report.links] == [Reason.OWN_LINK]
    assert undone(twice, report).count(b"/c/") == once.count(b"/c/")
    assert URL.search(once) is not None
