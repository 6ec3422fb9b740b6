"""Is a published DKIM key ours? RFC 6376 § 3.6.1; pure."""

import base64
import binascii
from collections.abc import Sequence

from edge.doctor.facts import Answer, Status
from edge.doctor.findings import Code, Finding, Severity, listed, shown


def tags(text: str) -> dict[str, str] | None:
    """A tag list (RFC 6376 § 3.2); None if it is malformed or has a tag twice."""
    found: dict[str, str] = {}
    parts = text.split(";")
    if not parts[-1].strip():
        parts.pop()
    for part in parts:
        name, equals, value = part.partition("=")
        name = name.strip()
        if not equals or not name or name in found:
            return None
        found[name] = "".join(value.split()) if name == "p" else value.strip()
    return found


def key_of(found: dict[str, str]) -> bytes | None:
    """The public key's bytes; None if they are not base64."""
    try:
        return base64.b64decode(found.get("p", ""), validate=True)
    except (binascii.Error, ValueError):
        return None


def fault(text: str, wanted: str) -> tuple[Code, str] | None:
    """Code and words for what is wrong with a record; None if our signatures verify with it."""
    found, ours = tags(text), tags(wanted) or {}
    if found is None:
        return "dkim-broken", "it is no list of tag=value pairs"
    if "v" in found and (found["v"] != "DKIM1" or not text.lstrip().startswith("v")):
        return "dkim-broken", "v= is not DKIM1, or not first"
    if "p" not in found:
        return "dkim-broken", "it has no p= (the public key)"
    if not found["p"]:
        return "dkim-revoked", "its p= is empty: the key is revoked"
    key = key_of(found)
    if key is None:
        return "dkim-broken", "its p= is not base64; perhaps a part is missing or a quote is in it"
    if found.get("k", "rsa") != ours.get("k", "rsa"):
        return "dkim-other-key", f"it holds a key of type {found.get('k', 'rsa')}"
    if key != key_of(ours):
        return "dkim-other-key", "it holds another key than the one that signs here"
    if "sha256" not in found.get("h", "sha256").split(":"):
        return "dkim-broken", "h= leaves out sha256"
    if not {"*", "email"} & set(found.get("s", "*").split(":")):
        return "dkim-broken", "s= leaves out email"
    return None


def check(answer: Answer, wanted: str) -> list[Finding]:
    """What is wrong with the record at ``answer.name``."""
    record = f'{answer.name}. TXT "{wanted}"'
    if answer.status is not Status.FOUND:
        return [_finding(answer.name, "dkim-missing", "there is no such record", record)]
    keys = _candidates(answer.values)
    if len(keys) > 1:
        seen = f"{len(keys)} records; which one counts is undefined (RFC 6376 § 3.6.2.2)"
        return [_finding(answer.name, "dkim-several", seen, record)]
    if (wrong := fault(keys[0], wanted)) is not None:
        return [_finding(answer.name, wrong[0], f"{wrong[1]} ({shown(keys[0][:80])})", record)]
    if "y" in (tags(keys[0]) or {}).get("t", "").split(":"):
        return [
            Finding(
                code="dkim-testing",
                about=answer.name,
                seen="t=y: the domain says it only tests DKIM",
                expected="no t=y",
                mend="Remove t=y: some receivers treat such mail as unsigned.",
                severity=Severity.NOTE,
            )
        ]
    return []


def _candidates(values: Sequence[str]) -> list[str]:
    """The records that may be keys: all, unless some say that they are."""
    return [one for one in values if one.lstrip().startswith("v=DKIM1")] or list(values)


def _finding(name: str, code: Code, seen: str, record: str) -> Finding:
    return Finding(
        code=code,
        about=name,
        seen=seen,
        expected=record,
        mend=f"Let {listed([name])} hold exactly one TXT record, the one that `edge domain dns` "
        "prints; a value over 255 characters is entered as several strings.",
    )
