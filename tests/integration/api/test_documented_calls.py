"""The curl commands of the documentation, run as they stand but for key and address."""

import asyncio
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from edge.store.pool import Pool
from tests.house.sources import text
from tests.integration.api.worlds import World, serving

PAGES = {"api": 1, "events": 1, "stats": 1, "senders": 1, "certificates": 3, "lists": 11}
PAGES |= {"suppressions": 14}
"""Pages, and how many calls each has at least."""

MISSED = {"lists": 0, "suppressions": 2}
"""Calls for something that the page has not added before."""

TELLING = r"""
curl() { command curl --silent --show-error --write-out '\n%{http_code} %{method} %{url}\n' "$@"; }
"""
ANSWER = re.compile(r"^(\d{3}) (GET|POST|PUT|DELETE) (\S+)$", re.MULTILINE)


def _script(page: str, world: World) -> str:
    """The page's shell blocks without the commands of this project, for this world."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text(f"docs/{page}.md"), re.MULTILINE | re.DOTALL)
    calls = [
        re.sub(r"^edge .*\n", "", block, flags=re.MULTILINE)
        for block in blocks
        if re.search(r"^(curl|api|printf) ", block, re.MULTILINE) or "base=" in block
    ]
    if page == "lists":  # a page removes what it shows next: each block has its list
        made = 'api "$base" -F address=devs@mg.example.com > /dev/null\n'
        calls = [one if "base=" in one or "address=devs@" in one else made + one for one in calls]
    script = "\n".join(calls).replace("http://127.0.0.1:8025", world.url)
    script = re.sub(r"api:(key-…|YOUR_KEY|\$KEY)", f"api:{world.key}", script)
    return TELLING + script


async def _leads_here(_: str) -> None:
    """A gate that lets every host pass."""


@pytest.mark.parametrize("page", PAGES)
async def test_documented_calls_work(db: Pool, tmp_path: Path, page: str) -> None:
    """They are answered well, or that something is not there; none is refused or unknown."""
    if shutil.which("curl") is None:
        pytest.skip("no curl: install curl")
    async with serving(db, gate=_leads_here) as world:
        await world.add_domain("sandbox.localhost")
        done = await asyncio.to_thread(
            subprocess.run,
            ["bash", "-c", _script(page, world)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert not done.stderr
    answers = ANSWER.findall(done.stdout)
    assert len(answers) >= PAGES[page], done.stdout
    for status, method, url in answers:
        assert status in {"200", "202", "404"}, (status, method, url, done.stdout)
    assert '"Not Found"' not in done.stdout
    missed = sum(status == "404" for status, _, _ in answers)
    assert missed <= MISSED.get(page, 0), done.stdout
