"""A key of one domain learns nothing of another: generated over every route with a domain in it."""

import re
from urllib.parse import unquote

import pytest

from edge.api.routes import ROUTES, Route
from edge.store.pool import Pool
from tests.integration.api.worlds import OTHER, OURS, serving

SCOPED = [route for route in ROUTES if "{name}" in route.path]
NAMES = (OTHER, "none.example.com", "localhost", "a%00b.example", "%27%3B--.example")


@pytest.mark.parametrize("route", SCOPED, ids=lambda r: f"{r.method} {r.path}")
async def test_another_domain_does_not_exist_for_a_domains_key(db: Pool, route: Route) -> None:
    """404 ``Domain not found``, word for word as for a domain that nobody has; nothing changes."""
    async with serving(db) as world:
        key = await world.make_key(domain=OURS)
        body = {"login": "ann", "password": "12345678", "active": "yes"}
        before = (await world.ask("GET", f"/v3/domains/{OTHER}/tracking")).json
        for name in NAMES:
            path = re.sub(r"\{\w+\}", "1", route.path.replace("{name}", name))
            sent = {} if route.method == "GET" else {"data": body}
            got = await world.ask(route.method, path, key=key, **sent)
            assert got.status == 404, name
            # Where it sends, Mailgun names the domain: as it was asked for, whatever that is.
            assert got.message in ("Domain not found", f"Domain not found: {unquote(name)}"), name
        assert (await world.ask("GET", f"/v3/domains/{OTHER}/tracking")).json == before
        assert (await world.ask("GET", f"/v3/domains/{OTHER}/credentials")).json["items"] == []


def test_every_scoped_route_is_tested() -> None:
    """The list above is not empty, and holds every verb."""
    assert {route.method for route in SCOPED} == {"GET", "POST", "PUT", "DELETE"}
