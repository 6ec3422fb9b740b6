"""CPU of a new TLS 1.3 connection with one open, beside haproxy that ends TLS and answers itself.

Rounds alternate, with the same certificates, hosts and requests; both pick a certificate by SNI.
"""

import asyncio
import sys
from pathlib import Path

from benchmarks import key_files
from benchmarks.figure import Limit, Scale, Section, ratio_figure
from benchmarks.handshaking import drive
from benchmarks.load import Requests
from benchmarks.processes import wait_until
from benchmarks.rivals import haproxy
from benchmarks.serving import serving, store_facts
from benchmarks.traffic import asks, messages

NAME = "tls-connection"
MOST = sys.maxsize


def run(directory: Path, scale: Scale) -> Section:
    """Measure both in turn."""
    count, seconds = scale.pick(5, 2), scale.pick(5, 2)
    mine: list[float] = []
    theirs: list[float] = []
    place = asked = 0
    with serving(directory / "edge") as edge:
        domains = edge.add_domains(50)
        made = messages(domains, 20_000)
        asyncio.run(store_facts(edge.url, made))
        load = Requests(directory, "opens", asks(edge.keyring(), made, clicks=False))
        keys = edge.data_dir / "certificates"
        key_files.write(keys, domains.values())
        wait_until(lambda: edge.metric("edge_certificates_known") == 50, 60, "the certificates")
        with haproxy(directory, keys) as rival:
            drive(edge.https_port, load.path, count=500, seconds=20)  # all contexts are loaded
            drive(rival.port, load.path, count=500, seconds=20)
            for _ in range(count):
                before = edge.cpu()["tracking"]
                done = drive(edge.https_port, load.path, first=place, count=MOST, seconds=seconds)
                mine.append((edge.cpu()["tracking"] - before) / done * 1e6)
                before = rival.cpu()
                others = drive(rival.port, load.path, first=place, count=MOST, seconds=seconds)
                theirs.append((rival.cpu() - before) / others * 1e6)
                place, asked = place + done, asked + done
            edge.wait_drained()
    figure = ratio_figure(
        "CPU of the worker per new TLS 1.3 connection with one open",
        "µs",
        mine,
        theirs,
        "haproxy, one thread, no log",
        limit=Limit.RATIO_AT_MOST,
        accepted=1.4,
        aim=1.4,
    )
    notes = [
        (
            f"{count} rounds of {seconds} s in turn, {asked:,} connections to the edge: TCP, a "
            "full handshake (P-256, X25519, no ticket used), one request, the client closes. 50 "
            "hosts with a certificate each, chosen by SNI, leaf and intermediate."
        ),
        (
            "The edge opens the token and writes the record; haproxy looks at nothing and answers "
            "with the same pixel and headers. The client is one process that checks no certificate."
        ),
    ]
    return Section(name=NAME, title="New TLS connections", figures=[figure], notes=notes)
