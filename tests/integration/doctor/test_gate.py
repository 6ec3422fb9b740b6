"""The gate before a certificate: who must act, and that it costs little."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from certs.errors import CustomerError, OperatorError
from certs.storage import Gate as CertsGate
from edge.doctor.gate import Gate
from edge.doctor.look import Looker
from tests.integration.doctor import port_80
from tests.integration.doctor.nameserver import resolver, signed
from tests.integration.doctor.port_80 import SECRET, listening
from tests.integration.doctor.test_examine import SIGNED
from tests.integration.doctor.worlds import EDGE, GOOD, HOST, changed
from tests.ports import free_port

CNAME = (HOST, "CNAME")


@asynccontextmanager
async def gate(
    *zones: Any, port: int, edges: tuple[str, ...] = (EDGE,)
) -> AsyncIterator[CertsGate]:
    """A gate with a resolver for each zone."""
    async with resolver(zones[0]) as first, resolver(zones[-1]) as second:
        servers = [first.server, second.server][: len(zones)]
        yield Gate(Looker(servers, timeout=1.0), SECRET, edges, http_port=port, timeout=2)


async def test_a_good_name_passes_with_few_questions_and_one_request() -> None:
    """Two resolvers for the CNAME, the edge's addresses, one probe with the host's name."""
    async with (
        listening(port_80.edge) as (port, hosts),
        resolver(GOOD) as first,
        resolver(GOOD) as second,
    ):
        await Gate(Looker([first.server, second.server]), SECRET, (EDGE,), http_port=port)(HOST)
        assert hosts == [HOST]
        assert first.asked == [(HOST, "CNAME"), (EDGE, "A"), (EDGE, "AAAA")]
        assert second.asked == [(HOST, "CNAME")]


async def test_an_edge_that_has_not_heard_of_a_new_host_is_asked_again() -> None:
    """404 twice while the roster is on its way, then our answer: no refusal; but not for ever."""
    asked: list[str] = []

    def late(host: str, path: str) -> bytes:
        asked.append(path)
        return port_80.edge(host, path if len(asked) > 2 else "/nothing-here")

    async with listening(late) as (port, _), resolver(GOOD) as one:
        looker = Looker([one.server])
        await Gate(looker, SECRET, (EDGE,), http_port=port, patience=(0.01, 0.01))(HOST)
        assert len(set(asked)) == 3
        asked.clear()
        with pytest.raises(OperatorError, match="status 404"):
            await Gate(looker, SECRET, (EDGE,), http_port=port, patience=(0.01,))(HOST)
        assert len(asked) == 2


@pytest.mark.parametrize(
    "zones, words",
    [
        ([changed(CNAME)] * 2, ["does not exist", f"Create the record: {HOST}. CNAME {EDGE}."]),
        ([changed(CNAME) | {CNAME: ["o.example."]}] * 2, ["o.example", "Change the record"]),
        ([changed(CNAME) | {(HOST, "A"): ["127.0.0.1"]}] * 2, ["no CNAME", "no certificate"]),
        ([changed(CNAME) | {(HOST, "A"): ["104.16.0.1"]}] * 2, ["Cloudflare", "DNS only"]),
        ([changed(CNAME) | {(HOST, "SOA"): ["ns.a. b.a. 1 2 3 4 5"]}] * 2, ["apex"]),
        ([changed(CNAME) | {CNAME: [f"{HOST}."]}] * 2, ["circle"]),
        ([GOOD, changed(CNAME)], ["one resolver sees", "TTL"]),
        ([GOOD | {CNAME: "servfail"}, GOOD], ["one of two resolvers", "SERVFAIL"]),
        ([GOOD, GOOD | {CNAME: "silence"}], ["one of two resolvers", "no answer from"]),
        ([changed(CNAME) | {CNAME: "servfail"}] * 2, ["no resolver could answer", "SERVFAIL"]),
    ],
)
async def test_the_customer_is_told_what_to_mend(zones: list[Any], words: list[str]) -> None:
    """CustomerError, with what was seen and the step; nothing was connected to."""
    async with listening(port_80.edge) as (port, hosts), gate(*zones, port=port) as asked:
        with pytest.raises(CustomerError) as caught:
            await asked(HOST)
    assert [word for word in words if word not in str(caught.value)] == []
    assert str(caught.value).startswith(HOST)
    assert hosts == []


async def test_a_broken_signature_is_the_customers() -> None:
    """DNSSEC that fails for everybody who checks it."""
    zone = signed("example.com", SIGNED, broken=HOST)
    async with gate(zone, port=9) as asked:
        with pytest.raises(CustomerError, match="DNSSEC") as caught:
            await asked(HOST)
    assert "DS record" in str(caught.value)


@pytest.mark.parametrize(
    "answers, words",
    [
        (port_80.stranger, "something else answers"),
        (port_80.redirecting, "it redirects"),
        (port_80.other_installation, "something else answers"),
    ],
)
async def test_a_port_80_that_is_not_ours_is_the_operators(
    answers: port_80.Answers, words: str
) -> None:
    """The addresses are the edge's own: no customer can mend that."""
    async with listening(answers) as (port, _), gate(GOOD, GOOD, port=port) as asked:
        with pytest.raises(OperatorError, match=words):
            await asked(HOST)


async def test_the_next_address_is_tried_only_when_one_is_silent() -> None:
    """One dead address of several is not the end; a wrong answer is."""
    two = GOOD | {(EDGE, "A"): ["127.0.0.3", "127.0.0.1"]}
    async with listening(port_80.edge) as (port, hosts), gate(two, two, port=port) as asked:
        await asked(HOST)
        assert hosts == [HOST]
    async with (
        listening(port_80.stranger, "127.0.0.3") as (port, first),
        listening(port_80.stranger, "127.0.0.1", port=port) as (_, second),
        gate(two, two, port=port) as asked,
    ):
        with pytest.raises(OperatorError):
            await asked(HOST)
        assert first + second == [HOST]


async def test_an_edge_that_nobody_reaches_is_the_operators() -> None:
    """Every address is silent."""
    two = GOOD | {(EDGE, "A"): ["127.0.0.3", "127.0.0.1"]}
    async with gate(two, two, port=free_port()) as asked:
        with pytest.raises(OperatorError, match="cannot be reached") as caught:
            await asked(HOST)
    assert "hairpin" in str(caught.value)


@pytest.mark.parametrize(
    "zones, edges, words",
    [
        ([lambda _: None] * 2, (EDGE,), "resolver does not answer"),
        ([GOOD, lambda _: None], (EDGE,), "resolver does not answer"),
        ([changed((EDGE, "A"))] * 2, (EDGE,), "has no address"),
        ([GOOD, GOOD], (), "EDGE_PUBLIC_HOST is not set"),
    ],
)
async def test_what_the_operator_must_mend(
    zones: list[Any], edges: tuple[str, ...], words: str
) -> None:
    """Dead resolvers and an edge without name or address are nobody else's fault."""
    async with gate(*zones, port=9, edges=edges) as asked:
        with pytest.raises(OperatorError, match=words):
            await asked(HOST)


async def test_a_single_resolver_is_said_once() -> None:
    """It works, with a warning in the log the first time."""
    async with listening(port_80.edge) as (port, _), gate(GOOD, port=port) as asked:
        with capture_logs() as logs:
            await asked(HOST)
            await asked(HOST)
    assert len([line for line in logs if "only one DNS resolver" in line["event"]]) == 1
