"""Statistics, metrics, logs and tags through Mailgun's own Python SDK."""

import asyncio
from typing import Any

import mailgun.client
import pytest

from edge.store import rollups
from edge.store.pool import Pool
from tests.integration.api.figures import happen, message, opened
from tests.integration.api.worlds import OURS, World, serving


@pytest.mark.filterwarnings("ignore:DEPRECATED API CALL:DeprecationWarning")
async def test_the_python_sdk_reads_figures(db: Pool) -> None:
    """The calls of its examples, with only the base URL changed."""
    async with serving(db) as world:
        await happen(
            world,
            {"event": "accepted"} | message(1, "name1"),
            {"event": "delivered"} | message(1, "name1"),
            opened() | message(1, "name1"),
        )
        async with db.acquire() as conn:
            await rollups.run(conn, now_us=world.clock.now_us())
        await asyncio.to_thread(_everyday, world)


def _where(attribute: str, value: str) -> dict[str, Any]:
    values = [{"label": value, "value": value}]
    return {"AND": [{"attribute": attribute, "comparator": "=", "values": values}]}


def _everyday(world: World) -> None:
    client = mailgun.client.Client(auth=("api", world.key), api_url=world.url)
    _v3(client)
    asked = {
        "resolution": "day",
        "duration": "1m",
        "dimensions": ["time"],
        "metrics": ["accepted_count", "delivered_count", "clicked_rate", "opened_rate"],
        "filter": _where("domain", OURS),
        "include_subaccounts": True,
        "include_aggregates": True,
    }
    answer = client.analytics_metrics.create(data=asked)
    assert answer.status_code == 200, answer.text
    (item,) = answer.json()["items"]
    assert item["metrics"]["opened_rate"] == "1.0000"
    assert answer.json()["resolution"] == "day"
    wrong = client.analytics_metrics.create(data=asked | {"resolution": "century"})
    assert wrong.status_code == 400
    assert "'resolution' attribute is invalid" in wrong.json()["message"]
    usage = client.analytics_usage_metrics.create(
        data=asked | {"dimensions": ["time"], "metrics": ["email_validation_count"], "filter": {}}
    )
    assert usage.status_code == 200, usage.text
    logs = {
        "filter": _where("domain", OURS),
        "include_subaccounts": True,
        "pagination": {"sort": "timestamp:asc", "limit": 50},
    }
    found = client.analytics_logs.create(data=logs)
    assert [one["event"] for one in found.json()["items"]] == ["accepted", "delivered", "opened"]
    bad = client.analytics_logs.create(data=logs | {"filter": _where("test", "x")})
    assert bad.status_code == 400
    assert "'test' is not a valid filter predicate attribute" in bad.json()["message"]
    assert client.analytics_logs.get().status_code == 404
    assert "error" in client.analytics_metrics.get().json()
    _tags(client)


def _v3(client: mailgun.client.Client) -> None:
    filters = {"event": ["accepted", "delivered"], "duration": "1m"}
    total = client.stats_total.get(filters=filters, domain=OURS)
    assert total.status_code == 200, total.text
    assert total.json()["stats"][-1]["accepted"]["total"] == 1
    assert [one["tag"] for one in client.tags.get(domain=OURS).json()["items"]] == ["name1"]
    one = client.tags.get(domain=OURS, tag_name="name1")
    assert one.json()["tag"] == "name1"
    put = client.tags.put(domain=OURS, tag_name="name1", data={"description": "text"})
    assert put.json() == {"message": "Tag updated"}
    stats = client.tags_stats.get(domain=OURS, filters={"event": "accepted"}, tag_name="name1")
    assert stats.json()["tag"] == "name1"
    for get in (
        client.tags_stats_aggregates_devices,
        client.tags_stats_aggregates_countries,
        client.tags_stats_aggregates_providers,
    ):
        figures = get.get(domain=OURS, filters={"event": "accepted"}, tag_name="name1")
        assert figures.json()["tag"] == "name1"


def _tags(client: mailgun.client.Client) -> None:
    listed = client.analytics_tags.create(
        data={"pagination": {"sort": "lastseen:desc", "limit": 10}, "include_subaccounts": True}
    )
    assert set(listed.json()["pagination"]) == {"sort", "limit"}
    assert [one["tag"] for one in listed.json()["items"]] == ["name1"]
    put = client.analytics_tags.update(data={"tag": "name1", "description": "new"})
    assert put.json()["message"] == "Tag updated"
    limits = client.analytics_tags_limits.get()
    assert set(limits.json()) == {"limit", "count", "limit_reached"}
    assert client.analytics_tags.delete(data={"tag": "name1"}).json()["message"] == "Tag deleted"
    assert client.analytics_tags.delete(data={"tag": "name1"}).status_code == 404
    with pytest.raises(KeyError):
        client.analytics_tags.get().json()["items"]
