"""A process that keeps certificates in a directory, and can be killed at any write."""

import asyncio
import os
import signal
from pathlib import Path

from certs import directory_storage
from certs.authority import Authority, Terms
from certs.clock import SystemClock
from certs.directory_storage import DirectoryStorage
from certs.manager import Manager
from tests.integration.certs.worlds import SHORT_LEASES

DEADLINE = 40.0


class Armed:
    """Counts the writes of this process, and kills it at one of them, before or after."""

    def __init__(self, number: int, after: bool) -> None:
        self._left = number
        self._after = after
        self._write = directory_storage.write_private

    def __call__(self, path: Path, content: str) -> None:
        """Write a file, unless it is the one to die at."""
        self._left -= 1
        if self._left == 0 and not self._after:
            os.kill(os.getpid(), signal.SIGKILL)
        self._write(path, content)
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def keep(place: str, directory: str, ca_file: str, host: str, die: tuple[int, bool] | None) -> None:
    """Work until the host has its certificate; die at write number ``die[0]`` before that."""
    if die is not None:
        directory_storage.write_private = Armed(*die)
    asyncio.run(_keep(Path(place), Terms(directory, agree_terms=True, ca_file=ca_file), host))


async def _keep(place: Path, terms: Terms, host: str) -> None:
    storage, clock = DirectoryStorage(place), SystemClock()
    authority = Authority(terms, storage, clock, threads=1)
    manager = Manager(storage, authority, clock, f"process {os.getpid()}", options=SHORT_LEASES)
    try:
        async with asyncio.timeout(DEADLINE):
            while await storage.certificate(host) is None or await manager.step():
                if not await manager.step():
                    await asyncio.sleep(0.02)
    finally:
        authority.close()
