"""What is taken for a backup, and what an archive may do while it is looked at."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from edge.adapters import backup
from edge.model.errors import CallerError


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    """One entry of an archive."""
    member = tarfile.TarInfo(name)
    member.type = kind
    member.linkname = link
    return member


@pytest.mark.parametrize(
    "hostile",
    [
        [entry("../outside")],
        [entry("spool/../../outside")],
        [entry("/tmp/outside-of-a-backup")],
        [entry("spool", tarfile.SYMTYPE, ".."), entry("spool/outside")],
        [entry("key", tarfile.LNKTYPE, "/etc/passwd")],
        [entry("pipe", tarfile.FIFOTYPE)],
        [entry("disk", tarfile.BLKTYPE)],
    ],
    ids=lambda entries: entries[0].name,
)
def test_an_archive_with_more_than_files_below_it_is_no_backup(
    tmp_path: Path, hostile: list[tarfile.TarInfo]
) -> None:
    """No entry leaves the place it is unpacked in, and none is anything but a file."""
    source = tmp_path / "in" / "backup.tar"
    source.parent.mkdir()
    with tarfile.open(source, "w") as archive:
        for member in hostile:
            archive.addfile(member, io.BytesIO(b""))
    with pytest.raises(CallerError, match="which no backup does"), backup.opened(source):
        pass
    assert list(tmp_path.rglob("outside*")) == []
    assert not Path("/tmp/outside-of-a-backup").exists()


def test_what_is_no_archive_and_what_has_no_manifest_are_named(tmp_path: Path) -> None:
    """The error says which file, and what is wrong with it."""
    source = tmp_path / "x.tar"
    source.write_bytes(b"not an archive")
    with pytest.raises(CallerError, match="is not a backup"), backup.opened(source):
        pass
    packed = tmp_path / "x.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        member = entry("database.dump")
        member.size = 100_000
        archive.addfile(member, io.BytesIO(os.urandom(member.size)))
    packed.write_bytes(packed.read_bytes()[:50_000])
    with pytest.raises(CallerError, match="is not a backup"), backup.opened(packed):
        pass
    with tarfile.open(source, "w") as archive:
        archive.addfile(entry("spool", tarfile.DIRTYPE))
    with pytest.raises(CallerError, match="it has no manifest"), backup.opened(source):
        pass
