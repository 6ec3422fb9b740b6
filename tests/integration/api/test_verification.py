"""``PUT …/verify``: Mailgun's answer, the findings beside it, and what GET then shows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import mailgun.client
import pytest

from edge.doctor.examine import Doctor
from edge.doctor.look import Looker
from edge.model.probe import probe_secret
from edge.model.vault import Vault
from edge.store import domain_checks
from edge.store.pool import Pool
from tests.integration.api.worlds import OTHER, OURS, World, sending_key, serving
from tests.integration.doctor.nameserver import resolver
from tests.integration.doctor.port_80 import edge_of, listening

EDGE = "edge.example.org"
SECRET = probe_secret(Vault(bytes(32)))
Zone = dict[tuple[str, str], list[str] | str]


@asynccontextmanager
async def _served(db: Pool, zone: Zone) -> AsyncIterator[World]:
    async with resolver(zone) as dns, listening(edge_of(SECRET)) as (port, _):
        doctor = Doctor(Looker([dns.server], timeout=1), SECRET, http_port=port)
        async with serving(db, examiner=doctor) as world:
            yield world


def _records(answer: Any) -> list[dict[str, Any]]:
    return [*answer.json["sending_dns_records"], *answer.json["receiving_dns_records"]]


def _as_zone(records: list[dict[str, Any]]) -> Zone:
    """A zone with exactly the records that were asked for."""
    zone: Zone = {(EDGE, "A"): ["127.0.0.1"]}
    for one in records:
        value = str(one["value"])
        text = {
            "TXT": " ".join(f'"{value[at : at + 255]}"' for at in range(0, len(value), 255)),
            "MX": f"{one.get('priority')} {value}.",
        }.get(one["record_type"], f"{value}.")
        zone[one["name"], one["record_type"]] = [text]
    return zone


@pytest.mark.parametrize("base", ["/v3/domains", "/v4/domains"])
async def test_from_unknown_to_valid_and_back(db: Pool, base: str) -> None:
    """Unknown before; as it is after; GET shows the last look-up, and unknown a day later."""
    zone: Zone = {(EDGE, "A"): ["127.0.0.1"]}
    async with _served(db, zone) as world:
        before = await world.ask("GET", f"{base}/{OURS}")
        assert {one["valid"] for one in _records(before)} == {"unknown"}
        none = await world.ask("PUT", f"{base}/{OURS}/verify")
        assert (none.status, none.message) == (200, "Domain DNS records have been updated")
        assert {one["valid"] for one in _records(none)} == {"invalid"}
        assert {one["code"] for one in none.json["findings"]} == {
            *("cname-missing", "dkim-missing", "spf-missing", "mx-missing"),
        }
        assert none.json["domain"] == before.json["domain"]
        assert none.json["domain"]["state"] == "active"

        zone.update(_as_zone(_records(before)))
        good = await world.ask("PUT", f"{base}/{OURS}/verify")
        assert good.json["findings"] == []
        for one in _records(good):
            assert (one["valid"], one["is_active"]) == ("valid", True)
            wanted = f"10 {EDGE}" if one["record_type"] == "MX" else one["value"]
            assert one["cached"] == [wanted]
        after = await world.ask("GET", f"{base}/{OURS}")
        assert _records(after) == _records(good)
        assert "findings" not in after.json

        world.clock.advance(domain_checks.FRESH_US / 1e6 + 1)
        later = await world.ask("GET", f"{base}/{OURS}")
        assert _records(later) == _records(before)


async def test_a_changed_record_is_unknown_until_it_is_looked_up(db: Pool) -> None:
    """What was verified for one tracking host says nothing about the next."""
    zone: Zone = {}
    async with _served(db, zone) as world:
        zone.update(_as_zone(_records(await world.ask("GET", f"/v3/domains/{OURS}"))))
        await world.ask("PUT", f"/v3/domains/{OURS}/verify")
        changed = await world.ask("PUT", f"/v3/domains/{OURS}", data={"web_prefix": "t"})
        states = {one["name"]: one["valid"] for one in _records(changed)}
        assert states[f"t.{OURS}"] == "unknown"
        assert states[OURS] == "valid"
        assert (await world.ask("PUT", f"/v3/domains/{OURS}/verify")).json["findings"][0][
            "code"
        ] == "cname-missing"


async def test_resolvers_that_are_down_leave_it_unknown(db: Pool) -> None:
    """Nothing is called invalid that nobody could look up, and the domain goes on as it is."""
    async with resolver(lambda _: None) as dns:
        doctor = Doctor(Looker([dns.server], timeout=0.05), SECRET, http_port=9)
        async with serving(db, examiner=doctor) as world:
            answer = await world.ask("PUT", f"/v3/domains/{OURS}/verify")
            assert answer.status == 200
            assert {one["valid"] for one in _records(answer)} == {"unknown"}
            assert answer.json["domain"]["state"] == "active"


async def test_the_python_sdk_verifies(db: Pool) -> None:
    """Mailgun's own client asks for it as ``verify=True``."""
    async with _served(db, {}) as world:

        def ask() -> Any:
            client = mailgun.client.Client(auth=("api", world.key), api_url=world.url)
            return client.domains.put(domain=OURS, verify=True).json()

        answer = await asyncio.to_thread(ask)
    assert answer["message"] == "Domain DNS records have been updated"
    assert answer["sending_dns_records"][0]["valid"] == "invalid"


async def test_too_many_at_a_time_are_told_to_come_back(
    db: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 with Retry-After, and the reason, rather than a request that hangs."""
    monkeypatch.setattr("edge.doctor.examine.MOST_WAITING", 0)
    async with _served(db, {}) as world:
        answer = await world.ask("PUT", f"/v3/domains/{OURS}/verify")
    assert (answer.status, "Retry-After" in answer.headers) == (503, True)
    assert "being looked up" in answer.message


async def test_who_may_verify(db: Pool) -> None:
    """A key of the domain may; one of another, one that only sends, and none may not."""
    async with _served(db, {}) as world:
        own = await world.make_key(domain=OURS)
        other = await world.make_key(domain=OTHER)
        path = f"/v3/domains/{OURS}/verify"
        assert (await world.ask("PUT", path, key=own)).status == 200
        assert (await world.ask("PUT", path, key=other)).message == "Domain not found"
        assert (await world.ask("PUT", path, key=await sending_key(world))).status == 403
        assert (await world.ask("PUT", path, key="")).status == 401
        assert (await world.ask("PUT", "/v3/domains/none.example/verify")).status == 404
        assert (await world.ask("GET", path)).status in {404, 405}


async def test_hostile_records_are_kept_and_shown(db: Pool) -> None:
    """NUL, controls and bytes that are no UTF-8 in TXT records reach neither table nor terminal."""
    zone: Zone = {
        (EDGE, "A"): ["127.0.0.1"],
        (f"edge1._domainkey.{OURS}", "TXT"): ['"v=DKIM1; p=\\000\\027\\255"'],
    }
    async with _served(db, zone) as world:
        answer = await world.ask("PUT", f"/v3/domains/{OURS}/verify")
        assert answer.status == 200
        (dkim,) = [one for one in _records(answer) if "_domainkey" in one["name"]]
        assert (dkim["valid"], dkim["cached"]) == ("invalid", ["v=DKIM1; p=\ufffd\ufffd\ufffd"])
        assert "dkim-broken" in {one["code"] for one in answer.json["findings"]}


async def test_an_older_examination_does_not_replace_a_newer(db: Pool) -> None:
    """Two that overlap: the later look-up stands."""
    async with _served(db, {}) as world, world.api.connection() as conn:
        number = world.domains[OURS].number
        for at in (2_000_000, 1_000_000):
            await domain_checks.put(conn, number, domain_checks.DomainCheck(at, [], []))
        found = await domain_checks.recent(conn, number, 3_000_000)
        assert found is not None
        assert found.checked_at == 2_000_000
