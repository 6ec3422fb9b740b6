"""The hot protocol: ``GET`` and ``HEAD`` of ``/o/`` and ``/c/``, and a way out for all else.

Each connection starts here. A read is served here only if it is exactly one or more whole,
ordinary request heads for those paths; anything else (another path or method, a body, half a head,
an odd spelling, an error) hands the connection over to aiohttp's protocol for good, with the bytes
since the last message boundary, before anything of them is recorded. httptools parses every head,
so what is accepted here is HTTP by llhttp's strict rules; the checks of :func:`split_heads` narrow
that to what aiohttp would read the same way. No header is looked at but ``Host``: the record
carries the head verbatim and the drain reads it later. Header lines that were accepted once are
known from then on (:mod:`edge.tracking.known_heads`), and a request that repeats them is checked by
comparing bytes.

``pause_writing`` pauses reading, so a client that pipelines without reading its answers cannot
fill memory. A connection is handed over only after its answers are sent and while writing is not
paused.
"""

import asyncio
import re
from typing import Final, Protocol, cast

import httptools

from edge.model.capture import Act
from edge.model.tokens import ClickTarget
from edge.roster.snapshot import RosterFile
from edge.tracking.answers import Answers, SecureAnswers, closing
from edge.tracking.handshakes import name_of
from edge.tracking.judge import authentic, host_key, misdirected
from edge.tracking.known_heads import KnownHeads
from edge.tracking.recorder import Recorder

MAX_HEAD: Final = 8_000
"""Bytes of a head the hot way takes; longer ones go to aiohttp, which knows the exact limits."""
MAX_HEADERS: Final = 64
_END: Final = b"\r\n\r\n"
_VERSION: Final = b" HTTP/1.1"


_PREFIXES: Final = frozenset({b"/o/", b"/c/"})
_OPEN: Final = Act.OPEN
_CLICK: Final = Act.CLICK

Request = tuple[bool, bytes, bytes, bytes, bool]
"""Whether it is a GET, target, host, head, whether the connection stays."""


class Shared(Protocol):
    """What the connections of one worker have in common; made by the server."""

    roster: RosterFile
    recorder: Recorder
    answers: Answers
    secure: SecureAnswers
    connections: "set[HotProtocol]"
    second: int
    foreign: int

    known: KnownHeads

    def admit(self) -> bool:
        """Whether one more connection may stay."""
        ...

    def other_way(self, peer: str, tls: bool) -> asyncio.Protocol:
        """A new aiohttp protocol to hand a connection over to."""
        ...


_MARKS: Final = re.compile(
    rb"(?i)\r\n(?:[ \t]|host:|content-length|transfer-encoding|upgrade|expect)"
)
"""Line starts that matter; literal words only, so the search is linear in the head."""


def split_heads(data: bytes) -> list[tuple[bytes, bytes]] | None:
    """Whole ordinary heads that make up ``data``, each with its Host; None when any byte is else.

    Ordinary: GET or HEAD in HTTP/1.1, lines ended by CR LF only, no folded line, exactly one Host,
    no body announced, no upgrade, within the limits.
    """
    if not data.endswith(_END):
        return None
    if data.find(_END) == len(data) - 4:
        host = _host_of(data)
        return None if host is None else [(data, host)]
    heads = []
    for part in data[:-4].split(_END):
        head = part + _END
        host = _host_of(head)
        if host is None:
            return None
        heads.append((head, host))
    return heads


def _host_of(head: bytes) -> bytes | None:
    """The one Host of an ordinary head as :func:`host_key` spells it, or None."""
    lines = head.count(b"\n")
    if len(head) > MAX_HEAD or lines > MAX_HEADERS or lines != head.count(b"\r"):
        return None
    marks = _MARKS.findall(head)
    if len(marks) != 1 or marks[0][-5:].lower() != b"host:":
        return None
    start = head.find(marks[0]) + 7
    return host_key(head[start : head.find(b"\r\n", start)])


class HotProtocol(asyncio.Protocol):
    """One connection on the hot way."""

    __slots__ = (
        "_complete",
        "_handover",
        "_last",
        "_name",
        "_outstanding",
        "_parser",
        "_paused",
        "_peer",
        "_plain",
        "_shared",
        "_stays",
        "_tls",
        "_transport",
        "active",
    )

    def __init__(self, shared: Shared, tls: bool, peer: str | None = None) -> None:
        self._shared = shared
        self._tls = tls
        self._peer = peer or ""
        self._name = b""  # what the handshake asked for; empty in plain, and without SNI
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._complete = 0
        self._stays = True
        self._outstanding = 0
        self._paused = False
        self._plain = True
        self._last = False
        self._handover: bytes | None = None
        self.active = shared.second

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or drop it at once when there are too many."""
        self._transport = cast(asyncio.Transport, transport)
        if not self._shared.admit():
            self._transport.abort()
            return
        if not self._peer:
            peer = transport.get_extra_info("peername")
            self._peer = peer[0] if peer else ""
        if self._tls:
            self._name = name_of(transport)
        self._shared.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._shared.connections.discard(self)
        self._transport = None

    def on_message_complete(self) -> None:
        """Called by httptools: the head announced no body and is complete.

        Whether the connection stays must be asked now; afterwards the parser has forgotten it.
        """
        self._complete += 1
        self._stays = self._parser.should_keep_alive()

    def data_received(self, data: bytes) -> None:
        """Serve whole heads here; hand everything else over."""
        if not self._plain:
            if self._handover is not None:
                self._handover += data
            return
        known = self._shared.known
        line_end = data.find(b"\r\n")
        host_end = data.find(b"\r\n", line_end + 2)
        host = known.hosts.get(data[line_end:host_end])
        if (
            host is None
            or data[host_end:] not in known.rests
            or not self._serve_known(data, line_end, host)
        ):
            self._serve_any(data)

    def _serve_known(self, data: bytes, line_end: int, host: bytes) -> bool:
        """Serve a GET whose header lines are all known; False leaves it untouched.

        Only the request line is new (see :mod:`edge.tracking.known_heads`), and it is ordinary if
        its token opens.
        """
        if data[:5] != b"GET /" or data[line_end - 9 : line_end] != _VERSION:
            return False
        shared = self._shared
        roster = shared.roster.current
        answers = shared.answers
        if name := self._name:
            if host != name and misdirected(roster, name, host):
                return False
            answers = shared.secure.hosts.get(host, answers)
        path = data[4 : line_end - 9]
        prefix = path[:3]
        if prefix == b"/o/":
            found = authentic(roster, roster.opens, path[3:], host)
            act, answer = _OPEN, answers.pixel
        elif prefix == b"/c/":
            found = authentic(roster, roster.clicks, path[3:], host)
            act, answer = _CLICK, b""
        else:
            return False
        if found is None:
            return False
        plaintext, target = found
        if act is _CLICK:
            answer = answers.redirect(cast(ClickTarget, target).url)
        self.active = shared.second
        self._outstanding += 1
        recorder = shared.recorder
        recorder.record(path, act, self._peer, self._tls, plaintext, data)
        recorder.answer(self, answer)
        return True

    def _serve_any(self, data: bytes) -> None:
        heads = split_heads(data)
        if heads is None:
            self._hand_over(data)
            return
        requests = []
        for head, host in heads:
            request = self._parse(head, host)
            if request is None:
                self._hand_over(data)
                return
            requests.append(request)
        for request in requests:
            if not self._serve(request):
                break

    def _parse(self, head: bytes, host: bytes) -> Request | None:
        """The request of a head for this way, else None."""
        if head.startswith(b"GET /"):
            get, start = True, 4
        elif head.startswith(b"HEAD /"):
            get, start = False, 5
        else:
            return None
        line_end = head.find(b"\r\n")
        target = head[start : line_end - 9]
        prefix = target[:3]
        if prefix not in _PREFIXES or head[line_end - 9 : line_end] != _VERSION:
            return None
        if b" " in target or b"#" in target:
            return None
        if self._name and misdirected(self._shared.roster.current, self._name, host):
            return None
        complete = self._complete
        try:
            self._parser.feed_data(head)
        except httptools.HttpParserError:
            return None
        if self._complete != complete + 1:
            return None
        keep_alive = self._stays
        if keep_alive:
            self._shared.known.remember(head, line_end, host)
        return get, target, host, head, keep_alive

    def _serve(self, request: Request) -> bool:
        """Record and answer; whether the connection stays open."""
        get, target, host, head, keep_alive = request
        shared = self._shared
        answers = shared.answers
        if self._name:
            answers = shared.secure.hosts.get(host, answers)
        roster = shared.roster.current
        self.active = shared.second
        path, _, _ = target.partition(b"?")
        if path[:3] == b"/o/":
            act = _OPEN
            found = authentic(roster, roster.opens, path[3:], host)
            answer = answers.pixel if get else answers.pixel_head
        else:
            act = _CLICK
            found = authentic(roster, roster.clicks, path[3:], host)
            if found is not None:
                answer = answers.redirect(cast(ClickTarget, found[1]).url)
            else:
                answer = answers.not_found if get else answers.not_found_head
        if found is not None:
            key = path if get else b"HEAD" + path
            shared.recorder.record(key, act, self._peer, self._tls, found[0], head)
        else:
            shared.foreign += 1
        self._outstanding += 1
        if keep_alive:
            shared.recorder.answer(self, answer)
        else:
            self._plain = False
            self._last = True
            shared.recorder.answer(self, closing(answer))
        return keep_alive

    def send(self, data: bytes) -> None:
        """Called by the recorder: the answer may go."""
        self._outstanding -= 1
        transport = self._transport
        if transport is None:
            return
        transport.write(data)
        if not self._plain:
            if self._last and not self._outstanding:
                transport.close()
            elif self._handover is not None:
                self._hand_over_when_idle()

    def pause_writing(self) -> None:
        """The client does not read its answers: stop reading its requests."""
        self._paused = True
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._paused = False
        if self._handover is not None:
            self._hand_over_when_idle()
        elif self._transport is not None:
            self._transport.resume_reading()

    def _hand_over(self, data: bytes) -> None:
        self._handover = data
        self._plain = False
        if self._transport is not None:
            self._transport.pause_reading()
            self._hand_over_when_idle()

    def _hand_over_when_idle(self) -> None:
        transport = self._transport
        if transport is None or self._outstanding or self._paused or transport.is_closing():
            return
        data, self._handover = self._handover or b"", None
        self._shared.connections.discard(self)
        self._transport = None
        other = self._shared.other_way(self._peer, self._tls)
        transport.set_protocol(other)
        other.connection_made(transport)
        transport.resume_reading()
        other.data_received(data)

    def expire(self) -> None:
        """Close a connection that has been idle for too long, or because the worker stops.

        A client that does not read is cut off: closing would wait until it does.
        """
        transport = self._transport
        if transport is None or self._outstanding:
            return
        if self._paused or transport.is_closing():
            transport.abort()
        else:
            transport.close()

    def drain(self) -> None:
        """Close after the answers that are still owed."""
        if self._outstanding:
            self._plain = False
            self._last = True
        else:
            self.expire()
