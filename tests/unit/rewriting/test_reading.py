"""How parts, parameters, charsets and encoded words are read."""

import pytest
from turbohtml import tokenize

from edge.model.domain import DEFAULT_FOOTERS
from edge.model.errors import CallerError
from edge.rewriting import charsets, html_part, mime
from edge.rewriting.explain import explain
from edge.rewriting.headers import decoded_text
from edge.rewriting.links import exclusions
from edge.rewriting.mime import parse_parameters
from edge.rewriting.switches import Clicks, Tracking
from edge.rewriting.template import compile_message
from edge.rewriting.variables import Recipient, pattern, value_text
from tests.unit.rewriting.samples import (
    ALL,
    CLICKS,
    cautions,
    destinations,
    html,
    instructions,
    instrument,
    message,
    reasons,
    seal,
    text,
)


@pytest.mark.parametrize(
    ("value", "kind", "parameters"),
    [
        ("text/HTML (x); Charset=UTF-8", "text/html", {"charset": "UTF-8"}),
        ('a/b; boundary="x;\\"y"; q = 1', "a/b", {"boundary": 'x;"y', "q": "1"}),
        ("a/b; n*0=one; n*1*=%20two", "a/b", {"n": "one two"}),
        ("a/b; charset*=us-ascii'en'utf%2D8", "a/b", {"charset": "utf-8"}),
        ("a/b; x=1; x=2; ;", "a/b", {"x": "1"}),
        ("", "", {}),
    ],
)
def test_parameters(value: str, kind: str, parameters: dict[str, str]) -> None:
    """Quoted, continued and encoded parameters (RFC 2045, RFC 2231)."""
    assert parse_parameters(value) == (kind, parameters)


def test_an_mbox_line_before_the_header_is_kept() -> None:
    """A message from an mbox file is a message all the same."""
    whole = b"From a@b Thu Jan  1 00:00:00 2026\n" + message(
        b"<a href='https://e.com/'>x</a>", eol="\n"
    )
    made = instrument(whole)
    assert reasons(made) == ["tracked"]
    assert made.message.startswith(b"From a@b Thu")


def test_odd_types_are_the_default_type() -> None:
    """A Content-Type that is none is text/plain (RFC 2045, section 5.2)."""
    root = mime.split(b"Content-Type: nonsense\r\n\r\nx")
    assert root.content_type == "text/plain"


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("UTF-8", "utf-8"),
        ("", "ascii"),
        ("KS_C_5601-1987", "cp949"),
        ("utf-16", None),
        ("zip", None),
        ("no such", None),
        ("x\0y", None),
        ("../x", None),
    ],
)
def test_charset_names(name: str, codec: str | None) -> None:
    """Known ones that can be spliced, whatever their spelling; nothing else, and no error."""
    assert charsets.codec(name) == codec


def test_bytes_are_read_in_their_charset_or_not_at_all() -> None:
    """US-ASCII with 8-bit bytes is UTF-8, else windows-1252, else nothing."""
    assert charsets.read(b"\xc3\xbc", "ascii") == "ü"
    assert charsets.read(b"\xfc", "ascii") == "ü"
    assert charsets.read(b"\x81", "ascii") is None
    assert charsets.read_exactly(b"\xfc\x81", "utf-8") is None
    assert charsets.read_exactly(b"\xfc", "ascii") == ("ü", "cp1252")


@pytest.mark.parametrize(
    ("raw", "decoded"),
    [
        ("=?utf-8?q?a_=C3=BC?= =?utf-8?B?w7w=?= x", "a üü x"),
        ("=?iso-8859-1*de?Q?=FC?=", "ü"),
        ("=?utf-16?q?x?= =?utf-8?b?!?= y", "=?utf-16?q?x?=  y"),
        ("gr\xc3\xbcn", "grün"),
        ("a\r\n b", "a b"),
        ("=?utf-8?q?open", "=?utf-8?q?open"),
        ("=?utf-8?b?AAAAA?=", "=?utf-8?b?AAAAA?="),
    ],
)
def test_encoded_words(raw: str, decoded: str) -> None:
    """Decoded where they can be, else kept; space between two of them is none of the text."""
    assert decoded_text(raw) == decoded


def test_a_variable_inside_an_encoded_word() -> None:
    """Of a subject it is replaced; in an address header it stays, with a warning."""
    word = b"=?utf-8?q?=C3=A4_=25recipient=2Ex=25?="
    whole = b"Subject: " + word + b"\r\nMessage-Id: <1@e>\r\n\r\nx"
    assert b"Subject: =?utf-8?b?w6QgNQ==?=\r\n" in instrument(whole, CLICKS, {"x": 5}).message
    whole = b"To: " + word + b" <a@b>\r\nMessage-Id: <1@e>\r\n\r\nx"
    made = instrument(whole, CLICKS, {"x": 5})
    assert made.message == whole
    assert "variable-in-encoded-word" in cautions(made)


def test_values_of_variables() -> None:
    """Texts as they are, nothing for null, everything else as JSON; what has none is an error."""
    assert value_text("a") == "a"
    assert value_text(None) == ""
    assert value_text({"a": [1, True]}) == '{"a":[1,true]}'
    with pytest.raises(CallerError, match="no JSON"):
        value_text(object())


def test_built_in_variables() -> None:
    """Names of the recipient are parts of the display name; unknown ones have no value."""
    ada = Recipient("ada@example.net", "Ada King Lovelace")
    assert ada.builtin("recipient_lname") == "King Lovelace"
    assert ada.builtin("recipient_name") == "Ada King Lovelace"
    assert ada.builtin("recipient_other") is None
    assert Recipient("a@b").builtin("recipient_fname") == ""


def test_references_and_letters_beyond_ascii_in_one_url() -> None:
    """Bytes by the charset, references by HTML, also where both kinds of quotes are in it."""
    _, made = html("<a href='https://e.com/ü?a=\"&amp;b=&copy=1&eacute;'>x</a>")
    assert [link.before for link in made.report.links] == ['https://e.com/ü?a="&b=&copy=1é']
    _, made = html("<a href=https://e.com/ü?a=\"'&amp;b>x</a>")
    assert [link.before for link in made.report.links] == ["https://e.com/ü?a=\"'&b"]


def test_noscript_is_markup_for_mail_readers() -> None:
    """They run no scripts; a conditional comment in it is read too."""
    body = (
        '<noscript><a href="https://e.com/1">x</a><!--[if mso]><a href="https://e.com/2">'
        "<![endif]--></noscript><!--[if]--><!--[if mso]>unclosed"
    )
    after, _ = html(body)
    assert destinations(after) == ["https://e.com/1", "https://e.com/2"]


def test_a_head_that_never_ends_keeps_the_pixel_at_the_bottom() -> None:
    """An image inside it would end the head before its time."""
    after, made = html("<head><title>x</title><p>y", Tracking(opens=True, pixel_at_top=True))
    assert made.report.pixel == "bottom"
    assert after.endswith(b">")


def test_positions_that_do_not_fit_the_text_are_noticed() -> None:
    """Should the tokenizer ever count otherwise, the part is left alone."""
    scanner = html_part._Scanner("<a href=x>", "utf-8", personal=False)
    scanner._flat = "<b href=x>"
    token = next(iter(tokenize("<a href=x>", capture_source=True)))
    with pytest.raises(ValueError, match="positions"):
        scanner._link(token, "a", 0, "<a href=x>")


def test_quoted_flowed_lines_that_are_broken() -> None:
    """Where a quoted URL goes on is not known, so it is left."""
    whole = message(b"> https://e.com/a \r\n> b\r\n", "text/plain; format=flowed; delsp=yes")
    made = instrument(whole)
    assert reasons(made) == ["broken-over-lines"]
    assert made.message == whole


def test_merge_tags_in_text_stay_whole() -> None:
    """Their last characters are not taken for punctuation."""
    before = "https://e.com/*|X|* https://e.com/{{y}}."
    after, made = text(before)
    assert after == before.encode()
    assert reasons(made) == ["merge-tag", "merge-tag"]


def test_footers_without_the_other_part() -> None:
    """The last text part of a message without HTML; none where the text is no alternative."""
    made = instrument(message(b"Hi", "text/plain"), ALL, text_footer=DEFAULT_FOOTERS.text)
    assert b"To unsubscribe click: <https://email.example.com/u/" in made.message
    whole = (
        b"Message-Id: <1@e>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/html\r\n\r\n<p>Hi<!--\r\n"
        b"--b\r\nContent-Type: text/plain\r\n\r\nlist footer\r\n--b--\r\n"
    )
    made = instrument(
        whole, ALL, text_footer=DEFAULT_FOOTERS.text, html_footer=DEFAULT_FOOTERS.html
    )
    assert b"To unsubscribe" not in made.message
    assert b">unsubscribe<" not in made.message
    assert "unfinished-html" in cautions(made)


def test_a_message_without_blank_line() -> None:
    """Headers are added behind the last one."""
    whole = b"From: a@example.com\r\nMessage-Id: <1@e>"
    made = instrument(whole, Tracking(unsubscribes=True))
    assert made.message.startswith(whole + b"\r\nList-Unsubscribe: <https://")


def test_exclusions_name_hosts() -> None:
    """A scheme in front is passed over; a pattern without a host is an error."""
    assert exclusions(["https://*.E.com/x", "e.org"]) == (
        (True, "e.com", "/x"),
        (False, "e.org", ""),
    )
    for bad in ("", "/path", "*", "a b"):
        with pytest.raises(CallerError, match="names no host"):
            exclusions([bad])
    _, made = html('<a href="https://sub.e.com">x</a>', excluded=("*.e.com/",))
    assert reasons(made) == ["excluded"]


def test_a_report_of_what_was_left_alone() -> None:
    """The reason of the message, of its parts, and its warnings, in words."""
    whole = message(b"x", "text/html; charset=utf-16")
    lines = list(explain(instrument(whole, Tracking(opens=True, clicks=Clicks.YES)).report))
    assert "part 1, text/html: left alone: charset (utf-16)" in lines
    assert any(line.startswith("warning: no-html-part: ") for line in lines)
    broken = instrument(b"\r\nx", CLICKS)
    assert next(explain(broken.report)) == "left untouched: broken-mime"


def test_templates_say_when_they_are_the_original() -> None:
    """``untouched`` is the reason, and None for a message that is edited."""
    body = message(b"<a href='https://e.com/'>x</a>")
    assert compile_message(body, instructions(), seal).untouched is None
    assert compile_message(b"\r\n", instructions(), seal).untouched == "broken-mime"


def test_no_pattern_matches_where_no_variable_is_replaced() -> None:
    """With recipient and unsubscribe variables off, a percent sign is a percent sign."""
    assert (
        pattern(personal=False, unsubscribe=False).search("%recipient% %unsubscribe_url%") is None
    )
