"""A Postfix of its own: configuration, queue and ports apart from the machine's."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.ports import free_port

MASTER = """\
{door}
pickup    unix  n  -  n  60    1  pickup
cleanup   unix  n  -  n  -     0  cleanup
qmgr      unix  n  -  n  1     1  qmgr
tlsmgr    unix  -  -  n  1000? 1  tlsmgr
rewrite   unix  -  -  n  -     -  trivial-rewrite
bounce    unix  -  -  n  -     0  bounce
defer     unix  -  -  n  -     0  bounce
trace     unix  -  -  n  -     0  bounce
smtp      unix  -  -  n  -     -  smtp
relay     unix  -  -  n  -     -  smtp
error     unix  -  -  n  -     -  error
retry     unix  -  -  n  -     -  error
discard   unix  -  -  n  -     -  discard
anvil     unix  -  -  n  -     1  anvil
scache    unix  -  -  n  -     1  scache
proxymap  unix  -  -  n  -     -  proxymap
postlog   unix-dgram n - n -   1  postlogd
"""


@dataclass
class Postfix:
    """A running one; what it logs is in ``log``."""

    port: int
    log: Path

    def said(self) -> str:
        """Its log so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    async def until(self, words: str) -> None:
        """Wait until its log says something."""
        for _ in range(400):
            if words in self.said():
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"Postfix never said {words!r}:\n{self.said()[-4000:]}")


def needed() -> None:
    """Skip (in CI: fail) where there is no Postfix or no root to run it."""
    missing = None
    if shutil.which("postfix", path="/usr/sbin:/usr/bin") is None:
        missing = "no Postfix: install the package postfix"
    elif os.getuid() != 0:
        missing = "Postfix' master runs as root only"
    if missing and os.environ.get("CI") and os.getuid() == 0:
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)


@asynccontextmanager
async def postfix(
    main: str, door: str = "", files: dict[str, str] | None = None
) -> AsyncIterator[Postfix]:
    """Postfix with these lines in its main.cf; ``{directory}`` in them is its configuration's.

    ``door`` are the lines of master.cf that begin with smtpd's, ``files`` are written beside them.
    """
    needed()
    port = free_port()
    directory = Path(tempfile.mkdtemp(prefix="edge-postfix-", dir="/tmp"))
    try:
        config, queue, data = (directory / name for name in ("config", "queue", "data"))
        for one in (directory, config, queue, data):
            one.mkdir(mode=0o755, exist_ok=True)
            one.chmod(0o755)
        owner = pwd.getpwnam("postfix")
        os.chown(data, owner.pw_uid, owner.pw_gid)
        log = directory / "log"
        own = {
            "compatibility_level": "3.6",
            "queue_directory": queue,
            "data_directory": data,
            "maillog_file": log,
            "maillog_file_prefixes": directory,
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "myhostname": "postfix.test",
            "mydestination": "",
            "mynetworks": "127.0.0.0/8",
            "smtp_host_lookup": "native",
            "minimal_backoff_time": "1s",
            "queue_run_delay": "1s",
            "relayhost": "[127.0.0.1]:1",  # unless told otherwise nothing leaves this machine
            "notify_classes": "",
            "bounce_queue_lifetime": "0",
        }
        lines = [f"{name} = {value}" for name, value in own.items()]
        (config / "main.cf").write_text("\n".join([*lines, main.format(directory=config)]) + "\n")
        first = door or "smtp  inet  n  -  n  -  -  smtpd"
        first = first.replace("smtp ", f"127.0.0.1:{port} ", 1)
        (config / "master.cf").write_text(MASTER.format(door=first))
        for name, text in (files or {}).items():
            (config / name).write_text(text)
        with (directory / "output").open("wb") as output:
            process = subprocess.Popen(
                ["/usr/sbin/postfix", "-c", str(config), "start-fg"],
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
            )
        running = Postfix(port, log)
        try:
            await running.until("daemon started")
            yield running
        finally:
            master = queue / "pid" / "master.pid"  # what was started is only its shell
            if master.exists():
                os.kill(int(master.read_text()), signal.SIGTERM)
            await asyncio.to_thread(process.wait, 20)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
