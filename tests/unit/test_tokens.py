"""Tokens: what is sealed opens, and nothing else does."""

import random
import string
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.model.errors import CallerError, InvalidToken
from edge.model.tokens import (
    MAX_RECIPIENT,
    ClickTarget,
    Key,
    Keyring,
    KeyState,
    Kind,
    Level,
    OpenTarget,
    Target,
    UnsubscribeTarget,
    check_recipient,
    decode_base64url,
    encode_base64url,
    kind_of,
    pack_message_id,
    unpack_message_id,
)

SECRET = bytes(range(32))
RING = Keyring([Key(7, KeyState.CURRENT, SECRET)])
OWN_ID = "20260918142501.0123456789abcdef@news.example.com"
ADDRESS = "a.reader@mail.example.org"
URL = "https://shop.example.com/spring/offers?campaign=17&ref=mail#top"

text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
message_ids = st.one_of(st.binary(min_size=13, max_size=13), text)
numbers = st.integers(0, 2**40)
targets = st.one_of(
    st.builds(OpenTarget, st.just(1), numbers, message_ids, text),
    st.builds(ClickTarget, st.just(1), numbers, message_ids, text, st.integers(0, 5000), text),
    st.builds(
        UnsubscribeTarget,
        st.just(1),
        numbers,
        message_ids,
        text,
        st.sampled_from(Level),
        st.lists(text, max_size=3),
    ),
)


@given(targets)
def test_what_is_sealed_opens_as_the_same_target(target: Target) -> None:
    """Round trip for every kind, and sealing twice gives the same token."""
    token = RING.seal(target)
    assert RING.open(kind_of(target), token) == target
    assert RING.seal(target) == token


@given(targets)
def test_a_token_of_one_kind_never_opens_as_another(target: Target) -> None:
    """Each kind has a key of its own."""
    token = RING.seal(target)
    for kind in set(Kind) - {kind_of(target)}:
        assert RING.open_raw(kind, token.encode()) is None


@given(targets)
def test_nothing_personal_is_readable_in_a_token(target: Target) -> None:
    """Neither the recipient nor the destination can be found in the token's bytes."""
    raw = decode_base64url(RING.seal(target).encode())
    assert raw is not None
    if len(target.recipient) > 3:
        assert target.recipient.encode() not in raw


def _click(url: str, message_id: bytes | str) -> ClickTarget:
    return ClickTarget(1, 3000, message_id, ADDRESS, 12, url)


def test_sizes_are_what_was_promised() -> None:
    """25-character address and our own ids: opens <= 100, clicks <= 1.4 URL + 100, foreign +60."""
    assert len(ADDRESS) == 25
    own = pack_message_id(OWN_ID, "news.example.com")
    foreign = "CAF=aB3xYz_01234567890123456789@mx.example.net"
    assert isinstance(own, bytes)
    small = len(RING.seal(OpenTarget(1, 3000, own, ADDRESS)))
    assert small <= 100
    assert len(RING.seal(OpenTarget(1, 3000, foreign, ADDRESS))) <= small + 60
    for length in (20, 100, 1000, 5000):
        url = "https://example.com/".ljust(length, "x")
        size = len(RING.seal(_click(url, own)))
        assert size <= 1.4 * length + 100
        assert len(RING.seal(_click(url, foreign))) <= 1.4 * length + 160


@pytest.mark.parametrize(
    "state,opens",
    [(KeyState.ANNOUNCED, True), (KeyState.RETIRED, True), (KeyState.REVOKED, False)],
)
def test_a_key_opens_until_it_is_revoked_and_seals_only_as_current(
    state: KeyState, opens: bool
) -> None:
    """Announced and retired keys open; a revoked one never does; none of them seals."""
    token = RING.seal(OpenTarget(1, 1, "id", ADDRESS))
    ring = Keyring([Key(7, state, SECRET), Key(8, KeyState.CURRENT, bytes(32))])
    assert (ring.open_raw(Kind.OPEN, token.encode()) is not None) is opens
    sealed = decode_base64url(ring.seal(OpenTarget(1, 1, "id", ADDRESS)).encode())
    assert sealed is not None
    assert sealed[0] == 8
    with pytest.raises(CallerError, match="edge keys rotate"):
        Keyring([Key(7, state, SECRET)]).seal(OpenTarget(1, 1, "id", ADDRESS))


def test_two_current_keys_are_refused() -> None:
    """Which key seals must be one answer."""
    with pytest.raises(CallerError, match="both current"):
        Keyring([Key(1, KeyState.CURRENT, SECRET), Key(2, KeyState.CURRENT, SECRET)])


def test_the_same_id_with_another_secret_does_not_open() -> None:
    """The key id only chooses; the secret authenticates."""
    token = RING.seal(OpenTarget(1, 1, "id", ADDRESS))
    other = Keyring([Key(7, KeyState.CURRENT, bytes(32))])
    with pytest.raises(InvalidToken):
        other.open(Kind.OPEN, token)


@given(st.binary(min_size=1, max_size=40))
def test_base64url_has_one_spelling(raw: bytes) -> None:
    """Decoding inverts encoding; padding and the standard alphabet's characters are refused."""
    spelled = encode_base64url(raw)
    assert decode_base64url(spelled.encode()) == raw
    for other in (spelled + "=", spelled + "==", spelled + "\n", " " + spelled, spelled + "+"):
        assert decode_base64url(other.encode()) is None


def test_unused_bits_of_the_last_character_must_be_zero() -> None:
    """Of all last characters exactly those that spell whole bytes are accepted."""
    alphabet = (string.ascii_letters + string.digits + "-_").encode()
    for length, expected in ((2, 4), (3, 16)):
        good = [c for c in alphabet if decode_base64url(b"A" * (length - 1) + bytes([c]))]
        assert len(good) == expected


def mutants(token: str, seed: int) -> Iterator[bytes]:
    """Endless wrong spellings of a token: flips, cuts, extensions, swaps, other alphabets."""
    rng = random.Random(seed)
    raw = decode_base64url(token.encode())
    assert raw is not None
    alphabet = string.ascii_letters + string.digits + "-_"
    while True:
        flipped = bytearray(raw)
        flipped[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
        yield encode_base64url(bytes(flipped)).encode()
        place = rng.randrange(len(token))
        yield (token[:place] + rng.choice(alphabet) + token[place + 1 :]).encode()
        yield token[: rng.randrange(len(token))].encode()
        yield (token + "".join(rng.choices(alphabet, k=rng.randint(1, 8)))).encode()
        yield token[place:].encode() + token[:place].encode()
        yield (token[:place] + rng.choice("+/=%.~ \t\r\n\0") + token[place:]).encode()
        yield (token[:place] + rng.choice("äя一\u2028") + token[place:]).encode()
        yield encode_base64url(rng.randbytes(len(raw))).encode()


def test_no_mutant_of_a_token_opens() -> None:
    """100,000 wrong spellings of authentic tokens of all kinds: none is accepted."""
    tokens = {
        Kind.OPEN: RING.seal(OpenTarget(1, 1, "id@example.com", ADDRESS)),
        Kind.CLICK: RING.seal(_click(URL, "id@example.com")),
        Kind.UNSUBSCRIBE: RING.seal(
            UnsubscribeTarget(1, 1, "id@example.com", ADDRESS, Level.TAG, ["spring"])
        ),
    }
    for seed, (kind, token) in enumerate(tokens.items()):
        opener = RING.open_raw
        made = mutants(token, seed)
        for _ in range(33_400):
            mutant = next(made)
            if mutant != token.encode():
                assert opener(kind, mutant) is None, mutant


def test_every_bit_flip_and_every_truncation_is_refused() -> None:
    """Exhaustive over one token: each bit, each length."""
    token = RING.seal(_click(URL, "id@example.com"))
    raw = decode_base64url(token.encode())
    assert raw is not None
    for bit in range(8 * len(raw)):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        assert RING.open_raw(Kind.CLICK, encode_base64url(bytes(flipped)).encode()) is None
    for length in range(len(token)):
        assert RING.open_raw(Kind.CLICK, token[:length].encode()) is None


@pytest.mark.parametrize(
    "plaintext",
    [
        [2, 1, "id", ADDRESS],
        [1, 1, "id"],
        [1, 1, 5, ADDRESS],
        [1, 1, None, ADDRESS],
        [1, "one", "id", ADDRESS],
        {"version": 1},
        "some text that is long enough",
        [1, [], [], []],
    ],
)
def test_an_authentic_plaintext_that_is_not_understood_is_an_invalid_token(
    plaintext: object,
) -> None:
    """A token of a newer release, or a wrongly made one, is refused with a clear error."""
    token = RING.seal_raw(Kind.OPEN, msgspec.msgpack.encode(plaintext))
    with pytest.raises(InvalidToken, match="authentic"):
        RING.open(Kind.OPEN, token)


def test_our_own_message_ids_pack_to_13_bytes_and_back() -> None:
    """Own ids of the same domain are packed; brackets do not matter; the way back is exact."""
    packed = pack_message_id(f"<{OWN_ID}>", "news.example.com")
    assert isinstance(packed, bytes)
    assert len(packed) == 13
    assert unpack_message_id(packed, "news.example.com") == OWN_ID


@pytest.mark.parametrize(
    "message_id",
    [
        OWN_ID.replace("news.", "other."),
        OWN_ID.replace("abcdef", "ABCDEF"),
        "20261399142501.0123456789abcdef@news.example.com",
        "20260918142560.0123456789abcdef@news.example.com",
        "19690101000000.0123456789abcdef@news.example.com",
        "२०२६0918142501.0123456789abcdef@news.example.com",
        "x@y",
    ],
)
def test_other_message_ids_stay_verbatim(message_id: str) -> None:
    """Whatever does not come back exactly is not packed."""
    assert pack_message_id(message_id, "news.example.com") == message_id
    assert unpack_message_id(message_id, "news.example.com") == message_id


@given(st.text(max_size=80))
def test_any_message_id_comes_back_as_it_was(message_id: str) -> None:
    """Packing either refuses or keeps the id, but for white space around it and brackets."""
    try:
        packed = pack_message_id(message_id, "news.example.com")
    except CallerError:
        return
    bare = message_id.strip().removeprefix("<").removesuffix(">")
    assert unpack_message_id(packed, "news.example.com") == bare


@pytest.mark.parametrize("message_id", ["", "<>", "a b@c", "a\x00b@c", "x" * 256, "\ud800@c"])
def test_impossible_message_ids_are_refused(message_id: str) -> None:
    """Empty, over-long or unprintable ids never get into a token."""
    with pytest.raises(CallerError):
        pack_message_id(message_id, "news.example.com")


def test_recipients_are_checked() -> None:
    """1 to 320 octets without control characters."""
    longest = "x" * MAX_RECIPIENT
    assert check_recipient(longest) == longest
    for wrong in ("", longest + "x", "a\x00@b", "a\n@b", "\udc80@b", "ä" * 161):
        with pytest.raises(CallerError):
            check_recipient(wrong)
