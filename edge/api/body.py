"""Reading a request's body into fields, in every form in which Mailgun's clients send them.

Forms arrive urlencoded or as multipart, JSON with its content type or mislabelled: mailgun.js
calls a JSON text urlencoded, mailgun-python sends one without any type. So a body that starts like
a JSON object or array is JSON, whatever it is called. Everything is bounded while it is read:
bytes, fields, parts, nesting.
"""

import asyncio
import re
import warnings
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from aiohttp import BadContentDispositionHeader, BadContentDispositionParam, BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from edge.api.errors import TooLarge
from edge.model.errors import CallerError
from edge.model.params import MAX_FIELDS, add_object
from edge.model.params import Fields as Fields
from edge.model.params import File as File

MAX_DEPTH: Final = 32
SECONDS: Final = 120.0
"""In which a body has to arrive: 26 MiB at 2 Mbit/s."""

# aiohttp warns of a part's odd header, and Python remembers each text it warned of: a client could
# fill the memory with them. The part is refused for having no name anyway.
for _odd in (BadContentDispositionHeader, BadContentDispositionParam):
    warnings.simplefilter("ignore", _odd)

_CHUNK: Final = 64 * 1024
_BRACES = re.compile(rb"\s*[\[{]")


async def read_body(request: web.Request, limit: int) -> Fields:
    """The fields of a body of at most ``limit`` bytes; raises TooLarge and CallerError."""
    if (request.content_length or 0) > limit:
        raise _too_large(limit)
    fields = Fields()
    if not request.body_exists:
        return fields
    try:
        async with asyncio.timeout(SECONDS):
            if request.content_type == "multipart/form-data":
                await _multipart(request, limit, fields)
                return fields
            body = await _whole(request, limit)
    except TimeoutError:
        raise CallerError(f"The body did not arrive within {SECONDS:.0f} s") from None
    if request.content_type == "application/json" or _BRACES.match(body):
        _json(body, fields)
    elif request.content_type in {"application/x-www-form-urlencoded", "application/octet-stream"}:
        _urlencoded(body, fields)
    elif body.strip():
        raise CallerError(
            "The body has to be multipart/form-data, application/x-www-form-urlencoded or JSON"
        )
    return fields


async def read_raw(request: web.Request, limit: int) -> bytes:
    """A body as it is, of at most ``limit`` bytes; raises TooLarge and CallerError."""
    if (request.content_length or 0) > limit:
        raise _too_large(limit)
    if not request.body_exists:
        return b""
    try:
        async with asyncio.timeout(SECONDS):
            return await _whole(request, limit)
    except TimeoutError:
        raise CallerError(f"The body did not arrive within {SECONDS:.0f} s") from None


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The request body is larger than {limit} bytes")


async def _whole(request: web.Request, limit: int) -> bytes:
    body = bytearray()
    try:
        async for chunk in request.content.iter_chunked(_CHUNK):
            body += chunk
            if len(body) > limit:
                raise _too_large(limit)
    except web.RequestPayloadError as error:
        raise CallerError("The body ends too early or is not encoded as it says") from error
    return bytes(body)


def _urlencoded(body: bytes, fields: Fields) -> None:
    try:
        text = body.decode("utf-8")
        pairs = parse_qsl(
            text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS + 1
        )
    except ValueError:
        raise CallerError(
            f"The form is not urlencoded UTF-8 text of at most {MAX_FIELDS} fields"
        ) from None
    for name, text in pairs:
        fields.add(name, text)


def _json(body: bytes, fields: Fields) -> None:
    if not body.strip():
        return
    try:
        fields.document = msgspec.json.decode(body)
    except RecursionError:
        raise _too_deep() from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CallerError(f"The body is not valid JSON: {error}") from None
    _check_depth(fields.document)
    if isinstance(fields.document, dict):
        add_object(fields.document, fields)


def _too_deep() -> CallerError:
    return CallerError(f"The JSON is nested deeper than {MAX_DEPTH} levels")


def _check_depth(document: Any) -> None:
    level = [document]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for value in level
            if isinstance(value, dict | list)
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return
    raise _too_deep()


async def _multipart(request: web.Request, limit: int, fields: Fields) -> None:
    left = limit
    try:
        reader = await request.multipart()
        while (part := await reader.next()) is not None:
            if not isinstance(part, BodyPartReader):
                raise CallerError("A form's part may not be multipart itself")
            data = bytearray()
            while chunk := await part.read_chunk(_CHUNK):
                data += chunk
                left -= len(chunk)
                if left < 0:
                    raise _too_large(limit)
            _keep(part, bytes(data), fields)
    except (ValueError, AssertionError, HttpProcessingError, web.RequestPayloadError) as error:
        raise CallerError("The multipart body is malformed or ends too early") from error


def _keep(part: BodyPartReader, data: bytes, fields: Fields) -> None:
    name = part.name or ""
    if part.filename is not None:
        fields.counted(name)
        kind = part.headers.get("Content-Type", "application/octet-stream")
        fields.files.append(File(name.removesuffix("[]"), part.filename, kind, data))
        return
    try:
        fields.add(name, data.decode("utf-8"))
    except UnicodeDecodeError:
        raise CallerError(f"Field {name[:50]!r} is not UTF-8 text") from None
