"""Storage in a directory: for a program with some hundreds of hosts on one machine.

::

    hosts/<host>.json         the row, with the running order's key
    certificates/<host>.pem   key and chain, what a server loads (see certs.sni)
    accounts/<digest>.json    the account key: back it up
    budgets.json  lock

Files have mode 0600 and are replaced by rename after a sync, so a crash leaves the old one or the
new one. A lock on ``lock`` makes the calls of several processes atomic. When the disk is full a
call raises OSError and the old files stand. Certificate and row are two files: the certificate is
written first, and a row that missed it resumes its order and writes the same certificate again.
"""

import contextlib
import fcntl
import hashlib
import json
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from certs import budgets
from certs.budgets import Charge
from certs.errors import LeaseLost, OperatorError
from certs.host import Host, from_json, to_json
from certs.issued import Certificate
from certs.names import host_name
from certs.storage import Account, Claim

log = logging.getLogger(__name__)


def write_private(path: Path, content: str) -> None:
    """Replace a file by one of mode 0600, whole or not at all; on the disk when it returns."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        new.rename(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


class DirectoryStorage:
    """A :class:`certs.storage.Storage` in files. Calls block the loop for some milliseconds."""

    def __init__(self, path: Path) -> None:
        self._path = path
        for part in ("hosts", "certificates", "accounts"):
            (path / part).mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
        self.key_directory = path / "certificates"

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        descriptor = os.open(self._path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _host_file(self, name: str) -> Path:
        return self._path / "hosts" / f"{host_name(name)}.json"

    def _account_file(self, directory: str) -> Path:
        digest = hashlib.sha256(directory.encode()).hexdigest()[:32]
        return self._path / "accounts" / f"{digest}.json"

    @staticmethod
    def _read(path: Path) -> dict[str, Any] | None:
        try:
            value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise OperatorError(f"{path} is damaged: {error}") from error
        return value

    async def add(self, name: str, tenant: str = "", due: float = 0.0) -> None:
        """Ask for a certificate; nothing if the host is there already."""
        with self._locked():
            path = self._host_file(name)
            if not path.exists():
                self._write(path, Host(host_name(name), tenant, due), 0, 0.0)

    async def remove(self, name: str) -> None:
        """Forget a host. Whoever holds its lease will find it lost; its certificate stays."""
        with self._locked():
            self._host_file(name).unlink(missing_ok=True)

    async def discard(self, name: str) -> None:
        """Delete the certificate of a host: it is served no longer."""
        with self._locked():
            for file in (f"{host_name(name)}.pem", f".{host_name(name)}.json"):
                (self.key_directory / file).unlink(missing_ok=True)

    async def host(self, name: str) -> Host | None:
        """The row of a host."""
        record = self._read(self._host_file(name))
        return from_json(record["host"]) if record else None

    @staticmethod
    def _write(path: Path, host: Host, token: int, until: float) -> None:
        record = {"host": to_json(host), "token": token, "until": until}
        write_private(path, json.dumps(record))

    async def claim(self, holder: str, now: float, seconds: float) -> Claim | None:
        """The host that is due longest and under no living lease, leased for ``seconds``."""
        with self._locked():
            best: tuple[float, Path, dict[str, Any]] | None = None
            for path in (self._path / "hosts").glob("[!.]*.json"):
                try:
                    record = self._read(path)
                except OperatorError as error:
                    log.error("%s", error)  # it names the file; the others go on
                    continue
                if record is None or record["until"] > now or record["host"]["due"] > now:
                    continue
                if best is None or record["host"]["due"] < best[0]:
                    best = (record["host"]["due"], path, record)
            if best is None:
                return None
            _, path, record = best
            host, token = from_json(record["host"]), record["token"] + 1
            self._write(path, host, token, now + seconds)
            return Claim(host, holder, token)

    def _fence(self, claim: Claim) -> tuple[Path, dict[str, Any]]:
        path = self._host_file(claim.host.name)
        record = self._read(path)
        if record is None or record["token"] != claim.token:
            raise LeaseLost(f"{claim.host.name} is in other hands")
        return path, record

    async def extend(self, claim: Claim, now: float, seconds: float) -> None:
        """The lease lasts ``seconds`` from now."""
        with self._locked():
            path, record = self._fence(claim)
            self._write(path, from_json(record["host"]), claim.token, now + seconds)

    async def save(self, claim: Claim, host: Host) -> None:
        """Store the host's row, and keep the lease."""
        with self._locked():
            path, record = self._fence(claim)
            self._write(path, host, claim.token, record["until"])

    async def release(self, claim: Claim, host: Host) -> None:
        """Store the host's row, and end the lease."""
        with self._locked():
            path, _ = self._fence(claim)
            # The next token, so that this claim is over for its holder as well.
            self._write(path, host, claim.token + 1, 0.0)

    async def store_certificate(self, claim: Claim, certificate: Certificate, host: Host) -> None:
        """Store certificate and row, and end the lease."""
        with self._locked():
            path, _ = self._fence(claim)
            write_private(self.key_directory / f"{host.name}.pem", certificate.pem)
            record = json.dumps(asdict(certificate))
            write_private(self.key_directory / f".{host.name}.json", record)
            self._write(path, host, claim.token + 1, 0.0)

    async def certificate(self, name: str) -> Certificate | None:
        """The current certificate of a host."""
        record = self._read(self.key_directory / f".{host_name(name)}.json")
        return Certificate(**record) if record else None

    async def account(self, directory: str) -> Account | None:
        """The account at an authority."""
        record = self._read(self._account_file(directory))
        return Account(**record) if record else None

    async def save_account(self, account: Account) -> Account | None:
        """Store it if ``revision`` is still the stored one's, else None."""
        with self._locked():
            stored = await self.account(account.directory)
            if (stored.revision if stored else 0) != account.revision:
                return None
            saved = replace(account, revision=account.revision + 1)
            write_private(self._account_file(account.directory), json.dumps(asdict(saved)))
            return saved

    async def take(self, charges: Sequence[Charge], now: float) -> float:
        """Take one unit of every bucket, or of none; the wait."""
        with self._locked():
            levels = self._read(self._path / "budgets.json") or {}
            changed, wait = budgets.take(levels, charges, now)
            if changed:
                # Buckets that are full again need no record.
                kept = {key: level for key, level in levels.items() if level > now}
                write_private(self._path / "budgets.json", json.dumps(kept | changed))
            return wait
