"""Addresses and display names as people write them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.model.addresses import Mailbox, address_of, display_name, mailbox, mailboxes
from edge.model.errors import CallerError
from edge.rewriting.variables import Recipient, recipient_of


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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ann@example.net", [("ann@example.net", "")]),
        (" a@b.cc ,, <b@B.CC>; C D <c@b.cc>,", [("a@b.cc", ""), ("b@b.cc", ""), ("c@b.cc", "C D")]),
        ('"B, Ann; <3" <Ann@b.cc>, x@b.cc', [("Ann@b.cc", "B, Ann; <3"), ("x@b.cc", "")]),
        ('"a\\"b\\\\" <a@b.cc>', [("a@b.cc", 'a"b\\')]),
        ("Ann (at, work) <a@b.cc>, b@b.cc (Bob)", [("a@b.cc", "Ann"), ("b@b.cc", "")]),
        ('"a,b"@b.cc, "x y" <"a b"@b.cc>', [('"a,b"@b.cc', ""), ('"a b"@b.cc', "x y")]),
        (
            "a@[192.0.2.1], a@[IPv6:2001:db8::1]",
            [("a@[192.0.2.1]", ""), ("a@[IPv6:2001:db8::1]", "")],
        ),
        ("Jörg Ä <jörg@bücher.example>", [("jörg@xn--bcher-kva.example", "Jörg Ä")]),
        (" , ;", []),
    ],
)
def test_lists_of_mailboxes(text: str, expected: list[tuple[str, str]]) -> None:
    """As people and programs write them; the local part keeps its spelling."""
    assert mailboxes(text) == [Mailbox(*one) for one in expected]


@pytest.mark.parametrize(
    "text",
    [
        *("a@b.cc, nobody", "a@b.cc b@b.cc", "<a@b.cc> x", "<a@b.cc> <b@b.cc>", "a> <a@b.cc>"),
        *("A\r\nBcc: x <a@b.cc>", "a@b.cc\0", "<a@b.cc", '"a@b.cc', "a@b.cc)", "<<a@b.cc>>"),
        *("a@[300.1.1.1]", "a@[x]", '"a\nb"@b.cc', "a@b.cc,@b.cc", "x" * 65 + "@b.cc"),
    ],
)
def test_one_bad_mailbox_refuses_the_list(text: str) -> None:
    """With a short text."""
    with pytest.raises(CallerError) as refused:
        mailboxes(text)
    assert len(str(refused.value)) < 150


_LOCAL = st.from_regex(r'[a-z.!#+é]{1,12}|"([ -!#-;=?-\[\]-~é]|\\[ -;=?-~]){0,12}"', fullmatch=True)
_ANY_NAME = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=20)


@given(st.lists(st.tuples(_LOCAL, _ANY_NAME), min_size=1, max_size=4), st.text(max_size=30))
def test_every_accepted_address_can_be_written(boxes: list[tuple[str, str]], anything: str) -> None:
    """A list of them reads back, and each can be sealed and put into a copy."""
    quoted = (re.sub(r'(["\\])', r"\\\1", name) for _, name in boxes)
    text = ", ".join(
        f'"{name}" <{local}@b.cc>' for (local, _), name in zip(boxes, quoted, strict=True)
    )
    found = mailboxes(text)
    assert [box.address for box in found] == [f"{local}@b.cc" for local, _ in boxes]
    assert [box.name for box in found] == [" ".join(name.split()) for _, name in boxes]
    try:
        found += mailboxes(anything)
    except CallerError:
        pass
    for box in found:
        assert recipient_of(Recipient(box.address)).address == box.address
        assert mailboxes(box.address) == [Mailbox(box.address)]
