"""What no file of the project may say."""

import re

import pytest

from tests.house.sources import ROOT, files, name, text

LOCKS = ("requirements.lock", "requirements-dev.lock")
# Written apart so that this file does not find itself.
INDEXES = re.compile(r"pypi\." + r"org|python" + r"hosted|npm" + r"js\.", re.I)
DEBTS = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")
PLACES = re.compile(r"(?<![\w.-])/(work|root/work|home/\w+|Users/\w+)/")
SECRETS = re.compile("-----BEGIN [A-Z ]*PRIVATE" + " KEY-----")
TEXTUAL = {".md", ".py", ".sql", ".toml", ".yaml", ".yml", ".html", ".txt", ".lock", ".service", ""}


@pytest.mark.parametrize("words", [INDEXES, DEBTS, PLACES, SECRETS], ids=lambda p: p.pattern[:12])
def test_no_file_says(words: re.Pattern[str]) -> None:
    """No package index (each machine has its own), no debt, no machine's paths, no private key."""
    found = []
    for path in files():
        if path.suffix in TEXTUAL:
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                if (match := words.search(line)) is not None:
                    found.append(f"{name(path)}:{number} {match[0]}")
    assert not found


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_pin_every_package_with_its_hashes(lock: str) -> None:
    """An install is repeatable: exact versions, hashes, and no address of an index."""
    lines = text(lock).splitlines()
    pinned = [line for line in lines if line and not line.startswith((" ", "#"))]
    assert len(pinned) > 20
    assert not any(line.startswith("--") for line in pinned), "an address or an option of pip"
    assert all(re.match(r"[a-z0-9._-]+(\[[a-z,-]+\])?==\S+", line) for line in pinned)
    hashed = sum(1 for line in lines if line.strip().startswith("--hash=sha256:"))
    assert hashed >= len(pinned)


def test_scripts_are_executable_and_stop_at_errors() -> None:
    """A script that goes on after a failed command hides it."""
    scripts = [
        path
        for path in files()
        if not path.suffix and path.read_bytes()[:2] == b"#!" and path.parent != ROOT
    ]
    assert {"tests/run", "deploy/install", "deploy/image-check"} <= {name(p) for p in scripts}
    for path in scripts:
        source = path.read_text(encoding="utf-8")
        if "sh" in source.splitlines()[0]:
            assert re.search(r"^set -[a-z]*e", source, re.MULTILINE), name(path)
        if path.name != "run" or path.parent.name != ".ci":
            assert path.stat().st_mode & 0o111, name(path)
