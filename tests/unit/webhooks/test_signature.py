"""Signatures of deliveries."""

import hashlib
import hmac
import json

from hypothesis import given
from hypothesis import strategies as st

from edge.model.webhook import SigningKey
from edge.webhooks.signature import (
    PREVIOUS,
    SIGNATURE,
    TIMESTAMP,
    Verdict,
    checked_body,
    checked_token,
    sign,
    signed,
    token,
)

KEY, TIME = "test-signing-key", "1700000000"
TOKEN = "0123456789abcdef0123456789abcdef0123456789abcdef01"


def test_the_reference_vector() -> None:
    """The seed's computation: HMAC-SHA256 over timestamp and token without a separator."""
    found = sign(KEY, TIME, TOKEN)
    assert found == "c275f7e86b6d2eadffd03949cf3901424761c7792b511c091d96823cf5d5949c"


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=50), st.integers(0, 2**33))
def test_both_signatures_verify_and_neither_survives_a_change(text: str, seconds: int) -> None:
    """For any event: the payload is JSON, its timestamp a string, the body is what was signed."""
    event = json.dumps({"event": "opened", "subject": text}, ensure_ascii=False)
    key = SigningKey(KEY, "the-old-key", 2**60)
    body, headers = signed(key, seconds=seconds, token=TOKEN, event=event)
    payload = json.loads(body)
    assert list(payload) == ["signature", "event-data"]
    assert payload["event-data"] == {"event": "opened", "subject": text}
    proof = payload["signature"]
    assert proof == {
        "timestamp": str(seconds),
        "token": TOKEN,
        "signature": sign(KEY, str(seconds), TOKEN),
    }
    assert headers[TIMESTAMP] == str(seconds)
    for name, secret in ((SIGNATURE, KEY), (PREVIOUS, "the-old-key")):
        text_signed = str(seconds).encode() + b"." + body
        assert headers[name] == hmac.new(secret.encode(), text_signed, hashlib.sha256).hexdigest()
    assert headers[SIGNATURE] != headers[PREVIOUS]


def test_a_token_is_the_same_for_an_event_at_a_url_and_no_other() -> None:
    """50 hexadecimal digits that nobody can tell without the secret."""
    asked = [(bytes(16), 1, 0), (bytes(16), 2, 0), (bytes(16), 1, 7), (b"\x01" * 16, 1, 0)]
    found = {token(b"secret", *one) for one in asked}
    assert found == {token(b"secret", *one) for one in asked}
    assert len(found) == 4
    assert all(len(one) == 50 and int(one, 16) >= 0 for one in found)
    assert token(b"other", *asked[0]) not in found


def test_a_replaced_key_signs_until_its_time() -> None:
    """And not a microsecond longer."""
    key = SigningKey("new", "old", 100)
    assert key.at(99).previous == "old"
    assert key.at(100) == SigningKey("new")


@given(st.binary(max_size=80), st.dictionaries(st.sampled_from((TIMESTAMP, SIGNATURE)), st.text()))
def test_checking_takes_anything_and_calls_only_ours_good(
    body: bytes, headers: dict[str, str]
) -> None:
    """Bytes and headers of strangers never raise, and are never genuine."""
    key = SigningKey(KEY, "the-old-key", 2**60)
    seen = {
        checked_token(key, body, seconds=int(TIME)),
        checked_body(key, headers, body, seconds=int(TIME)),
    }
    assert seen <= {Verdict.MISSING, Verdict.WRONG}


@given(st.integers(-2000, 2000))
def test_what_is_signed_is_good_while_it_is_fresh(late: int) -> None:
    """Fifteen minutes either way; then it is right but old; with a replaced key that is told."""
    now = int(TIME)
    body, headers = signed(SigningKey(KEY), seconds=now, token=TOKEN, event="{}")
    fresh = abs(late) <= 900
    for key, good in ((SigningKey(KEY), Verdict.GOOD), (SigningKey("n", KEY), Verdict.PREVIOUS)):
        expected = good if fresh else Verdict.OLD
        assert checked_token(key, body, seconds=now + late) is expected
        assert checked_body(key, headers, body, seconds=now + late) is expected
