"""``edge cert``, as an operator types it beside a running edge that orders from Pebble."""

import asyncio
import base64
import itertools
import json
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.x509 import load_pem_x509_certificate
from typer.testing import CliRunner

from certs.keys import new_key
from edge.cli import cert
from edge.model.certificate import Status
from edge.model.errors import CallerError, EdgeError
from tests.integration.certs.edges import OURS, Edge, edge, wait_for
from tests.integration.certs.pebble import Pebble, pebble
from tests.unit.certs.authority import NOW, TestAuthority


class Commands:
    """Runs commands on the installation of an edge; ``ca`` None: certificates are off.

    In a thread, beside the edge: what the edge logs meanwhile is in the commands' output, too.
    """

    def __init__(self, place: Path, url: str, ca: Pebble | None = None) -> None:
        place.mkdir(exist_ok=True)
        (place / "master.key").write_bytes(base64.b64encode(bytes(32)))
        self._environment: dict[str, str | None] = {
            "EDGE_DATA_DIR": str(place),
            "EDGE_DATABASE_URL": url,
        }
        if ca is not None:
            self._environment |= {
                "EDGE_ACME_DIRECTORY": ca.directory,
                "EDGE_ACME_AGREE_TOS": "yes",
                "EDGE_ACME_CA_FILE": ca.ca_file,
                "EDGE_PUBLIC_HOST": OURS,
            }

    async def __call__(self, *words: str) -> tuple[int, str]:
        """Exit status and everything printed."""
        return await asyncio.to_thread(self._run, words)

    def _run(self, words: tuple[str, ...]) -> tuple[int, str]:
        result = CliRunner().invoke(cert.app, list(words), env=self._environment)
        if isinstance(result.exception, EdgeError):
            status = 2 if isinstance(result.exception, CallerError) else 1
            return status, result.output + str(result.exception)
        return result.exit_code, result.output

    async def json(self, *words: str) -> Any:
        """What a command prints as JSON."""
        status, output = await self(*words, "--json")
        assert status == 0, output
        return json.loads(next(line for line in output.splitlines() if line.startswith('{"host"')))


async def serial_status(ca: Pebble, chain: str) -> str:
    """What Pebble says of a certificate: Valid or Revoked."""
    number = f"{load_pem_x509_certificate(chain.encode()).serial_number:x}"
    base = f"https://localhost:{ca.management}/cert-status-by-serial/"
    return str(json.loads(await ca.get(base + number))["Status"])


async def test_a_certificate_from_issue_to_revocation(database_url: str, tmp_path: Path) -> None:
    """Progress is shown; a renewal replaces it; revoked, the authority and every edge know."""
    async with pebble(reject=0) as ca, edge(ca, database_url, tmp_path / "one") as one:
        run = Commands(tmp_path / "commands", database_url, ca)
        host = await one.add_host("mg.brand.example")
        status, output = await run("issue", host)
        assert status == 0, output
        assert "1 of 1 hosts are new" in output
        assert "active" in output
        shown = await run.json("status", host)
        assert (shown["status"], shown["imported"], shown["failure"]) == ("active", False, None)
        first = await one.shown(host)
        status, output = await run("renew", host)
        assert (status, "active" in output) == (0, True), output
        second = await one.shown(host)
        assert second.chain != first.chain
        assert host in (await run("list"))[1]
        await one.until_file(host)
        status, output = await run("revoke", host, "--yes", "--reason", "4")
        assert (status, "is revoked" in output) == (0, True), output
        assert await serial_status(ca, second.chain) == "Revoked"
        assert await serial_status(ca, first.chain) == "Valid"
        assert (await run.json("status", host))["status"] == "none"

        async def gone() -> bool:
            return not one.file(host).exists()

        await wait_for(gone, lambda: "the key file stays")


async def test_a_failure_is_the_commands(database_url: str, tmp_path: Path) -> None:
    """It says what to create, and exits with 1."""
    async with pebble() as ca, edge(ca, database_url, tmp_path / "one") as one:
        run = Commands(tmp_path / "commands", database_url, ca)
        host = await one.add_host("mg.brand.example", cname="elsewhere.example")
        status, output = await run("issue", host)
        assert status == 1
        assert f"CNAME to {OURS}" in output
        output = (await run("status", host))[1]
        assert "customer" in output
        assert "elsewhere.example" in output


async def test_hosts_from_a_file_are_spread(database_url: str, tmp_path: Path) -> None:
    """At the pace of the authority's limits; one stranger among them, and nothing is done."""
    async with pebble() as ca, edge(ca, database_url, tmp_path / "one", orders=False) as one:
        run = Commands(tmp_path / "commands", database_url, ca)
        hosts = [await one.add_host(f"mg.brand{number}.example") for number in range(5)]
        source = tmp_path / "hosts.csv"
        lines = ["host,owner", "# ours", "", *(f"{host},somebody" for host in hosts), hosts[0]]
        source.write_text("\n".join([*lines, "email.stranger.example"]))
        status, output = await run("issue", "--from", str(source))
        assert (status, "email.stranger.example" in output) == (2, True)
        source.write_text("\n".join(lines))
        status, output = await run("issue", "--from", str(source))
        assert status == 0, output
        assert "5 of 5 hosts are new" in output
        async with one.pool.acquire() as conn:
            dues = await conn.fetch("SELECT due FROM certificate_hosts ORDER BY due")
        gaps = {round(b["due"] - a["due"]) for a, b in itertools.pairwise(dues)}
        assert gaps == {60}
        assert "0 of 5" in (await run("issue", "--from", str(source)))[1]


async def imported(one: Edge, run: Commands, host: str, *names: str) -> tuple[int, str]:
    """Import a certificate of a private authority; exit status and output."""
    authority, key, now = TestAuthority(), new_key(), time.time()
    chain, file = one.place / "chain.pem", one.place / "key.pem"
    chain.write_text(authority.chain(key, *names, starts=now - 3600, ends=now + 90 * 86_400))
    file.write_text(key)
    return await run("import", host, "--cert-file", str(chain), "--key-file", str(file))


async def test_a_certificate_of_ones_own(database_url: str, tmp_path: Path) -> None:
    """It is checked, served on every edge, ordered for no longer; ``issue`` goes back."""
    if not NOW - 1000 * 86_400 < time.time() < NOW + 900 * 86_400:
        pytest.skip("the private authority of the tests is not valid now")
    async with pebble(reject=0) as ca, edge(ca, database_url, tmp_path / "one") as one:
        run = Commands(tmp_path / "commands", database_url, ca)
        host = await one.add_host("mg.brand.example")
        await one.request(host)
        await one.until(host, Status.ACTIVE)
        status, output = await imported(one, run, host, "*.mg.brand.example", "x.example")
        assert status == 0, output
        shown = await run.json("status", host)
        assert (shown["status"], shown["imported"], shown["next-look"]) == ("active", True, None)
        assert round(shown["days-left"]) == 90
        assert (await run("renew", host))[0] == 2
        status, output = await imported(one, run, host, "other.example")
        assert (status, "is for other.example, not" in output) == (2, True), output
        status, output = await run("revoke", host, "--yes")
        assert (status, "told nothing" in output) == (0, True), output
        assert (await run("issue", host))[0] == 0
        assert not (await one.shown(host)).imported


async def test_certificates_that_are_off_name_the_settings(
    database_url: str, tmp_path: Path
) -> None:
    """Before anything is asked of the database."""
    run = Commands(tmp_path / "commands", database_url)
    for words in (("issue", "email.mg.brand.example"), ("renew", "email.mg.brand.example")):
        status, output = await run(*words)
        assert (status, "EDGE_ACME_DIRECTORY" in output) == (1, True)
    status, output = await run("status", "email.mg.brand.example")
    assert (status, "no tracking host" in output) == (2, True)
    assert "No host has a certificate" in (await run("list"))[1]
