"""Mails that came back, read per second and core; and the slowest of those made to be slow."""

import time
from pathlib import Path
from statistics import median

from benchmarks.figure import Figure, Limit, Scale, Section
from edge.returns.mime import MOST_OCTETS
from edge.returns.reading import read
from tests.unit.returns.fixtures import fixtures

NAME = "returned"
ORIGINAL = b"A line of the newsletter that comes back, as long as lines mostly are.\r\n" * 400
"""28 kB that a server returns with its report; many do."""


def _rate(mails: list[bytes], rounds: int) -> list[float]:
    """Mails per second of this process's CPU, of each round."""
    rates = []
    for _ in range(rounds):
        start = time.process_time()
        for raw in mails:
            read(raw)
        rates.append(len(mails) / (time.process_time() - start))
    return rates


def _hostile() -> list[bytes]:
    """As large as is read at all: nested, repetitive, full of addresses, encoded words, tags."""
    head = b"Return-Path: <>\nFrom: MAILER-DAEMON@x\nSubject: Undelivered Mail\n"
    notice = head + b"\nThis is the mail system at host x.\n"
    nested = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(500)
    )
    html = head + b"Content-Type: text/html\n\n"
    return [
        head + nested + b"x" * MOST_OCTETS,
        notice + b"a@" * (MOST_OCTETS // 2),
        notice + b"".join(b"<a%d@b.example>: 550 no\n" % n for n in range(40_000)),
        b"Subject: " + b"=?utf-8?q?a?= " * (MOST_OCTETS // 14),
        html + b"<head>" * 199 + b"x" * MOST_OCTETS,
        (notice + b"a@b: x\n" * (MOST_OCTETS // 7)).replace(b"\n", b"\r"),
    ]


def run(directory: Path, scale: Scale) -> Section:
    """Measure."""
    small = [mail.raw for mail in fixtures()]
    whole = [raw + ORIGINAL for raw in small]
    rounds = scale.pick(20, 2)
    _rate(small, 1)
    figures = []
    for name, mails in (("as they are", small), ("with 28 kB that come back", whole)):
        rates = _rate(mails, rounds)
        figures.append(
            Figure(
                name=f"reports read, {name}",
                value=median(rates),
                unit="/s per core",
                limit=Limit.VALUE_AT_LEAST,
                accepted=500.0,
                spread=(min(rates), max(rates)),
            )
        )
    slowest = max(1000 / rate for raw in _hostile() for rate in _rate([raw], 1))
    figures.append(Figure(name="slowest hostile mail", value=slowest, unit="ms"))
    notes = [
        f"{len(small)} mails of our own set, in turn: reports, notices, auto-replies, other mail.",
        "CPU time of one process; the reader only, without the database.",
    ]
    return Section(name=NAME, title="What comes back", figures=figures, notes=notes)
