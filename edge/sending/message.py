"""A message as a door hands it in, whichever door it is: API, SMTP, command line.

Nothing of it is for one door only. :mod:`edge.sending.accept` is the one function that takes it.
"""

from typing import Any, Final

import msgspec

from edge.model.domain import Domain
from edge.model.errors import PeerError
from edge.rewriting.switches import Given

MAX_MESSAGE: Final = 25 * 1024 * 1024
"""Octets, Mailgun's limit."""

MAX_RECIPIENTS: Final = 1_000
"""Of one call, Mailgun's limit."""


class Addressee(msgspec.Struct, frozen=True):
    """One recipient: a bare address, its display name, and what ``%recipient.x%`` stands for."""

    address: str
    name: str = ""
    variables: dict[str, Any] = {}


class Options(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the sender wants of one message; None and empty where nothing was said.

    ``variables`` are the user variables. ``personal``: each recipient gets a copy of its own with
    ``%recipient…%`` replaced (a batch, or a mailing list). ``deliver_at`` is in µs since the epoch,
    ``deliver_within`` in seconds.
    """

    tags: tuple[str, ...] = ()
    given: Given = Given()
    variables: dict[str, str] = {}
    personal: bool = False
    test_mode: bool = False
    deliver_at: int = 0
    deliver_within: int = 0
    dkim: bool | None = None
    require_tls: bool | None = None
    skip_verification: bool | None = None
    mailing_list: str = ""


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """How a message came in; ``method`` is ``HTTP``, ``SMTP`` or ``CLI``."""

    method: str
    ip: str = ""
    api_key: int | None = None
    authenticated: bool = True


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message to be accepted.

    ``source`` is the whole message as it is to go out, before anything is put into it; ``sender``
    is the envelope's sender as it was given.
    """

    domain: Domain
    source: bytes
    sender: str
    recipients: tuple[Addressee, ...]
    options: Options
    origin: Origin


class QueueFull(PeerError):
    """The queue is at its limit: try again later."""


class Accepted(msgspec.Struct, frozen=True):
    """What became of it: the Message-Id without angle brackets, and the key of the stored copy."""

    message_id: str
    key: str
