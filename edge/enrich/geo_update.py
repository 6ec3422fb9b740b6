"""Fetch a geolocation database, check it, and put it in place of the old one.

By default DB-IP City Lite (monthly, no key, CC BY 4.0: pages that show its results must link to
DB-IP); with a licence key MaxMind's GeoLite2 City (its agreement asks for deletion of old copies,
so no previous file is kept of it).
"""

import gzip
import hashlib
import tarfile
import zlib
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Final

import aiohttp
import maxminddb
import msgspec

from edge.clock import Clock
from edge.enrich.fetch import MAX_DATABASE, Progress, fetch_to, session
from edge.enrich.range_build import put_in_place, record_path, write_atomically
from edge.enrich.range_update import iso_time
from edge.model.errors import OperatorError, PeerError

DBIP: Final = "https://download.db-ip.com/free/dbip-city-lite-{month}.mmdb.gz"
MAXMIND: Final = "https://download.maxmind.com/geoip/databases/GeoLite2-City/download?suffix=tar.gz"
MAX_UNPACKED: Final = 2 << 30
"""Bytes of a database after unpacking."""


class Vendor(msgspec.Struct, frozen=True):
    """Who made a database, under which licence, and what must be shown with its results."""

    name: str
    licence: str
    attribution: str


VENDORS: Final = {
    "dbip": Vendor("DB-IP City Lite", "CC BY 4.0", "IP Geolocation by DB-IP (https://db-ip.com)"),
    "maxmind": Vendor(
        "GeoLite2 City",
        "GeoLite2 End User License Agreement",
        "This product includes GeoLite Data created by MaxMind, available from "
        "https://www.maxmind.com",
    ),
    "file": Vendor("a file of yours", "as its maker says", ""),
}


class GeoRecord(msgspec.Struct, kw_only=True):
    """The contents of ``<database>.json``: where the database in use came from."""

    vendor: str
    source: str
    date: str
    sha256: str
    licence: str
    attribution: str
    database: str = ""
    built: str = ""
    nodes: int = 0


def load_geo_record(path: Path) -> GeoRecord | None:
    """The record beside a database, if there is one."""
    try:
        return msgspec.json.decode(record_path(path).read_bytes(), type=GeoRecord)
    except (OSError, msgspec.DecodeError):
        return None


def months(clock: Clock) -> tuple[str, str]:
    """This month and the one before, as ``YYYY-MM``: a new file appears some days into a month."""
    now = datetime.fromtimestamp(clock.now(), UTC)
    last = (now.year, now.month - 1) if now.month > 1 else (now.year - 1, 12)
    return f"{now:%Y-%m}", f"{last[0]}-{last[1]:02d}"


async def fetch_dbip(
    target: Path, clock: Clock, progress: Progress | None = None, address: str = DBIP
) -> str:
    """Download the newest DB-IP City Lite to ``target``; returns its URL. Raises PeerError."""
    failures = []
    async with session() as client:
        for month in months(clock):
            url = address.format(month=month)
            try:
                await fetch_to(client, url, target, limit=MAX_DATABASE, progress=progress)
            except PeerError as error:
                failures.append(str(error))
            else:
                return url
    raise PeerError("; ".join(failures))


async def fetch_maxmind(
    target: Path,
    account_id: str,
    license_key: str,
    progress: Progress | None = None,
    address: str = MAXMIND,
) -> str:
    """Download GeoLite2 City to ``target``; returns its URL. Raises PeerError, OperatorError."""
    if not account_id or not license_key:
        raise OperatorError(
            "MaxMind needs an account: set EDGE_MAXMIND_ACCOUNT_ID and EDGE_MAXMIND_LICENSE_KEY"
        )
    async with session() as client:
        await fetch_to(
            client,
            address,
            target,
            limit=MAX_DATABASE,
            progress=progress,
            authorization=aiohttp.encode_basic_auth(account_id, license_key),
        )
    return address


def unpack(source: Path, target: Path) -> None:
    """Write the MMDB in ``source`` (plain, gzip, or tar of either kind) to ``target``.

    Raises PeerError if it holds none, is damaged, or unpacks to more than 2 GiB.
    """
    try:
        if tarfile.is_tarfile(source):
            with tarfile.open(source) as archive:
                member = next((it for it in archive if it.name.endswith(".mmdb")), None)
                content = archive.extractfile(member) if member is not None else None
                if content is None:
                    raise PeerError(f"{source} holds no .mmdb file")
                _copy(content, target)
            return
        with source.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            if packed:
                with gzip.GzipFile(fileobj=file) as unpacked:
                    _copy(unpacked, target)
            else:
                _copy(file, target)
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise PeerError(f"{source} is damaged: {error}") from error
    except FileNotFoundError as error:
        raise PeerError(f"{error.filename}: there is no such file") from error


def _copy(content: IO[bytes] | gzip.GzipFile, target: Path) -> None:
    left = MAX_UNPACKED
    with target.open("wb") as file:
        while piece := content.read(1 << 20):
            left -= len(piece)
            if left < 0:
                raise PeerError(f"it unpacks to more than {MAX_UNPACKED} bytes")
            file.write(piece)


def inspect(path: Path) -> tuple[str, str, int]:
    """Type, date (ISO) and number of nodes of a database in the GeoIP2 schema.

    Raises PeerError if the file is no MMDB, or none of its first rows has a country in GeoIP2's
    form (``country.iso_code``).
    """
    try:
        with maxminddb.open_database(str(path), maxminddb.MODE_MMAP) as reader:
            metadata = reader.metadata()
            usable = any(
                isinstance(row, dict)
                and isinstance(country := row.get("country") or row.get("registered_country"), dict)
                and "iso_code" in country
                for _, row in islice(reader, 1000)
            )
            built = datetime.fromtimestamp(metadata.build_epoch, UTC).date().isoformat()
    except (maxminddb.InvalidDatabaseError, ValueError, OSError) as error:
        raise PeerError(f"it is no MMDB file: {error}") from error
    if not usable:
        raise PeerError(
            f"its rows ({metadata.database_type}) are not in the GeoIP2 schema; take a City or "
            "Country database"
        )
    return metadata.database_type, built, metadata.node_count


def install(
    packed: Path, path: Path, *, vendor: str, source: str, clock: Clock, force: bool = False
) -> GeoRecord:
    """Check a fetched database and put it at ``path``; the old one serves until the rename.

    ``vendor`` is a key of :data:`VENDORS`. Raises PeerError (and leaves all as it was) if it is
    damaged, not GeoIP2, or a fraction of the last one's size and not forced.
    """
    about = VENDORS[vendor]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".geo-", dir=path.parent) as directory:
            scratch = Path(directory) / "geo.mmdb"
            unpack(packed, scratch)
            database, built, nodes = inspect(scratch)
            last = load_geo_record(path)
            if last is not None and last.vendor == about.name and not force:
                share = nodes / last.nodes if last.nodes else 1
                if not 0.5 <= share <= 4:
                    raise PeerError(
                        f"it has {nodes} nodes, the last one had {last.nodes}; look at it and "
                        "repeat with --force if it is right"
                    )
            with scratch.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            put_in_place(scratch, path)
        if vendor == "maxmind":
            path.with_name(path.name + ".previous").unlink(missing_ok=True)
        record = GeoRecord(
            vendor=about.name,
            source=source,
            date=iso_time(clock),
            sha256=digest,
            licence=about.licence,
            attribution=about.attribution,
            database=database,
            built=built,
            nodes=nodes,
        )
        content = msgspec.json.format(msgspec.json.encode(record), indent=2)
        write_atomically(record_path(path), content)
    except OSError as error:
        raise OperatorError(f"{path} cannot be written: {error}") from error
    return record
