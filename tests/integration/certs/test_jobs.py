"""Certificates as an edge keeps them: rows in Postgres, orders at Pebble, key files on disk."""

import asyncio
import multiprocessing
import re
import shutil
import stat
import time
from pathlib import Path

import pytest

from certs.issued import parse_chain
from edge.model.certificate import Status
from edge.model.vault import Vault
from edge.observe import metrics
from edge.roster.snapshot import FILE_NAME, load
from edge.store import certificates, domains, roster
from edge.store.pool import opened
from tests.integration.certs.edges import Seen, edge, wait_for, work
from tests.integration.certs.pebble import pebble
from tests.integration.certs.worlds import SHORT_LEASES

KINDS = ("first", "renewal")


def orders(log: str) -> int:
    """Orders that a Pebble made."""
    return log.count("Added order ")


async def test_a_requested_host_gets_its_certificate(database_url: str, tmp_path: Path) -> None:
    """From the row to the key file, to the roster's HSTS, with keys sealed in between."""
    async with pebble() as ca, edge(ca, database_url, tmp_path / "one") as one:
        host = await one.add_host("mg.brand.example", web_scheme="https")
        await one.request(host)
        shown = await one.until(host, Status.ACTIVE)
        leaf = parse_chain(shown.chain)[0]
        file = await one.until_file(host)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        text = file.read_text()
        assert text.startswith("-----BEGIN PRIVATE")
        assert parse_chain(text[text.index("-----BEGIN CERT") :])[0] == leaf
        assert (await one.until_hsts({host: 300})).thumbprint
        assert orders(ca.log()) == 1


async def test_only_a_host_that_leads_here_is_ordered_for(
    database_url: str, tmp_path: Path
) -> None:
    """A CNAME elsewhere is the customer's to mend: no order; mended, it goes on by itself."""
    async with pebble() as ca, edge(ca, database_url, tmp_path / "one") as one:
        host = await one.add_host("mg.brand.example", cname="mailgun.org")
        await one.request(host)
        shown = await one.until(host, Status.ERROR)
        assert shown.failure is not None
        assert "email.mg.brand.example → mailgun.org" in shown.failure["text"]
        assert "CNAME to edge.example.org" in shown.failure["text"]
        assert orders(ca.log()) == 0
        await ca.dns("set-cname", host=f"{host}.", target="edge.example.org.")
        await one.until(host, Status.ACTIVE)


async def test_two_edges_make_one_order_for_one_need(database_url: str, tmp_path: Path) -> None:
    """They share the rows; each edge has every key file."""
    async with (
        pebble(reject=0) as ca,
        edge(ca, database_url, tmp_path / "one") as one,
        edge(ca, database_url, tmp_path / "two", name="two") as two,
    ):
        hosts = [await one.add_host(f"mg{number}.brand{number}.example") for number in range(8)]
        for host in hosts:
            await one.request(host)
        for host in hosts:
            await one.until(host, Status.ACTIVE)
            for each in (one, two):
                await each.until_file(host)
        assert orders(ca.log()) == len(hosts)
        assert one.file(hosts[0]).read_text() == two.file(hosts[0]).read_text()


async def test_a_removed_domain_is_renewed_while_it_leads_here(
    database_url: str, tmp_path: Path
) -> None:
    """Its links are in mail already sent; its host goes to nobody else."""
    async with pebble() as ca, edge(ca, database_url, tmp_path / "one") as one:
        host = await one.add_host("mg.brand.example")
        await one.request(host)
        first = await one.until(host, Status.ACTIVE)
        async with one.pool.acquire() as conn:
            await domains.remove(conn, "mg.brand.example")
            assert await certificates.nudge(conn, host, time.time(), renew=True)

        async def renewed() -> bool:
            return (await one.shown(host)).chain != first.chain

        await wait_for(renewed, lambda: "not renewed")
        assert (await one.shown(host)).removed
        assert orders(ca.log()) == 2


async def test_a_renewal_changes_the_file_and_keeps_the_ramp(
    database_url: str, tmp_path: Path
) -> None:
    """The certificate was valid all the time, so browsers are told what they were told."""
    async with pebble() as ca, edge(ca, database_url, tmp_path / "one") as one:
        host = await one.add_host("mg.brand.example", web_scheme="https")
        await one.request(host)
        await one.until(host, Status.ACTIVE)
        file = await one.until_file(host)
        before = file.read_text()
        counted = {kind: metrics.CERTIFICATES_STORED.labels(kind)._value.get() for kind in KINDS}
        assert counted["first"] >= 1
        async with one.pool.acquire() as conn:
            await conn.execute("UPDATE certificates SET healthy_since = healthy_since - 700000")
            assert await certificates.nudge(conn, host, time.time(), renew=True)

        async def replaced() -> bool:
            return file.read_text() != before

        await wait_for(replaced, lambda: "not replaced")
        snapshot = load(one.place / FILE_NAME)
        assert snapshot is not None
        assert snapshot.hsts == {host: 30 * 86_400}
        for kind, more in zip(KINDS, (0, 1), strict=True):
            now = metrics.CERTIFICATES_STORED.labels(kind)._value.get()
            assert now - counted[kind] == more, kind


async def test_nothing_is_ordered_before_every_edge_can_answer(
    database_url: str, tmp_path: Path
) -> None:
    """The authority may ask any of them; one that died a minute ago is not waited for."""
    async with pebble() as ca, opened(database_url) as db:
        async with db.acquire() as conn:
            await roster.acknowledge(conn, "slow", "slow", 0)
        async with edge(ca, database_url, tmp_path / "one") as one:
            host = await one.add_host("mg.brand.example")
            await one.request(host)
            await asyncio.sleep(2)
            assert orders(ca.log()) == 0
            async with db.acquire() as conn:
                await conn.execute(
                    "UPDATE edges SET seen_at = now() - interval '61 seconds' WHERE id = 'slow'"
                )
            await one.until(host, Status.ACTIVE)


async def test_a_wrong_master_key_orders_and_serves_nothing(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says so; what another edge serves stays."""
    async with pebble(reject=0) as ca:
        async with edge(ca, database_url, tmp_path / "one") as one:
            host = await one.add_host("mg.brand.example")
            await one.request(host)
            await one.until(host, Status.ACTIVE)
            served = (await one.until_file(host)).read_text()
        wrong = Vault(bytes(31) + b"x")
        capsys.readouterr()
        async with edge(ca, database_url, tmp_path / "two", name="two", vault=wrong) as two:
            other = await two.add_host("mg.second.example")
            await two.request(other)
            await asyncio.sleep(2)
            assert (await two.shown(other)).status(time.time()) is Status.PROCESSING
            assert not two.file(host).exists()
        assert orders(ca.log()) == 1
        assert one.file(host).read_text() == served
        printed = capsys.readouterr().out
        assert "the master key does not open acme-account" in printed
        assert "the master key does not open certificate:email" in printed


async def test_a_host_forgotten_while_its_order_runs(database_url: str, tmp_path: Path) -> None:
    """Nothing is stored for it, no file comes back, and the jobs go on with others."""
    async with (
        pebble(environment={"PEBBLE_VA_NOSLEEP": "0", "PEBBLE_VA_SLEEPTIME": "3"}) as ca,
        edge(ca, database_url, tmp_path / "one") as one,
    ):
        host = await one.add_host("mg.brand.example")
        await one.request(host)

        async def ordering() -> bool:
            return orders(ca.log()) == 1

        await wait_for(ordering, lambda: "no order")
        async with one.pool.acquire() as conn:
            await certificates.forget(conn, host)
        other = await one.add_host("mg.second.example")
        await one.request(other)
        await one.until(other, Status.ACTIVE)
        await asyncio.sleep(3.5)
        assert (await one.shown(host)).status(time.time()) is Status.NONE
        assert not one.file(host).exists()


async def test_a_failed_host_is_tried_on_staging_first(database_url: str, tmp_path: Path) -> None:
    """With the same account key, so that the same thumbprint answers there."""
    async with pebble(reject=0) as ca, pebble(reject=0) as staging:
        staging.stop()
        for name in ("ca.pem", "key.pem"):  # one setting names the roots of both
            shutil.copy(ca.place / name, staging.place / name)
        await staging.start()
        async with edge(
            ca,
            database_url,
            tmp_path / "one",
            acme_staging_directory=staging.directory,
        ) as one:

            async def known() -> bool:
                staging.responder.thumbprint = ca.responder.thumbprint
                return bool(ca.responder.thumbprint)

            await wait_for(known, lambda: "no thumbprint")
            host = await one.add_host("mg.brand.example")
            ca.responder.silent.add(host)
            await one.request(host)
            await one.until(host, Status.ERROR)
            ca.responder.silent.clear()
            await one.until(host, Status.ACTIVE)
        assert (orders(ca.log()), orders(staging.log())) == (2, 1)


@pytest.mark.parametrize("step", ["Added order", "Pulled a task", "Order .* is fully authorized"])
async def test_a_killed_control_child_leaves_one_order(
    database_url: str, tmp_path: Path, step: str
) -> None:
    """Its lease runs out, and another edge goes on with the same order and the same key."""
    slow = {"PEBBLE_VA_NOSLEEP": "0", "PEBBLE_VA_SLEEPTIME": "2"}
    async with (
        pebble(reject=0, environment=slow) as ca,
        edge(ca, database_url, tmp_path / "two", name="two", orders=False) as two,
    ):
        host = await two.add_host("mg.brand.example")
        await two.request(host)
        seen = Seen(ca.directory, ca.ca_file, ca.http_port, ca.dns_port)
        context = multiprocessing.get_context("spawn")
        child = context.Process(target=work, args=(seen, database_url, str(tmp_path / "one")))
        child.start()

        async def reached() -> bool:
            return re.search(step, ca.log()) is not None

        await wait_for(reached, lambda: f"no {step}: {ca.log()[-2000:]}")
        child.kill()
        child.join(10)
        async with edge(
            ca, database_url, tmp_path / "three", name="three", options=SHORT_LEASES
        ) as three:
            await three.until(host, Status.ACTIVE)
        assert orders(ca.log()) == 1
