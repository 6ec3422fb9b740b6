"""The program in docs/certificates.md does what the page says."""

import asyncio
import re
import ssl
from pathlib import Path
from typing import Any

from certs.authority import Terms
from tests.house.sources import text
from tests.integration.certs.pebble import pebble
from tests.ports import free_port

HOST = "www.brand.example"


def example() -> dict[str, Any]:
    """The names that the page's program defines."""
    found = re.search(r"```python\n(.*?)```", text("docs/certificates.md"), re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(found[1], "docs/certificates.md", "exec"), names)
    return names


async def ask(port: int, root: str) -> bytes:
    """GET / over TLS, verified for the host under the authority's root; the body."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1",
        port,
        ssl=ssl.create_default_context(cadata=root),
        server_hostname=HOST,
    )
    writer.write(f"GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer


async def test_the_example_serves_a_verified_certificate(tmp_path: Path) -> None:
    """From an empty directory to a page over https, challenges answered by its own port 80."""
    https = free_port()
    async with pebble(responding=False) as ca:
        root = await ca.root()
        terms = Terms(ca.directory, agree_terms=True, ca_file=ca.ca_file)
        work = example()["serve"](tmp_path / "certificates", [HOST], terms, ca.http_port, https)
        running = asyncio.get_running_loop().create_task(work)
        try:
            async with asyncio.timeout(60):
                while True:
                    try:
                        answer = await ask(https, root)
                    except OSError:
                        assert not running.done(), running.exception()
                        await asyncio.sleep(0.2)
                    else:
                        break
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        assert b"hello from www.brand.example" in answer
