"""``POST /v3/{name}/messages`` and ``messages.mime``: Mailgun's fields become one message.

Texts of answers and errors are Mailgun's, which SDKs look at.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import msgspec
from aiohttp import web

from edge.api import params
from edge.api.auth import address_of
from edge.api.body import File
from edge.api.context import API, KEY, Api
from edge.api.params import Params
from edge.api.scope import domain_of
from edge.model.addresses import Mailbox, mailboxes
from edge.model.domain import Domain
from edge.model.errors import CallerError
from edge.model.tokens import make_message_id
from edge.rewriting import switches
from edge.rewriting.switches import Given
from edge.sending.compose import Attachment, Parts, compose, message_id_given, with_headers
from edge.sending.hops import author
from edge.sending.message import (
    MAX_MESSAGE,
    MAX_RECIPIENTS,
    Addressee,
    Message,
    Options,
    Origin,
)
from edge.sending.reading import delivery_time, delivery_window

QUEUED: Final = "Queued. Thank you."
NOT_AN_ADDRESS: Final = "is not a valid address. please check documentation"
NOTHING_TO_SAY: Final = (
    "Need at least one of 'text', 'html', 'amp-html' or 'template' parameters specified"
)
MAX_OPTIONS: Final = 16 * 1024
"""Octets of all ``o:``, ``h:``, ``v:`` and ``t:`` values together."""

LONGEST_ADDRESSES: Final = 512 * 1024
"""Characters of one address field: a thousand long ones."""

LARGE: Final = 256 * 1024
"""Octets of files from which a message is composed in a thread."""

_PREFIXES: Final = ("o:", "h:", "v:", "t:")
_SWITCHES: Final = frozenset(switches.PARAMETERS)
_NOT_OFFERED: Final = {
    "template": "Stored templates are not offered here; give text or html",
    "o:archive-to": "o:archive-to is not offered here; use o:deliverytime or a bcc",
}


async def send(request: web.Request) -> web.Response:
    """``POST /v3/{name}/messages``: a message made of its parts."""
    given, domain = await _given(request)
    api = request.app[API]
    boxes = _Boxes(given)
    batch = _batch(given)
    texts = {
        name: given.text(name, longest=MAX_MESSAGE, lines=True)
        for name in ("text", "html", "amp-html")
    }
    subject = given.text("subject", longest=10_000, lines=True)
    headers = _prefixed(given, "h:")
    options = _options(given, personal=batch is not None)
    if all(text is None for text in texts.values()):
        given.mistake(NOTHING_TO_SAY)
    given.check()
    now_us = api.clock.now_us()
    own_id = message_id_given(headers) or make_message_id(domain.name, now_us, api.entropy(8))
    source = await _composed(
        Parts(
            sender=boxes.sender,
            to=None if batch is not None else boxes.to,
            cc=boxes.cc,
            subject=subject,
            text=texts["text"],
            html=texts["html"],
            amp=texts["amp-html"],
            attachments=_attachments(given.fields.files),
            headers=headers,
            message_id=own_id,
            at=now_us / 1e6,
        )
    )
    recipients = _addressees([*boxes.to, *boxes.cc, *boxes.bcc], batch or {})
    sender = boxes.sender[0].address
    return await _accepted(request, domain, source, sender, recipients, options)


async def _composed(parts: Parts) -> bytes:
    """The message; in a thread where its files are large, so that others need not wait for it."""
    if sum(len(file.data) for file in parts.attachments) > LARGE:
        return await asyncio.to_thread(compose, parts)
    return compose(parts)


async def send_mime(request: web.Request) -> web.Response:
    """``POST /v3/{name}/messages.mime``: a whole message; ``message`` is a file or a text."""
    given, domain = await _given(request)
    to = _mailboxes(given, "to")
    if not to:
        given.mistake("to parameter is missing")
    batch = _batch(given)
    options = _options(given, personal=batch is not None)
    source = _mime(given)
    headers = _prefixed(given, "h:")
    given.check()
    source = with_headers(source, headers)
    recipients = _addressees(to, batch or {})
    return await _accepted(request, domain, source, author(source), recipients, options)


def _mime(given: Params) -> bytes:
    files = [file for file in given.fields.files if file.name == "message"]
    texts = given.fields.texts.get("message", [])
    if len(files) + len(texts) != 1:
        missing = not (files or texts)
        given.mistake("message parameter is missing" if missing else "message is given twice")
        return b""
    return files[0].data if files else texts[0].encode("utf-8", "surrogatepass")


async def _given(request: web.Request) -> tuple[Params, Domain]:
    """The parameters and the domain, with what is not offered told at once."""
    given = await params.read(request)
    async with request.app[API].connection() as conn:
        domain = await domain_of(request, conn, told=True)
    for name, text in _NOT_OFFERED.items():
        if any(value.strip() for value in given.fields.texts.get(name, [])):
            raise CallerError(text)
    size = sum(
        len(value.encode("utf-8", "surrogatepass"))
        for name, values in given.fields.texts.items()
        if name.startswith(_PREFIXES)
        for value in values
    )
    if size > MAX_OPTIONS:
        raise CallerError(
            "Send options (parameters starting with o:, h:, or v:) are limited to 16KB total"
        )
    return given, domain


class _Boxes:
    """The address fields of a call."""

    def __init__(self, given: Params) -> None:
        self.sender = _mailboxes(given, "from")
        self.to = _mailboxes(given, "to")
        self.cc = _mailboxes(given, "cc")
        self.bcc = _mailboxes(given, "bcc")
        for name, boxes in (("from", self.sender), ("to", self.to)):
            if not boxes and not given.has(name):
                given.mistake(f"{name} parameter is missing")
            elif not boxes:
                given.mistake(f"{name} parameter {NOT_AN_ADDRESS}")


def _mailboxes(given: Params, name: str) -> list[Mailbox]:
    """Every mailbox of a field that may be repeated and may hold lists; none after a mistake."""
    found: list[Mailbox] = []
    try:
        for value in given.texts(name, longest=LONGEST_ADDRESSES):
            found += mailboxes(value)
    except CallerError as error:
        # The parameter is told as Mailgun tells it; which address it is, is told besides.
        given.mistake(f"{name} parameter {NOT_AN_ADDRESS} ({error})")
        return [Mailbox("mistaken@example.invalid")]
    return found


def _batch(given: Params) -> dict[str, dict[str, Any]] | None:
    """``recipient-variables`` by address in lower case; None where the call is no batch."""
    text = given.text("recipient-variables", longest=MAX_MESSAGE, lines=True)
    if text is None or not text.strip():
        return None
    try:
        return {
            address.strip().lower(): values
            for address, values in msgspec.json.decode(text, type=dict[str, dict[str, Any]]).items()
        }
    except RecursionError:
        given.mistake("recipient-variables is nested too deeply")
        return None
    except msgspec.DecodeError as error:
        given.mistake(
            "recipient-variables has to be a JSON object of objects by address, like "
            f'{{"ann@example.net": {{"name": "Ann"}}}}: {error}'
        )
        return None


def _addressees(
    boxes: list[Mailbox], variables: dict[str, dict[str, Any]]
) -> tuple[Addressee, ...]:
    """Each address once."""
    found: dict[str, Addressee] = {}
    for box in boxes:
        key = box.address.lower()
        found.setdefault(key, Addressee(box.address, box.name, variables.get(key, {})))
    if len(found) > MAX_RECIPIENTS:
        raise CallerError(f"A message may have at most {MAX_RECIPIENTS} recipients")
    return tuple(found.values())


def _attachments(files: list[File]) -> list[Attachment]:
    return [
        Attachment(file.filename, file.content_type, file.data, inline=file.name == "inline")
        for file in files
        if file.name in ("attachment", "inline")
    ]


def _prefixed(given: Params, prefix: str) -> list[tuple[str, str]]:
    """The fields ``h:Name`` as (name, value), in order."""
    found = []
    for name in given.fields.texts:
        if name.startswith(prefix):
            short = name[len(prefix) :]
            found += [(short, value) for value in given.texts(name, longest=MAX_OPTIONS)]
    return found


def _variables(given: Params) -> dict[str, str]:
    """User variables; a value may have several lines."""
    found = {}
    for name in given.fields.texts:
        if name.startswith("v:"):
            found[name[2:]] = given.text(name, "", longest=MAX_OPTIONS, lines=True)
    return found


def _options(given: Params, *, personal: bool) -> Options:
    """What the ``o:`` and ``v:`` fields say. Fields without effect here are only checked."""
    for name in ("o:time-zone-localize", "o:deliverytime-optimize-period", "o:suppress-headers"):
        given.text(name)
    return Options(
        tags=tuple(given.texts("o:tag", longest=MAX_OPTIONS)),
        given=_switches(given),
        variables=_variables(given),
        personal=personal,
        test_mode=given.boolean("o:testmode", False),
        deliver_at=_parsed(given, "o:deliverytime", delivery_time),
        deliver_within=_parsed(given, "o:deliver-within", delivery_window),
        dkim=given.boolean("o:dkim"),
        require_tls=given.boolean("o:require-tls"),
        skip_verification=given.boolean("o:skip-verification"),
    )


def _switches(given: Params) -> Given:
    values = {}
    for name, all_values in given.fields.texts.items():
        if name.lower() in _SWITCHES and all_values and all_values[-1].strip():
            values[name] = _SPELLED.get(all_values[-1].strip().lower(), all_values[-1])
    try:
        return switches.given(values, switches.PARAMETERS)
    except CallerError as error:
        given.mistake(str(error))
        return Given()


_SPELLED: Final = {"1": "yes", "on": "yes", "0": "no", "off": "no"}
"""Further spellings of a switch that SDKs send."""


def _parsed(given: Params, name: str, parse: Callable[[str], int]) -> int:
    text = given.text(name)
    if text is None or not text.strip():
        return 0
    try:
        return parse(text)
    except CallerError as error:
        given.mistake(f"{name}: {error}")
        return 0


async def _accepted(
    request: web.Request,
    domain: Domain,
    source: bytes,
    sender: str,
    recipients: tuple[Addressee, ...],
    options: Options,
) -> web.Response:
    api: Api = request.app[API]
    origin = Origin(method="HTTP", ip=address_of(request, api), api_key=request[KEY].id)
    accepted = await api.acceptor.accept(
        Message(
            domain=domain,
            source=source,
            sender=sender,
            recipients=recipients,
            options=options,
            origin=origin,
        )
    )
    return web.json_response({"id": f"<{accepted.message_id}>", "message": QUEUED})
