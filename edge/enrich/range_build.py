"""From published lists to one labelled MMDB: check, collapse, compile, replace.

Kept in the data directory: ``ranges.mmdb`` (what the edge reads), ``ranges.mmdb.previous`` (the
one before), ``ranges.mmdb.json`` (where each list came from, when, its SHA-256 and licence) and
``ranges/<list>.txt`` (the last good rows of each list, so that one that fails keeps them).
"""

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable
from ipaddress import collapse_addresses, ip_network
from pathlib import Path
from typing import Any, Final

import msgspec
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from edge.enrich import documented
from edge.enrich.range_lists import LISTS, RANKS, RangeList, Row, named, read
from edge.enrich.ranges import Prefix
from edge.model.errors import PeerError

SHORTEST: Final = {4: 8, 6: 19}
"""Shortest prefix lengths believed; nobody in these lists holds more."""

FEWER: Final = 0.5
MORE: Final = 4.0
"""A list may shrink to half or grow to four times its last size; beyond that it must be forced."""

MOST_BAD: Final = 0.1
"""Share of rows that may be unusable (one provider lists a documentation network)."""

_RESERVED: Final = tuple(
    ip_network(text)
    for text in [
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
        "2001:db8::/32",
        "2002::/16",
    ]
)
_GLOBAL_V6: Final = ip_network("2000::/3")


class Source(msgspec.Struct, kw_only=True):
    """What is recorded of one list; ``error`` is why its last update failed."""

    name: str
    label: str
    source: str
    date: str
    sha256: str
    licence: str
    entries: int
    rejected: int = 0
    error: str = ""


class Record(msgspec.Struct, kw_only=True):
    """The contents of ``ranges.mmdb.json``."""

    built: str = ""
    documented: str = documented.DATED
    entries: int = 0
    lists: list[Source] = []


def record_path(path: Path) -> Path:
    """Where the record of a compiled table is."""
    return path.with_name(path.name + ".json")


def load_record(path: Path) -> Record:
    """The record beside ``path``; an empty one if there is none that can be read."""
    try:
        return msgspec.json.decode(record_path(path).read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError):
        return Record()


def _usable(prefix: Prefix) -> bool:
    if prefix.version == 6 and not (prefix[0] in _GLOBAL_V6 and prefix[-1] in _GLOBAL_V6):
        return False
    return not any(prefix.overlaps(reserved) for reserved in _RESERVED)


def checked(rows: Iterable[Row]) -> tuple[list[tuple[Prefix, str]], int]:
    """Collapsed prefixes with their countries, and how many rows were unusable.

    Raises PeerError if there is nothing usable or too much that is not.
    """
    by_country: dict[tuple[str, int], list[Any]] = defaultdict(list)
    good = bad = 0
    for text, country in rows:
        try:
            prefix = ip_network(text)
        except ValueError:
            bad += 1
            continue
        if prefix.prefixlen < SHORTEST[prefix.version]:
            bad += 1
            continue
        good += 1
        code = country if len(country) == 2 and country.isalpha() else ""
        by_country[code, prefix.version].append(prefix)
    found: list[tuple[Prefix, str]] = []
    for (country, _), prefixes in by_country.items():
        for prefix in collapse_addresses(prefixes):
            if _usable(prefix):
                found.append((prefix, country))
            else:
                bad += 1
    if not found or bad > MOST_BAD * (good + bad) + 1:
        raise PeerError(f"{bad} of {good + bad} rows are no public network prefixes")
    return found, bad


def _rows_path(path: Path, name: str) -> Path:
    return path.parent / path.stem / f"{name}.txt"


def accept(
    path: Path, each: RangeList, contents: list[bytes], *, source: str, date: str, force: bool
) -> Source:
    """Check a list and keep its rows for :func:`compile_table`.

    ``date``: ISO date of the update. Raises PeerError (and keeps the last good rows) if the list
    is damaged, or changed its size beyond belief and is not forced.
    """
    prefixes, rejected = checked(row for content in contents for row in read(each.form, content))
    last = next((it for it in load_record(path).lists if it.name == each.name), None)
    if last is not None and last.entries and not force:
        share = len(prefixes) / last.entries
        if not FEWER <= share <= MORE:
            raise PeerError(
                f"it has {len(prefixes)} prefixes, the last good one had {last.entries}; "
                "look at it and repeat with --force if it is right"
            )
    rows = _rows_path(path, each.name)
    rows.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{prefix},{country}\n" for prefix, country in prefixes)
    write_atomically(rows, text.encode())
    return Source(
        name=each.name,
        label=each.label,
        source=source,
        date=date,
        sha256=hashlib.sha256(b"".join(contents)).hexdigest(),
        licence=each.licence,
        entries=len(prefixes),
        rejected=rejected,
    )


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file beside the old one and rename it into place, on disk before that."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with scratch.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def put_in_place(scratch: Path, path: Path) -> None:
    """Rename a finished file over ``path``; what was there becomes ``<path>.previous``."""
    with scratch.open("rb") as file:
        os.fsync(file.fileno())
    if path.exists():
        spare = path.with_name(f".{path.name}.previous.{os.getpid()}")
        os.link(path, spare)
        spare.replace(path.with_name(path.name + ".previous"))
    scratch.replace(path)


def _layers(path: Path, lists: list[Source]) -> list[tuple[int, str, str, list[str]]]:
    """Rank, label, country and prefixes, lowest rank first; built-in ones only where no list is."""
    fetched = {each.label for each in lists}
    layers = [
        (RANKS[label.partition(":")[0]], label, "", prefixes.split())
        for label, prefixes in documented.PREFIXES.items()
        if label not in fetched
    ]
    for each in lists:
        known = named(each.name)
        by_country: dict[str, list[str]] = defaultdict(list)
        for line in _rows_path(path, each.name).read_text(encoding="utf-8").splitlines():
            prefix, _, country = line.partition(",")
            by_country[country].append(prefix)
        rank = known.rank if known is not None else 0
        layers += [(rank, each.label, country, rows) for country, rows in by_country.items()]
    return sorted(layers, key=lambda layer: layer[0])


def compile_table(path: Path, lists: list[Source], built: str) -> Record:
    """Compile the built-in prefixes and the kept rows of ``lists`` into the table at ``path``.

    ``built``: ISO time for the record. The old table serves until the rename.
    """
    order = {each.name: place for place, each in enumerate(LISTS)}
    lists = sorted(lists, key=lambda each: order.get(each.name, -1))
    writer = MMDBWriter(
        ip_version=6,
        ipv4_compatible=True,
        database_type="tracking-edge-ranges",
        description="Labelled network ranges",
    )
    entries = 0
    for _, label, country, prefixes in _layers(path, lists):
        row = {"label": label} | ({"country": country} if country else {})
        writer.insert_network(IPSet(prefixes), row)
        entries += len(prefixes)
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        writer.to_db_file(str(scratch))
        put_in_place(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)
    record = Record(built=built, entries=entries, lists=lists)
    write_atomically(record_path(path), msgspec.json.format(msgspec.json.encode(record), indent=2))
    return record
