"""Every endpoint that Mailgun's clients call has a route."""

import pytest

from tests.integration.api.conformance import route_of

D = "mg.example.com"
SUPPRESSIONS = ("bounces", "unsubscribes", "complaints", "whitelists")
OF_TAGS = ("countries", "providers", "devices")

MATRIX: tuple[tuple[str, str], ...] = (
    (f"/v3/{D}/messages", "POST"),
    (f"/v3/{D}/messages.mime", "POST"),
    (f"/v3/domains/{D}/messages/key", "GET POST"),
    (f"/v3/{D}/events", "GET"),
    (f"/v3/{D}/events/token", "GET"),
    (f"/v3/{D}/stats/total", "GET"),
    ("/v3/stats/total", "GET"),
    ("/v3/stats/total/domains", "GET"),
    ("/v3/stats/filter", "GET"),
    *((f"/v3/{D}/aggregates/{what}", "GET") for what in OF_TAGS),
    ("/v1/analytics/metrics", "POST"),
    ("/v1/analytics/usage/metrics", "POST"),
    ("/v1/analytics/logs", "POST"),
    ("/v1/analytics/tags", "POST PUT DELETE"),
    ("/v1/analytics/tags/limits", "GET"),
    (f"/v3/{D}/tags", "GET"),
    (f"/v3/{D}/tags/news", "GET PUT DELETE"),
    (f"/v3/{D}/tags/news/stats", "GET"),
    *((f"/v3/{D}/tags/news/stats/aggregates/{what}", "GET") for what in OF_TAGS),
    (f"/v3/{D}/tag", "GET PUT DELETE"),
    (f"/v3/{D}/tag/stats", "GET"),
    (f"/v3/{D}/tag/stats/aggregates", "GET"),
    *((f"/v3/domains/{D}/tag/{what}", "GET") for what in OF_TAGS),
    (f"/v3/domains/{D}/limits/tag", "GET"),
    *((f"/v3/{D}/{kind}", "GET POST DELETE") for kind in SUPPRESSIONS),
    *((f"/v3/{D}/{kind}/ann@example.net", "GET DELETE") for kind in SUPPRESSIONS),
    *((f"/v3/{D}/{kind}/import", "POST") for kind in SUPPRESSIONS),
    (f"/v3/domains/{D}/webhooks", "GET POST"),
    (f"/v3/domains/{D}/webhooks/clicked", "GET PUT DELETE"),
    (f"/v3/domains/{D}/webhooks/clicked/test", "PUT"),
    (f"/v4/domains/{D}/webhooks", "POST PUT DELETE"),
    ("/v1/webhooks", "GET POST DELETE"),
    ("/v1/webhooks/wh_1", "GET PUT DELETE"),
    ("/v5/accounts/http_signing_key", "GET POST"),
    *((f"/v{number}/domains", "GET POST") for number in (3, 4)),
    *((f"/v{number}/domains/{D}", "GET PUT DELETE") for number in (3, 4)),
    *((f"/v{number}/domains/{D}/verify", "PUT") for number in (3, 4)),
    (f"/v3/domains/{D}/tracking", "GET"),
    *((f"/v3/domains/{D}/tracking/{part}", "PUT") for part in ("open", "click", "unsubscribe")),
    (f"/v3/domains/{D}/web_prefix", "PUT"),
    (f"/v3/domains/{D}/connection", "GET PUT"),
    (f"/v3/domains/{D}/dkim_authority", "PUT"),
    (f"/v3/domains/{D}/dkim_selector", "PUT"),
    (f"/v3/domains/{D}/credentials", "GET POST DELETE"),
    (f"/v3/domains/{D}/credentials/ann", "PUT DELETE"),
    (f"/v3/domains/{D}/sending_queues", "GET"),
    (f"/v3/{D}/envelopes", "DELETE"),
    ("/v2/x509/email.mg.example.com", "POST PUT"),
    ("/v2/x509/email.mg.example.com/status", "GET"),
    ("/v3/lists", "GET POST"),
    ("/v3/lists/pages", "GET"),
    ("/v3/lists/news@mg.example.com", "GET PUT DELETE"),
    ("/v3/lists/news@mg.example.com/members", "GET POST"),
    ("/v3/lists/news@mg.example.com/members/pages", "GET"),
    ("/v3/lists/news@mg.example.com/members.json", "POST"),
    ("/v3/lists/news@mg.example.com/members.csv", "POST"),
    ("/v3/lists/news@mg.example.com/members/ann@example.net", "GET PUT DELETE"),
    (f"/v3/{D}/stats", "GET"),
)


@pytest.mark.parametrize("path, methods", MATRIX, ids=lambda value: value)
def test_there_is_a_route(path: str, methods: str) -> None:
    """For every method, and none of them is another path's by accident."""
    for method in methods.split():
        route = route_of(method, path)
        assert route is not None, f"{method} {path}"
        assert route.path.count("/") == path.count("/")
