"""The first run's sample message: read in a browser, and its own links."""

import re
from html import unescape

from tests.acceptance.browsing import Reader
from tests.integration.run.serving import Edge


def link(one: Edge, kind: str) -> str:
    """The first URL of a kind (``o``, ``c``, ``u``) in the sample message."""
    found = re.search(rf'"(http://[^/"]+/{kind}/[\w-]+)"', one.get("/sample")[1].decode())
    assert found is not None
    return unescape(found[1])


def open_sample(one: Edge, reader: Reader) -> None:
    """Open what the first run printed, and wait for its pixel."""
    address = f"http://127.0.0.1:{one.control}/sample"
    assert address in one.output
    with reader.page.expect_response(lambda answer: "/o/" in answer.url) as pixel:
        reader.page.goto(address)
    assert pixel.value.status == 200
    assert pixel.value.headers["content-type"] == "image/png"
