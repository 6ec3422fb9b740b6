import asyncio
import re
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import pytest

from edge.store import credentials, domain_settings, domains, roster
from edge.store.pool import Pool
from tests.integration.api.worlds import OTHER, OURS, Answer, serving

BASES = ("/v3/domains", "/v4/domains")


@pytest.mark.parametrize("base", BASES)
async def test_a_domain_from_adding_to_deleting(db: Pool, base: str) -> None:
    """Both versions speak Mailgun's objects and texts."""
    async with serving(db) as world:
        fields = {"name": "New.Example.com", "web_scheme": "https", "wildcard": "true"}
        made = await world.ask("POST", base, data=fields)
        assert (made.status, made.message) == (200, "Domain DNS records have been created")
        shown = made.json["domain"]
        assert (shown["name"], shown["web_scheme"]) == ("new.example.com", "https")
        assert (shown["wildcard"], shown["state"], shown["type"]) == (True, "active", "custom")
        assert re.fullmatch("[0-9a-f]{24}", shown["id"])
        assert shown["created_at"].endswith(" GMT")
        assert parsedate_to_datetime(shown["created_at"]).year >= 2025
        cname, dkim, *spf = made.json["sending_dns_records"]
        assert (cname["record_type"], cname["name"], cname["value"]) == (
            *("CNAME", "email.new.example.com"),
            "edge.example.org",
        )
        assert (dkim["record_type"], dkim["name"]) == (
            *("TXT", "edge1._domainkey.new.example.com"),
        )
        assert dkim["value"].startswith("v=DKIM1; k=rsa; p=MII")
        assert [(one["name"], one["value"]) for one in spf] == [
            ("new.example.com", "v=spf1 a:edge.example.org ~all"),
            ("bounces.new.example.com", "v=spf1 a:edge.example.org ~all"),
        ]
        (mx,) = made.json["receiving_dns_records"]
        assert (mx["record_type"], mx["name"], mx["value"], mx["priority"]) == (
            *("MX", "bounces.new.example.com", "edge.example.org", "10"),
        )
        assert made.headers["Cache-Control"] == "no-store"
        got = await world.ask("GET", f"{base}/new.example.com")
        assert (got.status, got.json["domain"]) == (200, shown)
        changed = await world.ask(
            "PUT",
            f"{base}/new.example.com",
            data={"web_prefix": "t", "spam_action": "tag", "message_ttl": "3600", "ignored": "x"},
        )
        assert (changed.status, changed.message) == (200, "Domain has been updated")
        after = changed.json["domain"]
        assert (after["tracking_host"], after["spam_action"]) == ("t.new.example.com", "tag")
        assert (after["message_ttl"], after["wildcard"], after["id"]) == (3600, True, shown["id"])
        gone = await world.ask("DELETE", f"{base}/new.example.com")
        assert gone.message == "Domain will be deleted in the background"
        for method in ("GET", "PUT", "DELETE"):
            got = await world.ask(method, f"{base}/new.example.com")
            assert (got.status, got.json) == (404, {"message": "Domain not found"})


@pytest.mark.parametrize(
    "fields, text",
    [
        ({}, "name is missing"),
        ({"name": " "}, "name is empty"),
        ({"name": "localhost"}, "two labels"),
        ({"name": "a b.example"}, "not a domain name"),
        ({"name": "x" * 300}, "name is longer than 253"),
        ({"name": "a\0.example"}, "control character"),
        ({"name": OURS}, "This domain name is already taken"),
        ({"name": "n.example", "web_scheme": "ftp"}, "web_scheme has to be one of http, https"),
        ({"name": "n.example", "web_prefix": "a b"}, "not a domain name"),
        ({"name": "n.example", "wildcard": "perhaps"}, "wildcard has to be yes, no"),
        ({"name": "n.example", "message_ttl": "soon"}, "message_ttl has to be a whole number"),
        ({"name": "n.example", "smtp_password": "abc"}, "Password length"),
        ({"name": "example.com", "web_prefix": "email.mg"}, "belongs to another domain"),
        ({"web_scheme": "x", "wildcard": "y"}, "name is missing; web_scheme"),
    ],
)
async def test_a_wrong_domain_is_refused_whole(db: Pool, fields: dict[str, str], text: str) -> None:
    """400 that names every mistake; nothing is half added."""
    async with serving(db) as world:
        got = await world.ask("POST", "/v3/domains", data=fields)
        assert got.status == 400, got.body
        assert text in got.message
        assert (await world.ask("GET", "/v3/domains")).json["total_count"] == 2


async def test_the_list_is_paged_searched_and_sorted(db: Pool) -> None:
    """``total_count`` counts all that match; ``limit`` and ``skip`` choose among them."""
    async with serving(db) as world:
        for number in range(5):
            await world.add_domain(f"d{number}.example.org")

        async def names(query: str) -> tuple[int, list[str]]:
            got = await world.ask("GET", f"/v4/domains?{query}")
            assert got.status == 200, got.body
            return got.json["total_count"], [d["name"] for d in got.json["items"]]

        assert (await names(""))[0] == 7
        found = ["d1.example.org", "d2.example.org"]
        assert await names("search=example.org&sort=name&skip=1&limit=2") == (5, found)
        assert (await names("sort=name:desc&limit=1"))[1] == [OTHER]
        assert await names("search=%25") == (0, [])
        assert await names("state=disabled") == (0, [])
        assert (await names("state=active&limit=1"))[0] == 7


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1001", "limit=x", "skip=-1", "sort=size", "state=odd", "limit=1&limit=2"],
)
async def test_wrong_lists_are_refused(db: Pool, query: str) -> None:
    """400 with the parameter's name."""
    async with serving(db) as world:
        got = await world.ask("GET", f"/v3/domains?{query}")
        assert got.status == 400
        assert query.split("=")[0] in got.message


async def test_a_password_given_with_a_domain_is_the_postmasters(db: Pool) -> None:
    """``smtp_password`` makes the login, and changes it later; in one transaction with the rest."""
    async with serving(db) as world:
        path = "/v3/domains/n.example.com"
        await world.ask(
            "POST", "/v3/domains", data={"name": "n.example.com", "smtp_password": "first-one"}
        )
        login = "postmaster@n.example.com"
        async with db.acquire() as conn:
            assert await credentials.verify(conn, login, "first-one")
        wrong = {"smtp_password": "x", "spam_action": "tag"}
        assert (await world.ask("PUT", path, data=wrong)).status == 400
        assert (await world.ask("GET", path)).json["domain"]["spam_action"] == "disabled"
        assert (await world.ask("PUT", path, data={"smtp_password": "second-one"})).status == 200
        async with db.acquire() as conn:
            assert await credentials.verify(conn, login, "first-one") is None
            assert await credentials.verify(conn, login, "second-one")


async def test_the_move_to_https_is_a_switch(db: Pool) -> None:
    """On at first; changed alone or with others, known to edges; nonsense changes nothing."""
    async with serving(db) as world:
        await world.ask("POST", "/v3/domains", data={"name": "n.example.com"})
        path = "/v4/domains/n.example.com"
        assert (await world.ask("GET", path)).json["domain"]["https_redirect"] is True
        got = await world.ask("PUT", path, data={"https_redirect": "no"})
        assert (got.status, got.json["domain"]["https_redirect"]) == (200, False)
        async with db.acquire() as conn:
            known = {one.name: one for one in (await roster.read(conn)).domains}
        assert not known["n.example.com"].https_redirect
        wrong = {"https_redirect": "sometimes", "web_scheme": "https"}
        got = await world.ask("PUT", path, data=wrong)
        assert (got.status, "https_redirect has to be" in (got.message or "")) == (400, True)
        shown = (await world.ask("GET", path)).json["domain"]
        assert (shown["https_redirect"], shown["web_scheme"]) == (False, "http")
        listed = (await world.ask("GET", "/v3/domains")).json["items"]
        assert {one["name"]: one["https_redirect"] for one in listed}["n.example.com"] is False


async def test_tracking_settings(db: Pool) -> None:
    """All off at first; a part is changed by what is given; ``htmlonly`` shows as true."""
    async with serving(db) as world:
        path = f"/v3/domains/{OURS}/tracking"
        before = (await world.ask("GET", path)).json["tracking"]
        assert before["open"] == {"active": False, "place_at_the_top": False}
        assert before["click"] == {"active": False}
        assert before["web_scheme"] == "http"
        html = '\n<br>\n<p><a href="%unsubscribe_url%">unsubscribe</a></p>\n'
        text = "\n\nTo unsubscribe click: <%unsubscribe_url%>\n\n"
        footers = {"html_footer": html, "text_footer": text}
        assert before["unsubscribe"] == {"active": False, **footers}

        async def change(part: str, **fields: str) -> Answer:
            got = await world.ask("PUT", f"{path}/{part}", data=fields)
            assert got.status == 200, got.body
            assert got.message == "Domain tracking settings have been updated"
            return got

        got = await change("open", active="yes", skip_verification="true")
        assert got.json["open"] == {"active": True, "place_at_the_top": False}
        got = await change("open", place_at_the_top="True")
        assert got.json["open"] == {"active": True, "place_at_the_top": True}
        for given, shown, kept in (
            *(("htmlonly", True, "htmlonly"), ("", True, "htmlonly"), ("on", True, "yes")),
            *(("FALSE", False, "no"), ("1", True, "yes")),
        ):
            assert (await change("click", active=given)).json["click"] == {"active": shown}
            async with db.acquire() as conn:
                assert (await domains.get(conn, OURS)).click == kept
        got = await change("unsubscribe", active="true", html_footer="", text_footer="a\nb ä")
        wanted = {"active": True, "html_footer": "", "text_footer": "a\nb ä"}
        assert got.json["unsubscribe"] == wanted
        assert (await world.ask("GET", path)).json["tracking"]["unsubscribe"] == wanted
        await world.ask("DELETE", f"/v3/domains/{OURS}")
        again = await world.add_domain(OURS)
        async with db.acquire() as conn:
            settings = await domain_settings.get(conn, again.number)
        assert settings.html_footer == html


@pytest.mark.parametrize(
    "part, fields, text",
    [
        ("open", {"active": "maybe"}, "active has to be"),
        ("open", {"place_at_the_top": "htmlonly"}, "place_at_the_top has to be"),
        ("click", {"active": "text"}, "active has to be one of"),
        ("unsubscribe", {"html_footer": "x" * 65_537}, "html_footer is longer"),
        ("unsubscribe", {"text_footer": "a\0b"}, "text_footer holds a control"),
    ],
)
async def test_wrong_tracking_settings(
    db: Pool, part: str, fields: dict[str, str], text: str
) -> None:
    """400 that says what is wrong."""
    async with serving(db) as world:
        got = await world.ask("PUT", f"/v3/domains/{OURS}/tracking/{part}", data=fields)
        assert got.status == 400
        assert text in got.message


async def test_credentials(db: Pool) -> None:
    """Made, listed, changed, deleted: one, and all."""
    async with serving(db) as world:
        path = f"/v3/domains/{OURS}/credentials"
        assert (await world.ask("GET", path)).json == {"total_count": 0, "items": []}
        made = await world.ask("POST", path, data={"login": "Ann", "password": "super_secret"})
        assert made.json == {"message": "Created 1 credentials pair(s)"}
        made = await world.ask("POST", path, data={"mailbox": f"bob@{OURS}"})
        assert made.status == 200
        made_up = made.json["credentials"][f"bob@{OURS}"]
        listed = (await world.ask("GET", path + "?limit=1&skip=1")).json
        assert listed["total_count"] == 2
        (bob,) = listed["items"]
        assert bob["login"] == bob["mailbox"] == f"bob@{OURS}"
        assert (bob["size_bytes"], bob["created_at"][-4:]) == (None, " GMT")
        async with db.acquire() as conn:
            number = world.domains[OURS].number
            assert await credentials.verify(conn, f"Bob@{OURS}", made_up) == number
            assert await credentials.verify(conn, f"bob@{OURS}", made_up + "x") is None
            assert await credentials.verify(conn, f"eve@{OURS}", made_up) is None
            assert await credentials.verify(conn, "a\0b", "x") is None
        changed = await world.ask("PUT", f"{path}/bob%40{OURS}", data={"password": "another-one"})
        assert (changed.status, changed.message) == (200, "Password changed")
        async with db.acquire() as conn:
            assert await credentials.verify(conn, f"bob@{OURS}", "another-one") == number
        gone = await world.ask("DELETE", f"{path}/bob")
        assert gone.json == {"message": "Credentials have been deleted", "spec": f"bob@{OURS}"}
        gone = await world.ask("DELETE", path)
        assert gone.json == {"message": "All domain credentials have been deleted"}
        assert (await world.ask("GET", path)).json["total_count"] == 0


async def test_passwords_are_kept_as_salted_scrypt(db: Pool) -> None:
    """The same password twice gives different digests, and neither is found in the row."""
    async with serving(db) as world:
        for login in ("ann", "bob"):
            fields = {"login": login, "password": "the-same-secret"}
            await world.ask("POST", f"/v3/domains/{OURS}/credentials", data=fields)
        first, second = await db.fetch("SELECT * FROM credentials")
        assert first["salt"] != second["salt"]
        assert first["digest"] != second["digest"]
        assert (first["n"], first["r"], first["p"]) == (16384, 8, 5)
        assert "the-same-secret" not in str(dict(first))


@pytest.mark.parametrize(
    "method, path, fields, status, text",
    [
        ("POST", "", {}, 400, "login is missing"),
        ("POST", "", {"login": "ann", "password": "1234"}, 400, "Password length"),
        ("POST", "", {"login": "ann", "password": "x" * 129}, 400, "Password length"),
        ("POST", "", {"login": "a b"}, 400, "not the local part"),
        ("POST", "", {"login": f"ann@{OTHER}"}, 400, "is not of domain"),
        ("POST", "", {"login": "dup"}, 400, "already exist"),
        ("PUT", "/dup", {}, 400, "password is missing"),
        ("PUT", "/nobody", {"password": "12345678"}, 404, "Credentials not found"),
        ("DELETE", "/nobody", {}, 404, "Credentials not found"),
        ("GET", "?limit=0", {}, 400, "limit"),
    ],
)
async def test_wrong_credentials(
    db: Pool, method: str, path: str, fields: dict[str, str], status: int, text: str
) -> None:
    """Each mistake has its answer, and changes nothing."""
    async with serving(db) as world:
        base = f"/v3/domains/{OURS}/credentials"
        await world.ask("POST", base, data={"login": "dup", "password": "12345678"})
        got = await world.ask(method, base + path, data=fields or None)
        assert (got.status, text in got.message) == (status, True), got.body
        assert (await world.ask("GET", base)).json["total_count"] == 1


def _multipart(fields: dict[str, str]) -> aiohttp.FormData:
    form = aiohttp.FormData(default_to_multipart=True)
    for name, value in fields.items():
        form.add_field(name, value)
    return form


@pytest.mark.parametrize(
    "spelling",
    [
        lambda fields: {"data": fields},
        lambda fields: {"data": _multipart(fields)},
        lambda fields: {"json": fields},
        lambda fields: {"params": fields},
        lambda fields: {
            "data": '{"active":true,"place_at_the_top":"yes"}',
            "headers": {"Content-Type": "application/x-www-form-urlencoded"},
        },
        lambda fields: {
            "data": b'  {"active":1,"place_at_the_top":true}',
            "headers": {"Content-Type": "text/plain"},
        },
        lambda fields: {"data": {f"{name}[]": value for name, value in fields.items()}},
    ],
)
async def test_every_form_of_a_body_says_the_same(db: Pool, spelling: Any) -> None:
    """Urlencoded, multipart, JSON, JSON that calls itself something else, query, ``name[]``."""
    async with serving(db) as world:
        sent = spelling({"active": "yes", "place_at_the_top": "yes"})
        got = await world.ask("PUT", f"/v3/domains/{OURS}/tracking/open", **sent)
        assert got.json["open"] == {"active": True, "place_at_the_top": True}, got.body


async def test_connection_and_web_prefix(db: Pool) -> None:
    """Each has a path of its own; the prefix may come in the query, as mailgun-python sends it."""
    async with serving(db) as world:
        path = f"/v3/domains/{OURS}"
        off = {"require_tls": False, "skip_verification": False}
        assert (await world.ask("GET", f"{path}/connection")).json == {**off, "connection": off}
        put = await world.ask("PUT", f"{path}/connection", data={"require_tls": "yes"})
        on = {"require_tls": True, "skip_verification": False}
        assert put.message.startswith("Domain connection settings have been updated")
        assert put.json["connection"] == on
        wrong = await world.ask("PUT", f"{path}/connection", data={"require_tls": "perhaps"})
        assert (wrong.status, "require_tls" in wrong.message) == (400, True)
        put = await world.ask("PUT", f"{path}/web_prefix?web_prefix=T")
        assert put.json == {"message": "Domain web prefix updated"}
        shown = (await world.ask("GET", path)).json["domain"]
        assert (shown["tracking_host"], shown["require_tls"]) == (f"t.{OURS}", True)
        for prefix, text in (("", "is empty"), ("a b", "not a domain name"), ("x" * 64, "label")):
            got = await world.ask("PUT", f"{path}/web_prefix", data={"web_prefix": prefix})
            assert (got.status, text in got.message) == (400, True), got.body
        assert (await world.ask("GET", path)).json["domain"]["web_prefix"] == "t"


async def test_changes_at_the_same_time_do_not_undo_each_other(db: Pool) -> None:
    """Each changes its own fields of one row, whatever it read before."""
    async with serving(db) as world:
        path = f"/v3/domains/{OURS}"
        for _ in range(5):
            for state in ("yes", "no"):
                answers = await asyncio.gather(
                    *(
                        world.ask("PUT", f"{path}/tracking/{part}", data={"active": state})
                        for part in ("open", "click", "unsubscribe")
                    ),
                    world.ask("PUT", f"{path}/connection", data={"require_tls": state}),
                    world.ask("PUT", path, data={"wildcard": state}),
                )
                assert {got.status for got in answers} == {200}
                tracking = (await world.ask("GET", f"{path}/tracking")).json["tracking"]
                shown = (await world.ask("GET", path)).json["domain"]
                seen = {tracking[part]["active"] for part in ("open", "click", "unsubscribe")}
                assert seen | {shown["require_tls"], shown["wildcard"]} == {state == "yes"}
