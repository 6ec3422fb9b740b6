"""The data directory: whose it is, who holds it, and the two files that make it this edge's.

Layout: ``edge-id``, ``lock``, ``master.key``, ``roster.bin``, ``spool/``, ``certificates/`` (key
files of tracking hosts), ``postgres/`` and ``postgres.password`` (embedded database), ``run/``
(sockets, metrics; nothing in it outlives a start).
"""

import base64
import binascii
import errno
import fcntl
import os
import secrets
import shutil
import stat
import uuid
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec
import structlog

from edge.clock import Clock
from edge.model.errors import OperatorError
from edge.model.vault import MASTER_KEY_BYTES, Vault
from edge.private_files import write_private
from edge.service_user import ServiceUser, may_enter
from edge.store.embedded import pause

log = structlog.get_logger()

_MARKS: Final = ("edge-id", "lock", "spool", "roster.bin", "run")
"""A directory that holds none of these and is not empty was not made by an edge."""

LOCK_PATIENCE: Final = 10.0
"""Seconds that a start waits for a predecessor that is stopping."""


def prepare(data_dir: Path, user: ServiceUser | None) -> None:
    """Make the directory and what must be in it, owned by the service user.

    Raises :class:`~edge.model.errors.OperatorError` if the service user could not get at it, or if
    root would have to take over a directory that is somebody else's.
    """
    if (closed := may_enter(data_dir.parent, user)) is not None and user is not None:
        raise OperatorError(
            f"EDGE_DATA_DIR: the user {user.name} may not enter {closed} and so cannot reach "
            f"{data_dir}; choose another directory (for example /var/lib/edge), another "
            f"EDGE_USER, or open it: chmod o+x {closed}"
        )
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(data_dir, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "Permission denied")
        _take_over(data_dir, user)
        for name in ("spool", "run", "run/metrics", "certificates"):
            (data_dir / name).mkdir(mode=0o700, exist_ok=True)
            if user is not None:
                os.chown(data_dir / name, user.uid, user.gid)
    except OSError as error:
        reason = error.strerror or error
        raise OperatorError(f"EDGE_DATA_DIR: {data_dir} cannot be used: {reason}") from None


def _take_over(data_dir: Path, user: ServiceUser | None) -> None:
    """Give everything in the directory to the service user, if it is not already its owner."""
    if user is None or data_dir.stat().st_uid == user.uid:
        return
    if any(data_dir.iterdir()) and not any((data_dir / mark).exists() for mark in _MARKS):
        raise OperatorError(
            f"EDGE_DATA_DIR: {data_dir} is not empty and was not made by an edge; name an empty "
            "or new directory"
        )
    for directory, _, names in os.walk(data_dir):
        for name in names:
            os.chown(os.path.join(directory, name), user.uid, user.gid, follow_symlinks=False)
        os.chown(directory, user.uid, user.gid, follow_symlinks=False)


class _Holder(msgspec.Struct):
    """Who holds or held the lock: ``state`` is running, stopping, stopped or command."""

    pid: int
    state: str


class Lock:
    """The data directory's lock: one supervisor, or one command that runs the database itself.

    ``flock`` is released by the kernel however the holder dies. A forked child shares it, so every
    child calls :meth:`leave` first of all; a program that is executed does not inherit it.
    """

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "lock"
        self._descriptor: int | None = None
        self.after_crash = False
        """Whether the supervisor before did not end in order; its children may still drain."""

    def try_take(self, state: str) -> bool:
        """Take it if it is free; ``state`` is told to those who find it taken."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        before = self.holder()
        self.after_crash = before is not None and before.state in {"running", "stopping"}
        owner = self._path.parent.stat()
        if os.geteuid() == 0:
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        self.tell(state)
        return True

    def take(self, state: str, clock: Clock) -> None:
        """Take it, waiting up to 10 s for a holder that is stopping or is a mere command.

        Raises :class:`~edge.model.errors.OperatorError` that names the holder.
        """
        deadline = clock.monotonic() + LOCK_PATIENCE
        while not self.try_take(state):
            holder = self.holder()
            patient = holder is None or holder.state != "running"
            if not patient or clock.monotonic() > deadline:
                raise OperatorError(
                    f"another edge (process {holder.pid if holder else 'unknown'}) runs on "
                    f"{self._path.parent}; stop it first, or give this one its own EDGE_DATA_DIR"
                )
            pause(0.05)

    def tell(self, state: str) -> None:
        """Say what the holder is doing now."""
        if self._descriptor is not None:
            content = msgspec.json.encode(_Holder(os.getpid(), state)) + b"\n"
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, content, 0)

    def holder(self) -> _Holder | None:
        """Who holds it, as far as the file tells."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Holder)
        except (OSError, msgspec.DecodeError):
            return None

    def end(self) -> None:
        """Release it in order: whoever takes it next need not wait for anything of ours."""
        if not self.after_crash:
            self.tell("stopped")
        self.leave()

    def leave(self) -> None:
        """Close it; in a child this leaves the parent's lock as it is."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.leave()


def edge_id(data_dir: Path, user: ServiceUser | None) -> str:
    """The identity of this edge: made once, kept in the data directory."""
    path = data_dir / "edge-id"
    try:
        return str(uuid.UUID(path.read_text("ascii").strip()))
    except FileNotFoundError:
        made = str(uuid.uuid4())
        write_private(path, f"{made}\n".encode(), user)
        return made
    except ValueError:
        raise OperatorError(f"{path} does not hold a UUID; restore it from your backup") from None


def read_vault(path: Path) -> Vault:
    """The vault for the master key in this file (base64 of 32 bytes).

    Raises :class:`~edge.model.errors.OperatorError` that says how to restore a missing one.
    """
    try:
        text = path.read_text("ascii")
    except FileNotFoundError:
        raise OperatorError(
            f"EDGE_MASTER_KEY_FILE: {path} is missing, and the keys of the existing database are "
            "sealed with it; restore the file from your backup (edge keys export, edge backup "
            "create), or copy it from another edge of this installation"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(f"EDGE_MASTER_KEY_FILE: {path} cannot be read: {error}") from None
    try:
        return Vault(base64.b64decode(text.strip(), validate=True))
    except (binascii.Error, OperatorError):
        raise OperatorError(
            f"EDGE_MASTER_KEY_FILE: {path} does not hold base64 of 32 bytes; restore it"
        ) from None


def make_master_key(path: Path, user: ServiceUser | None) -> Vault:
    """A new master key in a file of mode 0600 of the service user; the file must not exist."""
    key = secrets.token_bytes(MASTER_KEY_BYTES)
    write_private(path, base64.b64encode(key) + b"\n", user)
    log.info("made the master key; back it up (edge keys export)", path=str(path))
    return Vault(key)


def warn_if_open(path: Path) -> None:
    """Complain in the log about a master key that others can read."""
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        log.warning("the master key is readable by others; chmod 600 it", path=str(path))


def clear_metrics(data_dir: Path, user: ServiceUser | None) -> Path:
    """An empty directory for this start's metrics files."""
    directory = data_dir / "run" / "metrics"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700)
    if user is not None:
        os.chown(directory, user.uid, user.gid)
    return directory
