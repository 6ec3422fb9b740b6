"""The key files of an edge: in step with Postgres, whatever disk and master key do."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.ingest.key_files import KeyFiles
from edge.model.domain import Domain
from edge.model.errors import OperatorError
from edge.model.vault import Vault
from edge.store import certificates, domains
from edge.store.certificates import StoredCertificate
from edge.store.pool import Pool

VAULT = Vault(bytes(32))
KEY = "-----BEGIN PRIVATE" + " KEY-----\n{}\n-----END PRIVATE" + " KEY-----\n"
CHAIN = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n"


async def put(db: Pool, name: str, mark: str = "one", vault: Vault = VAULT) -> str:
    """A certificate for the tracking host of a domain, which is made if it is not there; it."""
    now = time.time()
    async with db.acquire() as conn:
        if await certificates.show(conn, f"email.{name}") is None:
            await domains.add(conn, Domain(number=0, name=name), now_us=int(now * 1e6))
        stored = StoredCertificate(
            host=f"email.{name}",
            key=KEY.format(mark),
            chain=CHAIN.format(mark),
            not_before=now - 10,
            not_after=now + 1000,
            renewal_id=None,
        )
        await certificates.import_certificate(conn, vault, stored, now)
    return stored.host


def files(place: Path) -> dict[str, str]:
    """Every file of a directory."""
    return {path.name: path.read_text() for path in sorted(place.iterdir())}


async def test_files_follow_the_database(db: Pool, tmp_path: Path) -> None:
    """New ones appear, changed ones are replaced, what is gone goes; nothing else is touched."""
    place = tmp_path / "certificates"
    keys = KeyFiles(place, db, VAULT)
    one, two = await put(db, "mg.one.example"), await put(db, "mg.two.example")
    await keys.refresh()
    assert files(place) == {
        f"{host}.pem": KEY.format("one") + CHAIN.format("one") for host in (one, two)
    }
    assert {path.stat().st_mode & 0o777 for path in place.iterdir()} == {0o600}
    assert place.stat().st_mode & 0o777 == 0o700
    untouched = (place / f"{two}.pem").stat().st_ino
    await put(db, "mg.one.example", "two")
    await keys.refresh()
    assert files(place)[f"{one}.pem"] == KEY.format("two") + CHAIN.format("two")
    assert (place / f"{two}.pem").stat().st_ino == untouched
    async with db.acquire() as conn:
        await certificates.forget(conn, one)
    await keys.refresh()
    assert list(files(place)) == [f"{two}.pem"]


async def test_a_restart_writes_nothing_anew(db: Pool, tmp_path: Path) -> None:
    """A chain's digest tells that its file is there; a damaged or strange file is put right."""
    host, other = await put(db, "mg.one.example"), await put(db, "mg.two.example")
    await KeyFiles(tmp_path, db, VAULT).refresh()
    before = (tmp_path / f"{host}.pem").stat().st_ino
    (tmp_path / f"{other}.pem").write_text("half")
    (tmp_path / "stranger.example.pem").write_text("x")
    await KeyFiles(tmp_path, db, VAULT).refresh()
    assert (tmp_path / f"{host}.pem").stat().st_ino == before
    assert list(files(tmp_path)) == [f"{host}.pem", f"{other}.pem"]
    assert "half" not in files(tmp_path)[f"{other}.pem"]


async def test_a_file_that_vanished_comes_back(db: Pool, tmp_path: Path) -> None:
    """With the next change of the roster."""
    host = await put(db, "mg.one.example")
    keys = KeyFiles(tmp_path, db, VAULT)
    await keys.refresh()
    (tmp_path / f"{host}.pem").unlink()
    await put(db, "mg.two.example")
    await keys.refresh()
    assert f"{host}.pem" in files(tmp_path)


async def test_a_wrong_master_key_leaves_what_is_served(db: Pool, tmp_path: Path) -> None:
    """The error says so; the others are written, and the right key mends it."""
    host = await put(db, "mg.one.example")
    keys = KeyFiles(tmp_path, db, VAULT)
    await keys.refresh()
    before = files(tmp_path)
    await put(db, "mg.one.example", "two", Vault(bytes(31) + b"x"))
    other = await put(db, "mg.two.example")
    for _ in range(2):
        with pytest.raises(OperatorError, match="master key does not open certificate:email"):
            await keys.refresh()
        assert files(tmp_path)[f"{host}.pem"] == before[f"{host}.pem"]
        assert f"{other}.pem" in files(tmp_path)
    assert list(keys.faults) == [host]
    await put(db, "mg.one.example", "two")
    await keys.refresh()
    assert not keys.faults
    assert "two" in files(tmp_path)[f"{host}.pem"]


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own that holds no more than 64 KiB; needs root."""
    place = tmp_path / "full"
    place.mkdir()
    if os.geteuid() != 0 or os.system(f"mount -t tmpfs -o size=64k none {place} 2>/dev/null"):
        pytest.skip("no file system of its own here: needs root and the right to mount")
    yield place
    os.system(f"umount {place}")


async def test_a_full_disk_is_survived(db: Pool, full_disk: Path) -> None:
    """What is served stays whole; when there is room again the rest is written."""
    host = await put(db, "mg.one.example")
    keys = KeyFiles(full_disk, db, VAULT)
    await keys.refresh()
    before = files(full_disk)
    ballast = full_disk / ".ballast"
    ballast.write_bytes(bytes(shutil.disk_usage(full_disk).free))
    await put(db, "mg.one.example", "two")
    for number in range(3):
        await put(db, f"mg.more{number}.example")
    with pytest.raises(OperatorError, match=r"4 certificates .* No space left"):
        await keys.refresh()
    ballast.unlink()
    assert files(full_disk) == before
    await keys.refresh()
    assert len(files(full_disk)) == 4
    assert "two" in files(full_disk)[f"{host}.pem"]


async def test_a_disk_that_fails_in_the_middle_is_survived(
    db: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a full disk, where none can be mounted: nothing half-written is ever in place."""
    host = await put(db, "mg.one.example")
    keys = KeyFiles(tmp_path, db, VAULT)
    await keys.refresh()
    before = files(tmp_path)
    await put(db, "mg.one.example", "two")

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("certs.directory_storage.os.fsync", fail)
    with pytest.raises(OperatorError, match="No space left"):
        await keys.refresh()
    monkeypatch.undo()
    assert files(tmp_path) == before
    await keys.refresh()
    assert "two" in files(tmp_path)[f"{host}.pem"]


async def test_a_name_that_is_no_file_name_is_refused(db: Pool, tmp_path: Path) -> None:
    """Whatever is in the table: nothing is written outside the directory."""
    await put(db, "mg.one.example")
    async with db.acquire() as conn:
        await conn.execute("INSERT INTO hosts (host, domain) VALUES ('../escaped', 1)")
        await conn.execute("UPDATE certificates SET host = '../escaped'")
    with pytest.raises(OperatorError, match="not a host name"):
        await KeyFiles(tmp_path / "inside", db, VAULT).refresh()
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]
