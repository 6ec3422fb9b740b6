"""Every route for every role, every write forged, every name that is not ours."""

from html.parser import HTMLParser

import pytest

from edge.panel.guard import HEADERS
from edge.panel.permissions import ALLOWED, Permit
from edge.panel.routes import ACTIONS, ROUTES, Route
from edge.store.panel_users import Role
from edge.store.pool import Pool
from tests.integration.panel.seeding import DOMAIN, seed
from tests.integration.panel.worlds import serving

WRITES = [route for route in ROUTES if route.method == "POST"]
FORBIDDEN = {
    Role.SUPPORT: {"/users", "/audit", f"/domains/{DOMAIN}/keys", "/webhooks/key"},
    Role.ANALYST: {
        "/users",
        "/audit",
        f"/domains/{DOMAIN}/keys",
        "/messages",
        "/welcome",
        "/webhooks/key",
        "/webhooks/replays/none",
    },
    Role.OWNER: set(),
}
"""Pages that a role must not see, whatever the table in the code says."""

TRIES = ("/pause", "/resume", "/test", "/again", "/replay", "/start", "/stop")
"""What support may do with webhooks; the rest of them is the owner's."""

MAY_WRITE = {
    Role.OWNER: {route.path for route in WRITES},
    Role.SUPPORT: {
        route.path
        for route in WRITES
        if route.path.startswith(("/account", "/suppressions", "/log", "/first-run"))
        or (route.path.startswith("/webhooks") and route.path.endswith(TRIES))
    },
    Role.ANALYST: {
        route.path for route in WRITES if route.path.startswith(("/account", "/log", "/first-run"))
    },
}


class _Inline(HTMLParser):
    """Everything in a page that a script could be."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: (value or "").strip().lower() for name, value in attrs}
        if tag in {"style", "svg", "object", "embed"} or (tag == "script" and "src" not in told):
            self.found.append(tag)
        for name, value in told.items():
            if name.startswith(("on", "hx-on")) or name in {"style", "srcdoc"}:
                self.found.append(name)
            if name in {"href", "src", "action", "formaction"} and not value.startswith(
                ("/", "#", "http://127.0.0.1", "data:image/")
            ):
                self.found.append(f"{name}={value}")


def inline(html: str) -> list[str]:
    """What of a page its policy would have to forbid."""
    parser = _Inline()
    parser.feed(html)
    return parser.found


def path_of(route: Route, event: str) -> str:
    """A path of the route on the seeded database."""
    known = {
        "/static/{name:.+}": "/static/panel.css",
        "/messages/{name}/{delivery}": f"/messages/{DOMAIN}/outbox-1",
    }
    path = known.get(route.path, route.path)
    path = path.replace("{name}", DOMAIN).replace("{delivery}", "outbox-1").replace("{id}", event)
    path = path.replace("{number}", "1").replace("{job}", "none")
    assert "{" not in path
    return path


async def test_every_route_answers_every_role_as_the_table_says(db: Pool) -> None:
    """Nobody is led to the login; who may not is refused; who may is served; nothing is a 5xx."""
    async with db.acquire() as conn:
        event = (await seed(conn, more=5))[0]
    async with serving(db) as world:
        for route in ROUTES:
            path = path_of(route, event)
            async with world.visitor() as nobody:
                page = await nobody.ask(
                    route.method, path, headers={"Origin": world.url, "Content-Length": "0"}
                )
                if route.need is None:
                    assert page.status < 500, path
                elif route.method == "POST":
                    assert page.status == 403, path
                else:
                    assert page.location.startswith("/login"), path
            for role in Role:
                async with world.visitor(role) as visitor:
                    if route.method == "GET":
                        page = await visitor.get(path)
                    else:
                        page = await visitor.post(path)
                    may = route.need is None or route.need in ALLOWED[role]
                    assert (page.status == 403) is not may, (role, route.method, path, page.words)
                    assert page.status < 500, (role, path, page.words)
                    expected = path not in FORBIDDEN[role]
                    if route.method == "GET" and "/messages/" not in path:
                        assert may is expected, (role, path)
                    if route.method == "POST":
                        assert may is (route.path in MAY_WRITE[role]), (role, path)


def test_every_write_has_a_name_in_the_audit_log() -> None:
    """And no read has."""
    assert set(ACTIONS) == {route.path for route in WRITES}


async def test_a_write_that_no_page_of_ours_made_is_refused(db: Pool) -> None:
    """Without a token, with another's, without Origin, with a foreign one, from another site."""
    async with serving(db) as world, world.visitor(Role.SUPPORT) as other:
        await other.get("/account")
        for route in WRITES:
            path = path_of(route, "x")
            async with world.visitor(Role.OWNER) as visitor:
                await visitor.get("/account")
                own, origin = {"csrf": visitor.token}, {"Origin": world.url}
                foreign = {"Origin": "https://evil.example"}
                cases: tuple[tuple[dict[str, str], dict[str, str]], ...] = (
                    (own, {}),
                    (own, foreign),
                    (own, {"Origin": "null"}),
                    (own, origin | {"Sec-Fetch-Site": "cross-site"}),
                    (own, origin | {"Sec-Fetch-Site": "same-site"}),
                    ({}, origin),
                    ({"csrf": other.token}, origin),
                    ({"csrf": "é" * 10}, origin),
                )
                for fields, headers in cases:
                    page = await visitor.ask("POST", path, data=fields, headers=headers)
                    assert page.status == 403, (path, fields, headers)
                assert (await visitor.get("/account")).status == 200


async def test_a_name_that_is_not_ours_is_refused_whatever_is_asked(db: Pool) -> None:
    """DNS rebinding: the attacker's own name leads to loopback, but stays in the Host header."""
    async with serving(db) as world, world.visitor(Role.OWNER) as visitor:
        for host in ("evil.example", "localhost.evil.example", "127.0.0.1", "", "127.0.0.1:1"):
            for path in ("/logs", "/login", "/static/panel.css", "/nowhere"):
                page = await visitor.ask("GET", path, headers={"Host": host})
                assert page.status == 421, (host, path)
                assert DOMAIN not in page.text
            page = await visitor.ask("POST", "/logout", headers={"Host": host})
            assert page.status == 421


async def test_every_answer_has_the_security_headers(db: Pool) -> None:
    """Pages, files, redirects, errors; and no page holds anything inline."""
    async with db.acquire() as conn:
        event = (await seed(conn, more=5))[0]
    async with serving(db) as world, world.visitor(Role.OWNER) as visitor:
        paths = [path_of(route, event) for route in ROUTES if route.method == "GET"]
        for path in [*paths, "/nowhere", "/static/none.css", f"/logs/{'x' * 22}"]:
            page = await visitor.get(path)
            for name in HEADERS:
                assert name in page.headers, (path, name)
            policy = page.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            if not path.endswith("/preview") or page.status == 404:
                assert "unsafe" not in policy
                assert "frame-ancestors 'none'" in policy
                if page.headers.get("Content-Type", "").startswith("text/html"):
                    assert inline(page.text) == [], path
            else:
                assert policy.startswith("sandbox;")
                assert "script-src" not in policy
            if not path.startswith("/static/"):
                assert page.headers["Cache-Control"] == "no-store", path


def test_the_check_for_inline_parts_finds_them() -> None:
    """What the test above relies on."""
    html = "<p onclick=x style=y><script>z</script><a href='javascript:x'>q</a><svg>"
    assert inline(html) == ["onclick", "style", "script", "href=javascript:x", "svg"]


@pytest.mark.parametrize("role", list(Role))
def test_each_role_has_an_account_and_only_owners_administer(role: Role) -> None:
    """What must hold of the table whatever is added to it."""
    assert Permit.OWN in ALLOWED[role]
    for permit in (Permit.ADMINISTER, Permit.MANAGE, Permit.SEND):
        assert (permit in ALLOWED[role]) is (role is Role.OWNER)
    assert (Permit.CLEAR in ALLOWED[role]) is (role is not Role.ANALYST)
    assert Permit.CLEAR in ALLOWED[role] or Permit.READ_MAIL not in ALLOWED[role]
