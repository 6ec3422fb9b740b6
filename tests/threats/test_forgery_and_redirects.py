"""No redirect but to an authenticated URL, and no event but for an authenticated token."""

import random
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path

import pytest

from edge.model.capture import Act
from edge.model.destination import is_plain, normalise
from edge.model.errors import InvalidDestination, InvalidToken
from edge.model.tokens import (
    ClickTarget,
    Key,
    Keyring,
    KeyState,
    Kind,
    decode_base64url,
    encode_base64url,
)
from tests.threats.serving import (
    CLICK,
    KEYRING,
    OPEN,
    OTHER,
    OURS,
    UNSUBSCRIBE,
    serving,
)

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
EVIL = (
    "javascript:alert(1)",
    "data:text/html,x",
    "//evil.example/",
    "\\\\evil.example/",
    "https:evil.example",
    "http:///evil.example",
    "ht\ttp://evil.example/",
    " https://example.com/",
    "https://example.com/\r\nSet-Cookie: a=b",
    "https://example.com/\x00",
    "vbscript:x",
    "file:///etc/passwd",
    "",
)


def mutants(token: str, count: int) -> list[str]:
    """Truncations and changes of one to three characters; never the token itself."""
    draw = random.Random(5)
    made = {token[:cut] for cut in range(len(token))}
    while len(made) < count:
        letters = list(token)
        for _ in range(draw.randint(1, 3)):
            letters[draw.randrange(len(letters))] = draw.choice(ALPHABET)
        made.add("".join(letters))
    return sorted(made - {token})


def test_no_mutant_of_a_token_opens() -> None:
    """20,000 truncated or altered tokens of every kind: none opens."""
    for kind, target in ((Kind.OPEN, OPEN), (Kind.CLICK, CLICK), (Kind.UNSUBSCRIBE, UNSUBSCRIBE)):
        token = KEYRING.seal(target)
        assert KEYRING.open(kind, token) == target
        assert not [m for m in mutants(token, 7_000) if KEYRING.open_raw(kind, m.encode())]


def test_a_token_of_one_kind_never_opens_as_another() -> None:
    """Each kind has a key of its own."""
    for target in (OPEN, CLICK, UNSUBSCRIBE):
        own = [k for k in Kind if KEYRING.open_raw(k, KEYRING.seal(target).encode()) is not None]
        assert len(own) == 1


def test_a_revoked_key_opens_nothing() -> None:
    """What was sealed with a key that is revoked now is foreign."""
    token = KEYRING.seal(OPEN)
    revoked = Keyring([Key(id=1, state=KeyState.REVOKED, secret=bytes(range(32)))])
    with pytest.raises(InvalidToken):
        revoked.open(Kind.OPEN, token)


def test_only_the_canonical_spelling_opens() -> None:
    """Padding, the other base64 alphabet, or set spare bits make another URL, which is foreign."""
    token = KEYRING.seal(OPEN)
    for spelling in (token + "=", token + "==", token.replace("-", "+").replace("_", "/") + "="):
        assert KEYRING.open_raw(Kind.OPEN, spelling.encode()) is None
    raw = b"\x01\x02"
    spelled = encode_base64url(raw)
    other = spelled[:-1] + ALPHABET[ALPHABET.index(spelled[-1]) + 1]
    assert decode_base64url(spelled.encode()) == raw
    assert decode_base64url(other.encode()) is None


@pytest.mark.parametrize("url", EVIL)
def test_what_is_not_plain_http_is_refused_when_sealed(url: str) -> None:
    """Either refused, or brought to a plain http(s) form that starts as it was written."""
    try:
        sealed = normalise(url)
    except InvalidDestination:
        return
    assert is_plain(sealed)
    assert "\r" not in sealed
    assert "evil.example" not in sealed


@pytest.mark.parametrize("hot", [True, False], ids=["hot", "aiohttp"])
async def test_a_wrongly_sealed_destination_is_not_handed_out(tmp_path: Path, hot: bool) -> None:
    """Even an authentic token redirects only to plain http(s): it is checked again when opened.

    (A missing host is refused at sealing alone: sealed, it is no worse than that host itself.)
    """
    async with serving(tmp_path, hot=hot) as world:
        for url in set(EVIL) - {"http:///evil.example"}:
            target = ClickTarget(1, 1, "m", "a@example.org", 0, url)
            answer = await world.get(f"/c/{KEYRING.seal(target)}")
            assert answer.status == 404, url
            assert "location" not in answer.headers
        assert world.acts() == []


@pytest.mark.parametrize("hot", [True, False], ids=["hot", "aiohttp"])
async def test_forged_tokens_get_a_pixel_or_404_and_no_event(tmp_path: Path, hot: bool) -> None:
    """The pixel for opens (nothing to learn), a plain 404 for the rest; never recorded."""
    async with serving(tmp_path, hot=hot) as world:
        for kind, target in (("o", OPEN), ("c", CLICK), ("u", UNSUBSCRIBE)):
            token = KEYRING.seal(target)
            for forged in (*mutants(token, 30)[-30:], token[:-1], KEYRING.seal(OPEN)[::-1]):
                answer = await world.get(f"/{kind}/{forged}")
                assert answer.status == (200 if kind == "o" else 404)
                assert "location" not in answer.headers
        assert world.acts() == []


@pytest.mark.parametrize("hot", [True, False], ids=["hot", "aiohttp"])
async def test_location_is_exactly_the_sealed_url(tmp_path: Path, hot: bool) -> None:
    """Byte for byte, whatever parameters or fragments the request adds."""
    async with serving(tmp_path, hot=hot) as world:
        for suffix in ("", "?url=https://evil.example/", "?next=//evil.example"):
            answer = await world.get(f"/c/{KEYRING.seal(CLICK)}{suffix}")
            assert answer.status == 302
            assert answer.headers["location"] == CLICK.url
        assert world.acts() == [Act.CLICK.name] * 3


@pytest.mark.parametrize("hot", [True, False], ids=["hot", "aiohttp"])
async def test_a_token_on_another_domains_host_is_foreign(tmp_path: Path, hot: bool) -> None:
    """404 there, also for other spellings of the host; served on its own and on unknown hosts."""
    path = f"/c/{KEYRING.seal(CLICK)}"
    async with serving(tmp_path, hot=hot) as world:
        for host in (OTHER, OTHER.upper(), OTHER + b":8080", OTHER + b"."):
            assert (await world.get(path, host)).status == 404, host
        for host in (OURS, OURS.upper(), b"192.0.2.1", b"edge.example.org:8080"):
            assert (await world.get(path, host)).status == 302, host
        assert world.acts() == [Act.CLICK.name] * 4


@pytest.mark.parametrize("hot", [True, False], ids=["hot", "aiohttp"])
async def test_nothing_is_built_from_the_host_header(tmp_path: Path, hot: bool) -> None:
    """The attacker's host name appears in no header and no page."""
    async with serving(tmp_path, hot=hot) as world:
        for kind, target in (("o", OPEN), ("c", CLICK), ("u", UNSUBSCRIBE)):
            answer = await world.get(f"/{kind}/{KEYRING.seal(target)}", b"attacker.example")
            assert "attacker" not in str(answer.headers)
            assert b"attacker" not in answer.body


def test_urls_hold_nothing_personal() -> None:
    """The recipient is in no URL, neither plain nor as base64 or hex."""
    recipient = OPEN.recipient.encode()
    for target in (OPEN, CLICK, UNSUBSCRIBE):
        token = KEYRING.seal(target)
        for spelled in (
            recipient.decode(),
            recipient.hex(),
            b64encode(recipient).decode()[:-4],
            urlsafe_b64encode(recipient).decode()[:-4],
        ):
            assert spelled not in token
