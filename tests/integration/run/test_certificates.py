"""A real ``edge serve`` orders from Pebble: asked over the API, killed in between, seen on disk."""

import asyncio
import os
import re
import signal
from pathlib import Path

from certs.issued import parse_chain
from edge.adapters.data_directory import read_vault
from edge.roster.snapshot import FILE_NAME, load
from tests.integration.certs.edges import OURS
from tests.integration.certs.pebble import Pebble, pebble
from tests.integration.run.calling import Client
from tests.integration.run.serving import Edge, finish, place, until

HOST = "email.mg.brand.example"


def environment(ca: Pebble) -> dict[str, str]:
    """Settings of an edge that orders from a Pebble."""
    return {
        "EDGE_PUBLIC_HOST": OURS,
        "EDGE_ACME_DIRECTORY": ca.directory,
        "EDGE_ACME_AGREE_TOS": "yes",
        "EDGE_ACME_CA_FILE": ca.ca_file,
        "EDGE_ACME_HTTP_PORT": str(ca.http_port),
        "EDGE_RESOLVERS": f"127.0.0.1:{ca.dns_port}",
    }


def ask(edge: Edge, ca: Pebble) -> str:
    """The customer's steps, with the control child killed once the order is made; the PEM."""

    def known() -> bool:
        snapshot = load(edge.data / FILE_NAME)
        ca.responder.thumbprint = snapshot.thumbprint if snapshot else ""
        return bool(ca.responder.thumbprint)

    until("the thumbprint is in the roster", known)
    client = Client(edge)
    client("POST", "/v4/domains", "name=mg.brand.example")
    status, body = client("POST", f"/v2/x509/{HOST}")
    assert status == 202, body
    until("an order", lambda: "Added order" in ca.log())
    os.kill(edge.children()["control"], signal.SIGKILL)

    def active() -> bool:
        if edge.get("/healthz")[0] != 200:
            return False
        status, answered = client("GET", body["location"])
        if status == 503:  # the new child does not have its database yet
            return False
        assert answered["status"] in {"processing", "active"}, answered
        return bool(answered["status"] == "active")

    until("active", active, 60)
    status, changed = client("PUT", "/v4/domains/mg.brand.example", "web_scheme=https")
    assert (status, "warning" in changed) == (200, False)
    certificate: str = client("GET", body["location"])[1]["certificate"]
    return certificate


async def test_a_customers_steps_with_the_control_child_killed(tmp_path: Path) -> None:
    """One order, one certificate, its key in a file of the service user's, days in the metrics."""
    slow = {"PEBBLE_VA_NOSLEEP": "0", "PEBBLE_VA_SLEEPTIME": "2"}
    async with pebble(reject=0, environment=slow) as ca:
        os.chmod(ca.place, 0o755)
        await ca.dns("set-cname", host=f"{HOST}.", target=f"{OURS}.")
        with place() as base:
            edge = Edge(base, **environment(ca)).start()
            try:
                await asyncio.to_thread(edge.ready)
                ca.responder.vault = read_vault(edge.data / "master.key")
                certificate = await asyncio.to_thread(ask, edge, ca)
                file = edge.data / "certificates" / f"{HOST}.pem"
                await asyncio.to_thread(until, "the key file", file.exists)
                assert file.stat().st_mode & 0o777 == 0o600
                assert file.stat().st_uid == (edge.data / FILE_NAME).stat().st_uid
                assert parse_chain(certificate)[0] == parse_chain(_chain(file))[0]
                assert ca.log().count("Added order ") == 1
                metrics = edge.get("/metrics")[1].decode()
                assert re.search(
                    rf'edge_certificate_days_left{{host="{HOST}"}} (5\.9|6\.0)', metrics
                )
                await asyncio.to_thread(until, "HSTS", lambda: _hsts(edge) == {HOST: 300})
            finally:
                await asyncio.to_thread(finish, edge)


def _chain(file: Path) -> str:
    text = file.read_text()
    return text[text.index("-----BEGIN CERTIFICATE") :]


def _hsts(edge: Edge) -> dict[str, int]:
    snapshot = load(edge.data / FILE_NAME)
    return snapshot.hsts if snapshot else {}
