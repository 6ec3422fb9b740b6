"""Milliseconds to sign a message with DKIM, beside dkimpy on the same message and key."""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import dkim
import msgspec
from cryptography.hazmat.primitives import serialization

from benchmarks.figure import Figure, Scale, Section, ratio_figure
from edge.sending.dkim import Algorithm, Signer, generate_key

NAME = "signing"
TIMES = 40
LINE = b"A line of a newsletter, long enough to look like one, with a link in it.\r\n"


class Signing(msgspec.Struct):
    """Milliseconds of CPU per message, one of each round."""

    ours_rsa: list[float]
    ours_ed25519: list[float]
    dkimpy_rsa: list[float]


def _cost(work: Callable[[], object], times: int) -> float:
    start = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - start) / times * 1000


def measure(octets: int, rounds: int) -> Signing:
    """Sign a message of about that size in each way, in turn."""
    message = (
        b"From: Shop <shop@brand.example>\r\nTo: reader@example.org\r\nSubject: News\r\n"
        b"Date: Mon, 1 Jun 2026 10:00:00 +0000\r\nMessage-ID: <1@brand.example>\r\n\r\n"
    ) + LINE * (octets // len(LINE))
    der = generate_key(Algorithm.RSA)
    rsa = Signer("brand.example", "s", der)
    ed25519 = Signer("brand.example", "s", generate_key(Algorithm.ED25519))
    pem = serialization.load_der_private_key(der, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    relaxed = (b"relaxed", b"relaxed")
    found = Signing([], [], [])
    for _ in range(rounds):
        found.ours_rsa.append(_cost(lambda: rsa.sign(message, 1), TIMES))
        found.ours_ed25519.append(_cost(lambda: ed25519.sign(message, 1), TIMES))
        found.dkimpy_rsa.append(
            _cost(lambda: dkim.sign(message, b"s", b"brand.example", pem, canonicalize=relaxed), 4)
        )
    return found


def run(directory: Path, scale: Scale) -> Section:
    """A short and a long message; nothing is written to ``directory``."""
    figures = []
    for octets in (10_000, 60_000):
        found = measure(octets, scale.pick(5, 2))
        text = f"DKIM, {octets // 1000} kB"
        figures += [
            ratio_figure(f"{text}: RSA-2048", "ms", found.ours_rsa, found.dkimpy_rsa, "dkimpy"),
            Figure(name=f"{text}: Ed25519", value=median(found.ours_ed25519), unit="ms"),
        ]
    note = "CPU time for a signature over a message in memory, header fields and body, relaxed."
    return Section(name=NAME, title="Signing", figures=figures, notes=[note])
