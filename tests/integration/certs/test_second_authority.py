"""Caddy's authority (smallstep's code): another reading of the same RFC."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from certs.issued import verify
from tests.house.sources import ROOT
from tests.integration.certs.beside_caddy import NAMES


def beside_caddy(place: Path) -> dict[str, Any]:
    """What a process saw that worked beside Caddy, in namespaces of its own."""
    caddy = shutil.which("caddy")
    if caddy is None:
        pytest.skip("no caddy: install Debian's package of that name")
    command = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"]
    if os.geteuid() != 0 or subprocess.run([*command, "true"], check=False).returncode != 0:
        pytest.skip(
            "Caddy's authority needs port 80 of a network namespace: root must be allowed to"
        )
    child = [sys.executable, "-m", "tests.integration.certs.beside_caddy", str(place), caddy]
    done = subprocess.run(
        [*command, *child], cwd=ROOT, capture_output=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


async def test_caddys_authority_issues_renews_and_refuses(tmp_path: Path) -> None:
    """Two hosts get certificates and their successors; a silent one is its owner's to mend."""
    found = await asyncio.to_thread(beside_caddy, tmp_path)
    root = x509.load_pem_x509_certificate(found["root"].encode())
    assert set(found["certificates"]) == set(NAMES[:2])
    for name, one in found["certificates"].items():
        verify(one["chain_pem"], one["key_pem"], name, one["not_before"] + 7200)
        chain = x509.load_pem_x509_certificates(one["chain_pem"].encode())
        chain[-1].verify_directly_issued_by(root)
        # They live twelve hours, which nothing here may mind.
        assert one["not_after"] - one["not_before"] < 86_400
    assert found["failure"]["who"] == "customer"
