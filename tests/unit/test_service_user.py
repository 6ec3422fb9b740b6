"""The service user and what it can reach."""

import os
import tempfile
from pathlib import Path

import pytest

from edge import service_user
from edge.model.errors import OperatorError
from edge.service_user import ServiceUser

STRANGER = ServiceUser("stranger", 54321, 54321, (54321,))


def test_the_first_closed_directory_is_found() -> None:
    """Owner, group and mode decide; what does not exist yet is no obstacle."""
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        base.chmod(0o755)
        inner = base / "a" / "b"
        inner.mkdir(parents=True)
        (base / "a").chmod(0o700)
        inner.chmod(0o755)
        assert service_user.may_enter(inner / "new", STRANGER) == (base / "a").resolve()
        (base / "a").chmod(0o711)
        assert service_user.may_enter(inner / "new", STRANGER) is None
        (base / "a").chmod(0o710)
        group = ServiceUser("member", 54321, 54321, ((base / "a").stat().st_gid,))
        assert service_user.may_enter(inner, group) is None
        assert service_user.may_enter(inner, STRANGER) == (base / "a").resolve()
        owner = ServiceUser("owner", (base / "a").stat().st_uid, 54321)
        assert service_user.may_enter(inner, owner) is None
        assert service_user.may_enter(inner, None) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root looks for a service user")
def test_root_finds_an_ordinary_user_or_says_what_to_create() -> None:
    """A missing name and root itself are errors that say how to mend them."""
    found = service_user.find()
    assert found is not None
    assert found.uid != 0
    with pytest.raises(OperatorError, match=r"no-such-user does not exist.*useradd"):
        service_user.find("no-such-user")
    with pytest.raises(OperatorError, match="root is root"):
        service_user.find("root")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a service user")
def test_roots_default_data_directory_is_one_that_the_service_user_reaches() -> None:
    """./data where that is reachable, else the system's place."""
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        base.chmod(0o700)
        assert service_user.default_data_dir("", base / "data") == service_user.SYSTEM_DATA_DIR
        base.chmod(0o755)
        assert service_user.default_data_dir("", base / "data") == base / "data"
