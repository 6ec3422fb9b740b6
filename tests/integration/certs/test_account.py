"""The account at the authority: shown, its contact, its key changed while an edge runs."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from certs.acme_client import AcmeClient
from certs.host import Host
from edge.adapters.certificate_account import AccountWork
from edge.adapters.certificate_storage import PostgresStorage
from edge.clock import SystemClock
from edge.model.certificate import KnownAuthority, Status
from edge.model.errors import NotFound, OperatorError, PeerError
from edge.roster.snapshot import FILE_NAME, load
from edge.sending.dns_records import issuer_of
from edge.store import authorities, certificates
from tests.integration.certs.edges import VAULT, Edge, edge, settings, wait_for
from tests.integration.certs.fault_proxy import URN, faulty
from tests.integration.certs.pebble import pebble
from tests.integration.certs.test_commands import Commands

FIRST, SECOND = "first.example", "second.example"


def thumbprint_of(one: Edge) -> str:
    """By which key an edge answers challenges now."""
    snapshot = load(one.place / FILE_NAME)
    return snapshot.thumbprint if snapshot else ""


def worker(one: Edge, **changes: Any) -> AccountWork:
    """What a command on that edge's installation works with."""
    return AccountWork(settings(one.ca, one.place), one.pool, VAULT, SystemClock(), **changes)


async def changed(account: AccountWork) -> list[str]:
    """Change the key; what is told."""
    return [line async for line in account.change_key()]


async def test_the_key_is_changed_while_an_edge_runs(database_url: str, tmp_path: Path) -> None:
    """Every edge answers by the new one, before and after it certificates come; the account stays.

    The old key is of no use any more, so whoever stole it can order nothing.
    """
    async with pebble(reject=0) as ca, edge(ca, database_url, tmp_path / "one") as one:
        run = Commands(tmp_path / "commands", database_url, ca)
        status, output = await run("account", "show")
        first = await one.add_host(FIRST)
        await one.request(first)
        await one.until(first, Status.ACTIVE)
        status, before = await run("account", "show", "--json")
        assert status == 0, before
        old = thumbprint_of(one)
        assert old in before
        assert "valid" in before
        async with one.pool.acquire() as conn:
            stolen = await certificates.account(conn, VAULT, ca.directory)
        assert stolen is not None
        status, output = await run("account", "rollover", "--yes")
        assert (status, "every edge answers by it" in output) == (0, True), output
        new = thumbprint_of(one)
        assert new != old
        assert new in output
        thief = AcmeClient(ca.directory, SystemClock(), user_agent="thief", ca_file=ca.ca_file)
        try:
            assert await asyncio.to_thread(thief.find_account, stolen.key) is None
        finally:
            thief.close()
        second = await one.add_host(SECOND)
        await one.request(second)
        await one.until(second, Status.ACTIVE)
        shown = (await run("account", "show", "--offline"))[1]
        assert new in shown
        url = f"https://localhost:{ca.port}/my-account/"
        address = next(word for word in before.replace('"', " ").split() if word.startswith(url))
        assert address.strip('",') in shown


async def test_a_change_waits_for_what_is_under_way(database_url: str, tmp_path: Path) -> None:
    """A challenge is answered by one key only: nothing is changed under a running order."""
    async with (
        pebble(reject=0) as ca,
        edge(ca, database_url, tmp_path / "one", orders=False) as one,
    ):
        host = await one.add_host(FIRST)
        storage = PostgresStorage(one.pool, VAULT, SystemClock())
        await storage.answer_as(ca.directory)
        await wait_for(lambda: known(one), lambda: "no thumbprint")
        before = thumbprint_of(one)
        await one.request(host)
        now = SystemClock.now()
        claim = await storage.claim("somebody", now, 60.0)
        assert claim is not None
        account = worker(one, quiet=0.3)
        try:
            with pytest.raises(PeerError, match=f"nothing was changed: {host}"):
                await changed(account)
            assert thumbprint_of(one) == before
            # The pause ended with the try: others may begin.
            await storage.release(claim, Host(host, due=now))
            again = await storage.claim("somebody", now + 1, 60.0)
            assert again is not None
            await one.request(await one.add_host(SECOND))
            async with asyncio.TaskGroup() as group:
                patient = group.create_task(changed(worker(one, quiet=30.0)))
                await wait_for(lambda: paused(one), lambda: "not announced")
                assert await storage.claim("another", now + 2, 60.0) is None
                async with one.pool.acquire() as conn:
                    assert await certificates.nudge(conn, host, now + 100)
            assert patient.result()[-1] == "every edge answers by it"
            assert await storage.claim("another", now + 101, 60.0) is not None
        finally:
            await account.close()


async def known(one: Edge) -> bool:
    """Whether an edge answers challenges, and the others know that."""
    async with one.pool.acquire() as conn:
        return bool(thumbprint_of(one)) and not await certificates.edges_behind(conn)


async def paused(one: Edge) -> bool:
    """Whether somebody announced a change."""
    async with one.pool.acquire() as conn:
        until = await conn.fetchval("SELECT max(paused_until) FROM acme_authorities")
    return bool(until)


async def test_a_change_that_the_authority_refuses_changes_nothing(
    database_url: str, tmp_path: Path
) -> None:
    """The key that it knows stays the one that answers, and orders go on."""
    async with (
        pebble(reject=0) as ca,
        faulty(ca) as proxy,
        edge(ca, database_url, tmp_path / "one", acme_directory=proxy.directory) as one,
    ):
        host = await one.add_host(FIRST)
        await one.request(host)
        await one.until(host, Status.ACTIVE)
        before = thumbprint_of(one)
        refusal = {"type": URN + "serverInternal", "detail": "not today"}
        proxy.answers["/rollover-account-key"] = (500, refusal, {})
        given = settings(ca, one.place, acme_directory=proxy.directory)
        account = AccountWork(given, one.pool, VAULT, SystemClock())
        try:
            with pytest.raises(OperatorError, match=r"the key was not changed: .*not today"):
                await changed(account)
            shown = await account.show(ask=True)
            assert (shown.thumbprint, shown.changing) == (before, False)
            assert shown.state is not None
            assert not await paused(one)
        finally:
            await account.close()
        other = await one.add_host(SECOND)
        await one.request(other)
        await one.until(other, Status.ACTIVE)


async def test_the_contact_is_the_settings(database_url: str, tmp_path: Path) -> None:
    """Given, replaced, and taken away again; without an account there is nothing to change."""
    async with pebble(reject=0) as ca, edge(ca, database_url, tmp_path, orders=False) as one:
        with pytest.raises(NotFound, match="no account"):
            await worker(one).change_contact()
        with pytest.raises(NotFound, match="no account"):
            await changed(worker(one))
        await PostgresStorage(one.pool, VAULT, SystemClock()).answer_as(ca.directory)
        for email, kept in (
            ("a@brand.org", ("mailto:a@brand.org",)),
            ("b@brand.org", ("mailto:b@brand.org",)),
            ("", ()),
        ):
            given = settings(ca, one.place, acme_email=email)
            account = AccountWork(given, one.pool, VAULT, SystemClock())
            try:
                assert (await account.change_contact()).contact == kept
                shown = await account.show(ask=True)
                assert shown.state is not None
                assert (shown.state.status, shown.state.contact) == ("valid", kept)
            finally:
                await account.close()


async def test_whom_caa_records_have_to_let_issue(database_url: str, tmp_path: Path) -> None:
    """What the authority's directory says, as soon as an edge read it; and our account there."""
    async with pebble(reject=0) as ca, faulty(ca) as proxy:

        def rewrite(path: str, answer: dict[str, Any]) -> None:
            if path == "/dir":
                answer["meta"]["caaIdentities"] = ["ca.example", "second.example"]

        proxy.rewrite = rewrite
        async with edge(ca, database_url, tmp_path, acme_directory=proxy.directory) as one:
            found: KnownAuthority | None = None

            async def noted() -> bool:
                nonlocal found
                async with one.pool.acquire() as conn:
                    found = await authorities.current(conn)
                return found is not None and found.identities is not None

            await wait_for(noted, lambda: f"not noted: {found}")
            host = await one.add_host(FIRST)
            await one.request(host)
            await one.until(host, Status.ACTIVE)
            await noted()
            issuer = issuer_of(found)
            assert issuer.identities == ("ca.example", "second.example")
            assert issuer.account is not None
            assert "/my-account/" in issuer.account


@pytest.mark.parametrize(
    ("directory", "identities", "expected"),
    [
        ("https://acme-v02.api.letsencrypt.org/directory", None, ("letsencrypt.org",)),
        ("https://acme-v02.api.letsencrypt.org/directory", ("ca.example",), ("ca.example",)),
        ("https://letsencrypt.org.evil.example/directory", None, ()),
        ("https://ca.example/dir", None, ()),
        ("https://ca.example/dir", (), ()),
    ],
)
def test_an_authority_that_was_not_read_yet(
    directory: str, identities: tuple[str, ...] | None, expected: tuple[str, ...]
) -> None:
    """Let's Encrypt's name is known by heart; nobody else's is."""
    given = KnownAuthority(directory=directory, account="https://a/1", identities=identities)
    assert issuer_of(given).identities == expected
    assert issuer_of(given).account == "https://a/1"
    assert issuer_of(None).identities == ("letsencrypt.org",)
