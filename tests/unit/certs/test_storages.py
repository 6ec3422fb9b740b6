"""What the manager needs of a storage, as both storages of this package keep it."""

import json
import multiprocessing
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from certs.budgets import Charge, Limit
from certs.directory_storage import DirectoryStorage, write_private
from certs.errors import OperatorError
from certs.host import Host
from certs.memory_storage import MemoryStorage
from certs.storage import Account
from tests.unit.certs.storage_contract import (
    CERTIFICATE,
    Make,
    claimed,
    test_a_certificate_is_stored_with_its_row,
    test_a_later_holder_fences_off_the_earlier_one,
    test_a_released_claim_is_over,
    test_a_removed_host_is_lost_to_its_holder,
    test_a_row_is_saved_under_the_lease,
    test_accounts_change_by_compare_and_set,
    test_adding_twice_changes_nothing,
    test_an_expired_lease_that_nobody_took_may_be_used,
    test_buckets_are_taken_from_together,
    test_the_longest_due_host_is_claimed_first_and_once,
)

__all__ = [
    "test_a_certificate_is_stored_with_its_row",
    "test_a_later_holder_fences_off_the_earlier_one",
    "test_a_released_claim_is_over",
    "test_a_removed_host_is_lost_to_its_holder",
    "test_a_row_is_saved_under_the_lease",
    "test_accounts_change_by_compare_and_set",
    "test_adding_twice_changes_nothing",
    "test_an_expired_lease_that_nobody_took_may_be_used",
    "test_buckets_are_taken_from_together",
    "test_the_longest_due_host_is_claimed_first_and_once",
]
"""The tests of the contract run here, too."""


class Remembered(MemoryStorage):
    """Tells a host's row as the others do."""

    async def host(self, name: str) -> Host | None:
        """The row of a host."""
        return self.hosts.get(name)


@pytest.fixture(params=["memory", "directory"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Makes a storage of each kind."""
    if request.param == "memory":
        return Remembered
    return lambda: DirectoryStorage(tmp_path / "certificates")


# What only the directory promises


def modes(place: Path) -> set[int]:
    """Modes of all files and directories below a place."""
    return {stat.S_IMODE(path.stat().st_mode) for path in place.rglob("*")}


async def test_files_are_their_owners_alone(tmp_path: Path) -> None:
    """Whatever the umask."""
    before = os.umask(0)
    try:
        storage = DirectoryStorage(tmp_path / "certificates")
        await storage.add("a.brand.example")
        await storage.save_account(Account("https://ca/dir", "key"))
        await storage.take([Charge("one", Limit(1, 100.0))], 0.0)
        claim = await claimed(storage)
        await storage.store_certificate(claim, CERTIFICATE, claim.host)
    finally:
        os.umask(before)
    assert modes(tmp_path) == {0o700, 0o600}
    assert (storage.key_directory / "a.brand.example.pem").read_text() == "key\nchain\n"


async def test_a_discarded_certificate_is_gone(tmp_path: Path) -> None:
    """A removed host's certificate stays until then."""
    storage = DirectoryStorage(tmp_path)
    await storage.add("a.brand.example")
    claim = await claimed(storage)
    await storage.store_certificate(claim, CERTIFICATE, claim.host)
    await storage.remove("a.brand.example")
    assert await storage.certificate("a.brand.example") == CERTIFICATE
    await storage.discard("a.brand.example")
    assert await storage.certificate("a.brand.example") is None
    assert not list(storage.key_directory.iterdir())


async def test_another_process_finds_everything(tmp_path: Path) -> None:
    """A storage opened anew has the rows, leases, accounts and levels of the one before."""
    one = DirectoryStorage(tmp_path)
    await one.add("a.brand.example")
    claim = await claimed(one)
    account = await one.save_account(Account("https://ca/dir", "key"))
    await one.take([Charge("one", Limit(1, 100.0))], 0.0)
    two = DirectoryStorage(tmp_path)
    assert await two.claim("you", 11.0, 60.0) is None
    await two.save(claim, replace(claim.host, failures=1))
    assert await two.account("https://ca/dir") == account
    assert await two.take([Charge("one", Limit(1, 100.0))], 0.0) > 0


async def test_one_damaged_row_does_not_stop_the_others(tmp_path: Path) -> None:
    """It is named in the log; asking for it by name says what is wrong."""
    storage = DirectoryStorage(tmp_path)
    await storage.add("a.brand.example")
    await storage.add("b.brand.example", due=1.0)
    (tmp_path / "hosts" / "a.brand.example.json").write_text("{")
    assert (await claimed(storage)).host.name == "b.brand.example"
    with pytest.raises(OperatorError, match="damaged"):
        await storage.host("a.brand.example")


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    """A write that fails leaves the old content, and nothing beside it."""
    path = tmp_path / "file"
    write_private(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_private(path, "new\ud800")
    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def _grab(place: str, number: int) -> None:
    import asyncio

    async def grab() -> None:
        storage = DirectoryStorage(Path(place))
        names = []
        while (claim := await storage.claim(f"process {number}", 10.0, 60.0)) is not None:
            names.append(claim.host.name)
            await storage.take([Charge("all", Limit(1000, 1000.0))], 0.0)
        (Path(place) / f"grabbed-{number}").write_text(json.dumps(names))

    asyncio.run(grab())


async def test_processes_never_claim_the_same_host(tmp_path: Path) -> None:
    """Four at once: every host goes to one of them, and no unit of a budget is lost."""
    storage = DirectoryStorage(tmp_path)
    names = [f"host{number}.brand.example" for number in range(24)]
    for name in names:
        await storage.add(name)
    context = multiprocessing.get_context("spawn")
    children = [context.Process(target=_grab, args=(str(tmp_path), n)) for n in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    grabbed = [
        name
        for number in range(4)
        for name in json.loads((tmp_path / f"grabbed-{number}").read_text())
    ]
    assert sorted(grabbed) == sorted(names)
    assert json.loads((tmp_path / "budgets.json").read_text())["all"] == pytest.approx(24.0)
