"""An edge's API, called as its owner does: with the key that the first run printed."""

import base64
import json
import re
import urllib.error
import urllib.request
from typing import Any

from tests.integration.run.serving import Edge


class Client:
    """Mailgun's API with the key that the first run printed."""

    def __init__(self, edge: Edge) -> None:
        self._base = f"http://127.0.0.1:{edge.control}"
        found = re.search(r"api:([\w-]+)", edge.output)
        assert found is not None, edge.output
        self._key = base64.b64encode(b"api:" + found[1].encode()).decode()

    def __call__(self, method: str, path: str, form: str = "") -> tuple[int, Any]:
        """Status and JSON of an answer."""
        request = urllib.request.Request(
            self._base + path,
            method=method,
            data=form.encode() if form else None,
            headers={
                "Authorization": f"Basic {self._key}",
                "Content-Type": "application/x-www-form-urlencoded",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)
