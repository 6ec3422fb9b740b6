"""Bodies as clients send them, read by a server that says what it read."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from edge.api.body import read_body
from edge.api.errors import errors_as_json


async def _echo(request: web.Request) -> web.Response:
    fields = await read_body(request, 100_000)
    files = [[f.name, f.filename, f.content_type, len(f.data)] for f in fields.files]
    return web.json_response({"texts": fields.texts, "files": files, "document": fields.document})


@asynccontextmanager
async def _serving() -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    app = web.Application(middlewares=[errors_as_json])
    app.router.add_post("/", _echo)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        yield session, str(server.make_url("/"))


async def _read(data: Any, kind: str | None = None) -> tuple[int, Any]:
    headers = {} if kind is None else {"Content-Type": kind}
    async with _serving() as (session, url), session.post(url, data=data, headers=headers) as got:
        return got.status, await got.json()


async def test_files_come_with_name_type_and_bytes() -> None:
    """Also several under one name, empty ones, and beside text."""
    form = aiohttp.FormData()
    form.add_field(
        "attachment", b"\x00\xff" * 500, filename="a.pdf", content_type="application/pdf"
    )
    form.add_field("attachment", b"", filename="leer ä.txt")
    form.add_field("subject", "Grüße")
    form.add_field("to[]", "a@example.com")
    form.add_field("to[]", "b@example.com")
    status, read = await _read(form)
    assert status == 200
    assert read["files"][0] == ["attachment", "a.pdf", "application/pdf", 1000]
    assert read["files"][1][3] == 0
    assert read["texts"] == {"subject": ["Grüße"], "to": ["a@example.com", "b@example.com"]}


@pytest.mark.parametrize(
    "body, kind, texts",
    [
        (b"a=1&a=2&b=%C3%A4+x&c", "application/x-www-form-urlencoded", ["1", "2"]),
        (b'{"a": ["1", 2]}', "application/json", ["1", "2"]),
        (b'{"a": true, "b": null, "c": {"d": 1}}', "application/json", ["true"]),
    ],
)
async def test_repeated_keys_are_lists_in_every_form(
    body: bytes, kind: str, texts: list[str]
) -> None:
    """Order is kept; null is absent; an object stays JSON."""
    status, read = await _read(body, kind)
    assert (status, read["texts"]["a"]) == (200, texts)
    if b"null" in body:
        assert read["texts"] == {"a": ["true"], "c": ['{"d":1}']}
        assert read["document"] == {"a": True, "b": None, "c": {"d": 1}}


async def test_a_json_array_is_a_document_without_fields() -> None:
    """Batches of suppressions come so; an empty JSON body is none."""
    status, read = await _read(b'[{"address": "a@b.c"}]', "application/json")
    assert (status, read["texts"], read["document"]) == (200, {}, [{"address": "a@b.c"}])
    assert (await _read(b"  ", "application/json"))[1]["document"] is None


@pytest.mark.parametrize(
    "body, kind, text",
    [
        (b"hello", "text/plain", "has to be"),
        (b"a=%ff", "application/x-www-form-urlencoded", "not urlencoded"),
        (b"a=\xff", "application/x-www-form-urlencoded", "not urlencoded"),
        (b"&".join(b"a=1" for _ in range(5_001)), "application/x-www-form-urlencoded", "5000"),
        (b"=x", "application/x-www-form-urlencoded", "needs a name"),
        (b'{"a": "\xff"}', "application/json", "not valid JSON"),
        (b"nothing", "application/json", "not valid JSON"),
    ],
)
async def test_bodies_that_nobody_can_read(body: bytes, kind: str, text: str) -> None:
    """400 that says what it should have been."""
    status, read = await _read(body, kind)
    assert (status, text in read["message"]) == (400, True), read


async def test_a_form_in_a_form_is_refused() -> None:
    """Nesting is how multipart bombs are built."""
    body = (
        b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n"
        b'--c\r\nContent-Disposition: form-data; name="n"\r\n\r\nx\r\n--c--\r\n\r\n--b--\r\n'
    )
    status, read = await _read(body, "multipart/form-data; boundary=b")
    assert (status, bool(read["message"])) == (400, True)
