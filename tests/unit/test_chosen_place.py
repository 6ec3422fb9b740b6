"""Where the data goes when nobody says where, and the commands that find it there."""

import os
import shlex
import sys
from pathlib import Path

import pytest

from edge.adapters import first_run
from edge.service_user import SYSTEM_DATA_DIR
from edge.settings import load


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("EDGE_"):
            monkeypatch.delenv(name)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a service user")
def test_a_place_that_root_started_in_but_the_service_user_cannot_reach_is_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The system's directory is taken, and counts as chosen by nobody, so that a start says so."""
    tmp_path.chmod(0o700)
    monkeypatch.chdir(tmp_path)
    settings = load()
    assert settings.data_dir == SYSTEM_DATA_DIR
    assert "data_dir" not in settings.model_fields_set
    assert "data_dir" in load(data_dir=tmp_path).model_fields_set


def test_a_printed_command_can_be_pasted_where_the_edge_was_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It names the program as it was called, and the data directory unless it is ./data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [".venv/bin/edge", "serve"])
    there = load(data_dir=tmp_path / "data")
    assert first_run.command(there, "events", "tail") == ".venv/bin/edge events tail"
    spaced = load(data_dir=tmp_path / "my data")
    words = shlex.split(first_run.command(spaced, "events", "tail"))
    assert words == [".venv/bin/edge", "events", "tail", "--data-dir", str(tmp_path / "my data")]


def test_a_printed_command_names_the_interpreter_or_what_the_path_finds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """``python -m edge`` is repeated as such; an ``edge`` on the PATH needs no directory."""
    monkeypatch.chdir(tmp_path)
    there = load(data_dir=tmp_path / "data")
    monkeypatch.setattr(sys, "argv", ["/x/edge/__main__.py"])
    assert first_run.command(there, "x") == f"{shlex.quote(sys.executable)} -m edge x"
    program = tmp_path / "edge"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [str(program)])
    assert first_run.command(there, "x") == "edge x"
