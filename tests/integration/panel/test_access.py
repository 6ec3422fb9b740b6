"""Coming in: the first run, passwords, second factors, throttles, sessions and their ends."""

import asyncio

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.panel.access import START, safe_next
from edge.store import panel_sessions, panel_users
from edge.store.panel_users import FIRST_RUN_US, Role
from edge.store.pool import Pool
from tests.integration.panel.worlds import PASSWORD, World, serving

NEW = "another good sentence"


async def _log_in(world: World, name: str, password: str = PASSWORD, code: str = "") -> int:
    """Status of one attempt by a new visitor."""
    async with world.visitor() as visitor:
        await visitor.get("/login")
        fields = {"name": name, "password": password, "code": code}
        return (await visitor.post("/login", fields)).status


async def test_the_first_runs_link_makes_one_owner_once(db: Pool) -> None:
    """Bad forms leave it good; two at once make one owner; then it is used up."""
    async with serving(db) as world:
        now = world.clock.now_us()
        async with db.acquire() as conn:
            old = await panel_users.invite(conn, now_us=now)
            code = await panel_users.invite(conn, now_us=now)
        assert old
        assert code
        async with world.visitor() as one, world.visitor() as two:
            assert (await one.get(f"/first-run?code={old}")).status == 400
            assert "makes you the owner" in (await one.get(f"/first-run?code={code}")).words
            await two.get(f"/first-run?code={code}")
            good = {"code": code, "name": "Olga", "password": NEW, "again": NEW}
            for wrong in ({"again": "x"}, {"password": "short", "again": "short"}, {"name": "<b>"}):
                assert (await one.post("/first-run", good | wrong)).status == 400
            pages = await asyncio.gather(
                one.post("/first-run", good), two.post("/first-run", good | {"name": "eve"})
            )
            assert sorted(page.status for page in pages) == [303, 400]
            winner = one if pages[0].status == 303 else two
            assert "A message waits" in (await winner.get("/welcome")).words
        async with world.visitor() as late:
            assert (await late.get(f"/first-run?code={code}")).location == "/login"
            assert (await late.post("/first-run", good | {"name": "mallory"})).status == 400
        assert await db.fetchval("SELECT count(*) FROM panel_users") == 1
        async with db.acquire() as conn:
            assert await panel_users.invite(conn, now_us=now) is None


async def test_the_first_runs_link_ends_after_a_day(db: Pool) -> None:
    """Whoever finds it in an old log has nothing."""
    async with serving(db) as world, world.visitor() as visitor:
        async with db.acquire() as conn:
            code = await panel_users.invite(conn, now_us=world.clock.now_us())
        world.clock.advance(FIRST_RUN_US / 1e6 + 1)
        assert (await visitor.get(f"/first-run?code={code}")).status == 400
        fields = {"code": code, "name": "olga", "password": NEW, "again": NEW}
        assert (await visitor.post("/first-run", fields)).status == 400


async def test_a_wrong_name_and_a_wrong_password_look_the_same(db: Pool) -> None:
    """Nobody learns from the answer who is a user."""
    async with serving(db) as world, world.visitor() as visitor:
        await world.add_user("ann", Role.OWNER)
        await visitor.get("/login")
        pages = [
            await visitor.post("/login", {"name": name, "password": "wrong password"})
            for name in ("ann", "bob", "ann\0", "'; --")
        ]
        assert {page.status for page in pages} == {401}
        assert len({page.words for page in pages[:2]}) == 1
        assert await _log_in(world, "ANN") == 303


async def test_failed_logins_are_throttled_by_address_and_by_name(db: Pool) -> None:
    """After three in a minute not even the right password is looked at; later it is."""
    async with serving(db, trusted=lambda _: True, failures=3) as world:
        await world.add_user("ann", Role.OWNER)
        async with world.visitor() as visitor:
            await visitor.get("/login")
            for number in range(3):
                elsewhere = {"X-Forwarded-For": f"192.0.2.{number}"}
                fields = {"name": "ann", "password": "wrong password"}
                assert (await visitor.post("/login", fields, headers=elsewhere)).status == 401
            right = {"name": "ann", "password": PASSWORD}
            page = await visitor.post("/login", right, headers={"X-Forwarded-For": "192.0.2.99"})
            assert (page.status, int(page.headers["Retry-After"]) > 0) == (429, True)
        lines = await db.fetchval("SELECT count(*) FROM panel_audit WHERE action = 'log in'")
        assert lines == 3
        world.clock.advance(60)
        assert await _log_in(world, "ann") == 303


async def test_many_guesses_at_the_same_time_are_counted_too(db: Pool) -> None:
    """No more are looked at than one after the other would be; a right one costs nothing."""
    async with serving(db, failures=3) as world:
        await world.add_user("ann", Role.OWNER)
        for _ in range(5):
            assert await _log_in(world, "ann") == 303
        guesses = (_log_in(world, "ann", f"guess number {number}") for number in range(20))
        found = sorted(await asyncio.gather(*guesses))
        assert found == [401] * 3 + [429] * 17


async def test_sessions_end_by_idleness_by_age_and_by_logging_out(db: Pool) -> None:
    """And of a session only a digest is in the database."""
    async with serving(db) as world, world.visitor(Role.OWNER) as visitor:
        hour = 3600.0
        assert (await visitor.get("/account")).status == 200
        world.clock.advance(panel_sessions.IDLE_US / 1e6 - 60)
        assert (await visitor.get("/account")).status == 200
        world.clock.advance(panel_sessions.IDLE_US / 1e6 + 1)
        assert (await visitor.get("/account")).location.startswith("/login")
        async with world.visitor(Role.OWNER) as busy:
            for _ in range(24 * 7):
                world.clock.advance(hour)
                last = await busy.get("/account")
            assert last.location.startswith("/login")
        async with world.visitor(Role.OWNER) as leaving:
            kept = {cookie.key: cookie.value for cookie in leaving.session.cookie_jar}
            token = kept["panel-session"]
            stored = await db.fetch("SELECT * FROM panel_sessions")
            assert not any(token in str(dict(row)) for row in stored)
            assert (await leaving.post("/logout")).location == "/login?out"
            leaving.session.cookie_jar.update_cookies(kept)
            assert (await leaving.get("/account")).location.startswith("/login")


async def test_a_new_password_ends_the_other_sessions_and_needs_the_old_one(db: Pool) -> None:
    """Here it goes on; elsewhere it ends."""
    async with serving(db) as world:
        async with world.visitor(Role.OWNER) as here, world.visitor(Role.OWNER) as there:
            fields = {"old": "not it at all", "new": NEW, "again": NEW}
            assert (await here.post("/account/password", fields)).status == 400
            assert (await there.get("/account")).status == 200
            fields["old"] = PASSWORD
            assert (await here.post("/account/password", fields)).status == 303
            assert (await here.get("/account")).status == 200
            assert (await there.get("/account")).status == 303
        assert await _log_in(world, "owner") == 401
        assert await _log_in(world, "owner", NEW) == 303


async def test_log_out_everywhere_else(db: Pool) -> None:
    """Every session but the one that asks."""
    async with (
        serving(db) as world,
        world.visitor(Role.ANALYST) as here,
        world.visitor(Role.ANALYST) as there,
    ):
        assert (await here.post("/account/sessions/end")).status == 303
        assert (await here.get("/account")).status == 200
        assert (await there.get("/account")).status == 303


async def test_a_second_factor_is_asked_for_and_each_code_is_taken_once(db: Pool) -> None:
    """Set up only with a right code and the password; a replayed code is refused."""
    async with serving(db) as world, world.visitor(Role.OWNER) as visitor:
        page = await visitor.post("/account/totp")
        secret = page.text.split('<code class="once">')[1].split("<")[0]
        sealed = page.text.split('name="sealed" value="')[1].split('"')[0]
        assert "data:image/svg+xml" in page.text

        def code() -> str:
            return pyotp.TOTP(secret).generate_otp(int(world.clock.now()) // 30)

        fields = {"sealed": sealed, "code": "000000", "password": PASSWORD}
        assert (await visitor.post("/account/totp/confirm", fields)).status == 400
        fields = {"sealed": sealed, "code": code(), "password": "wrong password"}
        assert (await visitor.post("/account/totp/confirm", fields)).status == 400
        fields["password"] = PASSWORD
        fields["sealed"] = "00" * 40
        assert (await visitor.post("/account/totp/confirm", fields)).status == 400
        fields["sealed"] = sealed
        assert (await visitor.post("/account/totp/confirm", fields)).status == 303
        assert secret not in str(await db.fetch("SELECT * FROM panel_users"))
        async with world.visitor() as other:
            await other.get("/login")
            asked = await other.post("/login", {"name": "owner", "password": PASSWORD})
            assert "Now the code" in asked.words
        assert await _log_in(world, "owner", code="123456") == 401
        used = code()
        assert await _log_in(world, "owner", code=used) == 303
        assert await _log_in(world, "owner", code=used) == 401
        world.clock.advance(60)
        assert await _log_in(world, "owner", code=code()) == 303
        assert (await visitor.post("/account/totp/off", {"password": PASSWORD})).status == 303
        assert await _log_in(world, "owner") == 303


async def test_owners_manage_users_and_the_last_owner_stays(db: Pool) -> None:
    """A made password works; a changed role ends sessions; nobody is locked out of the panel."""
    async with serving(db) as world, world.visitor(Role.OWNER) as owner:
        made = await owner.post("/users/add", {"name": "Sue@example.com", "role": "support"})
        password = made.text.split('<code class="once">')[1].split("<")[0]
        assert await _log_in(world, "sue@example.com", password) == 303
        again = await owner.post("/users/add", {"name": "sue@example.com", "role": "owner"})
        assert (again.status, "already" in again.words) == (400, True)
        async with world.visitor(Role.SUPPORT, "sue@example.com") as sue:
            assert (await sue.get("/messages")).status == 200
            change = {"name": "sue@example.com", "role": "analyst"}
            assert (await owner.post("/users/role", change)).status == 303
            assert (await sue.get("/messages")).status == 303
        reset = await owner.post("/users/reset", {"name": "sue@example.com"})
        assert await _log_in(world, "sue@example.com", password) == 401
        assert reset.status == 200
        for path, fields in (
            ("/users/role", {"name": "owner", "role": "analyst"}),
            ("/users/remove", {"name": "owner"}),
        ):
            page = await owner.post(path, fields)
            assert (page.status, "only owner" in page.words) == (400, True)
        assert (await owner.post("/users/remove", {"name": "sue@example.com"})).status == 303
        told = (await owner.get("/audit")).words
        for words in ("add user", "change role", "reset password", "remove user", "failed"):
            assert words in told


@pytest.mark.parametrize("secure", [False, True])
async def test_cookies_are_bound_to_the_host_and_to_https(db: Pool, secure: bool) -> None:
    """HttpOnly always; the prefix and Secure where browsers come over https."""
    async with serving(db, secure=secure) as world:
        await world.add_user("ann", Role.OWNER)
        async with world.visitor() as visitor:
            page = await visitor.get("/login")
            form = page.headers["Set-Cookie"]
            name = form.partition("=")[0]
            assert name == ("__Host-panel-form" if secure else "panel-form")
            headers = {"Origin": world.url, "Cookie": form.partition(";")[0]}
            fields = {"name": "ann", "password": PASSWORD, "csrf": visitor.token}
            page = await visitor.ask("POST", "/login", data=fields, headers=headers)
            cookies = page.headers.getall("Set-Cookie")
            assert page.status == 303
            for cookie in cookies:
                assert "HttpOnly" in cookie
                assert "SameSite=Lax" in cookie
                assert "Path=/" in cookie
                assert ("Secure" in cookie) is secure
                assert cookie.startswith("__Host-") is secure


@given(st.text(max_size=40) | st.from_regex(r"[/\\]{0,3}[a-z:.@/\\?#%]{0,20}", fullmatch=True))
def test_after_login_only_a_path_of_ours_is_gone_to(text: str) -> None:
    """Whatever ``next`` says, a browser stays on this host."""
    found = safe_next(text)
    assert found.startswith("/")
    assert found[1:2] not in {"/", "\\"}
    assert found in {text, START}


def test_attacks_on_the_next_page_lead_to_the_start() -> None:
    """The classic ones by name."""
    for text in (
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "javascript:x",
        "\t//x",
    ):
        assert safe_next(text) == START
    assert safe_next("/logs?domain=x&event=opened") == "/logs?domain=x&event=opened"


async def test_while_the_database_is_away_a_page_says_so(db: Pool) -> None:
    """503, with the headers, and no word of the reason."""
    async with serving(db, database=None) as world, world.visitor() as visitor:
        page = await visitor.get("/login")
        assert (page.status, "not available" in page.words) == (503, True)
        assert "Content-Security-Policy" in page.headers
