"""Forms: both kinds of RFC 8058, and anything else without an error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.tracking.form import MAX_FIELDS, parse_form

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=----x7"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def _part(disposition: str, value: str, boundary: str = "----x7") -> bytes:
    return f"--{boundary}\r\nContent-Disposition: {disposition}\r\n\r\n{value}\r\n".encode()


FIELD = _part('form-data; name="List-Unsubscribe"', "One-Click")
END = b"------x7--\r\n"


@pytest.mark.parametrize(
    "content_type,body",
    [
        (URLENCODED, b"List-Unsubscribe=One-Click"),
        (URLENCODED + "; charset=nonsense", b"List-Unsubscribe=One-Click"),
        (URLENCODED.upper(), b"List%2DUnsubscribe=One%2dClick"),
        (MULTIPART, FIELD + END),
        (MULTIPART, b"preamble\r\n" + FIELD + END + b"epilogue"),
        (MULTIPART, FIELD + b"------x7--"),
        ('Multipart/Form-Data; charset=utf-8; Boundary="----x7"', FIELD + END),
        (MULTIPART, FIELD.replace(b"Content-D", b"Content-Type: text/plain\r\ncontent-d") + END),
        (MULTIPART, FIELD.replace(b'"List-Unsubscribe"', b"List-Unsubscribe") + END),
        (MULTIPART, FIELD + FIELD.replace(b"One-", b"Two-") + END),
    ],
)
def test_one_click_is_read_from_both_kinds(content_type: str, body: bytes) -> None:
    """However a mail provider writes it within the standards."""
    assert parse_form(content_type, body) == ONE_CLICK


@pytest.mark.parametrize(
    "content_type,body",
    [
        ("", b"List-Unsubscribe=One-Click"),
        ("text/plain", b"List-Unsubscribe=One-Click"),
        ("application/json", b"{}"),
        ("multipart/form-data", FIELD + END),
        ("multipart/mixed; boundary=----x7", FIELD + END),
        (URLENCODED, b"&".join([b"a=b"] * (MAX_FIELDS + 1))),
    ],
)
def test_what_is_no_form_is_none(content_type: str, body: bytes) -> None:
    """Other types, a missing boundary, too many fields."""
    assert parse_form(content_type, body) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        FIELD[:-8],
        FIELD,
        FIELD.replace(b"------x7", b"------x8") + END,
        _part('form-data; name="List-Unsubscribe"; filename="a"', "One-Click") + END,
        _part('attachment; name="List-Unsubscribe"', "One-Click") + END,
        _part("form-data", "One-Click") + END,
        END + FIELD,
    ],
)
def test_a_multipart_body_that_is_cut_or_odd_has_no_fields(body: bytes) -> None:
    """A field counts only when its end was seen."""
    assert parse_form(MULTIPART, body) == {}


@given(st.sampled_from([URLENCODED, MULTIPART, "multipart/form-data; boundary=\udcff"]), st.data())
def test_any_body_is_read_without_an_error(content_type: str, data: st.DataObject) -> None:
    """Arbitrary bytes, and arbitrary pieces of a form in any order."""
    pieces = st.one_of(st.binary(max_size=30), st.sampled_from([FIELD, END, b"\r\n", b"=", b"&"]))
    body = b"".join(data.draw(st.lists(pieces, max_size=12)))
    fields = parse_form(content_type, body)
    assert fields is None or all(isinstance(value, str) for value in fields.values())
