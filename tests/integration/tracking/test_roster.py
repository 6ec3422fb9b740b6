"""The roster on disk: reloaded when it changes, kept when it is damaged, never guessed."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from edge.model.errors import OperatorError
from edge.model.tokens import KeyState
from edge.model.vault import Vault
from edge.roster.snapshot import FILE_NAME, RosterFile, load, save
from tests.integration.tracking.worlds import captures, snapshot, tracking
from tests.threats.serving import CLICK, KEYRING, OTHER, VAULT

CLICK_PATH = f"/c/{KEYRING.seal(CLICK)}"


async def test_a_new_roster_is_served_within_a_tick(tmp_path: Path) -> None:
    """A host that moved to another domain makes its links foreign there, at once."""
    path = tmp_path / FILE_NAME
    async with tracking(tmp_path) as world:
        assert (await world.get(CLICK_PATH, b"new.example.org")).status == 302
        save(path, replace(snapshot(2), hosts={"new.example.org": 2}))
        await world.server.tick()
        assert (await world.get(CLICK_PATH, b"new.example.org")).status == 404
        assert (await world.get(CLICK_PATH, OTHER)).status == 302


async def test_links_of_removed_domains_and_retired_keys_live_and_revoked_ones_die(
    tmp_path: Path,
) -> None:
    """No domain row, no host: still a redirect. A revoked key: a plain 404."""
    path = tmp_path / FILE_NAME
    async with tracking(tmp_path) as world:
        key = snapshot().keys[0]
        save(
            path,
            replace(snapshot(2), domains=[], hosts={}, keys=[replace(key, state=KeyState.RETIRED)]),
        )
        await world.server.tick()
        assert (await world.get(CLICK_PATH)).status == 302
        save(path, replace(snapshot(3), keys=[replace(key, state=KeyState.REVOKED)]))
        await world.server.tick()
        assert (await world.get(CLICK_PATH)).status == 404
        assert len(captures(world)) == 1


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "gone", "directory", "newer"])
async def test_a_damaged_roster_changes_nothing_for_a_running_worker(
    tmp_path: Path, damage: str
) -> None:
    """It goes on with what it knows, and takes the next good one."""
    path = tmp_path / FILE_NAME
    save(path, snapshot(1))
    save(path, snapshot(2))
    async with tracking(tmp_path) as world:
        data = path.read_bytes()
        path.unlink()
        if damage == "directory":
            path.mkdir()
        elif damage != "gone":
            wrong = {"empty": b"", "cut": data[:-9], "flipped": data[:-1] + b"\xff"}
            path.write_bytes(wrong.get(damage, b"edge-roster-2\n" + data[14:]))
        await world.server.tick()
        assert world.server.roster.current.version == 2
        assert (await world.get(CLICK_PATH)).status == 302
        if damage == "directory":
            path.rmdir()
        save(path, snapshot(3))
        await world.server.tick()
        assert world.server.roster.current.version == 3


def test_a_start_with_a_damaged_roster_takes_the_previous_one(tmp_path: Path) -> None:
    """Torn by a crash of the machine, say; without any there is an empty roster, and no error."""
    path = tmp_path / FILE_NAME
    assert load(path) is None
    assert RosterFile(path, VAULT).current.version == 0
    save(path, snapshot(1))
    save(path, snapshot(2))
    path.write_bytes(path.read_bytes()[:100])
    assert RosterFile(path, VAULT).current.version == 1
    path.with_suffix(".previous").write_bytes(b"")
    assert RosterFile(path, VAULT).current.version == 0


def test_a_wrong_master_key_stops_the_start_and_says_what_to_restore(tmp_path: Path) -> None:
    """Serving without keys would make every link dead."""
    save(tmp_path / FILE_NAME, snapshot(1))
    with pytest.raises(OperatorError, match="EDGE_MASTER_KEY_FILE"):
        RosterFile(tmp_path / FILE_NAME, Vault(bytes(31) + b"x"))
    with pytest.raises(OperatorError, match="32"):
        Vault(b"short")


async def test_a_roster_under_another_key_is_not_taken_by_a_running_worker(tmp_path: Path) -> None:
    """An operator's mistake while the edge runs: it is logged, links go on working."""
    path = tmp_path / FILE_NAME
    async with tracking(tmp_path) as world:
        key = snapshot().keys[0]
        wrong = replace(key, sealed=Vault(bytes(31) + b"x").seal("key:1", bytes(32)))
        save(path, replace(snapshot(2), keys=[wrong]))
        await world.server.tick()
        assert (await world.get(CLICK_PATH)).status == 302


def test_the_roster_file_is_private(tmp_path: Path) -> None:
    """It holds sealed keys and every customer's host name."""
    path = tmp_path / FILE_NAME
    save(path, snapshot(1))
    save(path, snapshot(2))
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.with_suffix(".previous").stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.glob("*.tmp"))
