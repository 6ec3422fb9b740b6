"""What a handshake costs whose certificate is not in memory, and one for a name that is not here.

Measured inside one process, on the server's side of handshakes that exchange bytes in memory; the
three kinds take turns.
"""

import ssl
import time
from pathlib import Path

from benchmarks import key_files
from benchmarks.figure import Figure, Scale, Section, ratio_figure
from certs.clock import SystemClock
from certs.sni import Certificates

NAME = "sni-miss"
ROUND = 200


def _client() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _handshake(served: Certificates, client: ssl.SSLContext, name: str) -> float:
    """Seconds of CPU that the server's side takes, whether it ends well or in an alert."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname=name)
    far = served.listener.wrap_bio(to_server, to_client, server_side=True)
    taken, done = 0.0, False
    while not done:
        try:
            near.do_handshake()
        except ssl.SSLWantReadError:
            pass
        before = time.thread_time()
        try:
            far.do_handshake()
            done = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            done = True
        taken += time.thread_time() - before
    return taken


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2] * 1e6


def run(directory: Path, scale: Scale) -> Section:
    """Measure hits, misses and unknown names, and listing the directory."""
    count, rounds = scale.pick(10_000, 1_000), scale.pick(5, 2)
    keys = directory / "certificates"
    keys.mkdir(mode=0o700)
    hosts = [f"email.brand{number}.example" for number in range(count)]
    key_files.write(keys, hosts)
    default = keys / f"{hosts[0]}.pem"
    served = Certificates(keys, default, SystemClock(), size=ROUND)
    client = _client()
    hits, misses, unknown = [], [], []
    for number in range(rounds):
        part = hosts[number * ROUND : (number + 1) * ROUND]  # more than it keeps: none is there
        misses.append(_median([_handshake(served, client, host) for host in part]))
        hits.append(_median([_handshake(served, client, host) for host in part]))
        unknown.append(
            _median([_handshake(served, client, f"{n}.unknown.example") for n in range(ROUND)])
        )
    if served.misses != rounds * ROUND or served.refused != rounds * ROUND:
        raise RuntimeError(f"{served.misses} misses, {served.refused} refused")
    before = time.perf_counter()
    Certificates(keys, default, SystemClock())
    listing = time.perf_counter() - before
    figures = [
        ratio_figure("handshake that misses", "µs", misses, hits, "one whose certificate is there"),
        ratio_figure("handshake for an unknown name", "µs", unknown, hits, "the same"),
        Figure(name=f"listing {count:,} certificates", value=listing * 1e3, unit="ms"),
    ]
    notes = [
        (
            f"{rounds} rounds of {ROUND} of each, server's side only, CPU, TLS 1.3 with P-256. A "
            "miss reads and checks key and chain; an unknown name ends at a look in a dictionary, "
            "after OpenSSL has read the hello."
        ),
        "The directory is listed again within a second after something in it changed.",
    ]
    return Section(name=NAME, title="Certificates by SNI", figures=figures, notes=notes)
