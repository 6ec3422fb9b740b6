"""The one row of a host: everything that is remembered about its certificate.

Plain values. A host's row is the whole memory of an issuance: whoever holds its lease can go on
from it, whatever was killed before.
"""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the last try failed: when, who must act, the text, the authority's problem type."""

    at: float
    who: str
    text: str
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class PendingOrder:
    """An order that runs, stored in two steps: the key first, then its address.

    ``url`` is None from before the order is made until its answer is stored. ``rehearsal`` is an
    order at the staging authority, made to see whether the challenge is answered.
    """

    directory: str
    key_pem: str
    started: float
    url: str | None = None
    replaces: str | None = None
    rehearsal: bool = False


@dataclass(frozen=True, slots=True)
class Validity:
    """What renewing needs to know of the current certificate. Seconds since the epoch.

    ``window`` is the authority's suggestion (RFC 9773), ``renew_at`` what was decided from it,
    ``check_at`` when to ask for it again.
    """

    not_before: float
    not_after: float
    renewal_id: str | None
    renew_at: float
    check_at: float
    window: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Host:
    """A host name that wants a certificate.

    ``tenant`` is who asked for it, for budgets. ``due`` is when it wants attention. ``failures``
    counts failures in a row since ``failing_since``. ``rehearse``: the next try goes to staging.
    ``detached``: its DNS led elsewhere for long; only a cheap check is made until it is good.
    """

    name: str
    tenant: str = ""
    due: float = 0.0
    failures: int = 0
    failing_since: float | None = None
    failure: Failure | None = None
    rehearse: bool = False
    detached: bool = False
    order: PendingOrder | None = None
    validity: Validity | None = None


def to_json(host: Host) -> dict[str, Any]:
    """A host as JSON. It holds a private key while an order runs: keep it secret."""
    return asdict(host)


def from_json(value: dict[str, Any]) -> Host:
    """The host that :func:`to_json` wrote."""
    fields = dict(value)
    if fields.get("failure"):
        fields["failure"] = Failure(**fields["failure"])
    if fields.get("order"):
        fields["order"] = PendingOrder(**fields["order"])
    if validity := fields.get("validity"):
        window = validity.get("window")
        fields["validity"] = Validity(
            **{**validity, "window": (window[0], window[1]) if window else None}
        )
    return Host(**fields)
