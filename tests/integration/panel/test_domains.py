"""Domains: added, switched, checked, given certificates and keys, and removed."""

import re

from certs.errors import CustomerError
from edge.model.domain import DEFAULT_FOOTERS, Domain
from edge.store import api_keys, certificates, credentials, domain_settings, domains
from edge.store.panel_users import Role
from edge.store.pool import Pool
from tests.integration.panel.seeding import DOMAIN, seed
from tests.integration.panel.worlds import serving

BASE = f"/domains/{DOMAIN}"
HOST = f"email.{DOMAIN}"


async def test_a_domain_from_adding_to_removing(db: Pool) -> None:
    """Its records are shown with what is to be copied; its name has to be typed to remove it."""
    async with serving(db) as world, world.visitor(Role.OWNER) as owner:
        for wrong in ("", "nodots", "a b.c", "-x.example"):
            assert (await owner.post("/domains", {"name": wrong})).status == 400
        added = await owner.post("/domains", {"name": "MG.Example.com", "web_prefix": "link"})
        assert added.location == f"{BASE}?done=added"
        page = await owner.get(BASE)
        for words in (
            "link.mg.example.com",
            "edge.example.org",
            "v=DKIM1",
            "v=spf1",
            "not checked",
        ):
            assert words in page.words
        copied = re.findall(r'data-copy="([^"]+)"', page.text)
        assert len(copied) == 10
        again = await owner.post("/domains", {"name": DOMAIN})
        assert (again.status, "exists already" in again.words) == (400, True)
        assert (await owner.post(f"{BASE}/remove", {"again": "other"})).status == 400
        assert (await owner.post(f"{BASE}/remove", {"again": DOMAIN})).status == 303
        for path in (BASE, f"{BASE}/keys", f"{BASE}/certificate", f"{BASE}/footers/preview"):
            assert (await owner.get(path)).status == 404


async def test_switches_footers_and_retention(db: Pool) -> None:
    """A box without a tick is off; footers keep their line ends; wrong values change nothing."""
    async with db.acquire() as conn:
        await seed(conn, attacks=False, more=1)
    async with serving(db) as world, world.visitor(Role.OWNER) as owner:
        switches = {"open": "on", "click": "htmlonly", "unsubscribe_on_get": "on"}
        assert (await owner.post(f"{BASE}/tracking", switches)).status == 303
        footers = {"html_footer": "<p>a</p>\r\n<p>b</p>\r\n", "text_footer": ""}
        assert (await owner.post(f"{BASE}/footers", footers)).status == 303
        assert (await owner.post(f"{BASE}/retention", {"retention_days": "7"})).status == 303
        async with db.acquire() as conn:
            found = await domains.get(conn, DOMAIN)
            settings = await domain_settings.get(conn, found.number)
        switched = (found.open, found.click, found.unsubscribe, found.unsubscribe_on_get)
        assert switched == (True, "htmlonly", False, True)
        assert found.retention_days == 7
        assert (settings.html_footer, settings.text_footer) == ("<p>a</p>\n<p>b</p>\n", "")
        for path, wrong in (
            ("tracking", {"click": "sometimes"}),
            ("retention", {"retention_days": "0"}),
            ("retention", {"retention_days": "soon"}),
            ("footers", {"html_footer": "x" * 70_000}),
            ("footers", {"html_footer": "\0"}),
        ):
            assert (await owner.post(f"{BASE}/{path}", wrong)).status == 400, wrong
        assert (await owner.post(f"{BASE}/footers", {"restore": "yes"})).status == 303
        async with db.acquire() as conn:
            settings = await domain_settings.get(conn, found.number)
        assert settings.html_footer == DEFAULT_FOOTERS.html


async def test_https_is_switched_on_without_a_certificate_only_by_who_insists(db: Pool) -> None:
    """The page says that every link would be dead."""
    async with db.acquire() as conn:
        await seed(conn, attacks=False, more=1)
    async with serving(db) as world, world.visitor(Role.OWNER) as owner:
        page = await owner.post(f"{BASE}/scheme", {"web_scheme": "https"})
        assert (page.status, "would be dead" in page.words) == (400, True)
        forced = {"web_scheme": "https", "anyway": "on"}
        assert (await owner.post(f"{BASE}/scheme", forced)).status == 303
        assert "links are dead" in (await owner.get(BASE)).words
        assert (await owner.post(f"{BASE}/scheme", {"web_scheme": "http"})).status == 303


async def test_one_click_orders_a_certificate_once_dns_is_right(db: Pool) -> None:
    """The gate's words are shown; then there is an order, and the page looks again by itself."""
    async with db.acquire() as conn:
        await seed(conn, attacks=False, more=1)
    asked: list[str] = []

    async def gate(host: str) -> None:
        asked.append(host)
        if len(asked) == 1:
            raise CustomerError("the CNAME leads elsewhere")

    async with serving(db) as world, world.visitor(Role.OWNER) as owner:
        page = await owner.post(f"{BASE}/certificate")
        assert (page.status, "EDGE_ACME_DIRECTORY" in page.words) == (400, True)
    async with serving(db, gate=gate) as world, world.visitor(Role.OWNER) as owner:
        assert "Issue a certificate" in (await owner.get(BASE)).words
        page = await owner.post(f"{BASE}/certificate")
        assert (page.status, "the CNAME leads elsewhere" in page.words) == (400, True)
        async with db.acquire() as conn:
            assert (await certificates.show(conn, HOST)).state is None  # type: ignore[union-attr]  # it is there
        assert (await owner.post(f"{BASE}/certificate")).location == f"{BASE}?done=ordered"
        assert asked == [HOST, HOST]
        fragment = await owner.get(f"{BASE}/certificate")
        assert "on its way" in fragment.words
        assert 'hx-trigger="every 2s"' in fragment.text
        assert "<html" not in fragment.text
        assert "Issue a certificate" not in (await owner.get(BASE)).words


async def test_a_check_of_dns_is_shown_with_what_mends_it(db: Pool) -> None:
    """A resolver that answers nothing is a finding too."""
    async with db.acquire() as conn:
        await seed(conn, attacks=False, more=1)
    async with serving(db) as world, world.visitor(Role.OWNER) as owner:
        assert (await owner.post(f"{BASE}/check")).location == f"{BASE}?done=checked"
        page = await owner.get(BASE)
        assert "dns-failed" in page.words
        assert "EDGE_RESOLVERS" in page.words
        assert "something is wrong" in (await owner.get("/domains")).words


async def test_secrets_are_shown_once_and_work(db: Pool) -> None:
    """API keys and SMTP logins: made, used, ended; those of other domains are out of reach."""
    async with db.acquire() as conn:
        await seed(conn, attacks=False, more=1)
        await domains.add(conn, Domain(number=0, name="other.example"), now_us=1)
        _, foreign = await api_keys.create(conn, "foreign", now_us=1, domain="other.example")
    async with serving(db) as world, world.visitor(Role.OWNER) as owner:
        page = await owner.post(
            f"{BASE}/keys", {"name": "shop <b>", "role": "sending", "days": "9"}
        )
        key = re.search(r"key-[0-9a-f]{12}-[\w-]{43}", page.text)
        assert key is not None
        async with db.acquire() as conn:
            found = await api_keys.find(conn, key[0])
        assert found is not None
        assert (found.domain_name, found.role.value) == (DOMAIN, "sending")
        assert found.live(world.clock.now_us())
        assert key[0] not in (await owner.get(f"{BASE}/keys")).text
        assert (await owner.post(f"{BASE}/keys/revoke", {"id": str(foreign)})).status == 400
        assert (await owner.post(f"{BASE}/keys/revoke", {"id": str(found.id)})).status == 303
        for wrong in ({"name": ""}, {"name": "a", "role": "king"}, {"name": "a", "days": "-1"}):
            assert (await owner.post(f"{BASE}/keys", wrong)).status == 400, wrong
        page = await owner.post(f"{BASE}/logins", {"login": "Ann"})
        password = page.text.split('<code class="once">')[1].split("<")[0]
        async with db.acquire() as conn:
            assert await credentials.verify(conn, f"ann@{DOMAIN}", password) == found.domain
        page = await owner.post(f"{BASE}/logins/reset", {"login": f"ann@{DOMAIN}"})
        async with db.acquire() as conn:
            assert await credentials.verify(conn, f"ann@{DOMAIN}", password) is None
        assert (await owner.post(f"{BASE}/logins", {"login": "ann"})).status == 400
        assert (await owner.post(f"{BASE}/logins", {"login": "ann@other.example"})).status == 400
        assert (await owner.post(f"{BASE}/logins/remove", {"login": "ann"})).status == 303
        assert (await owner.post(f"{BASE}/logins/remove", {"login": "ann"})).status == 400
