"""Keys at rest, and logs that an attacker writes into."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edge.model.errors import OperatorError
from edge.model.vault import Vault
from edge.roster.snapshot import FILE_NAME
from edge.settings import load
from tests.threats.serving import SECRET, VAULT, keys, serving


def test_a_sealed_key_opens_with_its_master_key_and_row_only() -> None:
    """Another master key, or the same bytes in another row, is an error that says what to do."""
    sealed = VAULT.seal("key:1", SECRET)
    assert VAULT.open("key:1", sealed) == SECRET
    for vault, purpose in ((Vault(b"\x01" * 32), "key:1"), (VAULT, "key:2")):
        with pytest.raises(OperatorError, match="EDGE_MASTER_KEY_FILE"):
            vault.open(purpose, sealed)


async def test_no_secret_lies_readable_on_disk(tmp_path: Path) -> None:
    """The roster file carries the keys sealed, and only its owner may read it."""
    async with serving(tmp_path):
        roster = tmp_path / FILE_NAME
        assert SECRET not in roster.read_bytes()
        assert keys()[0].sealed in roster.read_bytes()
        assert roster.stat().st_mode & 0o077 == 0


def test_settings_do_not_show_the_licence_key() -> None:
    """Settings may be printed; what is secret in them is not."""
    settings = load(maxmind_license_key="very-secret")
    assert settings.maxmind_license_key == "very-secret"
    assert "very-secret" not in repr(settings)


LOGGING = """
import structlog
from edge.observe.logs import configure
configure("info", "tracking")
log = structlog.get_logger()
log.info("odd", agent="a\\nb\\x1b[31m" + "x" * 9000, raw=b"\\xff\\n")
for number in range(10_000):
    log.warning("bad request", number=number)
"""


def test_logs_cannot_be_forged_or_flooded() -> None:
    """A hostile field stays one bounded JSON line; 10,000 equal messages become a few."""
    done = subprocess.run(
        [sys.executable, "-c", LOGGING], capture_output=True, text=True, check=True, timeout=60
    )
    lines = done.stderr.splitlines()
    assert len(lines) <= 100
    first = json.loads(lines[0])
    assert first["agent"].startswith("a\nb")
    assert all(len(line) < 2_500 and "\x1b" not in line for line in lines)
