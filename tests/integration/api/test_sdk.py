"""Mailgun's own Python SDK, with only the base URL changed."""

import asyncio

import mailgun.client

from edge.store.pool import Pool
from tests.integration.api.worlds import OURS, serving


async def test_the_python_sdk_works_with_its_base_url_changed(db: Pool) -> None:
    """Domains, tracking and credentials: the SDK's everyday calls."""
    async with serving(db) as world:

        def everyday() -> None:
            client = mailgun.client.Client(auth=("api", world.key), api_url=world.url)
            made = client.domains.create(data={"name": "sdk.example.com"})
            assert made.json()["message"] == "Domain DNS records have been created"
            listed = client.domainlist.get().json()
            assert listed["total_count"] == len(listed["items"]) == 3
            got = client.domains.get(domain_name="sdk.example.com")
            assert got.json()["domain"]["name"] == "sdk.example.com"
            put = client.domains.put(domain="sdk.example.com", data={"spam_action": "disabled"})
            assert put.json()["message"] == "Domain has been updated"
            tracking = client.domains_tracking.get(domain=OURS).json()["tracking"]
            assert tracking["click"] == {"active": False}
            put = client.domains_tracking_open.put(
                domain=OURS, data={"active": "yes", "skip_verification": "false"}
            )
            assert put.json()["open"]["active"] is True
            made = client.domains_credentials.create(
                domain=OURS, data={"login": f"bob@{OURS}", "password": "super_secret"}
            )
            assert made.json()["message"] == "Created 1 credentials pair(s)"
            put = client.domains_credentials.put(
                domain=OURS, data={"password": "another_one"}, login=f"bob@{OURS}"
            )
            assert put.json()["message"] == "Password changed"
            gone = client.domains_credentials.delete(domain=OURS, login=f"bob@{OURS}")
            assert gone.json()["message"] == "Credentials have been deleted"
            gone = client.domains.delete(domain="sdk.example.com")
            assert gone.json()["message"] == "Domain will be deleted in the background"
            missing = client.domains.get(domain_name="sdk.example.com")
            assert missing.status_code == 404

        await asyncio.to_thread(everyday)
