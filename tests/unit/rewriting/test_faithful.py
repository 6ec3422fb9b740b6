"""Output minus what was put in equals the input, over generated and real-world-shaped messages."""

import base64
import quopri

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from turbohtml import TokenType, tokenize

from edge.rewriting import html_part
from edge.rewriting.switches import Clicks, Tracking
from edge.rewriting.variables import pattern
from tests.unit.rewriting.samples import PIXEL, cautions, check_faithful, instrument, message, undo
from tests.unit.rewriting.shapes import SHAPES

BOTH = Tracking(opens=True, clicks=Clicks.YES)

MARKUP = st.sampled_from(
    [
        *("<a href=", "<a\thref = ", '"https://e.com/?a=1&amp;b"', "'https://e.com/\"'", ">", "/>"),
        *(
            "https://e.com/x",
            "//e.com/",
            "mailto:x",
            "<!--",
            "-->",
            "<!--[if mso]>",
            "<![endif]-->",
        ),
        *("<v:rect href='https://v.example'>", "<style>", "</style>", "<script>", "</script>"),
        *("</body>", "<body>", "<head>", "</head>", "</html>", "<title>", "</title>", "<noscript>"),
        *(
            "</noscript>",
            "\r\n",
            "\n",
            "\r",
            "\0",
            " ",
            "=",
            '"',
            "'",
            "&",
            "&copy=",
            "<",
            "é",
            "\xff",
        ),
        *(
            "<area href=https://e.com/m>",
            "--b",
            "\r\n--b--\r\n",
            "<plaintext>",
            "<svg>",
            "]]>",
            "x",
        ),
        *(" disable-tracking=true ", "<a href=https://e.com/ü>", "%unsubscribe_url%", "<", "</a>"),
    ]
)
SOUP = st.lists(MARKUP, max_size=40).map("".join)


def _mask_pixel(body: bytes) -> bytes:
    return PIXEL.sub(b"", body)


@settings(max_examples=300, deadline=None)
@given(SOUP, st.booleans())
@example("<a href=https://e.com/\r>", False)
@example("<!--[if mso]><noscript><a href=//e.com/></noscript>", True)
def test_any_markup_is_undone(soup: str, top: bool) -> None:
    """Whatever the markup, only hrefs and one pixel differ, in latin-1 as in UTF-8."""
    tracking = Tracking(opens=True, clicks=Clicks.YES, pixel_at_top=top)
    for codec in ("latin-1", "utf-8"):
        whole = message(soup.encode(codec), f"text/html; charset={codec}")
        made = instrument(whole, tracking)
        head = len(whole) - len(soup.encode(codec))
        if "to-quoted-printable" in cautions(made):
            continue
        assert len(PIXEL.findall(made.message)) == 1
        undo(soup.encode(codec), made.message[head:], codec=codec)


@settings(max_examples=200, deadline=None)
@given(SOUP)
def test_attributes_are_read_as_the_tokenizer_reads_them(soup: str) -> None:
    """Names and raw values of every start tag agree with an independent reading."""
    for token in tokenize(soup.replace("\r", ""), capture_source=True):
        if token.type is TokenType.START_TAG and token.source:
            seen: dict[str, str] = {}
            for name, start, end, _ in html_part.attributes(token.source):
                seen.setdefault(name, token.source[start:end])
            expected = dict(token.attrs or ())
            assert [name.replace("\0", "\ufffd") for name in seen] == list(expected)
            for (_, raw), value in zip(seen.items(), expected.values(), strict=True):
                if "&" not in raw and "\0" not in raw:
                    assert raw == value


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300) | SOUP.map(str.encode))
def test_any_bytes_as_a_message(data: bytes) -> None:
    """Nothing is raised, whatever it is; what is no message comes back as it came."""
    made = instrument(data, BOTH, message_id="1@example.com")
    if made.report.untouched is not None:
        assert made.message == data


PROSE = st.lists(
    st.sampled_from(
        [
            *("https://e.com/x", "http://e.com", ".", ",", ")", "(", "<", ">", " ", "\r\n", "\n"),
            *(
                " \r\n",
                "ä",
                "は",
                "https://grün.example/ö",
                "=",
                "=3D",
                "%",
                ">",
                "'",
                "*",
                "|",
                "word",
            ),
        ]
    ),
    max_size=40,
).map("".join)


@settings(max_examples=200, deadline=None)
@given(PROSE, st.sampled_from(["", "; format=flowed; delsp=yes", "; format=flowed"]))
def test_any_text_is_undone(prose: str, flowed: str) -> None:
    """Only URLs differ; line breaks, spaces and quotes stay."""
    whole = message(prose.encode(), f"text/plain; charset=utf-8{flowed}")
    head = len(whole) - len(prose.encode())
    made = instrument(whole)
    undo(prose.encode(), made.message[head:], markup=False)


@settings(max_examples=150, deadline=None)
@given(SOUP | PROSE, st.booleans(), st.booleans())
@example("x" * 76, True, True)
@example("x" * 73 + "=", False, True)
def test_encoded_bodies_are_undone(soup: str, unix: bool, markup: bool) -> None:
    """In quoted-printable and base64 the decoded text differs only in what was put in.

    No line becomes longer than 76 characters, and lines without an edit keep their bytes.
    """
    raw = soup.encode()
    eol = "\n" if unix else "\r\n"
    kind = "text/html" if markup else "text/plain"
    lines = quopri.encodestring(raw.replace(b"\r\n", b"\n")).replace(b"\n", eol.encode())
    packed = base64.encodebytes(raw).replace(b"\n", eol.encode())
    for encoding, body in (("quoted-printable", lines), ("base64", packed)):
        whole = message(body, f"{kind}; charset=utf-8", encoding, eol=eol)
        made = instrument(whole, BOTH)
        check_faithful(whole, made.message)
        head = len(whole) - len(body)
        longest = max(map(len, body.split(eol.encode())))
        after = made.message[head:].split(eol.encode())
        assert all(len(line) <= max(76, longest) for line in after)
        if encoding == "quoted-printable":
            kept = set(after)
            changed = [line for line in body.split(eol.encode()) if line not in kept]
            assert len(changed) <= sum(link.tracked for link in made.report.links) * 3 + 1


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("unix", [False, True], ids=["crlf", "lf"])
def test_real_shapes_are_undone(name: str, unix: bool) -> None:
    """Messages as mail programs write them, judged by the standard library's parser."""
    shape, tracked = SHAPES[name]
    whole = shape.replace(b"\r\n", b"\n") if unix else shape
    made = instrument(whole, BOTH)
    assert sum(link.tracked for link in made.report.links) == tracked
    check_faithful(whole, made.message)
    assert b"\r\n" not in made.message if unix else b"\n" not in made.message.replace(b"\r\n", b"")


def test_variables_need_no_tokenizer_to_agree_on_their_place() -> None:
    """A variable in text or in quotes is written as HTML, one loose in a tag as references."""
    text = "%recipient.a% <td title=%recipient.b% alt='%recipient.c%' %recipient.d%>"
    found = html_part.scan(text, "utf-8", pattern(personal=True, unsubscribe=False))
    assert [one.place.name for one in found.variables] == ["HTML", "BARE", "HTML", "BARE"]
