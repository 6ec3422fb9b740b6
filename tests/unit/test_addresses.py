"""Addresses and display names as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.model.addresses import Mailbox, address_of, display_name, mailbox
from edge.model.errors import CallerError


@pytest.mark.parametrize(
    "text, address, name",
    [
        ("ann@example.net", "ann@example.net", ""),
        ("  Ann@EXAMPLE.net. ", "ann@example.net", ""),
        ("<ann@example.net>", "ann@example.net", ""),
        ("Ann <ann@example.net>", "ann@example.net", "Ann"),
        ("Ann Bee<ann@example.net>", "ann@example.net", "Ann Bee"),
        ('"B., \\"Ann\\"" <ann@example.net>', "ann@example.net", 'B., "Ann"'),
        ("a <b> c <ann@example.net>", "ann@example.net", "a <b> c"),
        ("Zoë 👩‍💻 <zoë@bücher.example>", "zoë@xn--bcher-kva.example", "Zoë 👩‍💻"),
        ("a..b.@docomo.example", "a..b.@docomo.example", ""),
        ("o'neil+x=y/{z}@example.net", "o'neil+x=y/{z}@example.net", ""),
    ],
)
def test_addresses_with_and_without_names(text: str, address: str, name: str) -> None:
    """The address in its stored spelling; the name without its quotes."""
    assert mailbox(text) == Mailbox(address, name)


@pytest.mark.parametrize(
    "text",
    [
        *("", "ann", "@example.net", "ann@", "ann@example", "a b@example.net", "a@b@example.net"),
        *("ann@example.net, bob@example.net", "ann@[192.0.2.1]", '"a b"@example.net'),
        *("a\0@b.example", "a\n@b.example", "ann@exam ple.net"),
        *("Ann <ann@example.net> x", "<>", ">", "a\u200b@example.net", "a\ud800@example.net"),
        *("x" * 65 + "@example.net", "a@" + "b" * 64 + ".example"),
        "x" * 60 + "@" + ".".join(["b" * 60] * 4) + ".example",
        "An\nn <ann@example.net>",
        "x" * 1_001 + " <ann@example.net>",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    """With a short text, however long the input."""
    with pytest.raises(CallerError) as refused:
        mailbox(text)
    assert len(str(refused.value)) < 150


@given(st.text(max_size=40) | st.from_regex(r"[a-zA-Zéİ.]{1,9}@[a-zA-Z]{1,3}\.[a-z]{2}"))
def test_the_stored_spelling_is_its_own(text: str) -> None:
    """Reading an address again changes nothing, with a name before it too; nothing else raises."""
    try:
        address = address_of(text)
    except CallerError:
        return
    assert address_of(address) == address
    assert mailbox(f"N <{address}>") == Mailbox(address, "N")
    assert mailbox(text).address == address


def test_names_may_hold_what_scripts_need() -> None:
    """Joiners and directions stay; line ends never."""
    assert display_name("\u202bאנה\u202c") == "\u202bאנה\u202c"
    for name in ("a\r\nBcc: x", "a\x7f", "a\x85", "a\udfff"):
        with pytest.raises(CallerError, match="control character"):
            display_name(name)
