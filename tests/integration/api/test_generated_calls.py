"""Calls generated from the OpenAPI document, right ones and wrong ones, against the real thing.

Whatever is asked: never a 5xx, always an answer that the document describes. Paths lead to things
that are there half of the time, so that what lies behind a 404 is reached too.
"""

import asyncio
import re
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode, checks
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from edge.api import openapi
from edge.doctor.examine import Doctor
from edge.doctor.look import Looker
from edge.model.probe import probe_secret
from edge.model.vault import Vault
from edge.store.pool import Pool
from tests.integration.api.calls import ANN, MESSAGE, send
from tests.integration.api.worlds import OURS, World, basic, serving
from tests.integration.doctor.nameserver import resolver

# The server shares this process: what it draws of `random` is not the strategies' doing.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")

MOST_SHOWN = 20
LIST = f"news@{OURS}"
CHECKS: list[Any] = [
    checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
OTHER_PLACES = st.sampled_from(["a%00b", "%27%3B--", ".", "%C3%BC", "x" * 300, "%2e%2e", "(", "%"])


async def _furnish(world: World) -> dict[str, list[str]]:
    """Something behind every path; what may stand in each of its places."""
    await send(world, MESSAGE)
    async with world.api.connection() as conn:
        key = str(await conn.fetchval("SELECT key FROM messages"))
    for path, fields in (
        ("/v3/lists", {"address": LIST}),
        (f"/v3/lists/{LIST}/members", {"address": ANN}),
        (f"/v3/domains/{OURS}/credentials", {"login": "ann", "password": "12345678"}),
        *((f"/v3/{OURS}/{kind}", {"address": ANN}) for kind in ("bounces", "complaints")),
        *((f"/v3/{OURS}/{kind}", {"address": ANN}) for kind in ("unsubscribes", "whitelists")),
    ):
        got = await world.ask("POST", path, data=fields)
        assert got.status == 200, got.body
    page = (await world.ask("GET", f"/v3/{OURS}/events")).json["paging"]["next"]
    return {
        "name": [OURS],
        "address": [ANN, LIST],
        "member": [ANN],
        "login": ["ann"],
        "key": [key],
        "delivery": ["1"],
        "host": [f"email.{OURS}"],
        "token": [page.partition("?")[0].rpartition("/")[2]],
    }


def _generated(world: World, places: dict[str, list[str]], examples: int, *, steady: bool) -> None:
    """Try every operation; all of its faults are told, one for each."""
    schema = schemathesis.openapi.from_dict(openapi.document(world.url))
    session = requests.Session()
    session.headers["Authorization"] = basic(world.key)
    faults: list[str] = []
    for result in schema.get_all_operations():
        operation: Any = result.ok()  # type: ignore[union-attr]
        slow = operation.path.endswith("/verify")
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            tried = settings(
                max_examples=2 if slow else examples,
                deadline=None,
                derandomize=steady,
                database=None,
                phases=(Phase.generate,),
                verbosity=Verbosity.quiet,
                suppress_health_check=list(HealthCheck),
            )
            strategy = operation.as_strategy(generation_mode=mode)
            tried(_one(strategy, places, world.url, session, faults))()
    assert not faults, "\n\n".join(faults[:MOST_SHOWN])


def _one(
    strategy: Any,
    places: dict[str, list[str]],
    url: str,
    session: requests.Session,
    faults: list[str],
) -> Any:
    """The test of one operation. Faults are kept, not raised: the same call again may do well."""

    @given(case=strategy, data=st.data())
    def call(case: Any, data: Any) -> None:
        for name in re.findall(r"\{(\w+)\}", case.path):
            if data.draw(st.sampled_from([True, True, False])):
                case.path_parameters[name] = data.draw(st.sampled_from(places.get(name, ["1"])))
        # Removing the one domain that all paths lead to would end the others' tests.
        if case.method == "DELETE" and re.fullmatch(r"/v[34]/domains/[^/]+", case.formatted_path):
            case.path_parameters["name"] = "removed.example.com"
        response = case.call(base_url=url, session=session, timeout=30)
        try:
            case.validate_response(response, checks=CHECKS)
        except FailureGroup as group:
            told = "; ".join(f"{one.title}: {one.message}" for one in group.exceptions)
            answer = f"{response.status_code} {response.content[:300]!r}"
            faults.append(f"{case.as_curl_command()[:1000]}\n{answer}\n{told[:600]}")

    return call


async def _run(db: Pool, examples: int, *, steady: bool) -> None:
    async with resolver({}) as dns:
        doctor = Doctor(Looker([dns.server], timeout=1), probe_secret(Vault(bytes(32))))
        async with serving(db, examiner=doctor) as world:
            places = await _furnish(world)
            await asyncio.to_thread(_generated, world, places, examples, steady=steady)


async def test_generated_calls_are_answered_as_described(db: Pool) -> None:
    """A few of each operation, the same in every run."""
    await _run(db, 6, steady=True)


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_many_generated_calls_are_answered_as_described(db: Pool) -> None:
    """Hundreds of each, others in every run."""
    await _run(db, 300, steady=False)
