"""``/v2/x509/{host}``: the bodies and status codes of Mailgun's reference."""

import asyncio
import time
from typing import Any

import mailgun.client
import pytest

from certs.errors import CustomerError, Unavailable
from edge.api import certificates as resource
from edge.store import certificates, domains
from edge.store.api_keys import Role
from edge.store.certificates import StoredCertificate
from edge.store.pool import Pool
from tests.integration.api.worlds import OTHER, OURS, World, serving

HOST = f"email.{OURS}"
PATH = f"/v2/x509/{HOST}"
STARTED = {"message": "Initiated x509 key pair generation", "location": f"{PATH}/status"}


async def leads_here(name: str) -> None:
    """A gate that lets every name pass."""


async def leads_elsewhere(name: str) -> None:
    """A gate for hosts whose DNS is wrong."""
    raise CustomerError(f"{name} has no CNAME record")


async def dns_is_down(name: str) -> None:
    """A gate whose resolvers do not answer."""
    raise Unavailable("DNS does not answer")


async def put(world: World, *, starts: float = -10, ends: float = 90 * 86_400.0) -> None:
    """A certificate for the host, imported."""
    now = world.clock.now()
    stored = StoredCertificate(
        host=HOST,
        key="key",
        chain="chain",
        not_before=now + starts,
        not_after=now + ends,
        renewal_id=None,
    )
    async with world.api.connection() as conn:
        await certificates.import_certificate(conn, world.api.vault, stored, now)


async def fail(world: World, who: str, text: str = "what went wrong") -> None:
    """A failure of the host's last order."""
    async with world.api.connection() as conn:
        await conn.execute(
            "UPDATE certificate_hosts SET due = due + 60, state = state || jsonb_build_object("
            "'due', due + 60, 'failures', 1, 'failure', jsonb_build_object("
            "'at', due, 'who', $1::text, 'text', $2::text, 'problem', NULL))",
            who,
            text,
        )


async def test_a_certificate_is_asked_for_once(db: Pool) -> None:
    """202 with ``location`` as header and field; then processing, and 409 for asking again."""
    async with serving(db, gate=leads_here) as world:
        before = await world.ask("GET", f"{PATH}/status")
        assert before.status == 404
        text = "Please initiate x509 key pair generation at POST /v2/x509/{domain}"
        assert before.json["Description"] == text
        answer = await world.ask("POST", PATH)
        assert (answer.status, answer.json) == (202, STARTED)
        assert answer.headers["Location"] == f"{PATH}/status"
        polled = await world.ask("GET", answer.json["location"])
        assert polled.status == 200
        assert polled.json == {
            "status": "processing",
            "message": "Waiting for x509 key pair generation",
            "error": None,
            "certificate": "",
        }
        again = await world.ask("POST", PATH.upper().replace("/V2/X509", "/v2/x509"))
        assert again.status == 409
        text = f"x509 key pair generation has already been initiated for {HOST}"
        assert again.json == {"Description": text, "message": text}
        async with world.api.connection() as conn:
            assert (await conn.fetchval("SELECT count(*) FROM certificate_hosts")) == 1


async def test_a_host_that_leads_elsewhere_is_refused(db: Pool) -> None:
    """400 with Mailgun's text and what was seen; nothing is stored."""
    async with serving(db, gate=leads_elsewhere) as world:
        answer = await world.ask("POST", PATH)
        assert answer.status == 400
        assert answer.json == {
            "Reason": "invalid CNAME record",
            "message": "invalid CNAME record",
            "reason": f"{HOST} has no CNAME record",
        }
        assert (await world.ask("GET", f"{PATH}/status")).status == 404


async def test_a_resolver_that_is_down_refuses_nobody(db: Pool) -> None:
    """The job asks again before it orders."""
    async with serving(db, gate=dns_is_down) as world:
        assert (await world.ask("POST", PATH)).status == 202


async def test_a_resolver_that_hangs_refuses_nobody(
    db: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does the request wait for it for long."""

    async def hang(name: str) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(resource, "GATE_PATIENCE", 0.2)
    async with serving(db, gate=hang) as world:
        assert (await world.ask("POST", PATH)).status == 202


async def test_a_name_that_no_authority_certifies_is_refused(db: Pool) -> None:
    """An underscore may be in a tracking host; no certificate can hold it."""
    async with serving(db, gate=leads_here) as world:
        await world.add_domain("my_mail.example.com")
        answer = await world.ask("POST", "/v2/x509/email.my_mail.example.com")
        assert answer.status == 400
        assert "not a host name that can have a certificate" in answer.json["reason"]


async def test_certificates_that_are_off_name_the_setting(db: Pool) -> None:
    """400, since asking again does not help."""
    async with serving(db) as world:
        answer = await world.ask("POST", PATH)
        assert answer.status == 400
        assert "EDGE_ACME_DIRECTORY" in answer.message


@pytest.mark.parametrize(
    "host", ["email.unknown.example", OURS, "localhost", "a..b", "%00", "%2e%2e%2fetc", "x" * 300]
)
async def test_a_host_that_is_not_ours_is_not_found(db: Pool, host: str) -> None:
    """Whatever it looks like; the texts are those for a host without a certificate."""
    async with serving(db, gate=leads_here) as world:
        for method in ("POST", "PUT"):
            answer = await world.ask(method, f"/v2/x509/{host}")
            assert answer.status == 404
            assert answer.json["Description"] == "x509 cert not found"
        assert (await world.ask("GET", f"/v2/x509/{host}/status")).status == 404


async def test_a_key_sees_the_hosts_of_its_domain_only(db: Pool) -> None:
    """Another domain's host looks as one that does not exist; a removed domain's, too."""
    async with serving(db, gate=leads_here) as world:
        foreign = await world.make_key(domain=OTHER)
        own = await world.make_key(domain=OURS)
        assert (await world.ask("POST", PATH, key=foreign)).status == 404
        assert (await world.ask("POST", PATH, key=own)).status == 202
        assert (await world.ask("GET", f"{PATH}/status", key=foreign)).status == 404
        assert (await world.ask("GET", f"{PATH}/status", key=own)).status == 200
        async with world.api.connection() as conn:
            await domains.remove(conn, OURS)
        assert (await world.ask("GET", f"{PATH}/status")).status == 404


async def test_roles_are_respected(db: Pool) -> None:
    """An analyst may look and not ask; a sending key may neither."""
    async with serving(db, gate=leads_here) as world:
        analyst = await world.make_key(role=Role.ANALYST)
        sending = await world.make_key(role=Role.SENDING)
        assert (await world.ask("POST", PATH, key=analyst)).status == 403
        assert (await world.ask("PUT", PATH, key=analyst)).status == 403
        assert (await world.ask("GET", f"{PATH}/status", key=analyst)).status == 404
        assert (await world.ask("GET", f"{PATH}/status", key=sending)).status == 403


async def test_an_active_certificate_is_shown(db: Pool) -> None:
    """With its PEM and never its key; neither POST nor PUT orders another one."""
    async with serving(db, gate=leads_here) as world:
        await put(world)
        shown = (await world.ask("GET", f"{PATH}/status")).json
        assert (shown["status"], shown["error"], shown["certificate"]) == ("active", None, "chain")
        assert "key" not in shown.values()
        assert (await world.ask("POST", PATH)).status == 409
        again = await world.ask("PUT", PATH)
        assert again.status == 409
        until = time.gmtime(world.clock.now() + 90 * 86_400)
        text = f"x509 certificate is still valid until {time.strftime('%Y-%m-%d %H:%M:%S', until)}"
        assert again.json["Description"] == text + " +0000 UTC"


async def test_an_ended_certificate_can_be_renewed(db: Pool) -> None:
    """202 as POST; asked again while that runs, 429."""
    async with serving(db, gate=leads_here) as world:
        assert (await world.ask("PUT", PATH)).status == 404
        await put(world, ends=-5)
        shown = (await world.ask("GET", f"{PATH}/status")).json
        assert (shown["status"], shown["certificate"]) == ("expired", "chain")
        assert shown["error"] == "x509 certificate has expired"
        answer = await world.ask("PUT", PATH)
        assert (answer.status, answer.json) == (202, STARTED)
        again = await world.ask("PUT", PATH)
        assert again.status == 429
        text = f"x509 key pair generation job is already in progress for {HOST}"
        assert again.json["Description"] == text
        assert (await world.ask("GET", f"{PATH}/status")).json["status"] == "processing"


async def test_a_failure_is_told_and_can_be_asked_again(db: Pool) -> None:
    """Mailgun's text in ``error``, ours beside it; the count of failures stays."""
    async with serving(db, gate=leads_here) as world:
        await world.ask("POST", PATH)
        await fail(world, "authority", "it is down")
        shown = (await world.ask("GET", f"{PATH}/status")).json
        assert (shown["status"], shown["reason"]) == ("processing", "it is down")
        await fail(world, "customer", "port 80 does not answer")
        shown = (await world.ask("GET", f"{PATH}/status")).json
        assert shown["status"] == "error"
        assert shown["error"] == "TLS x509 key pair generation failed, please contact support"
        assert (shown["reason"], shown["who"]) == ("port 80 does not answer", "customer")
        assert shown["retry_at"].endswith("GMT")
        assert (await world.ask("POST", PATH)).status == 202
        assert (await world.ask("GET", f"{PATH}/status")).json["status"] == "processing"
        async with world.api.connection() as conn:
            state = await conn.fetchval("SELECT state->>'failures' FROM certificate_hosts")
        assert state == "1"


async def test_asking_while_somebody_works_on_it_changes_nothing(db: Pool) -> None:
    """A lease is not broken by a customer's impatience."""
    async with serving(db, gate=leads_here) as world:
        await world.ask("POST", PATH)
        await fail(world, "customer")
        async with world.api.connection() as conn:
            later = world.clock.now() + 100
            leased = await certificates.claim(conn, world.api.vault, "me", later, 60.0)
            assert leased is not None
        assert (await world.ask("POST", PATH)).status == 409
        async with world.api.connection() as conn:
            assert await certificates.extend(conn, HOST, leased.token, later)


async def test_https_without_a_certificate_is_taken_with_a_warning(db: Pool) -> None:
    """As Mailgun takes it; the warning goes when there is a certificate."""
    async with serving(db, gate=leads_here) as world:
        data: dict[str, Any] = {"web_scheme": "https"}
        answer = await world.ask("PUT", f"/v4/domains/{OURS}", data=data)
        assert answer.status == 200
        assert answer.json["domain"]["web_scheme"] == "https"
        assert f"POST {PATH}" in answer.json["warning"]
        other = await world.ask("PUT", f"/v4/domains/{OURS}", data={"spam_action": "tag"})
        assert "warning" not in other.json
        made = await world.ask("POST", "/v3/domains", data={"name": "mg.new.example", **data})
        assert "email.mg.new.example" in made.json["warning"]
        await put(world)
        answer = await world.ask("PUT", f"/v3/domains/{OURS}", data=data)
        assert "warning" not in answer.json


async def test_the_python_sdk_asks_and_polls(db: Pool) -> None:
    """Mailgun's own SDK, with only its base URL changed."""
    async with serving(db, gate=leads_here) as world:

        def everyday() -> None:
            client = mailgun.client.Client(auth=("api", world.key), api_url=world.url)
            assert client.x509_status.get(domain=HOST).status_code == 404
            asked = client.x509.create(domain=HOST)
            assert (asked.status_code, asked.json()) == (202, STARTED)
            assert client.x509_status.get(domain=HOST).json()["status"] == "processing"
            again = client.x509.put(domain=HOST)
            assert again.json()["Description"] == "x509 cert not found"

        await asyncio.to_thread(everyday)
