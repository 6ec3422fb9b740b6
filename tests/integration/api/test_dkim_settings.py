"""``PUT …/dkim_selector`` and ``…/dkim_authority``."""

import pytest

from edge.sending.homes import Homes, Ports
from edge.sending.routes import SANDBOX
from edge.store.pool import Pool
from tests.integration.api.worlds import OURS, World, serving

DOMAIN = f"/v3/domains/{OURS}"


async def _record_names(world: World) -> set[str]:
    shown = (await world.ask("GET", DOMAIN)).json["sending_dns_records"]
    return {one["name"] for one in shown if "_domainkey" in one["name"]}


async def test_a_selector_is_changed_and_signed_with(db: Pool) -> None:
    """The record's name and the sender's signature change together; the key does not."""
    async with serving(db) as world:
        assert await _record_names(world) == {f"edge1._domainkey.{OURS}"}
        homes = Homes(world.api.vault, world.clock, Ports(80, 443), SANDBOX)
        number = world.domains[OURS].number
        async with db.acquire() as conn:
            await homes.refresh(conn)
            home = homes.get(number)
            assert home is not None
            before = home.signer
            got = await world.ask("PUT", f"{DOMAIN}/dkim_selector", data={"dkim_selector": "May26"})
            assert (got.status, got.json) == (200, {"message": "DKIM selector changed"})
            world.clock.advance(2)
            await homes.refresh(conn)
            home = homes.get(number)
            assert home is not None
        assert home.signer.selector == "may26"
        assert home.signer.record() == before.record()
        assert await _record_names(world) == {f"may26._domainkey.{OURS}"}


@pytest.mark.parametrize("selector", ["", " ", "a b", "-a", "a..b", "ü", "x" * 64, "a;b", "'"])
async def test_a_selector_is_a_dns_name(db: Pool, selector: str) -> None:
    """Anything else is a 400, and nothing is changed."""
    async with serving(db) as world:
        got = await world.ask("PUT", f"{DOMAIN}/dkim_selector", data={"dkim_selector": selector})
        assert got.status == 400
        assert await _record_names(world) == {f"edge1._domainkey.{OURS}"}


@pytest.mark.parametrize("self_", ["yes", "no", "true", ""])
async def test_the_authority_is_never_changed(db: Pool, self_: str) -> None:
    """Each domain signs for itself, and the answer says that nothing is different."""
    async with serving(db) as world:
        got = await world.ask("PUT", f"{DOMAIN}/dkim_authority", data={"self": self_})
        assert got.message == "Domain DKIM authority has not been changed"
        assert got.json["changed"] is False
        shown = await world.ask("GET", DOMAIN)
        assert got.json["sending_dns_records"] == shown.json["sending_dns_records"]
        wrong = await world.ask("PUT", f"{DOMAIN}/dkim_authority", data={"self": "perhaps"})
        assert wrong.status == 400
