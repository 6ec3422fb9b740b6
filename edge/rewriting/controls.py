"""The ``X-Mailgun-*`` headers by which a MIME message says what is to be done with it.

They are read here; compiling a message removes them from it.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from edge.model.errors import CallerError
from edge.rewriting import mime, switches
from edge.rewriting.headers import CONTROL_PREFIX, decoded_text
from edge.rewriting.switches import Given

MAX_CONTROLS: Final = 16 * 1024
"""Octets of all control headers together, Mailgun's limit of send options."""

_SWITCHES: Final = ("dkim", "require-tls", "skip-verification", "drop-message")


class Controls(msgspec.Struct, frozen=True, kw_only=True):
    """What the control headers of one message say.

    ``tags`` are as given, uncleaned; ``variables`` are the user variables of
    ``X-Mailgun-Variables`` as texts (other values as JSON); ``recipient_variables`` are by address.
    ``others`` holds every header that has no field here, by its name without the prefix, in lower
    case; of several the last.
    """

    given: Given = Given()
    tags: tuple[str, ...] = ()
    variables: dict[str, str] = {}
    recipient_variables: dict[str, dict[str, Any]] = {}
    test_mode: bool = False
    others: dict[str, str] = {}


def read(message: bytes, root: mime.Part | None = None) -> Controls:
    """The control headers of a message; CallerError for one with a bad value, naming it.

    A message that is none has no control headers. ``root`` is the message split, if it is already.
    """
    root = root or mime.split(message)
    tags: list[str] = []
    variables: dict[str, Any] = {}
    recipients: dict[str, dict[str, Any]] = {}
    track: dict[str, str] = {}
    others: dict[str, str] = {}
    size = 0
    for header in root.headers:
        if not header.name.startswith(CONTROL_PREFIX):
            continue
        size += header.end - header.start
        if size > MAX_CONTROLS:
            raise CallerError("X-Mailgun-* headers are limited to 16KB total")
        name = header.name.removeprefix(CONTROL_PREFIX)
        value = decoded_text(mime.value_of(message, header))
        if header.name in switches.HEADERS:
            track[header.name] = value
        elif name == "tag":
            tags.append(value.strip())
        elif name == "variables":
            variables |= _object(header.name, value)
        elif name == "recipient-variables":
            recipients |= _by_address(header.name, _object(header.name, value))
        else:
            others[name] = _switch(header.name, value) if name in _SWITCHES else value.strip()
    return Controls(
        given=_named(track),
        tags=tuple(tag for tag in tags if tag),
        variables={name: _text(value) for name, value in variables.items()},
        recipient_variables=recipients,
        test_mode=others.get("drop-message") == "yes",
        others=others,
    )


def _named(track: Mapping[str, str]) -> Given:
    """The switches; errors name the header as it is usually written."""
    spelled = {
        "-".join(map(str.capitalize, name.split("-"))): value for name, value in track.items()
    }
    return switches.given(spelled, switches.HEADERS)


def _switch(name: str, value: str) -> str:
    word = value.strip().lower()
    if word in ("yes", "true"):
        return "yes"
    if word in ("no", "false"):
        return "no"
    raise CallerError(f"{name} must be yes, no, true or false, not {value.strip()[:60]!r}")


def _object(name: str, value: str) -> dict[str, Any]:
    """A JSON object in a header; a folded one has its white space again."""
    try:
        found = msgspec.json.decode(re.sub(r"[\r\n\t]+", " ", value))
    except RecursionError:
        raise CallerError(f"{name} is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise CallerError(f"{name} must be a JSON object: {error}") from None
    if not isinstance(found, dict):
        raise CallerError(f'{name} must be a JSON object, like {{"order": "17"}}')
    return found


def _by_address(name: str, found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    for address, values in found.items():
        if not isinstance(values, dict):
            raise CallerError(f"{name}: what stands for {address[:60]!r} must be a JSON object")
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
