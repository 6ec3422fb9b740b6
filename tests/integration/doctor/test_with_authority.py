"""The gate before a real authority: Pebble, with its DNS server as the resolver."""

import contextlib

from certs import challenges
from edge.doctor.gate import Gate
from edge.doctor.look import Looker
from tests.integration.certs.pebble import Pebble, pebble
from tests.integration.certs.worlds import world
from tests.integration.doctor import port_80
from tests.integration.doctor.port_80 import SECRET, listening

EDGE, HOST = "edge.track.example", "email.brand.example"


def _port_80(ca: Pebble) -> port_80.Answers:
    """As the tracking server: probes and challenges, and nothing else."""

    def answer(host: str, path: str) -> bytes:
        body = challenges.answer(path, ca.responder.thumbprint)
        return port_80.edge(host, path) if body is None else port_80.page(body)

    return answer


async def test_an_order_is_made_when_the_name_leads_here_and_not_before() -> None:
    """No CNAME: the customer is told, and the authority is not asked. With it: a certificate."""
    async with contextlib.AsyncExitStack() as stack:
        ca = await stack.enter_async_context(pebble(responding=False))
        _, hosts = await stack.enter_async_context(listening(_port_80(ca), port=ca.http_port))
        looker = Looker([("127.0.0.1", ca.dns_port)] * 2, timeout=2)
        gate = Gate(looker, SECRET, (EDGE,), http_port=ca.http_port)
        w = await stack.enter_async_context(world(ca, gate=gate))
        await ca.dns("set-default-ipv4", ip="")
        await ca.dns("add-a", host=EDGE, addresses=["127.0.0.1"])
        await w.storage.add(HOST)
        await w.work(lambda: w.host(HOST).failure is not None)
        failure = w.host(HOST).failure
        assert failure is not None
        assert failure.who == "customer"
        assert f"{HOST}. CNAME {EDGE}." in failure.text
        assert hosts == []

        await ca.dns("set-cname", host=HOST, target=EDGE)
        await w.work(lambda: HOST in w.storage.certificates)
        assert set(hosts) == {HOST}
        assert w.host(HOST).failure is None
