"""Milliseconds to sign a message with DKIM, against dkimpy on the same message and key.

Run as ``python -m benchmarks.dkim_signing``; prints one JSON object.
"""

import time
from collections.abc import Callable
from statistics import median

import dkim
import msgspec
from cryptography.hazmat.primitives import serialization

from edge.sending.dkim import Algorithm, Signer, generate_key

ROUNDS = 5
TIMES = 40
LINE = b"A line of a newsletter, long enough to look like one, with a link in it.\r\n"


class Signing(msgspec.Struct):
    """Milliseconds of CPU per message, medians of the rounds."""

    octets: int
    ours_rsa: float
    ours_ed25519: float
    dkimpy_rsa: float


def _cost(work: Callable[[], object], times: int) -> float:
    rounds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in range(times):
            work()
        rounds.append((time.process_time() - start) / times * 1000)
    return median(rounds)


def measure(octets: int) -> Signing:
    """Sign a message of about that size in each way."""
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
    return Signing(
        octets=len(message),
        ours_rsa=_cost(lambda: rsa.sign(message, 1), TIMES),
        ours_ed25519=_cost(lambda: ed25519.sign(message, 1), TIMES),
        dkimpy_rsa=_cost(
            lambda: dkim.sign(message, b"s", b"brand.example", pem, canonicalize=relaxed), 4
        ),
    )


def main() -> None:
    """Print the figures for a short and a long message."""
    print(msgspec.json.encode([measure(10_000), measure(60_000)]).decode())


if __name__ == "__main__":
    main()
