"""The roster on disk, and the view of it that the hot path asks.

The keeper replaces the file atomically and keeps the one before; workers look at its modification
time once a second. A file that does not read (torn by a crash of the machine, or of a newer
release) is passed over for the previous one, so the edge goes on with what it last knew.
"""

import hashlib
import os
from pathlib import Path
from typing import Final

import msgspec
import structlog

from edge.model.domain import Domain
from edge.model.roster import Snapshot
from edge.model.tokens import Keyring, Kind
from edge.model.vault import Vault

log = structlog.get_logger()

FILE_NAME: Final = "roster.bin"
_MAGIC: Final = b"edge-roster-1\n"
_DIGEST: Final = 32

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Snapshot).decode


def save(path: Path, snapshot: Snapshot) -> None:
    """Replace the file; on disk before returning. The one before stays as ``.previous``."""
    body = _encode(snapshot)
    temporary = path.with_suffix(".tmp")
    with open(temporary, "wb", opener=lambda p, f: os.open(p, f, 0o600)) as file:
        file.write(_MAGIC + hashlib.sha256(body).digest() + body)
        file.flush()
        os.fsync(file.fileno())
    if path.exists():
        previous = path.with_suffix(".previous")
        previous.unlink(missing_ok=True)
        os.link(path, previous)
    temporary.replace(path)


def load(path: Path) -> Snapshot | None:
    """The last good snapshot, or None when there never was one."""
    return _read(path) or _read(path.with_suffix(".previous"))


def _read(path: Path) -> Snapshot | None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        log.error("roster not readable", path=str(path), error=error.strerror)
        return None
    body = data[len(_MAGIC) + _DIGEST :]
    digest = data[len(_MAGIC) : len(_MAGIC) + _DIGEST]
    if not data.startswith(_MAGIC) or hashlib.sha256(body).digest() != digest:
        log.error("roster damaged", path=str(path))
        return None
    try:
        return _decode(body)
    except msgspec.DecodeError as error:
        log.error("roster not readable by this release", path=str(path), error=str(error))
        return None


class Roster:
    """What the hot path asks, precomputed from one snapshot; replaced as a whole, never changed."""

    __slots__ = (
        *("clicks", "domains", "hosts", "hsts", "keyring", "opens", "thumbprint"),
        *("unsubscribes", "version"),
    )

    def __init__(self, snapshot: Snapshot, keyring: Keyring) -> None:
        self.version = snapshot.version
        self.keyring = keyring
        self.opens = keyring.opener(Kind.OPEN)
        self.clicks = keyring.opener(Kind.CLICK)
        self.unsubscribes = keyring.opener(Kind.UNSUBSCRIBE)
        self.hosts: dict[bytes, int] = {h.encode(): n for h, n in snapshot.hosts.items()}
        self.thumbprint = snapshot.thumbprint
        self.hsts: dict[bytes, int] = {h.encode(): age for h, age in snapshot.hsts.items()}
        self.domains: dict[int, Domain] = {d.number: d for d in snapshot.domains}

    @classmethod
    def empty(cls) -> "Roster":
        """Knows nobody: every token is foreign until the first snapshot arrives."""
        return cls(Snapshot(version=0, domains=[], hosts={}, keys=[]), Keyring(()))


class RosterFile:
    """The current roster of a worker, reloaded when its file changes."""

    def __init__(self, path: Path, vault: Vault) -> None:
        self._path = path
        self._vault = vault
        self._stamp: tuple[int, int] | None = None
        self.current = Roster.empty()
        self.refresh()

    def refresh(self) -> bool:
        """Load the file if it changed; whether it did. One ``stat`` when it did not.

        A damaged file changes nothing for a worker that has a roster: the previous file is older
        than what it knows.
        """
        try:
            status = self._path.stat()
        except OSError:
            return False
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        snapshot = _read(self._path) if self.current.version else load(self._path)
        if snapshot is None or snapshot.version == self.current.version:
            return False
        self.current = Roster(snapshot, snapshot.keyring(self._vault))
        return True
