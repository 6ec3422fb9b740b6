"""An open in a browser comes out as a signed POST that the receiver verifies."""

import asyncio
import base64
import hmac
import json
import re
import urllib.request
from typing import Any

from tests.acceptance.browsing import chromium, reading
from tests.acceptance.sample import open_sample
from tests.integration.run.serving import command, edge, until
from tests.integration.webhooks.receivers import Post, receiving

DOMAIN = "sandbox.localhost"


async def test_an_open_becomes_a_signed_post() -> None:
    """Over the API: webhook and key; in Chromium: the message; at the receiver: the seed's check.

    The event has the id under which the Events API shows it, and the log says it was taken.
    """
    networks = {"EDGE_WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8"}
    async with receiving() as receiver:
        await asyncio.to_thread(_journey, receiver.url, receiver.posts, networks)


def _verified(key: str, signature: dict[str, str]) -> bool:
    """As Mailgun's page does it: HMAC-SHA256 of timestamp and token, compared as hexadecimal."""
    text = signature["timestamp"] + signature["token"]
    return hmac.new(key.encode(), text.encode(), "sha256").hexdigest() == signature["signature"]


def _journey(url: str, posts: list[Post], networks: dict[str, str]) -> None:
    with edge(**networks) as one:
        one.ready()
        printed = re.search(r"api:(key-[\w-]+)'", one.output)
        assert printed is not None
        key = printed[1]

        def ask(path: str, **fields: str) -> Any:
            data = "&".join(f"{name}={value}" for name, value in fields.items()).encode()
            request = urllib.request.Request(f"http://127.0.0.1:{one.control}{path}", data or None)
            basic = base64.b64encode(f"api:{key}".encode()).decode()
            request.add_header("Authorization", f"Basic {basic}")
            with urllib.request.urlopen(request, timeout=20) as answer:
                return json.load(answer)

        added = ask(f"/v3/domains/{DOMAIN}/webhooks", id="opened", url=f"{url}/200/hook")
        assert added["message"] == "Webhook has been created"
        signing = ask("/v5/accounts/http_signing_key")["http_signing_key"]
        with chromium() as browser, reading(browser) as reader:
            open_sample(one, reader)
        until("the post", lambda: posts)
        (post,) = posts
        assert _verified(signing, post.signature)
        assert post.genuine(signing)
        assert post.event["event"] == "opened"
        client = post.event["client-info"]
        assert (client["bot"], client["client-name"]) == ("", "Chrome")
        shown = ask(f"/v3/{DOMAIN}/events?event=opened")["items"]
        assert post.event == shown[0]
        log = command(one, "webhook", "log", DOMAIN, "--json")
        (line,) = map(json.loads, log.stdout.splitlines())
        assert (line["event"], line["result"], line["status"]) == (post.event["id"], "taken", 200)
        metrics = one.get("/metrics")[1].decode()
        assert 'edge_webhook_attempts_total{result="taken"} 1.0' in metrics
