"""A backup: the database as of one moment, what the spool held at that moment, and the keys.

Order matters. The spool's segments are hard-linked first, so that nothing which ingest deletes
meanwhile is lost; then one snapshot of the database is taken and dumped. A restored edge finds its
offsets in the dump and ships from the segments exactly what the dump does not hold yet.
"""

import asyncio
import gzip
import os
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import unquote, urlsplit, urlunsplit

import msgspec

from edge.clock import Clock
from edge.model.errors import CallerError, OperatorError
from edge.settings import Settings
from edge.store import binaries, dump
from edge.store.pool import Pool

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
DUMP: Final = "database.dump"
FILES: Final = ("edge-id", "roster.bin")
ARCHIVES: Final = (".tar", ".tar.gz", ".tgz")


class Manifest(msgspec.Struct, frozen=True):
    """What a backup says of itself; ``created_at`` in µs, ``major`` of the dumped server."""

    format: int
    created_at: int
    major: int
    dump_major: int
    segments: int


def _split_password(url: str) -> tuple[str, dict[str, str]]:
    """The URL without its password, and the environment that carries it: ``ps`` shows arguments."""
    parts = urlsplit(url)
    user, at, place = parts.netloc.rpartition("@")
    name, colon, password = user.partition(":")
    bare = urlunsplit(parts._replace(netloc=f"{name}{at}{place}"))
    secret = {"PGPASSWORD": unquote(password)} if colon else {}
    return bare, {**binaries.ENVIRONMENT, **secret}


def tools(major: int) -> binaries.Binaries:
    """Programs that can dump a server of this major version: the same one's, else a newer one's."""
    found = [one for one in binaries.installed() if one.major >= major]
    found = [one for one in found if (one.directory / "pg_dump").exists()]
    if not found:
        raise OperatorError(
            f"pg_dump of PostgreSQL {major} or newer is needed; install the client programs "
            "(Debian: apt-get install postgresql-client)"
        )
    return min(found, key=lambda one: one.major)


async def create(pool: Pool, url: str, settings: Settings, target: Path, clock: Clock) -> Manifest:
    """Write a backup to ``target``: a new or empty directory, or a .tar, .tar.gz or .tgz file.

    Everything in it is readable by its owner only: it holds the master key. Raises
    :class:`~edge.model.errors.CallerError` for a target that exists, OperatorError when something
    cannot be read or dumped.
    """
    _refuse_taken(target)
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=target.parent) as name:
        place = Path(name)
        with _linked(settings) as links:
            async with dump.exported(pool) as snapshot:
                program = tools(snapshot.major)
                await asyncio.to_thread(_dump, program, url, snapshot.name, place / DUMP)
            count = _copy_files(settings, links, place)
        manifest = Manifest(FORMAT, clock.now_us(), snapshot.major, program.major, count)
        (place / MANIFEST).write_bytes(msgspec.json.encode(manifest) + b"\n")
        _move(place, target)
    return manifest


def _refuse_taken(target: Path) -> None:
    archive = target.name.endswith(ARCHIVES)
    if target.exists() and (archive or not target.is_dir() or any(target.iterdir())):
        raise CallerError(f"{target} exists already; name a new file or an empty directory")
    target.parent.mkdir(parents=True, exist_ok=True)


def _move(place: Path, target: Path) -> None:
    if target.name.endswith(ARCHIVES):
        _pack(place, target)
        return
    if target.exists():
        target.rmdir()
    place.rename(target)
    place.mkdir()  # TemporaryDirectory wants something to remove


@contextmanager
def _linked(settings: Settings) -> Iterator[Path]:
    """Hard links to every segment of the spool, on the same file system."""
    with tempfile.TemporaryDirectory(prefix="backup-", dir=settings.data_dir / "run") as name:
        for segment in settings.spool_dir.glob("*.seg"):
            try:
                os.link(segment, Path(name) / segment.name)
            except FileNotFoundError:
                continue
        yield Path(name)


def _dump(program: binaries.Binaries, url: str, snapshot: str, path: Path) -> None:
    bare, environment = _split_password(url)
    command: list[str | Path] = [
        program.program("pg_dump"),
        "--format",
        "custom",
        "--no-owner",
        "--no-acl",
        "--snapshot",
        snapshot,
        "--dbname",
        bare,
    ]
    with open(path, "wb", opener=_private) as file:
        done = subprocess.run(
            command, stdout=file, stderr=subprocess.PIPE, env=environment, check=False
        )
    if done.returncode != 0:
        raise OperatorError(f"pg_dump failed: {done.stderr.decode('utf-8', 'replace')[-1500:]}")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _copy_files(settings: Settings, links: Path, place: Path) -> int:
    if not settings.master_key_path.exists():
        raise OperatorError(
            f"{settings.master_key_path} is missing: a backup without it is useless"
        )
    shutil.copy2(settings.master_key_path, place / "master.key")
    for name in FILES:
        if (settings.data_dir / name).exists():
            shutil.copy2(settings.data_dir / name, place / name)
    (place / "spool").mkdir(mode=0o700)
    segments = sorted(links.iterdir())
    for segment in segments:
        shutil.copy2(segment, place / "spool" / segment.name)
    quarantine = settings.spool_dir / "quarantine"
    if quarantine.exists():
        shutil.copytree(quarantine, place / "spool" / "quarantine")
    return len(segments)


def _pack(place: Path, target: Path) -> None:
    mode = "w" if target.suffix == ".tar" else "w:gz"
    partial = target.with_name(f".{target.name}.new")
    with open(partial, "wb", opener=_private) as file:
        with tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]  # typed for literal modes only
            for path in sorted(place.iterdir()):
                archive.add(path, arcname=path.name)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(target)


_NOT_A_BACKUP: Final = (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError)


def _unpack(archive: tarfile.TarFile, place: Path) -> None:
    """Unpack what a backup holds, plain files and directories, and refuse an archive with more.

    ``extractall(filter="data")`` is not in every Python 3.11 (Debian 12 has 3.11.2), and lets more
    kinds of entries through than a backup has.
    """
    for member in archive:
        name = PurePosixPath(member.name)
        if name.is_absolute() or ".." in name.parts or not (member.isreg() or member.isdir()):
            raise tarfile.TarError(f"it holds {member.name!r}, which no backup does")
        target = place / name
        if member.isdir():
            target.mkdir(mode=0o700, parents=True, exist_ok=True)
            continue
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        data = archive.extractfile(member)
        assert data is not None, "a regular file has contents"
        with data, open(target, "xb", opener=_private) as file:
            shutil.copyfileobj(data, file)


@contextmanager
def opened(source: Path) -> Iterator[tuple[Path, Manifest]]:
    """A backup's directory, unpacked where needed, and its manifest.

    Raises :class:`~edge.model.errors.CallerError` for what is not a backup.
    """
    with tempfile.TemporaryDirectory(prefix="edge-restore-") as name:
        place = source
        if source.is_file():
            place = Path(name)
            try:
                with tarfile.open(source) as archive:
                    _unpack(archive, place)
            except _NOT_A_BACKUP as error:
                raise CallerError(f"{source} is not a backup: {error}") from None
        try:
            manifest = msgspec.json.decode((place / MANIFEST).read_bytes(), type=Manifest)
        except (OSError, msgspec.DecodeError):
            raise CallerError(f"{source} is not a backup: it has no {MANIFEST}") from None
        if manifest.format != FORMAT:
            raise OperatorError(
                f"{source} is of format {manifest.format}; this release reads {FORMAT}"
            )
        yield place, manifest


def load(manifest: Manifest, url: str, place: Path) -> None:
    """Load the dump into an empty database.

    Raises :class:`~edge.model.errors.OperatorError` with what ``pg_restore`` said.
    """
    program = tools(manifest.dump_major)
    bare, environment = _split_password(url)
    command: list[str | Path] = [program.program("pg_restore"), "--exit-on-error", "--no-owner"]
    command += ["--no-acl", "--single-transaction", "--dbname", bare, place / DUMP]
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    if done.returncode != 0:
        raise OperatorError(f"pg_restore failed: {done.stderr.decode('utf-8', 'replace')[-1500:]}")


def put_back(place: Path, settings: Settings, owner: tuple[int, int] | None) -> None:
    """Copy master key, roster, identity and spool into the data directory."""
    targets = [(place / "master.key", settings.master_key_path)]
    targets += [(place / name, settings.data_dir / name) for name in FILES]
    for path in (place / "spool").rglob("*"):
        targets.append((path, settings.spool_dir / path.relative_to(place / "spool")))
    for source, target in targets:
        if source.is_dir():
            target.mkdir(mode=0o700, exist_ok=True)
        elif source.exists():
            shutil.copy2(source, target)
            target.chmod(0o600)
        if owner is not None and target.exists():
            os.chown(target, *owner)
