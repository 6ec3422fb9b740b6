"""Milliseconds to instrument a newsletter, beside lxml serialising it anew with the same links.

Both sides seal the same destinations with the same keyring and place pixel and links. lxml gets the
decoded HTML part and gives one back: it does not even have to find it in the message.
"""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from lxml import html as lxml_html

from benchmarks.figure import Figure, Limit, Scale, Section, ratio_figure
from edge.model.destination import normalise
from edge.model.tokens import (
    FORMAT_VERSION,
    ClickTarget,
    Key,
    Keyring,
    KeyState,
    Kind,
    OpenTarget,
    Target,
)
from edge.rewriting.message import Options, compile_message
from edge.rewriting.slots import Copy, Facts
from edge.rewriting.switches import Clicks, Tracking
from edge.rewriting.variables import Recipient

NAME = "instrumenting"
LINKS = 100
WORDS = "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor. " * 6
KEYRING = Keyring([Key(1, KeyState.CURRENT, bytes(range(32)))])
OPTIONS = Options(
    domain="brand.example",
    tracking=Tracking(opens=True, clicks=Clicks.YES),
    own_hosts=("email.brand.example",),
)


def page() -> bytes:
    """About 60 kB of HTML with 100 links."""
    rows = "".join(
        f'<tr><td style="padding:4px"><p>{WORDS}</p><a class="button" '
        f'href="https://shop.brand.example/spring?utm_source=news&amp;item={number}">More</a>'
        "</td></tr>\r\n"
        for number in range(LINKS)
    )
    return f"<!DOCTYPE html>\r\n<html><body><table>{rows}</table></body></html>\r\n".encode()


def message(body: bytes) -> bytes:
    """The page as a message of two parts."""
    return (
        b"From: news@brand.example\r\nSubject: News\r\nMessage-ID: <1@brand.example>\r\n"
        b"MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nNews.\r\n"
        b"--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + body + b"\r\n--b--\r\n"
    )


def seal(kind: Kind, target: Target) -> str:
    """The tracking URL."""
    return f"http://email.brand.example/{kind.value}/{KEYRING.seal(target)}"


def copy(number: int) -> Copy:
    """A reader's copy."""
    facts = Facts(domain=1, message_id="1@brand.example")
    return Copy(facts, seal, Recipient(f"reader{number}@example.net"), {}, None)


def anew(body: bytes, recipient: str) -> bytes:
    """The page parsed by lxml, its links replaced, and written out."""
    tree = lxml_html.document_fromstring(body)
    facts = (FORMAT_VERSION, 1, "1@brand.example", recipient)
    for position, link in enumerate(tree.iter("a")):
        destination = normalise(link.get("href"))
        link.set("href", seal(Kind.CLICK, ClickTarget(*facts, position, destination)))
    pixel = lxml_html.Element("img", src=seal(Kind.OPEN, OpenTarget(*facts)), width="1", height="1")
    tree.find("body").append(pixel)
    written: bytes = lxml_html.tostring(tree, encoding="utf-8", doctype="<!DOCTYPE html>")
    return written


def _cost(work: Callable[[int], object], times: int) -> float:
    start = time.process_time()
    for number in range(times):
        work(number)
    return (time.process_time() - start) / times * 1000


def run(directory: Path, scale: Scale) -> Section:
    """Measure in turn; nothing is written to ``directory``."""
    rounds, times = scale.pick(7, 3), scale.pick(100, 20)
    body = page()
    whole = message(body)
    compiled = compile_message(whole, OPTIONS)
    first: list[float] = []
    further: list[float] = []
    theirs: list[float] = []
    for _ in range(rounds):
        first.append(_cost(lambda n: compile_message(whole, OPTIONS).render(copy(n)), times))
        further.append(_cost(lambda n: compiled.render(copy(n)), times))
        theirs.append(_cost(lambda n: anew(body, f"reader{n}@example.net"), times))
    figures = [
        ratio_figure(
            "instrumenting for one recipient",
            "ms",
            first,
            theirs,
            "lxml, parsed and written anew",
            limit=Limit.VALUE_AT_MOST,
            accepted=2.0,
            aim=2.0,
        ),
        ratio_figure(
            "for each further recipient",
            "ms",
            further,
            theirs,
            "the same",
            limit=Limit.VALUE_AT_MOST,
            accepted=0.5,
            aim=0.5,
        ),
        Figure(
            name="instrumenting: message read and written",
            value=len(whole) / 1e6 / (median(first) / 1000),
            unit="MB/s",
        ),
    ]
    note = (
        f"A message of {len(whole):,} octets with {LINKS} links, {rounds} rounds of {times}; CPU "
        "time. Sealing is in it on both sides. lxml gets the HTML by itself and changes much more "
        "than the links."
    )
    return Section(name=NAME, title="Instrumenting", figures=figures, notes=[note])
