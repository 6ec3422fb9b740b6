"""Keeps this machine's key files in step with Postgres: ``<data_dir>/certificates/<host>.pem``.

Workers pick a host's certificate from these files and from nothing else, so handshakes go on with
Postgres down. The roster's version tells when anything changed; a chain's digest tells which. A
file is replaced whole (mode 0600, by rename) or not at all. What cannot be written or opened (full
disk, wrong master key) is an error that says so, is tried again, and leaves what is served.
"""

import asyncio
import errno
from pathlib import Path
from typing import Final

import structlog

from certs.directory_storage import write_private
from certs.errors import CertificateError
from certs.names import host_name
from edge.model.errors import OperatorError
from edge.model.vault import Vault
from edge.observe import metrics
from edge.store import certificates, roster
from edge.store.pool import Pool

log = structlog.get_logger()

KEY_DIRECTORY: Final = "certificates"
SUFFIX: Final = ".pem"
KEEP_LIMIT: Final = 300.0
"""Seconds for one look; ten thousand new files on a slow disk take a minute or two."""

BATCH: Final = 50
_FULL: Final = {errno.ENOSPC, errno.EDQUOT}
_CHAIN: Final = "-----BEGIN CERTIFICATE-----"


class KeyFiles:
    """The files of one directory. ``vault`` opens the keys."""

    def __init__(self, directory: Path, pool: Pool, vault: Vault) -> None:
        self._directory = directory
        self._pool = pool
        self._vault = vault
        self._have: dict[str, bytes] | None = None
        self._version = -1
        self.faults: dict[str, str] = {}
        """Hosts whose file is missing or old, and why."""

    async def refresh(self) -> None:
        """Bring the directory up to date if the roster has another version.

        Raises OperatorError if some files are behind; they are looked at again the next time.
        """
        async with asyncio.timeout(KEEP_LIMIT), self._pool.acquire() as conn:
            version = await roster.version(conn)
            if version == self._version:
                return
            wanted = await certificates.digests(conn)
            have = await asyncio.to_thread(self._look)
            await asyncio.to_thread(self._remove, have.keys() - wanted.keys())
            self.faults = {}
            stale = sorted(host for host, digest in wanted.items() if have.get(host) != digest)
            for first in range(0, len(stale), BATCH):
                rows = await certificates.sealed_files(conn, stale[first : first + BATCH])
                await asyncio.to_thread(self._write, rows)
        metrics.CERTIFICATE_FAULTS.set(len(self.faults))
        if self.faults:
            host, reason = next(iter(self.faults.items()))
            raise OperatorError(
                f"{len(self.faults)} certificates are not on this machine as they should be; what "
                f"was served before is served on; the first is {host}: {reason}"
            )
        if stale:
            log.info("certificates written", count=len(stale))
        self._version = version

    def _path(self, host: str) -> Path:
        return self._directory / f"{host}{SUFFIX}"

    def _look(self) -> dict[str, bytes]:
        """The hosts that have a file, and their chains' digests; a file that is gone is missed."""
        self._directory.mkdir(mode=0o700, exist_ok=True)
        there = {
            path.name.removesuffix(SUFFIX)
            for path in self._directory.iterdir()
            if path.name.endswith(SUFFIX) and not path.name.startswith(".")
        }
        if self._have is None:
            self._have = {host: self._digest(host) for host in there}
        self._have = {host: self._have.get(host, b"") for host in there}
        return self._have

    def _digest(self, host: str) -> bytes:
        try:
            text = self._path(host).read_text(encoding="ascii")
        except (OSError, ValueError):
            return b""
        start = text.find(_CHAIN)
        return certificates.digest(text[start:]) if start > 0 else b""

    def _remove(self, hosts: set[str]) -> None:
        for host in hosts:
            self._path(host).unlink(missing_ok=True)
            log.info("certificate removed", host=host)

    def _write(self, rows: list[tuple[str, bytes, str]]) -> None:
        full = ""
        for host, sealed, chain in rows:
            try:
                if full:
                    self.faults[host] = full  # the others would fail as well
                    continue
                if host_name(host) != host:
                    raise CertificateError(f"{host!r} is not the name of a host")
                key = self._vault.open(certificates.purpose(host), sealed).decode()
                write_private(self._path(host), key + chain)
            except OSError as error:
                self.faults[host] = f"cannot be written: {error.strerror or error}"
                full = self.faults[host] if error.errno in _FULL else ""
            except (OperatorError, CertificateError) as error:
                self.faults[host] = str(error)
            else:
                if self._have is not None:
                    self._have[host] = certificates.digest(chain)
