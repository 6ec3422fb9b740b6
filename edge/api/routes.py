"""Every route of the API and what it asks of a key: the only place where paths are written.

Adding a resource is a module beside this one and its lines in :data:`ROUTES`.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, NamedTuple

from aiohttp import web

from edge.api import (
    account_webhooks,
    analytics_logs,
    analytics_metrics,
    analytics_tags,
    certificates,
    credentials,
    dkim_settings,
    domain_connection,
    domains,
    events,
    list_members,
    lists,
    messages,
    outbox,
    reports,
    stats,
    stored_messages,
    suppressions,
    tags,
    tracking_settings,
    verification,
    webhooks,
)
from edge.api.auth import Need, allow
from edge.store.suppressed import Kind

DOMAIN: Final = "/v3/domains/{name}"
DOMAINS: Final = ("/v3/domains", "/v4/domains")
LISTS: Final = "/v3/lists"
MEMBERS: Final = f"{LISTS}/{{address}}/members"


class Route(NamedTuple):
    """One method of one path."""

    method: str
    path: str
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    need: Need


def _both_versions() -> list[Route]:
    return [
        route
        for base in DOMAINS
        for route in (
            Route("GET", base, domains.list_domains, Need.READ),
            Route("POST", base, domains.create_domain, Need.WRITE),
            Route("GET", f"{base}/{{name}}", domains.get_domain, Need.READ),
            Route("PUT", f"{base}/{{name}}", domains.change_domain, Need.WRITE),
            Route("DELETE", f"{base}/{{name}}", domains.delete_domain, Need.WRITE),
            Route("PUT", f"{base}/{{name}}/verify", verification.verify_domain, Need.WRITE),
        )
    ]


_DOMAINS: Final = (
    *_both_versions(),
    Route("GET", f"{DOMAIN}/connection", domain_connection.get_connection, Need.READ),
    Route("PUT", f"{DOMAIN}/connection", domain_connection.change_connection, Need.WRITE),
    Route("PUT", f"{DOMAIN}/web_prefix", domain_connection.change_web_prefix, Need.WRITE),
    Route("PUT", f"{DOMAIN}/dkim_authority", dkim_settings.change_authority, Need.WRITE),
    Route("PUT", f"{DOMAIN}/dkim_selector", dkim_settings.change_selector, Need.WRITE),
    Route("GET", f"{DOMAIN}/tracking", tracking_settings.get_tracking, Need.READ),
    Route("PUT", f"{DOMAIN}/tracking/open", tracking_settings.change_open, Need.WRITE),
    Route("PUT", f"{DOMAIN}/tracking/click", tracking_settings.change_click, Need.WRITE),
    Route(
        "PUT", f"{DOMAIN}/tracking/unsubscribe", tracking_settings.change_unsubscribe, Need.WRITE
    ),
    Route("GET", f"{DOMAIN}/credentials", credentials.list_credentials, Need.READ),
    Route("POST", f"{DOMAIN}/credentials", credentials.create_credential, Need.WRITE),
    Route("DELETE", f"{DOMAIN}/credentials", credentials.delete_credentials, Need.WRITE),
    Route("PUT", f"{DOMAIN}/credentials/{{login}}", credentials.change_password, Need.WRITE),
    Route("DELETE", f"{DOMAIN}/credentials/{{login}}", credentials.delete_credential, Need.WRITE),
    Route("GET", LISTS, lists.list_lists, Need.READ),
    Route("POST", LISTS, lists.create_list, Need.WRITE),
    Route("GET", f"{LISTS}/pages", lists.page_lists, Need.READ),
    Route("GET", f"{LISTS}/{{address}}", lists.get_list, Need.READ),
    Route("PUT", f"{LISTS}/{{address}}", lists.change_list, Need.WRITE),
    Route("DELETE", f"{LISTS}/{{address}}", lists.delete_list, Need.WRITE),
    Route("GET", MEMBERS, list_members.list_all, Need.READ),
    Route("POST", MEMBERS, list_members.create_member, Need.WRITE),
    Route("GET", f"{MEMBERS}/pages", list_members.page_members, Need.READ),
    Route("POST", f"{MEMBERS}.json", list_members.upload_json, Need.WRITE),
    Route("POST", f"{MEMBERS}.csv", list_members.upload_csv, Need.WRITE),
    Route("GET", f"{MEMBERS}/{{member}}", list_members.get_member, Need.READ),
    Route("PUT", f"{MEMBERS}/{{member}}", list_members.change_member, Need.WRITE),
    Route("DELETE", f"{MEMBERS}/{{member}}", list_members.delete_member, Need.WRITE),
)


_SENDING: Final = (
    Route("POST", "/v3/{name}/messages", messages.send, Need.SEND),
    Route("POST", "/v3/{name}/messages.mime", messages.send_mime, Need.SEND),
    Route("GET", f"{DOMAIN}/messages/{{key}}", stored_messages.get_message, Need.READ),
    Route("POST", f"{DOMAIN}/messages/{{key}}", stored_messages.resend, Need.SEND),
    Route("GET", f"{DOMAIN}/sending_queues", stored_messages.get_queues, Need.READ),
    Route("DELETE", "/v3/{name}/envelopes", stored_messages.purge_queue, Need.WRITE),
    Route("GET", f"{DOMAIN}/outbox", outbox.list_outbox, Need.READ),
    Route("GET", f"{DOMAIN}/outbox/{{delivery}}", outbox.get_finished, Need.READ),
)


def _suppressions() -> list[Route]:
    return [
        route
        for kind in Kind
        for base in (f"/v3/{{name}}/{kind}",)
        for route in (
            Route("GET", base, partial(suppressions.list_entries, kind), Need.READ),
            Route("POST", base, partial(suppressions.add, kind), Need.WRITE),
            Route("DELETE", base, partial(suppressions.delete_all, kind), Need.WRITE),
            Route("POST", f"{base}/import", partial(suppressions.upload, kind), Need.WRITE),
            Route("GET", f"{base}/{{address}}", partial(suppressions.get_entry, kind), Need.READ),
            Route(
                "DELETE",
                f"{base}/{{address}}",
                partial(suppressions.delete_entry, kind),
                Need.WRITE,
            ),
        )
    ]


_CERTIFICATES: Final = (
    Route("POST", "/v2/x509/{host}", certificates.generate, Need.WRITE),
    Route("PUT", "/v2/x509/{host}", certificates.renew, Need.WRITE),
    Route("GET", "/v2/x509/{host}/status", certificates.status, Need.READ),
)


_EVENTS: Final = (
    Route("GET", "/v3/{name}/events", events.list_events, Need.READ),
    Route("GET", "/v3/{name}/events/{token}", events.list_events, Need.READ),
)


def _webhooks() -> list[Route]:
    by_type, by_url = f"{DOMAIN}/webhooks", "/v4/domains/{name}/webhooks"
    of_account, key = "/v1/webhooks", "/v5/accounts/http_signing_key"
    found = (
        Route("GET", by_type, webhooks.list_webhooks, Need.READ),
        Route("POST", by_type, webhooks.create_webhook, Need.WRITE),
        # mailgun-python calls these two of version 4 under version 3.
        Route("PUT", by_type, webhooks.change_by_url, Need.WRITE),
        Route("DELETE", by_type, webhooks.delete_by_url, Need.WRITE),
        Route("GET", f"{by_type}/{{type}}", webhooks.get_webhook, Need.READ),
        Route("PUT", f"{by_type}/{{type}}", webhooks.change_webhook, Need.WRITE),
        Route("DELETE", f"{by_type}/{{type}}", webhooks.delete_webhook, Need.WRITE),
        Route("PUT", f"{by_type}/{{type}}/test", webhooks.test_webhook, Need.WRITE),
        Route("POST", by_url, webhooks.create_by_url, Need.WRITE),
        Route("PUT", by_url, webhooks.change_by_url, Need.WRITE),
        Route("DELETE", by_url, webhooks.delete_by_url, Need.WRITE),
        Route("GET", of_account, account_webhooks.list_webhooks, Need.READ),
        Route("POST", of_account, account_webhooks.create_webhook, Need.WRITE),
        Route("DELETE", of_account, account_webhooks.delete_webhooks, Need.WRITE),
        Route("GET", f"{of_account}/{{id}}", account_webhooks.get_webhook, Need.READ),
        Route("PUT", f"{of_account}/{{id}}", account_webhooks.change_webhook, Need.WRITE),
        Route("DELETE", f"{of_account}/{{id}}", account_webhooks.delete_webhook, Need.WRITE),
        Route("GET", key, account_webhooks.get_key, Need.WRITE),
        Route("POST", key, account_webhooks.new_key, Need.WRITE),
    )
    return [one._replace(handler=webhooks.with_reasons(one.handler)) for one in found]


_ANALYTICS: Final = (
    Route("POST", "/v1/analytics/metrics", analytics_metrics.ask_metrics, Need.READ),
    Route("POST", "/v1/analytics/usage/metrics", analytics_metrics.ask_usage, Need.READ),
    Route("POST", "/v1/analytics/logs", analytics_logs.ask_logs, Need.READ),
    Route("POST", "/v1/analytics/tags", analytics_tags.list_tags, Need.READ),
    Route("PUT", "/v1/analytics/tags", analytics_tags.change_tag, Need.WRITE),
    Route("DELETE", "/v1/analytics/tags", analytics_tags.delete_tag, Need.WRITE),
    Route("GET", "/v1/analytics/tags/limits", analytics_tags.limits, Need.READ),
    Route("GET", "/v3/stats/total", stats.of_account, Need.READ),
    Route("GET", "/v3/stats/total/domains", stats.of_domains, Need.READ),
    Route("GET", "/v3/stats/filter", stats.filtered, Need.READ),
    Route("GET", "/v3/{name}/stats", stats.legacy, Need.READ),
    Route("GET", "/v3/{name}/stats/total", stats.of_domain, Need.READ),
)


def _tags() -> list[Route]:
    """A tag in the path, as SDKs write it, and in the query, as the reference does."""
    routes = [Route("GET", "/v3/{name}/tags", tags.list_tags, Need.READ)]
    for base in ("/v3/{name}/tags/{tag}", "/v3/{name}/tag"):
        routes += [
            Route("GET", base, tags.get_tag, Need.READ),
            Route("PUT", base, tags.change_tag, Need.WRITE),
            Route("DELETE", base, tags.delete_tag, Need.WRITE),
            Route("GET", f"{base}/stats", tags.stats_of_tag, Need.READ),
        ]
    figures = "/v3/{name}/tag/stats/aggregates"
    routes.append(Route("GET", figures, partial(tags.aggregates_of_tag, ""), Need.READ))
    for many, one in (("countries", "country"), ("providers", "provider"), ("devices", "device")):
        of_tag = partial(tags.aggregates_of_tag, one)
        figures = f"/v3/{{name}}/tags/{{tag}}/stats/aggregates/{many}"
        routes += [
            Route("GET", figures, of_tag, Need.READ),
            Route("GET", f"{DOMAIN}/tag/{many}", partial(tags.values_of, many), Need.READ),
            Route(
                "GET", f"/v3/{{name}}/aggregates/{many}", partial(stats.aggregates, many), Need.READ
            ),
        ]
    return [*routes, Route("GET", f"{DOMAIN}/limits/tag", tags.limits, Need.READ)]


_RETURNS: Final = (
    Route("POST", "/v1/reports", reports.report, Need.WRITE),
    Route("POST", "/v1/reports/explain", reports.explain, Need.READ),
)


ROUTES: Final = (
    *_DOMAINS,
    *_SENDING,
    *_EVENTS,
    *_suppressions(),
    *_CERTIFICATES,
    *_ANALYTICS,
    *_tags(),
    *_webhooks(),
    *_RETURNS,
)


async def _allowed(route: Route, request: web.Request) -> web.StreamResponse:
    allow(request, route.need)
    return await route.handler(request)


def methods() -> dict[str, str]:
    """The methods of each path as the documentation lists them."""
    found: dict[str, list[str]] = {}
    for route in ROUTES:
        found.setdefault(route.path, []).extend(
            ["GET", "HEAD"] if route.method == "GET" else [route.method]
        )
    return {path: ", ".join(names) for path, names in found.items()}


def add_to(app: web.Application) -> None:
    """Put the API's routes into the application of the control port."""
    for route in ROUTES:
        handler = partial(_allowed, route)
        if route.method == "GET":
            app.router.add_get(route.path, handler)
        else:
            app.router.add_route(route.method, route.path, handler)
