"""Runs scripts against the API in Node, with mailgun.js from npm."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.integration.api.worlds import OURS, World

JS = Path(__file__).parent / "js"


def installed(place: Path) -> Path:
    """mailgun.js and our scripts in this directory; skips the test where npm cannot do that."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("no node and npm: install nodejs and npm")
    for path in JS.iterdir():
        shutil.copy(path, place)
    done = subprocess.run(
        [npm, "install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund"],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"npm could not install mailgun.js: {done.stderr[-300:]}")
    return place


def node(place: Path, script: str, world: World, *arguments: str) -> dict[str, Any]:
    """What a script prints, which is JSON."""
    done = subprocess.run(
        ["node", script, world.url, world.key, OURS, *arguments],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
