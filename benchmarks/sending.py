"""Messages per second from the API to a mail server, and CPU per message beside Postfix.

A message of 10 kB with 10 links is posted over HTTP, stored, instrumented, signed and handed to
``smtp-sink``; every process of the edge with its Postgres counts. Postfix gets messages of the same
size over SMTP and relays them to the same sink: storing and forwarding alone, without a link looked
at, a signature or an event.
"""

import asyncio
import base64
import os
import subprocess
import time
from pathlib import Path
from urllib.parse import urlencode

import msgspec

from benchmarks import mail, postgres
from benchmarks.figure import Figure, Limit, Scale, Section, ratio_figure
from benchmarks.machine import tool
from benchmarks.processes import wait_until
from benchmarks.serving import Edge, serving
from edge.clock import SystemClock
from edge.store import api_keys, pool

NAME = "sending"
CONNECTIONS = 32
SESSIONS = 20
"""SMTP sessions by which Postfix is fed."""

LINK = (
    '<p>Dear reader, this is a paragraph of a newsletter with some words in it, and <a href="'
    'https://shop.example.com/product/{0}?utm_source=news&amp;id={0}">a link</a>.</p>\n'
)
FILLER = "Words that stand between the links, as they do in a newsletter that somebody reads.\n"


class Round(msgspec.Struct, frozen=True):
    """One round: messages, seconds until the last was delivered, and ms of CPU per message."""

    messages: int
    seconds: float
    parts: dict[str, float]

    @property
    def cost(self) -> float:
        """ms of CPU per message."""
        return sum(self.parts.values())


def html() -> str:
    """10 kB with ten links."""
    links = "".join(LINK.format(place) for place in range(10))
    return f"<html><body>\n{links}<p>{FILLER * 95}</p></body></html>\n"


async def _key(url: str) -> str:
    async with pool.opened(url, max_size=1) as opened, opened.acquire() as conn:
        key, _ = await api_keys.create(conn, "benchmark", now_us=SystemClock().now_us())
        return key


def _post(edge: Edge, directory: Path, key: str, seconds: int) -> None:
    """Post the message as fast as it is taken; RuntimeError when it was refused."""
    body = directory / "body"
    fields = {
        "from": "News <news@brand0.example>",
        "to": "Ann <ann@example.net>",
        "subject": "News of the week",
        "html": html(),
        "o:tag": "news",
    }
    body.write_text(urlencode(fields))
    basic = base64.b64encode(f"api:{key}".encode()).decode()
    done = subprocess.run(
        [
            *(str(tool("wrk")), "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s"),
            *("-s", str(Path(__file__).parent / "post.lua")),
            f"http://127.0.0.1:{edge.control_port}/v3/brand0.example/messages",
        ],
        env=os.environ | {"BODY": str(body), "AUTHORIZATION": f"Basic {basic}"},
        capture_output=True,
        text=True,
        check=True,
    )
    if "Non-2xx" in done.stdout:
        raise RuntimeError(done.stdout)


def _edge_round(
    edge: Edge, server: postgres.Postgres, directory: Path, key: str, seconds: int
) -> Round:
    done, before, database = _delivered(edge), edge.cpu(), server.cpu()
    began = time.perf_counter()
    _post(edge, directory, key, seconds)
    accepted = edge.metric("edge_messages_accepted_total")
    wait_until(lambda: _delivered(edge) >= accepted, 120, "the queue", every=0.1)
    took = time.perf_counter() - began
    count = round(_delivered(edge) - done)
    after = edge.cpu()
    parts = {role: (after[role] - before[role]) / count * 1000 for role in after}
    parts["postgres"] = (server.cpu() - database) / count * 1000
    return Round(count, took, parts)


def _delivered(edge: Edge) -> float:
    if failed := edge.metric("edge_deliveries_total", 'outcome="deferred"'):
        raise RuntimeError(f"{failed:.0f} attempts failed")
    return edge.metric("edge_deliveries_total", 'outcome="delivered"')


def _postfix_round(rival: mail.Postfix, messages: int) -> Round:
    before = rival.cpu()
    began = time.perf_counter()
    subprocess.run(
        [
            *(str(tool("smtp-source")), "-s", str(SESSIONS), "-m", str(messages)),
            *("-l", str(len(html())), "-f", "news@brand0.example", "-t", "ann@example.net"),
            f"127.0.0.1:{rival.port}",
        ],
        check=True,
    )
    wait_until(lambda: not rival.waiting(), 120, "Postfix' queue", every=0.1)
    took = time.perf_counter() - began
    return Round(messages, took, {"postfix": (rival.cpu() - before) / messages * 1000})


def _figures(ours: list[Round], theirs: list[Round]) -> list[Figure]:
    rates = [one.messages / one.seconds for one in ours]
    middle = sorted(rates)[len(rates) // 2]
    figures = [
        Figure(
            name="accepted over HTTP, instrumented, signed and delivered",
            value=middle,
            unit="messages/s",
            limit=Limit.VALUE_AT_LEAST,
            accepted=500,
            aim=500,
            spread=(min(rates), max(rates)),
        ),
        Figure(
            name="the same for each second of CPU, all processes with Postgres",
            value=sorted(1000 / one.cost for one in ours)[len(ours) // 2],
            unit="messages",
        ),
        ratio_figure(
            "CPU per message",
            "ms",
            [one.cost for one in ours],
            [one.cost for one in theirs],
            "Postfix, storing and forwarding alone",
        ),
    ]
    for role in ours[0].parts:
        values = sorted(one.parts[role] for one in ours)
        figures.append(
            Figure(
                name=f"of it {role}",
                value=values[len(values) // 2],
                unit="ms",
                spread=(values[0], values[-1]),
            )
        )
    return figures


def run(directory: Path, scale: Scale) -> Section:
    """Measure the edge and Postfix in turn."""
    rounds, seconds = scale.pick(3, 1), scale.pick(10, 2)
    ours, theirs = [], []
    with postgres.running(directory) as server, mail.sink() as sink:
        url = server.create("edge")
        route = {"EDGE_ROUTE": f"smtp://127.0.0.1:{sink.port}?tls=off"}
        for place in range(rounds):
            with serving(directory / "line", database_url=url, settings=route) as edge:
                if not place:
                    edge.add_domains(1)
                    key = asyncio.run(_key(url))
                _post(edge, directory, key, 1)  # connections, caches, first pages
                wait_until(lambda: _idle(edge), 60, "the queue")
                ours.append(_edge_round(edge, server, directory, key, seconds))
            (directory / f"{place}").mkdir(mode=0o755)
            with mail.postfix(directory / f"{place}", sink) as rival:
                theirs.append(_postfix_round(rival, scale.pick(5_000, 500)))
    notes = [
        (
            f"{len(html())} octets of HTML with 10 links, one tag, opens, clicks and unsubscribing "
            f"tracked, DKIM with RSA of 2,048 bits; {CONNECTIONS} HTTP connections by `wrk`, "
            f"{rounds} rounds of {seconds} s, each until the last message was delivered; Postgres "
            "with `fsync`. The client and the sink share the two cores and are not in the CPU."
        ),
        (
            f"Postfix: its defaults, `smtp-source` over {SESSIONS} sessions, messages of the same "
            "length, relayed to the same sink; nothing is put into them."
        ),
    ]
    return Section(name=NAME, title="Sending", figures=_figures(ours, theirs), notes=notes)


def _idle(edge: Edge) -> bool:
    return _delivered(edge) >= edge.metric("edge_messages_accepted_total")
