"""DKIM signatures, verified by dkimpy."""

import re

import dkim
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.model.errors import CallerError
from edge.sending.dkim import (
    Algorithm,
    Signer,
    generate_key,
    normalized,
    relaxed_body,
    txt_strings,
)

MESSAGE = (
    b"From: Shop <shop@brand.example>\r\nTo: reader@example.org\r\n"
    b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n folded  here\r\nX-Other: 1\r\n\r\n"
    b"Hello \t world \r\n\r\n.\r\nBye\r\n\r\n\r\n"
)
SIGNERS = {
    algorithm: Signer("brand.example", "edge1", generate_key(algorithm)) for algorithm in Algorithm
}
LINE_ENDS = st.sampled_from([b"\r\n", b"\n", b"\r"])
TEXT = st.binary(max_size=60).map(lambda raw: raw.replace(b"\r", b"").replace(b"\n", b""))
BLANKS = st.sampled_from([b"", b" ", b"\t", b"  ", b" \t "])
VALUE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60).map(str.encode)
NAME = st.sampled_from([b"To", b"Subject", b"CC", b"Date", b"X-Any", b"List-Id", b"sUBJECT"])


def _verifies(signer: Signer, message: bytes) -> bool:
    def txt(name: bytes, timeout: int = 5) -> bytes:
        assert name.decode().rstrip(".") == signer.record_name
        return signer.record().encode()

    try:
        return bool(dkim.DKIM(message).verify(dnsfunc=txt))
    except dkim.ValidationError:  # how dkimpy says that the body's hash is another
        return False


@pytest.mark.parametrize("algorithm", Algorithm)
def test_dkimpy_verifies(algorithm: Algorithm) -> None:
    """Both algorithms, with folded fields, blanks, dots and empty lines at the end."""
    signer = SIGNERS[algorithm]
    signed = signer.signed(MESSAGE, 1_750_000_000)
    assert signed.endswith(MESSAGE)
    assert f"a={algorithm};".encode() in signed
    assert _verifies(signer, signed)


@given(
    st.lists(st.tuples(NAME, BLANKS, VALUE, st.booleans()), max_size=8),
    st.lists(st.tuples(TEXT, BLANKS, LINE_ENDS), max_size=12),
    st.sampled_from(Algorithm),
)
def test_any_message_verifies(
    fields: list[tuple[bytes, bytes, bytes, bool]],
    lines: list[tuple[bytes, bytes, bytes]],
    algorithm: Algorithm,
) -> None:
    """Repeated fields, folds, odd blanks, mixed line endings and any octets in the body."""
    head = b"From: a@brand.example\r\n" + b"".join(
        name + b":" + blanks + value + (b"\r\n\tmore" if fold else b"") + b"\r\n"
        for name, blanks, value, fold in fields
    )
    body = b"".join(text + blanks + end for text, blanks, end in lines)
    signer = SIGNERS[algorithm]
    assert _verifies(signer, signer.signed(head + b"\r\n" + body, 1_750_000_000))


@pytest.mark.parametrize(
    "change",
    [
        (b"Hello", b"Hallo"),
        (b"shop@", b"shot@"),
        (b"To: reader", b"Cc: more@example.org\r\nTo: reader"),
        (b"From: Shop", b"From: other@example.net\r\nFrom: Shop"),
        (b"Subject:", b"Subject: another\r\nSubject:"),
        (b"To: reader", b"Reply-To: thief@example.net\r\nTo: reader"),
    ],
    ids=lambda change: change[1][:12].decode(),
)
def test_changes_and_additions_break_it(change: tuple[bytes, bytes]) -> None:
    """Edited text, and a second or first field of those that are oversigned."""
    signer = SIGNERS[Algorithm.RSA]
    signed = signer.sign(MESSAGE, 1) + MESSAGE.replace(*change)
    try:
        assert not _verifies(signer, signed)
    except dkim.MessageFormatError:  # a second From is refused by the verifier outright
        assert change[1].startswith(b"From")


def test_lines_stay_short() -> None:
    """The field is folded below 79 columns (RFC 5322 § 2.1.1)."""
    for signer in SIGNERS.values():
        assert max(map(len, signer.sign(MESSAGE, 1).split(b"\r\n"))) <= 78


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b"", b""),
        (b"\r\n\r\n", b""),
        (b" C \r\nD \t E\r\n\r\n\r\n", b" C\r\nD E\r\n"),
        (b"no end", b"no end\r\n"),
        (b"end \t", b"end\r\n"),
        (b"a\r\n \r\n\t\r\n", b"a\r\n"),
    ],
)
def test_relaxed_body(body: bytes, wanted: bytes) -> None:
    """RFC 6376 § 3.4.4, with § 3.4.5's example."""
    assert relaxed_body(body) == wanted


def test_normalized() -> None:
    """Bare line endings become CRLF; a message that has only those is the same object."""
    assert normalized(b"a\nb\rc\r\n\n") == b"a\r\nb\r\nc\r\n\r\n"
    assert normalized(MESSAGE) is MESSAGE


def test_record() -> None:
    """Strings of at most 255 octets that join to the record; an Ed25519 key is 44 characters."""
    strings = txt_strings(SIGNERS[Algorithm.RSA].record())
    assert len(strings) == 2
    assert max(map(len, strings)) <= 255
    assert "".join(strings) == SIGNERS[Algorithm.RSA].record()
    record = SIGNERS[Algorithm.ED25519].record()
    assert re.fullmatch(r"v=DKIM1; k=ed25519; p=[A-Za-z0-9+/]{43}=", record)


@pytest.mark.parametrize("name", ["", "Brand.example", "a b", "x;d=y", "-a", "a..b", "a" * 64])
def test_names_are_dns_names(name: str) -> None:
    """Nothing that could end a tag or a label gets into the signature."""
    key = generate_key(Algorithm.ED25519)
    with pytest.raises(CallerError, match="not a DNS name"):
        Signer(name, "s", key)
    with pytest.raises(CallerError, match="not a DNS name"):
        Signer("brand.example", name, key)


def test_bad_keys_and_messages() -> None:
    """What is no key, and what nobody may sign."""
    with pytest.raises(CallerError, match="PKCS #8"):
        Signer("brand.example", "s", b"junk")
    for message in (b"To: a@example.org\r\n\r\nx", b"", b"\r\nFrom: body@example.org\r\n\r\n"):
        with pytest.raises(CallerError, match="without From"):
            SIGNERS[Algorithm.RSA].sign(message, 1)
