"""Whose network an address is in: one longest-prefix lookup.

The labels: ``dc:<provider>`` (clouds), ``google`` (its own network), ``crawler:<name>``,
``google-fetch`` (fetches images for Gmail), ``mailsec:<vendor>``, ``apple`` (17/8) and
``apple-relay``. The table is ``ranges.mmdb`` in the data directory, made by ``edge ranges
update``; without it the hand-written one of :mod:`edge.enrich.documented` answers.
"""

from bisect import bisect_right
from datetime import UTC, datetime
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from pathlib import Path
from typing import Final

import msgspec

from edge.enrich import documented
from edge.enrich.mmdb import MmdbFile

Address = IPv4Address | IPv6Address
Prefix = IPv4Network | IPv6Network

STALE_AFTER: Final = 90 * 86_400
"""Seconds after which range data is reported as stale: relay prefixes move every few weeks."""


class Network(msgspec.Struct, frozen=True):
    """Label of a network, and the country its owner publishes for it (Apple's relay does)."""

    label: str = ""
    country: str = ""


NOWHERE: Final = Network()


class Table:
    """Prefixes in memory; of several that contain an address the one added last wins."""

    def __init__(self, rows: list[tuple[Prefix, str]]) -> None:
        self._starts: dict[int, list[int]] = {4: [], 6: []}
        self._labels: dict[int, list[str]] = {4: [], 6: []}
        for version in (4, 6):
            spans = [
                (int(prefix.network_address), int(prefix.broadcast_address), label)
                for prefix, label in rows
                if prefix.version == version
            ]
            edges = sorted({edge for low, high, _ in spans for edge in (low, high + 1)})
            for edge in edges:
                label = next((it for low, high, it in reversed(spans) if low <= edge <= high), "")
                self._starts[version].append(edge)
                self._labels[version].append(label)

    def find(self, address: Address) -> str:
        """The label of an address, or empty."""
        place = bisect_right(self._starts[address.version], int(address)) - 1
        return self._labels[address.version][place] if place >= 0 else ""


@cache
def documented_table() -> Table:
    """The hand-written table; built once, in about 50 ms."""
    return Table(
        [
            (ip_network(prefix), label)
            for label, prefixes in documented.PREFIXES.items()
            for prefix in prefixes.split()
        ]
    )


PRIVATE: Final = (
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 "
    "192.168.0.0/16 198.18.0.0/15 240.0.0.0/4 ::/127 fc00::/7 fe80::/10"
)
"""Addresses of nobody in particular (RFC 6890); those for documentation count as public."""


@cache
def private_table() -> Table:
    """The private networks; one look-up instead of a walk over the list."""
    return Table([(ip_network(prefix), "private") for prefix in PRIVATE.split()])


class Ranges:
    """The labelled networks in use; :meth:`reload` follows the file."""

    def __init__(self, path: Path | None) -> None:
        self._file = MmdbFile(path)
        self._table = documented_table()

    @property
    def problem(self) -> str:
        """What is wrong with the file, or empty."""
        return self._file.problem

    @property
    def version(self) -> str:
        """Date of the data in use, with ``documented`` before that of the hand-written table."""
        if self._file.present:
            return f"{datetime.fromtimestamp(self._file.built, UTC):%Y-%m-%d}"
        return f"documented-{documented.DATED}"

    @property
    def built(self) -> int:
        """When the data in use was compiled, in seconds since the epoch; 0 = the built-in table."""
        return self._file.built

    def reload(self) -> bool:
        """True if other data is in use now."""
        return self._file.reload()

    def find(self, address: Address) -> Network:
        """The network an address is in."""
        if not self._file.present:
            found = self._table.find(address)
            return Network(found) if found else NOWHERE
        row = self._file.get(address)
        label = row.get("label")
        if not isinstance(label, str):
            return NOWHERE
        return Network(label, str(row.get("country", "")))
