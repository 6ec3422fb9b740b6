"""A domain, a key ring, messages, and how an instrumented message is undone."""

import re
from email import message_from_bytes
from email.message import Message
from typing import Any

import msgspec
from turbohtml import tokenize

from edge.model.destination import normalise
from edge.model.domain import Domain
from edge.model.tokens import (
    ClickTarget,
    Key,
    Keyring,
    KeyState,
    Kind,
    OpenTarget,
    Target,
    UnsubscribeTarget,
)
from edge.rewriting.instructions import Instructions
from edge.rewriting.links import Judge
from edge.rewriting.switches import Clicks, Tracking
from edge.rewriting.template import Instrumented, compile_message
from edge.rewriting.variables import Recipient

RING = Keyring([Key(id=1, state=KeyState.CURRENT, secret=b"k" * 32)])
DOMAIN = Domain(number=3, name="example.com", web_scheme="https", open=True, click="yes")
BASE = "https://email.example.com/"
TRACKED = re.compile(rb"https://email\.example\.com/c/([A-Za-z0-9_-]+)")
PIXEL = re.compile(
    rb'<img width="1" height="1" alt="" src="https://email\.example\.com/o/([A-Za-z0-9_-]+)">'
)
CLICKS = Tracking(clicks=Clicks.YES)
ALL = Tracking(opens=True, clicks=Clicks.YES, unsubscribes=True)
ADA = Recipient("ada@example.net", "Ada Lovelace")


def seal(kind: Kind, target: Target) -> str:
    """A tracking URL of the domain above."""
    return f"{BASE}{kind.value}/{RING.seal(target)}"


def instructions(tracking: Tracking = CLICKS, **more: Any) -> Instructions:
    """What to do with a message of the domain."""
    return Instructions(domain=more.pop("domain", DOMAIN), tracking=tracking, **more)


def instrument(
    message: bytes,
    tracking: Tracking = CLICKS,
    variables: dict[str, Any] | None = None,
    recipient: Recipient | str = ADA,
    **more: Any,
) -> Instrumented:
    """One copy of a message with its report."""
    template = compile_message(message, instructions(tracking, **more), seal)
    made = template.instrument(recipient, variables)
    assert template.render(recipient, variables) == made.message
    return made


def message(
    body: bytes,
    kind: str = "text/html; charset=utf-8",
    encoding: str = "8bit",
    *,
    eol: str = "\r\n",
) -> bytes:
    """A message of one part."""
    lines = [
        "From: Shop <news@example.com>",
        "To: ada@example.net",
        "Subject: Spring",
        "Message-Id: <20260101000000.0123456789abcdef@example.com>",
        "MIME-Version: 1.0",
        f"Content-Type: {kind}",
        f"Content-Transfer-Encoding: {encoding}",
        "",
        "",
    ]
    return eol.join(lines).encode() + body


def html(body: str, tracking: Tracking = CLICKS, **more: Any) -> tuple[bytes, Instrumented]:
    """The body of an HTML message after instrumenting, and everything about it."""
    whole = message(body.encode())
    made = instrument(whole, tracking, **more)
    head = whole[: len(whole) - len(body.encode())]
    assert made.message.startswith(head)
    return made.message[len(head) :], made


def text(body: str, tracking: Tracking = CLICKS, **more: Any) -> tuple[bytes, Instrumented]:
    """The body of a plain text message after instrumenting, and everything about it."""
    whole = message(body.encode(), "text/plain; charset=utf-8")
    made = instrument(whole, tracking, **more)
    head = whole[: len(whole) - len(body.encode())]
    return made.message[len(head) :], made


def click(token: bytes) -> ClickTarget:
    """What a click token holds."""
    target = RING.open(Kind.CLICK, token)
    assert isinstance(target, ClickTarget)
    return target


def opened(token: bytes) -> OpenTarget:
    """What an open token holds."""
    target = RING.open(Kind.OPEN, token)
    assert isinstance(target, OpenTarget)
    return target


def unsubscribe(token: bytes) -> UnsubscribeTarget:
    """What an unsubscribe token holds."""
    target = RING.open(Kind.UNSUBSCRIBE, token)
    assert isinstance(target, UnsubscribeTarget)
    return target


def destinations(body: bytes) -> list[str]:
    """Where the tracked links of a body lead, in order."""
    return [click(match[1]).url for match in TRACKED.finditer(body)]


def attribute_value(raw: bytes, codec: str = "utf-8") -> str:
    """A raw attribute value as a browser reads it."""
    text = raw.decode(codec)
    quote = "'" if '"' in text else '"'
    for token in tokenize(f"<a x={quote}{text}{quote}>"):
        return token.attr("x") or ""
    raise AssertionError(raw)


def undo(before: bytes, after: bytes, *, markup: bool = True, codec: str = "utf-8") -> None:
    """Assert that ``after`` is ``before`` with URLs replaced by their tracked form and one pixel.

    The bytes between are the same, and what each URL replaced is a spelling of its destination.
    """
    assert len(PIXEL.findall(after)) <= 1
    rest = PIXEL.sub(b"", after)
    parts = TRACKED.split(rest)
    constants, tokens = parts[::2], parts[1::2]
    assert before.startswith(constants[0])
    here = len(constants[0])
    for number, (token, constant) in enumerate(zip(tokens, constants[1:], strict=True)):
        last = number == len(tokens) - 1
        there = len(before) - len(constant) if last else before.find(constant, here)
        while not _reads(before[here:there], click(token).url, codec, markup=markup):
            assert not last, before[here:there]
            there = before.find(constant, there + 1)
            assert there >= here, (constant, before[here : here + 200])
        assert before.startswith(constant, there)
        here = there + len(constant)
    assert here == len(before)


def _reads(raw: bytes, url: str, codec: str, *, markup: bool) -> bool:
    """Whether these bytes are a spelling of that destination."""
    try:
        text = attribute_value(raw, codec) if markup else raw.decode(codec)
    except UnicodeDecodeError:
        return False
    read = text if markup else re.sub(r" \r?\n ?", "", text)
    return Judge((), ()).judge(read).destination == normalise(url)


def payloads(message: bytes) -> list[tuple[Message, bytes]]:
    """Leaves of a message as the standard library reads them, with their decoded bytes."""
    found = []
    for part in message_from_bytes(message).walk():
        if not part.is_multipart():
            raw = part.get_payload(decode=True)
            assert isinstance(raw, bytes)
            found.append((part, raw))
    return found


def check_faithful(before: bytes, after: bytes) -> None:
    """Assert with the standard library's parser that only URLs and one pixel were put in.

    Headers of every part are the same, attachments are the same bytes on the wire, and each text
    is undone to what it was.
    """
    old, new = payloads(before), payloads(after)
    assert len(old) == len(new)
    for (part, raw), (copied, edited) in zip(old, new, strict=True):
        assert part.items() == copied.items()
        if raw == edited:
            assert part.get_payload() == copied.get_payload()
            continue
        codec = part.get_content_charset() or "utf-8"
        undo(raw, edited, markup=part.get_content_subtype() == "html", codec=codec)


def reasons(made: Instrumented) -> list[str]:
    """For each link ``tracked`` or the code that says why not."""
    return [link.reason.value if link.reason else "tracked" for link in made.report.links]


def cautions(made: Instrumented) -> set[str]:
    """Codes of the warnings."""
    return {warned.code.value for warned in made.report.warnings}


def with_domain(**more: Any) -> Domain:
    """The domain with other settings."""
    return msgspec.structs.replace(DOMAIN, **more)
