"""What was looked up: answers of DNS, chains of aliases, probes of port 80; plain values."""

from enum import StrEnum
from typing import Final

import msgspec

MOST_LINKS: Final = 8
"""Aliases that are followed; resolvers stop between 8 and 16 (RFC 1034 gives no number)."""


class Status(StrEnum):
    """How a question ended."""

    FOUND = "found"
    EMPTY = "empty"
    """The name exists, without such a record."""
    ABSENT = "absent"
    """The name does not exist (RFC 8020: nor does anything below it)."""
    BOGUS = "bogus"
    """The resolver refused for DNSSEC: with checking disabled it answered (RFC 4035 § 3.2.2)."""
    FAILED = "failed"
    """No answer, or one that says nothing."""


UNCLEAR: Final = frozenset({Status.BOGUS, Status.FAILED})
"""Nothing can be concluded about the records themselves."""


class Answer(msgspec.Struct, frozen=True):
    """One answer. ``values`` are the records as text: TXT joined, host names in lower case without
    the final dot, MX as ``10 host``, CAA as ``0 issue value``. ``why`` says what failed.
    ``signed``: the resolver had verified it (the AD bit, RFC 4035 § 3.2.3). ``owner`` is the name
    behind all aliases that has the records; empty where there are none.
    """

    name: str
    kind: str
    status: Status
    values: tuple[str, ...] = ()
    why: str = ""
    signed: bool = False
    owner: str = ""


class Chain(msgspec.Struct, frozen=True):
    """A name and the aliases behind it. ``end`` is how the last question for an alias ended.

    ``loop``: the last one is a name that was there before. ``too_long``: there are more than
    :data:`MOST_LINKS`.
    """

    links: tuple[str, ...]
    end: Status
    why: str = ""
    loop: bool = False
    too_long: bool = False

    def edge(self, edges: tuple[str, ...]) -> str | None:
        """The configured edge name that it leads to, or is."""
        return next((one for one in self.links if one in edges), None)


class Outcome(StrEnum):
    """What came back from port 80."""

    OURS = "ours"
    OTHER = "other"
    REDIRECT = "redirect"
    UNREACHABLE = "unreachable"
    NO_ROUTE = "no-route"
    """This machine itself has no way to such an address: nothing is known."""


class Probe(msgspec.Struct, frozen=True):
    """One probe: the address that was asked, and what it did."""

    address: str
    outcome: Outcome
    detail: str = ""


class TrackingFacts(msgspec.Struct, frozen=True, kw_only=True):
    """About a tracking host. ``edges`` are the configured names, ``edge_addresses`` theirs.

    ``chains`` holds one for each resolver that was asked. ``is_zone``: the host is the apex of a
    zone of its own. ``beside`` is the answer for a name beside the host that nobody has made.
    """

    host: str
    edges: tuple[str, ...]
    edge_addresses: frozenset[str]
    chains: tuple[Chain, ...]
    v4: Answer
    v6: Answer
    is_zone: bool = False
    beside: Answer | None = None
    probes: tuple[Probe, ...] = ()

    @property
    def addresses(self) -> frozenset[str]:
        """Where the host leads, by both families."""
        return frozenset((*self.v4.values, *self.v6.values))
