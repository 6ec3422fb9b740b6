"""What an authority's answers say, taken apart strictly: unknown fields pass, wrong ones do not."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

from certs.challenges import is_token
from certs.errors import BadAnswer

MAX_LIST = 100
_DOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*")


@dataclass(frozen=True, slots=True)
class Directory:
    """The authority's addresses (RFC 8555 § 7.1.1) and what it offers.

    ``caa_identities`` are the names by which CAA records let it issue (RFC 8659).
    """

    url: str
    new_nonce: str
    new_account: str
    new_order: str
    revoke_cert: str
    key_change: str
    renewal_info: str | None
    terms: str | None
    external_account_required: bool
    profiles: tuple[str, ...]
    caa_identities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """An order (RFC 8555 § 7.1.3). ``problem`` is its error, ``retry_after`` seconds."""

    url: str
    status: str
    names: tuple[str, ...]
    authorizations: tuple[str, ...]
    finalize: str
    certificate: str | None
    problem: Mapping[str, Any] | None
    retry_after: float | None


@dataclass(frozen=True, slots=True)
class Authorization:
    """An authorization (§ 7.1.4) with its HTTP-01 challenge, if it offers one."""

    url: str
    status: str
    challenge: str | None
    challenge_status: str | None
    problem: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class AccountState:
    """What the authority knows of our account (RFC 8555 § 7.1.2)."""

    status: str
    contact: tuple[str, ...]


def json_object(response: requests.Response) -> dict[str, Any] | None:
    """The JSON object of an answer; None if it is anything else."""
    try:
        value = response.json()
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def body(response: requests.Response) -> Mapping[str, Any]:
    """The JSON object of an answer; BadAnswer if it is anything else."""
    value = json_object(response)
    if value is None:
        raise BadAnswer(f"{response.url}: not a JSON object: {response.text[:100]!r}")
    return value


def _text(value: Mapping[str, Any], key: str) -> str:
    found = value.get(key)
    if not isinstance(found, str) or not found:
        raise BadAnswer(f"the answer lacks {key!r}: {str(value)[:200]}")
    return found


def _optional(value: Mapping[str, Any], key: str) -> str | None:
    found = value.get(key)
    return found if isinstance(found, str) and found else None


def _objects(value: Mapping[str, Any], key: str) -> list[Any]:
    found = value.get(key, [])
    if not isinstance(found, list) or len(found) > MAX_LIST:
        raise BadAnswer(f"{key!r} is no list of a sane length")
    return found


def directory(url: str, value: Mapping[str, Any]) -> Directory:
    """A directory object."""
    meta = value.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    profiles = meta.get("profiles")
    return Directory(
        url,
        _text(value, "newNonce"),
        _text(value, "newAccount"),
        _text(value, "newOrder"),
        _text(value, "revokeCert"),
        _text(value, "keyChange"),
        _optional(value, "renewalInfo"),
        _optional(meta, "termsOfService"),
        meta.get("externalAccountRequired") is True,
        tuple(profiles) if isinstance(profiles, dict) else (),
        _domains(meta.get("caaIdentities")),
    )


def _domains(value: object) -> tuple[str, ...]:
    """The domain names of a list, in lower case; what is none is passed over."""
    given = value if isinstance(value, list) else []
    found = (one.strip().lower() for one in given[:MAX_LIST] if isinstance(one, str))
    return tuple(dict.fromkeys(one for one in found if _DOMAIN.fullmatch(one)))


def account(value: Mapping[str, Any]) -> AccountState:
    """An account object."""
    contact = tuple(str(one) for one in _objects(value, "contact"))
    return AccountState(_text(value, "status"), contact)


def order(url: str, value: Mapping[str, Any], retry_after: float | None) -> Order:
    """An order object."""
    names = tuple(
        str(one.get("value", "")).lower()
        for one in _objects(value, "identifiers")
        if isinstance(one, dict)
    )
    problem = value.get("error")
    return Order(
        url,
        _text(value, "status"),
        names,
        tuple(str(one) for one in _objects(value, "authorizations")),
        _text(value, "finalize"),
        _optional(value, "certificate"),
        problem if isinstance(problem, dict) else None,
        retry_after,
    )


def order_addresses(value: Mapping[str, Any]) -> tuple[str, ...]:
    """The addresses in one page of an account's orders (§ 7.1.2.1)."""
    found = value.get("orders")
    if not isinstance(found, list):
        raise BadAnswer("an account's orders are no list")
    return tuple(one for one in found if isinstance(one, str))


def authorization(url: str, value: Mapping[str, Any]) -> Authorization:
    """An authorization object; BadAnswer if its challenge's token is not of the alphabet."""
    problem = None
    challenge: Mapping[str, Any] | None = None
    for one in _objects(value, "challenges"):
        if not isinstance(one, dict):
            continue
        if isinstance(one.get("error"), dict):
            problem = one["error"]
        if one.get("type") == "http-01":
            challenge = one
    # RFC 8555 § 8.3. Such a token would never be answered; better to say so than to fail later.
    if challenge is not None and not is_token(_text(challenge, "token")):
        raise BadAnswer(f"a challenge token outside base64url: {challenge['token'][:80]!r}")
    return Authorization(
        url,
        _text(value, "status"),
        _text(challenge, "url") if challenge else None,
        _text(challenge, "status") if challenge else None,
        problem,
    )
