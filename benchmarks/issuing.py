"""From asking over the API to ``active``: one, 20 and 200 hosts at once, with everything real.

``edge serve`` with its own Postgres, its jobs, their gate and their budgets; Pebble, which looks
the names up in its DNS server and fetches the answers from the edge's port. Beside it the same
hosts one after the other, each an order by the library with nothing around it.
"""

import asyncio
import base64
import http.client
import json
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from benchmarks.figure import Figure, Scale, Section
from certs.budgets import Limits

NAME = "issuing"
OURS = "edge.example.org"
PATIENCE = 900.0


class Client:
    """The API, by the key of the first run."""

    def __init__(self, port: int, output: str) -> None:
        found = re.search(r"api:([\w-]+)", output)
        if found is None:
            raise RuntimeError(f"no key was printed: {output[-500:]}")
        token = base64.b64encode(b"api:" + found[1].encode()).decode()
        self._headers = {"Authorization": f"Basic {token}"}
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def __call__(self, method: str, path: str, form: str = "") -> Any:
        """The JSON of an answer; RuntimeError if it is none of success."""
        headers = self._headers
        if form:
            headers = headers | {"Content-Type": "application/x-www-form-urlencoded"}
        self._connection.request(method, path, form or None, headers)
        answer = self._connection.getresponse()
        body = json.load(answer)
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {body}")
        return body


@dataclass
class Taken:
    """Seconds of each host from its POST to ``active``, and of all of them together."""

    each: list[float]
    wall: float


def ask(client: Client, hosts: list[str]) -> Taken:
    """Ask for all of them, then for their states in turn until each is active."""
    asked: dict[str, float] = {}
    each: list[float] = []
    began = time.perf_counter()
    for host in hosts:
        asked[host] = time.perf_counter()
        client("POST", f"/v2/x509/{host}")
    while asked:
        for host in list(asked):
            found = client("GET", f"/v2/x509/{host}/status")
            if found["status"] == "active":
                each.append(time.perf_counter() - asked.pop(host))
            elif found["status"] != "processing":
                raise RuntimeError(f"{host}: {found}")
        if time.perf_counter() - began > PATIENCE:
            raise RuntimeError(f"{len(asked)} hosts are not active")
        time.sleep(0.05)
    return Taken(each, time.perf_counter() - began)


def measure(edge: Any, ca: Any, sizes: list[int], loop: asyncio.AbstractEventLoop) -> list[Taken]:
    """Domains whose CNAMEs lead here, then their certificates, size by size."""
    client, taken = Client(edge.control, edge.output), []
    for size in sizes:
        hosts = []
        for number in range(size):
            name = f"brand{number}-of-{size}.example"
            client("POST", "/v4/domains", f"name={name}")
            hosts.append(f"email.{name}")
        for host in hosts:
            told = ca.dns("set-cname", host=f"{host}.", target=f"{OURS}.")
            asyncio.run_coroutine_threadsafe(told, loop).result(10)
        time.sleep(12)  # the roster has them, and the pace of orders is full again
        taken.append(ask(client, hosts))
    return taken


async def through_the_api(sizes: list[int]) -> list[Taken]:
    """The figures of an edge of its own."""
    from tests.integration.certs.pebble import pebble
    from tests.integration.run.serving import Edge, finish, place

    async with pebble(responding=False) as ca:
        os.chmod(ca.place, 0o755)
        given = {
            "EDGE_PUBLIC_HOST": OURS,
            "EDGE_ACME_DIRECTORY": ca.directory,
            "EDGE_ACME_AGREE_TOS": "yes",
            "EDGE_ACME_CA_FILE": ca.ca_file,
            "EDGE_ACME_HTTP_PORT": str(ca.http_port),
            "EDGE_RESOLVERS": f"127.0.0.1:{ca.dns_port}",
        }
        with place() as base:
            edge = Edge(base, **given)
            edge.http = ca.http_port
            edge.start()
            try:
                await asyncio.to_thread(edge.ready)
                loop = asyncio.get_running_loop()
                return await asyncio.to_thread(measure, edge, ca, sizes, loop)
            finally:
                await asyncio.to_thread(finish, edge)


async def one_by_one(count: int) -> float:
    """Seconds for so many orders in a row: the library's, no jobs, no gate, no budgets."""
    from certs.issuance import Work, complete
    from certs.keys import new_key
    from tests.integration.certs.pebble import pebble
    from tests.integration.certs.worlds import world

    async with pebble() as ca, world(ca) as w:
        await w.authority.account()
        began = time.perf_counter()
        for number in range(count):
            host, key = f"email.brand{number}.example", new_key()

            async def keep() -> None:
                """There is no lease."""

            order = await w.authority.signed(lambda client, _, host=host: client.new_order(host))  # type: ignore[misc]  # mypy cannot infer a lambda's default
            await complete(w.authority, Work(host, key, order.url, keep), w.clock)
        return time.perf_counter() - began


def run(directory: Path, scale: Scale) -> Section:
    """Through the API, then one by one."""
    sizes = [1, 20, scale.pick(200, 40)]
    figures = []
    for size, taken in zip(sizes, asyncio.run(through_the_api(sizes)), strict=True):
        plain = asyncio.run(one_by_one(size))
        figures.append(
            Figure(name=f"{size} at once: all of them active", value=taken.wall, unit="s",
                   against=plain, against_what="one order after the other, no jobs",
                   ratio=taken.wall / plain)
        )  # fmt: skip
        if size > 1:
            cuts = quantiles(taken.each, n=20)
            figures += [
                Figure(name=f"{size} at once: a host, median", value=median(taken.each), unit="s"),
                Figure(name=f"{size} at once: a host, p95", value=cuts[-1], unit="s"),
            ]
    pace = Limits().pace
    notes = [
        (
            "From each host's POST /v2/x509 until its status is active, asked in turn; edge serve "
            "with embedded Postgres, default settings: gate with DNS and probe, 4 workers that "
            "look once a second, Pebble with 5 % of nonces refused, challenges answered by the "
            "edge's own port."
        ),
        (
            f"The jobs begin {pace.count} orders at once and then one each "
            f"{pace.period / pace.count:.0f} s, whatever the authority could take: that is what "
            "the time of many hosts is made of."
        ),
    ]
    return Section(name=NAME, title="Issuing through the API", figures=figures, notes=notes)
