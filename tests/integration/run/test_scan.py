"""A scanner's verdict on https: Mozilla's "intermediate", but for the root that nobody knows."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from certs.keys import new_key
from edge import service_user
from edge.clock import SystemClock
from edge.private_files import write_private
from tests.integration.run.secure import HOST, https_edge, visit
from tests.integration.run.serving import Edge, until
from tests.unit.certs.authority import DAY, TestAuthority

SSLYZE = "sslyze==6.3.1"
SCANNED = ("heartbleed", "openssl_ccs_injection", "robot", "session_renegotiation")


def scanner(directory: Path) -> Path:
    """A Python with sslyze, which wants other versions than ours, in an environment of its own."""
    place = directory / "sslyze"
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
    python = place / "bin" / "python"
    done = subprocess.run(
        [str(python), "-m", "pip", "install", "-q", SSLYZE],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"{SSLYZE} cannot be installed: {done.stderr.strip().splitlines()[-1:]}")
    return python


def issue(one: Edge) -> None:
    """Put a certificate of ninety days in place, as an authority would issue it."""
    authority, key, now = TestAuthority(), new_key(), SystemClock.now()
    leaf = authority.leaf(key, (HOST,), starts=now - 3600, ends=now + 90 * DAY)
    parts = (leaf, authority.intermediate)
    chain = b"".join(part.public_bytes(Encoding.PEM) for part in parts)
    path = one.data / "certificates" / f"{HOST}.pem"
    write_private(path, key.encode() + chain, service_user.find())

    def served() -> bool:
        with visit(one) as link:
            return link.certificate == leaf

    until("the new certificate from both workers", lambda: all(served() for _ in range(10)))


@pytest.mark.soak
def test_mozillas_intermediate_but_for_the_root(tmp_path: Path) -> None:
    """Versions, ciphers, groups, key, lifespan: all as Mozilla asks; no known weakness."""
    python = scanner(tmp_path)
    report = tmp_path / "report.json"
    with https_edge() as one:
        issue(one)
        done = subprocess.run(
            [
                *(str(python), "-m", "sslyze", "--mozilla_config=intermediate"),
                *("--sni", HOST, "--json_out", str(report), f"127.0.0.1:{one.https}"),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert "COMPLIANCE AGAINST TLS CONFIGURATION" in done.stdout, done.stdout + done.stderr
        verdict = done.stdout.split("COMPLIANCE AGAINST")[1]
        found = re.findall(r"^ +\* (\w+): ", verdict, re.MULTILINE)
        assert found == ["certificate_path_validation"], done.stdout[-1000:]
    (server,) = json.loads(report.read_text())["server_scan_results"]
    results = server["scan_result"]
    assert all(results[name]["status"] == "COMPLETED" for name in SCANNED)
    for version in ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"):
        assert results[f"{version}_cipher_suites"]["result"]["accepted_cipher_suites"] == []
    renegotiation = results["session_renegotiation"]["result"]
    assert not renegotiation["is_vulnerable_to_client_renegotiation_dos"]
