"""Instrumenting a message of 60 kB with 100 links, against lxml writing it anew.

Both decode the message, seal the same links with the same key ring and place them, and give whole
messages. The rival is what most Python programs do: the standard library's parser for MIME, lxml
for the HTML, which is parsed into a tree and written out again. It has the better of it where it
re-serialises: it need not keep a byte. Run as ``python -m benchmarks.instrumenting``.
"""

import base64
import quopri
import time
from collections.abc import Callable
from email import message_from_bytes, policy
from pathlib import Path

import lxml.html

from benchmarks.figure import Figure, Limit, Scale, Section, ratio_figure
from edge.model.destination import normalise
from edge.model.domain import Domain, public_url
from edge.model.tokens import (
    FORMAT_VERSION,
    ClickTarget,
    Key,
    Keyring,
    KeyState,
    Kind,
    OpenTarget,
    Target,
    pack_message_id,
)
from edge.rewriting.instructions import Instructions
from edge.rewriting.switches import Clicks, Tracking
from edge.rewriting.template import compile_message

NAME = "instrumenting"
LINKS = 100
MESSAGE_ID = "20260101000000.0123456789abcdef@mg.example.com"

_DOMAIN = Domain(number=1, name="mg.example.com", web_scheme="https")
_RING = Keyring([Key(id=1, state=KeyState.CURRENT, secret=bytes(range(32)))])
_INSTRUCTIONS = Instructions(domain=_DOMAIN, tracking=Tracking(opens=True, clicks=Clicks.YES))


def _seal(kind: Kind, target: Target) -> str:
    path = f"/{kind.value}/{_RING.seal(target)}"
    return public_url(_DOMAIN.web_scheme, _DOMAIN.tracking_host, 443, path)


def body() -> bytes:
    """An HTML body of 60 kB with a hundred different links."""
    words = "The quick brown fox jumps over the lazy dog, and the dog does not mind at all. " * 5
    rows = "".join(
        f'<tr><td style="padding:8px 12px"><p style="margin:0">{words}</p>\r\n'
        f'<a style="color:#17456b" href="https://shop.example/p/{n}?utm_source=news&amp;id={n}">'
        f"Offer {n}</a></td></tr>\r\n"
        for n in range(LINKS)
    )
    page = f"<html><body><table>\r\n{rows}</table></body></html>\r\n"
    return page.replace("<table>", f"<table><!--{'x' * max(0, 60_000 - len(page))}-->").encode()


def message(encoding: str) -> bytes:
    """The whole message in one transfer encoding."""
    raw = body()
    if encoding == "base64":
        raw = base64.encodebytes(raw).replace(b"\n", b"\r\n")
    elif encoding == "quoted-printable":
        raw = quopri.encodestring(raw.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    head = (
        f"From: news@mg.example.com\r\nTo: ann@example.net\r\nSubject: Spring\r\n"
        f"Message-Id: <{MESSAGE_ID}>\r\nMIME-Version: 1.0\r\n"
        f"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    )
    return head.encode() + raw


def with_lxml(whole: bytes, recipient: str) -> bytes:
    """What a program without an instrumenter does: parse, change the tree, write anew."""
    parsed = message_from_bytes(whole, policy=policy.SMTP)
    document = lxml.html.document_fromstring(parsed.get_content())
    packed = pack_message_id(MESSAGE_ID, _DOMAIN.name)
    links = (element for element in document.iter("a", "area") if element.get("href"))
    for position, element in enumerate(links):
        url = normalise(element.get("href") or "")
        target = ClickTarget(FORMAT_VERSION, _DOMAIN.number, packed, recipient, position, url)
        element.set("href", _seal(Kind.CLICK, target))
    pixel = lxml.html.Element("img", width="1", height="1", alt="")
    pixel.set("src", _seal(Kind.OPEN, OpenTarget(FORMAT_VERSION, 1, packed, recipient)))
    next(document.iter("body")).append(pixel)
    encoding = parsed["Content-Transfer-Encoding"]
    parsed.set_content(
        lxml.html.tostring(document, encoding="unicode"), subtype="html", cte=str(encoding)
    )
    return parsed.as_bytes()


def _cpu(work: Callable[[int], object], times: int) -> float:
    """Milliseconds of CPU for one call."""
    start = time.process_time()
    for turn in range(times):
        work(turn)
    return (time.process_time() - start) / times * 1000


def _measured(encoding: str, rounds: int, times: int) -> list[Figure]:
    whole = message(encoding)
    template = compile_message(whole, _INSTRUCTIONS, _seal)

    def first(turn: int) -> None:
        compile_message(whole, _INSTRUCTIONS, _seal).render(f"ann{turn}@example.net")

    firsts, furthers, rivals = [], [], []
    for _ in range(rounds):
        firsts.append(_cpu(first, times))
        furthers.append(_cpu(lambda turn: template.render(f"ann{turn}@example.net"), times * 4))
        rivals.append(_cpu(lambda turn: with_lxml(whole, f"ann{turn}@example.net"), times))
    name = f"instrumenting 60 kB with {LINKS} links, {encoding}"
    against = "lxml writing it anew"
    made = [
        ratio_figure(f"{name}: first recipient", "ms", firsts, rivals, against),
        ratio_figure(f"{name}: each further recipient", "ms", furthers, rivals, against),
    ]
    judged = encoding == "8bit"
    for figure, accepted in zip(made, (2.0, 0.5), strict=True):
        if judged:
            figure.limit, figure.accepted, figure.aim = Limit.VALUE_AT_MOST, accepted, accepted
    speed = len(whole) / 1e6 / (made[1].value / 1000)
    made.append(Figure(name=f"{name}: further recipients", value=speed, unit="MB/s"))
    return made


def run(directory: Path, scale: Scale) -> Section:
    """Measure in this process, the rival in turn with it."""
    del directory
    rounds, times = scale.pick(9, 2), scale.pick(30, 3)
    figures = [
        figure
        for encoding in ("8bit", "quoted-printable", "base64")
        for figure in _measured(encoding, rounds, times)
    ]
    notes = [
        (
            "CPU time of one process. Both sides decode the message, seal the same hundred links "
            "and a pixel with AES-SIV, and give the bytes of a whole message. The first "
            "recipient's time has the parsing in it."
        )
    ]
    return Section(name=NAME, title="Instrumenting", figures=figures, notes=notes)


def main() -> None:
    """Measure and print, without touching the results."""
    for figure in run(Path(), Scale()).figures:
        ratio = f"  {figure.ratio:.3f} x {figure.against_what}" if figure.ratio else ""
        print(f"{figure.value:9.3f} {figure.unit:4} {figure.name}{ratio}")


if __name__ == "__main__":
    main()
