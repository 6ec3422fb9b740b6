"""The control port over HTTPS, and the key that the first run prints."""

import json
import os
import shlex
import signal
import ssl
import subprocess
from pathlib import Path

import pytest

from edge.model.errors import OperatorError
from edge.settings import load
from tests.integration.run.serving import Edge, command, finish, place, until
from tests.unit.adapters.test_listening import certificate


def _served(one: Edge) -> bytes:
    """The certificate that the control port shows; empty while it does not answer."""
    try:
        pem = ssl.get_server_certificate(("127.0.0.1", one.control), timeout=5)
    except OSError:
        return b""
    return ssl.PEM_cert_to_DER_cert(pem)


def _ask(one: Edge, key: str) -> tuple[int, bytes]:
    line = ["curl", "-sk", "-w", "%{http_code}", "--user", f"api:{key}"]
    url = f"https://127.0.0.1:{one.control}/v3/domains"
    done = subprocess.run([*line, url], capture_output=True, timeout=20, check=False)
    return int(done.stdout[-3:]), done.stdout[:-3]


def test_the_control_port_speaks_https_and_reloads_its_certificate() -> None:
    """The printed request works as pasted; SIGHUP brings a new certificate; keys can be ended."""
    with place() as base:
        cert, private = certificate(base)
        for path in (cert, private):
            path.chmod(0o644)
        settings = {
            "EDGE_CONTROL_TLS_CERT_FILE": str(cert),
            "EDGE_CONTROL_TLS_KEY_FILE": str(private),
        }
        one = Edge(base, **settings).start()
        try:
            until("greeting", lambda: "The edge is ready" in one.output)
            line = next(x.strip() for x in one.output.splitlines() if "--user" in x)
            done = subprocess.run(shlex.split(line), capture_output=True, timeout=20, check=True)
            assert json.loads(done.stdout)["message"] == "Queued. Thank you."
            first = _served(one)
            assert first
            certificate(base)
            os.kill(one.pid, signal.SIGHUP)
            until("a new certificate", lambda: _served(one) not in {b"", first})
            made = command(one, "apikey", "create", "--name", "late")
            assert made.returncode == 0, made.stderr
            key = made.stdout.split()[-1]
            assert _ask(one, key)[0] == 200
            assert key not in one.output
            assert command(one, "apikey", "revoke", "2").returncode == 0
            until("the end of the key", lambda: _ask(one, key)[0] == 401)
            assert one.stop() == 0
            assert command(one, "apikey", "list", "--json").stdout.count('"state"') == 2
            assert command(one, "apikey", "revoke", "2").returncode == 2
        finally:
            finish(one)


@pytest.mark.parametrize("given", ["control_tls_cert_file", "control_tls_key_file"])
def test_half_a_certificate_is_refused_at_the_start(tmp_path: Path, given: str) -> None:
    """Both settings or none."""
    cert, _ = certificate(tmp_path)
    with pytest.raises(OperatorError, match="EDGE_CONTROL_TLS_CERT_FILE and EDGE_CONTROL_TLS_KEY"):
        load(**{given: cert})
