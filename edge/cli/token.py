"""``edge token``: what is sealed in a tracking URL."""  # noqa: A005 - a module has its command's name

from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from edge.cli import keyring
from edge.cli.options import AsJson, Config, DataDir, print_fields, print_json
from edge.model.domain import Domain
from edge.model.errors import InvalidToken
from edge.model.roster import Snapshot
from edge.model.tokens import (
    ClickTarget,
    Keyring,
    Kind,
    Target,
    UnsubscribeTarget,
    decode_base64url,
    unpack_message_id,
)
from edge.settings import load

GROUP = True
app = typer.Typer(help="Look into tracking tokens.", no_args_is_help=True)


@app.callback()
def token() -> None:
    """Look into tracking tokens."""


_URL_KINDS = (Kind.OPEN, Kind.CLICK, Kind.UNSUBSCRIBE)


def split_token(text: str) -> tuple[tuple[Kind, ...], str]:
    """Kinds that come into question, and the token, of a URL, a path or a bare token."""
    path = urlsplit(text.strip()).path if "/" in text else text.strip()
    parts = [part for part in path.split("/") if part]
    if not parts:
        raise InvalidToken(f"{text!r} holds no token")
    if len(parts) > 1:
        for kind in _URL_KINDS:
            if parts[-2] == kind.value:
                return (kind,), parts[-1]
    return _URL_KINDS, parts[-1]


def _open(ring: Keyring, kinds: tuple[Kind, ...], token: str) -> tuple[Kind, Target]:
    for kind in kinds:
        if ring.open_raw(kind, token.encode("ascii", "replace")) is not None:
            return kind, ring.open(kind, token)
    raise InvalidToken(
        "not a token of this installation: forged, cut short, of another kind, "
        "or its key is revoked"
    )


def _describe(kind: Kind, token: str, target: Target, domain: Domain | None) -> dict[str, Any]:
    raw = decode_base64url(token.encode("ascii")) or b"\0"
    name = domain.name if domain else None
    message_id = unpack_message_id(target.message_id, name or f"domain-{target.domain}.invalid")
    shown: dict[str, Any] = {
        "kind": {Kind.OPEN: "open", Kind.CLICK: "click"}.get(kind, "unsubscribe"),
        "key": raw[0],
        "domain": name,
        "domain-number": target.domain,
        "message-id": message_id,
        "recipient": target.recipient,
    }
    if isinstance(target, ClickTarget):
        shown |= {"position": target.position, "url": target.url}
    elif isinstance(target, UnsubscribeTarget):
        shown |= {"level": target.level.name.lower(), "names": target.names}
    return shown


def _domain(snapshot: Snapshot, number: int) -> Domain | None:
    return next((domain for domain in snapshot.domains if domain.number == number), None)


@app.command(epilog="Example: edge token inspect http://email.mg.example.com/o/AbC…")
def inspect(
    token: Annotated[str, typer.Argument(metavar="TOKEN|URL", help="Token, or URL with one.")],
    as_json: AsJson = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Show what a token says; nothing is recorded."""
    settings = load(config, data_dir=data_dir)
    kinds, text = split_token(token)
    snapshot, ring = keyring.current(settings)
    kind, target = _open(ring, kinds, text)
    shown = _describe(kind, text, target, _domain(snapshot, target.domain))
    if as_json:
        print_json(shown)
        return
    print_fields(
        (name, ", ".join(value) if isinstance(value, list) else value)
        for name, value in shown.items()
    )
