"""``edge domain check`` as an operator runs it."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import TypeVar

import pytest

from edge.cli import domain
from edge.model.errors import NotFound
from edge.model.probe import probe_secret
from edge.model.vault import Vault
from tests.integration.doctor.nameserver import resolver
from tests.integration.doctor.port_80 import edge_of, listening
from tests.integration.doctor.worlds import EDGE, GOOD, HOST
from tests.integration.store.test_commands import MASTER, World
from tests.integration.store.test_commands import world as world_fixture

world = world_fixture
NAME = "mg.example.com"
Zone = dict[tuple[str, str], list[str] | str]
T = TypeVar("T")


@contextmanager
def in_background(make: Callable[[], AbstractAsyncContextManager[T]]) -> Iterator[T]:
    """An asynchronous context on a loop in another thread: commands run a loop of their own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        context = make()
        entered = asyncio.run_coroutine_threadsafe(context.__aenter__(), loop).result(10)
        try:
            yield entered
        finally:
            leaving = context.__aexit__(None, None, None)
            asyncio.run_coroutine_threadsafe(leaving, loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@asynccontextmanager
async def _outside(zone: Zone) -> AsyncIterator[tuple[str, int]]:
    """A resolver and an edge on port 80; the former's address and the latter's port."""
    secret = probe_secret(Vault(MASTER))
    async with resolver(zone) as dns, listening(edge_of(secret)) as (port, _):
        yield f"127.0.0.1:{dns.server[1]}", port


def test_findings_are_printed_with_their_mend(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 1 and every finding while anything is wrong; exit 0 when all is mended."""
    zone: Zone = {(EDGE, "A"): ["127.0.0.1"]}
    with in_background(lambda: _outside(zone)) as (dns, port):
        monkeypatch.setenv("EDGE_RESOLVERS", dns)
        monkeypatch.setenv("EDGE_ACME_HTTP_PORT", str(port))
        monkeypatch.setenv("EDGE_PUBLIC_HOST", EDGE)
        (added,) = world.json(domain.app, "add", NAME)
        failed = world.run(domain.app, "check", NAME)
        assert failed.exit_code == 1
        assert f"error: cname-missing ({HOST})" in failed.stdout
        assert f"mend:     Create the record: {HOST}. CNAME {EDGE}." in failed.stdout
        assert f"invalid  CNAME  {HOST}" in failed.stdout

        as_json = world.run(domain.app, "check", NAME, "--json")
        assert as_json.exit_code == 1
        (line,) = as_json.stdout.splitlines()
        report = json.loads(line)
        assert (report["domain"], report["ok"]) == (NAME, False)
        codes = {one["code"]: one["severity"] for one in report["findings"]}
        assert codes == {
            "cname-missing": "error",
            "dkim-missing": "error",
            "mx-missing": "error",
            "spf-missing": "warning",
        }
        assert all(one["seen"] and one["mend"] for one in report["findings"])

        (dkim,) = [one for one in added["dns"] if one["purpose"] == "DKIM"]
        value = dkim["value"]
        zone.update(GOOD)
        zone[dkim["name"], "TXT"] = [f'"{value[:200]}" "{value[200:]}"']
        good = world.run(domain.app, "check", NAME)
        assert (good.exit_code, good.stdout.splitlines()[-1]) == (
            *(0, f"Nothing is wrong with {NAME}."),
        )
        assert good.stdout.count("valid    ") == 5


def test_a_domain_that_is_not_there(world: World) -> None:
    """Unknown and removed domains are not looked up."""
    with pytest.raises(NotFound, match="no domain"):
        world.run(domain.app, "check", "none.example")
    world.output(domain.app, "add", NAME)
    world.output(domain.app, "remove", NAME)
    with pytest.raises(NotFound, match="is removed"):
        world.run(domain.app, "check", NAME)
