"""Calls generated from the OpenAPI document, right ones and wrong ones, against the real thing.

Whatever is asked: never a 5xx, always an answer that the document describes. Paths lead to things
that are there half of the time, so that what lies behind a 404 is reached too.
"""

import asyncio
import re
from typing import Any, cast

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
from tests.integration.api.calls import ANN, MESSAGE, MIME, send
from tests.integration.api.conformance import DOCUMENT
from tests.integration.api.worlds import OURS, World, basic, serving
from tests.integration.doctor.nameserver import resolver

# The server shares this process: what it draws of `random` is not the strategies' doing.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")

MOST_SHOWN = 20
REMOVED = "removed.example.com"
LIST = f"news@{OURS}"
CHECKS: list[Any] = [
    checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
GOOD: dict[str, list[Any]] = {
    "from": [[f"News <news@{OURS}>"]],
    "to": [[ANN], [f"Ann <{ANN}>, bob@example.net"]],
    "cc": [["cyd@example.net"]],
    "bcc": [["dan@example.net"]],
    "text": ["Hello"],
    "o:deliverytime": [""],
    "o:deliver-within": ["2h"],
    "recipient-variables": ['{"ann@example.net": {"name": "Ann"}}'],
    "address": ["eve@example.net"],
    "login": ["eve"],
    "password": ["12345678"],
    "smtp_password": ["12345678"],
    "dkim_selector": ["may26"],
    "web_prefix": ["email"],
    "name": ["one.example.com"],
    "domain": ["example.net"],
    "vars": ['{"age": 26}'],
    "members": ['["fay@example.net"]'],
    "created_at": ["Tue, 05 Mar 2024 10:00:00 +0000", "1709632800.5"],
    "begin": ["1709632800"],
    "end": ["Fri, 25 Oct 2030 10:00:00 +0000"],
    "page": [""],
    "event": [["opened", "failed"]],
    "start": ["", "1709632800"],
    "timestamp": ["1709632800"],
    "duration": ["7d"],
    "filter": [[f"domain:{OURS}"]],
    "tag": ["news"],
    "url": [["https://hooks.example.com/x"]],
    "event_types": [["opened", "clicked"]],
    "id": ["delivered"],
    "http_signing_key": [""],
}
"""Values that mean something, by the name of their parameter."""

FILES: dict[str, list[Any]] = {
    "file": [b"address\nfay@example.net\n"],
    "members": [b"address\nfay@example.net\n"],
    "message": [MIME.encode()],
}
"""The same where an operation takes files only."""

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


async def _leads_here(_: str) -> None:
    """A gate that lets every host pass."""


async def _furnish(world: World) -> dict[str, list[str]]:
    """Something behind every path; what may stand in each of its places."""
    await send(world, [*MESSAGE, ("o:tag", "news")])
    async with world.api.connection() as conn:
        key = str(await conn.fetchval("SELECT key FROM messages"))
    for path, fields in (
        ("/v3/domains", {"name": REMOVED}),
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
        "address": [ANN],
        "list": [LIST],
        "member": [ANN],
        "login": ["ann"],
        "key": [key],
        "delivery": ["1"],
        "tag": ["news"],
        "type": ["opened", "clicked"],
        "host": [f"email.{OURS}"],
        "token": [page.partition("?")[0].rpartition("/")[2]],
    }


def _operations(url: str) -> list[Any]:
    """All, those last that remove, and of these the ones last that remove most.

    Keys are tested elsewhere: a call that is refused for its key reaches nothing.
    """
    document = openapi.document(url)
    del document["security"], document["components"]["securitySchemes"]
    schema = schemathesis.openapi.from_dict(document)
    found = [cast(Any, result).ok() for result in schema.get_all_operations()]
    return sorted(found, key=lambda one: -len(one.path) if one.method == "delete" else -1_000)


def _names(case: Any) -> dict[str, list[Any]]:
    """What is known of the parameters of a call's form."""
    called = DOCUMENT["paths"][case.path][case.method.lower()]
    content = called.get("requestBody", {}).get("content", {})
    known = GOOD if len(content) > 1 else GOOD | FILES
    if case.path in ("/v3/lists", "/v3/lists/{address}"):
        known = known | {"address": [LIST if case.method == "PUT" else f"more@{OURS}"]}
    properties = {name for one in content.values() for name in one["schema"].get("properties", {})}
    return {name: known[name] for name in sorted(properties & known.keys())}


def _make_sense(said: dict[str, Any], form: dict[str, list[Any]], data: Any) -> None:
    """Known values where there are some, and no control characters elsewhere."""
    for name in [*form, *(name for name in said if name in GOOD)]:
        said[name] = data.draw(st.sampled_from(form.get(name) or GOOD[name]))
    for name, value in list(said.items()):
        if not re.fullmatch("[a-z_:-]+", name):
            del said[name]
        elif isinstance(value, str):
            said[name] = CONTROL.sub("", value)


class _Caller:
    """Makes calls, and keeps what was wrong with their answers: a second one may do well."""

    def __init__(self, world: World, places: dict[str, list[str]]) -> None:
        self.faults: list[str] = []
        self.reached: set[str] = set()
        self._places = places
        self._url = world.url
        self._session = requests.Session()
        self._session.headers["Authorization"] = basic(world.key)

    def call(self, case: Any, data: Any) -> None:
        """One call, on something that is there and with sensible values most of the time."""
        for name in re.findall(r"\{(\w+)\}", case.path):
            if data.draw(st.sampled_from([True, True, True, False])):
                place = "list" if name == "address" and "/lists/" in case.path else name
                known = self._places.get(place, ["1"])
                case.path_parameters[name] = data.draw(st.sampled_from(known))
        for given_ in (case.query, case.body):
            if isinstance(given_, dict) and data.draw(st.sampled_from([True, True, False])):
                _make_sense(given_, _names(case), data)
        # Without the one domain that most paths lead to, nothing else could be reached.
        if case.method == "DELETE" and re.fullmatch(r"/v[34]/domains/[^/]+", case.formatted_path):
            case.path_parameters["name"] = REMOVED
        response = case.call(base_url=self._url, session=self._session, timeout=30)
        if response.status_code < 300:
            self.reached.add(case.operation.label)
        try:
            case.validate_response(response, checks=CHECKS)
        except FailureGroup as group:
            told = "; ".join(f"{one.title}: {one.message}" for one in group.exceptions)
            answer = f"{response.status_code} {response.content[:300]!r}"
            self.faults.append(f"{case.as_curl_command()[:1000]}\n{answer}\n{told[:600]}")


def _generated(world: World, places: dict[str, list[str]], examples: int, *, steady: bool) -> None:
    """Try every operation; all of its faults are told."""
    caller = _Caller(world, places)
    operations = _operations(world.url)
    for operation in operations:
        slow = operation.path.endswith(("/verify", "/test"))
        takes = bool(operation.query) or bool(operation.body)
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)[: 1 + takes]:
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
            tried(given(case=strategy, data=st.data())(_test(caller)))()
    assert not caller.faults, "\n\n".join(caller.faults[:MOST_SHOWN])
    unreached = {operation.label for operation in operations} - caller.reached
    assert len(unreached) < len(operations) / 6, "\n".join(sorted(unreached))


def _test(caller: _Caller) -> Any:
    def call(case: Any, data: Any) -> None:
        caller.call(case, data)

    return call


async def _run(db: Pool, examples: int, *, steady: bool) -> None:
    async with resolver({}) as dns:
        doctor = Doctor(Looker([dns.server], timeout=1), probe_secret(Vault(bytes(32))))
        async with serving(db, examiner=doctor, failures=0, gate=_leads_here) as world:
            places = await _furnish(world)
            await asyncio.to_thread(_generated, world, places, examples, steady=steady)


@pytest.mark.timeout(300)
async def test_generated_calls_are_answered_as_described(db: Pool) -> None:
    """A few of each operation, the same in every run; five of six operations do succeed."""
    await _run(db, 4, steady=True)


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_many_generated_calls_are_answered_as_described(db: Pool) -> None:
    """Hundreds of each, others in every run."""
    await _run(db, 200, steady=False)
