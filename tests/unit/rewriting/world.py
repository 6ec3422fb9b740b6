"""One domain, one recipient, and a way to look into what was made of a message."""

import contextlib
import quopri
import re
from typing import Any

from edge.model.errors import InvalidToken
from edge.model.tokens import ClickTarget, Key, Keyring, KeyState, Kind, OpenTarget, Target
from edge.rewriting.message import Options, compile_message
from edge.rewriting.report import LinkReport, Reason, Report
from edge.rewriting.slots import Copy, Facts
from edge.rewriting.switches import Clicks, Tracking
from edge.rewriting.variables import Recipient

KEYRING = Keyring([Key(1, KeyState.CURRENT, bytes(range(32)))])
HOST = "email.example.com"
URL = re.compile(rb"http://email\.example\.com/([ocu])/([A-Za-z0-9_-]+)")
ALL = Tracking(opens=True, clicks=Clicks.YES, unsubscribes=True)


def seal(kind: Kind, target: Target) -> str:
    """The tracking URL of a target, with a real keyring."""
    return f"http://{HOST}/{kind.value}/{KEYRING.seal(target)}"


def options(**given: Any) -> Options:
    """Everything tracked, unless told otherwise."""
    values: dict[str, Any] = {"domain": "example.com", "own_hosts": (HOST,), "tracking": ALL}
    values["list_headers"] = False  # the tests that look at them ask for them
    return Options(**(values | given))


def copy(address: str = "ann@example.net", variables: dict[str, Any] | None = None) -> Copy:
    """A recipient's copy of message ``m@example.com``."""
    facts = Facts(
        domain=1, message_id="m@example.com", tags=("news",), mailing_list="l@example.com"
    )
    return Copy(facts, seal, Recipient(address), variables or {}, None)


def instrumented(message: bytes, **given: Any) -> tuple[bytes, Report]:
    """The message for Ann, and the report."""
    compiled = compile_message(message, options(**given))
    sent = compiled.render(copy())
    return sent, compiled.report(copy(), sent)


def html(body: str | bytes, charset: str = "utf-8") -> bytes:
    """A message of one HTML part."""
    raw = body if isinstance(body, bytes) else body.encode(charset)
    head = f"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset={charset}\r\n"
    return head.encode() + b"Content-Transfer-Encoding: 8bit\r\n\r\n" + raw


def text(body: str, kind: str = "text/plain; charset=utf-8") -> bytes:
    """A message of one plain text part."""
    return f"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: {kind}\r\n\r\n{body}".encode()


def targets(sent: bytes) -> list[Target]:
    """What the tracking URLs in it stand for, in order."""
    found = []
    for kind, token in URL.findall(plain(sent)):
        with contextlib.suppress(InvalidToken):  # a URL of the message's own that looks like ours
            found.append(KEYRING.open(Kind(kind.decode()), token))
    return found


def plain(sent: bytes) -> bytes:
    """The message, its body decoded where that is quoted-printable as a whole."""
    head, _, body = sent.partition(b"\r\n\r\n")
    if b"quoted-printable" in head and b"multipart" not in head:
        return head + quopri.decodestring(body)
    return sent


def clicks(sent: bytes) -> list[str]:
    """Where its links lead, in order."""
    return [found.url for found in targets(sent) if isinstance(found, ClickTarget)]


def opens(sent: bytes) -> int:
    """How many pixels it has."""
    return sum(type(found) is OpenTarget for found in targets(sent))


def reasons(report: Report) -> list[Reason | None]:
    """Of every link, in order of position."""
    return [link.reason for link in report.links]


def undone(sent: bytes, report: Report) -> bytes:
    """The message with pixel and tracking URLs taken out again: for plain bodies only."""
    bare = re.sub(rb'<img width="1" height="1" alt="" src="http://email[^"]+">', b"", sent)
    tracked = iter([link for link in report.links if link.after is not None])
    order = {link.after.encode(): link for link in report.links if link.after is not None}
    assert len(order) == len(list(tracked)), "each link has a URL of its own"
    return re.sub(URL.pattern, lambda match: _before(order, match), bare)


def _before(order: dict[bytes, LinkReport], match: "re.Match[bytes]") -> bytes:
    link = order.get(match[0])
    return match[0] if link is None else link.before.encode()
