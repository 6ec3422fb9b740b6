"""A tracking host's certificate as whoever asks for it sees it; pure."""

from enum import StrEnum
from typing import Any, Final

import msgspec


class Status(StrEnum):
    """Mailgun's four words for it; ``none`` is a host that nobody asked a certificate for."""

    NONE = "none"
    PROCESSING = "processing"
    ACTIVE = "active"
    EXPIRED = "expired"
    ERROR = "error"


OURS_TO_MEND: Final = ("customer", "operator")
"""Who must act before a failure ends; everything else ends with time."""

DAY: Final = 86_400.0


class KnownAuthority(msgspec.Struct, frozen=True, kw_only=True):
    """The authority that is ordered from: our account's address there, and its CAA names.

    ``account`` is None before it was registered, ``identities`` before its directory was read. An
    authority may state none (RFC 8555 section 7.1.1), which leaves them empty.
    """

    directory: str
    account: str | None
    identities: tuple[str, ...] | None


class HostCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """A host, what is remembered of its orders (``state``, None where there are none), its chain.

    ``domain`` and ``number`` are its domain's; ``until`` is the end of the lease under which
    somebody works on it, and times are seconds since the epoch. ``chain`` is PEM, without the key.
    """

    host: str
    domain: str
    number: int
    web_scheme: str
    removed: bool
    state: dict[str, Any] | None
    until: float
    not_before: float | None
    not_after: float | None
    chain: str
    imported: bool

    @property
    def failure(self) -> dict[str, Any] | None:
        """The last failure that no success has followed: ``at``, ``who``, ``text``, ``problem``."""
        found: dict[str, Any] | None = (self.state or {}).get("failure")
        return found

    @property
    def due(self) -> float:
        """When its certificate is looked after next."""
        return float((self.state or {}).get("due", 0.0))

    def valid(self, now: float) -> bool:
        """Whether there is a certificate for handshakes at that time."""
        return self.not_before is not None and self.not_before <= now < (self.not_after or 0.0)

    def status(self, now: float) -> Status:
        """Where it stands.

        A failure that only time mends is still ``processing``: nobody but us need do anything.
        """
        if self.valid(now):
            return Status.ACTIVE
        failure = self.failure
        if self.not_after is not None:
            waits = self.state is not None and failure is None
            return Status.PROCESSING if waits else Status.EXPIRED
        if self.state is None:
            return Status.NONE
        failed = failure is not None and failure.get("who") in OURS_TO_MEND
        return Status.ERROR if failed else Status.PROCESSING

    def days_left(self, now: float) -> float | None:
        """Days until it ends, negative after that; None without a certificate."""
        return None if self.not_after is None else (self.not_after - now) / DAY
