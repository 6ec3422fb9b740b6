"""What an analyst may not read, in whatever text it stands."""

import json
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from edge.panel import masking
from edge.panel.streaming import harmless

LOCALS = st.from_regex(r"[a-zA-Z0-9!#$%*+/^_`{|}~-]{2,20}(\.[a-z0-9]{1,8})?", fullmatch=True)
HOSTS = st.from_regex(r"[a-z0-9]{1,10}(\.[a-z]{2,6}){1,2}", fullmatch=True)


TEXTS = st.text(st.characters(exclude_characters="@"), max_size=30)


@given(LOCALS, HOSTS, TEXTS, TEXTS)
def test_the_recipient_is_nowhere_in_a_masked_text(
    local: str, host: str, before: str, after: str
) -> None:
    """As it is, in other cases, and encoded for a URL."""
    address = f"{local}@{host}"
    for spelled in (address, address.upper(), quote(address), quote(address, safe="")):
        masked = masking.text(f"{before} {spelled} {after}", address)
        assert spelled not in masked
        assert f"{local.lower()}@" not in masked.lower()


@given(st.from_regex(r"[a-z0-9.+-]{3,20}", fullmatch=True), HOSTS)
def test_other_peoples_addresses_are_masked_too(local: str, host: str) -> None:
    """A server's reply may name anybody."""
    text = f"550 5.1.1 <{local}@{host}> unknown; see https://x.example/?a={local}%40{host}&b=1"
    masked = masking.text(text)
    assert f"{local}@" not in masked
    assert f"{local}%40" not in masked
    assert masking.text(masked) == masked
    assert masked.startswith("550 5.1.1 <")


def test_an_address_keeps_its_domain_and_one_character() -> None:
    """Lines can be told apart, and deliverability is judged by domain."""
    assert masking.address("ann@example.net") == "a•••@example.net"
    assert masking.address("not an address") == "n•••"
    assert masking.address("") == "•••"


def test_an_event_is_masked_in_depth_and_its_message_id_is_not() -> None:
    """Names of members, lists, nested objects; user variables are hidden whole."""
    event = {
        "recipient": "ann@example.net",
        "message": {
            "headers": {"to": "Ann <ann@example.net>", "message-id": "1.2@mg.example.com"},
            "recipients": ["ann@example.net", "bob@example.org"],
        },
        "delivery-status": {"message": "550 ann@example.net is gone", "code": 550},
        "user-variables": {"name": "Annabella", "ann@example.net": "x"},
        "ann@example.net": None,
    }
    masked = json.dumps(masking.event(event, "ann@example.net"))
    for secret in ("ann@", "bob@", "Annabella"):
        assert secret not in masked
    assert "1.2@mg.example.com" in masked
    assert "550" in masked


def test_no_cell_of_a_csv_file_is_a_formula() -> None:
    """CWE-1236: what a stranger wrote must not run in a spreadsheet."""
    for evil in ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"):
        assert harmless(evil).startswith("'")
    assert harmless("plain = text") == "plain = text"
