"""``edge backup``: what was backed up is there again, exactly once, and its links work."""

import json
import os
import re
import signal
import tarfile
from pathlib import Path

import pytest

from tests.integration.run.serving import Edge, command, edge, finish, place, until


def stored(one: Edge) -> list[str]:
    """Ids of the sandbox's stored events, oldest first."""
    done = command(one, "events", "search", "--domain", "sandbox.localhost", "--json")
    assert done.returncode == 0, done.stderr
    return sorted(json.loads(line)["id"] for line in done.stdout.splitlines())


def pixel_of(one: Edge) -> str:
    """Path of the sample message's pixel."""
    found: list[str] = re.findall(r'http://[^/"]+(/o/[\w-]+)', one.get("/sample")[1].decode())
    return found[0]


@pytest.mark.parametrize("name", ["backup", "backup.tar.gz"])
def test_a_restored_edge_has_every_event_once_and_serves_the_old_links(name: str) -> None:
    """Backed up while running, with records still in the spool; restored elsewhere; started."""
    with edge() as one, place() as other:
        one.ready()
        pixel = pixel_of(one)
        for _ in range(3):
            assert one.get(pixel, one.http)[0] == 200
        until("stored", lambda: len(stored(one)) == 3)
        target = one.base / name
        done = command(one, "backup", "create", str(target))
        assert done.returncode == 0, done.stderr
        again = Edge(other)
        done = command(again, "backup", "restore", str(target))
        assert done.returncode == 0, done.stderr
        assert stored(again) == stored(one)
        try:
            again.start()
            until("served", lambda: b'"status": "ok"' in again.get("/readyz")[1])
            assert again.get(pixel, again.http)[0] == 200
            until("one more", lambda: len(stored(again)) == 4)
        finally:
            finish(again)


def test_what_was_in_the_spool_only_is_shipped_after_the_restore() -> None:
    """With ingest stopped, a recorded open is in the backup's segments, and stored later."""
    with edge() as one, place() as other:
        one.ready()
        pixel = pixel_of(one)
        one.stop(signal.SIGTERM)
        # Records that no ingest has seen: the database is dead while they are made.
        one.start()
        until("worker", lambda: one.get("/o/x", one.http)[0] == 200)
        ingest = until("ingest", lambda: one.children().get("ingest"))
        os.kill(ingest, signal.SIGSTOP)
        assert one.get(pixel, one.http)[0] == 200
        target = one.base / "backup"
        done = command(one, "backup", "create", str(target))
        os.kill(ingest, signal.SIGCONT)
        assert done.returncode == 0, done.stderr
        again = Edge(other)
        assert command(again, "backup", "restore", str(target)).returncode == 0
        assert stored(again) == []
        try:
            again.start()
            until("shipped", lambda: len(stored(again)) == 1)
        finally:
            finish(again)


def test_a_backup_is_private_and_never_overwrites() -> None:
    """Modes are 0600; a target that exists is refused with 2; a foreign archive with 2."""
    with edge() as one:
        one.ready()
        target = one.base / "backup.tar"
        assert command(one, "backup", "create", str(target)).returncode == 0
        assert target.stat().st_mode & 0o077 == 0
        with tarfile.open(target) as archive:
            assert {"manifest.json", "database.dump", "master.key"} <= set(archive.getnames())
        assert command(one, "backup", "create", str(target)).returncode == 2
        assert command(one, "backup", "restore", str(target)).returncode == 1  # it is running
        strange = one.base / "strange.tar"
        with tarfile.open(strange, "w"):
            pass
        assert command(Edge(one.base / "new"), "backup", "restore", str(strange)).returncode == 2
        one.stop()
        done = command(one, "backup", "restore", str(target))
        assert done.returncode == 2
        assert "restore into a new data directory" in done.stderr
        directory = Path(one.base / "offline")
        assert command(one, "backup", "create", str(directory)).returncode == 0
        assert directory.stat().st_mode & 0o077 == 0
