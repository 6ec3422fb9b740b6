"""The sample message's own links."""

import re
from html import unescape

from tests.integration.run.serving import Edge


def link(one: Edge, kind: str) -> str:
    """The first URL of a kind (``o``, ``c``, ``u``) in the sample message."""
    found = re.search(rf'"(http://[^/"]+/{kind}/[\w-]+)"', one.get("/sample")[1].decode())
    assert found is not None
    return unescape(found[1])
