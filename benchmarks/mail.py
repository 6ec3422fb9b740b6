"""Mail servers to measure against: Postfix' ``smtp-sink``, and a Postfix that relays to it."""

import os
import pwd
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.machine import free_port, tool
from benchmarks.processes import cpu_of, end, tree_cpu, wait_until
from benchmarks.rivals import Rival

_MASTER = """\
127.0.0.1:{port}  inet  n  -  n  -  -  smtpd
cleanup   unix  n  -  n  -     0  cleanup
qmgr      unix  n  -  n  1     1  qmgr
tlsmgr    unix  -  -  n  1000? 1  tlsmgr
rewrite   unix  -  -  n  -     -  trivial-rewrite
bounce    unix  -  -  n  -     0  bounce
defer     unix  -  -  n  -     0  bounce
smtp      unix  -  -  n  -     -  smtp
retry     unix  -  -  n  -     -  error
anvil     unix  -  -  n  -     1  anvil
scache    unix  -  -  n  -     1  scache
proxymap  unix  -  -  n  -     -  proxymap
postlog   unix-dgram n - n -   1  postlogd
"""

_MAIN = """\
compatibility_level = 3.6
queue_directory = {place}/queue
data_directory = {place}/data
maillog_file = {place}/log
maillog_file_prefixes = {place}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = postfix.test
mydestination =
mynetworks = 127.0.0.0/8
relayhost = [127.0.0.1]:{sink}
smtp_host_lookup = native
"""


class Sink:
    """A running ``smtp-sink``: takes everything and throws it away."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        self._pid = process.pid
        self.port = port

    def cpu(self) -> float:
        """Seconds of CPU used so far."""
        return cpu_of(self._pid)


@contextmanager
def sink() -> Iterator[Sink]:
    """``smtp-sink`` on a port of the loopback."""
    port = free_port()
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    process = subprocess.Popen(
        [str(tool("smtp-sink")), *user, f"127.0.0.1:{port}", "1024"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        Rival(process, port)
        yield Sink(process, port)
    finally:
        end(process)


class Postfix:
    """A running Postfix; ``directory`` holds its queue."""

    def __init__(self, master: int, port: int, place: Path) -> None:
        self._master = master
        self._place = place
        self.port = port

    def cpu(self) -> float:
        """Seconds of CPU used so far by all of its processes."""
        return tree_cpu(self._master)

    def waiting(self) -> int:
        """Messages in its queue."""
        found = 0
        for name in ("incoming", "active", "deferred", "maildrop"):
            found += sum(1 for path in (self._place / "queue" / name).rglob("*") if path.is_file())
        return found


@contextmanager
def postfix(directory: Path, to: Sink) -> Iterator[Postfix]:
    """Postfix with its defaults, relaying everything to the sink. Only root can run it."""
    place = directory / "postfix"
    for one in (place, place / "config", place / "queue", place / "data"):
        one.mkdir(mode=0o755)
    owner = pwd.getpwnam("postfix")
    os.chown(place / "data", owner.pw_uid, owner.pw_gid)
    port = free_port()
    (place / "config" / "main.cf").write_text(_MAIN.format(place=place, sink=to.port))
    (place / "config" / "master.cf").write_text(_MASTER.format(port=port))
    process = subprocess.Popen(
        [str(tool("postfix")), "-c", str(place / "config"), "start-fg"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
    )
    pid_file = place / "queue" / "pid" / "master.pid"  # what was started is only its shell
    try:
        wait_until(lambda: pid_file.exists() and pid_file.read_text().strip() != "", 20, "Postfix")
        Rival(process, port)
        yield Postfix(int(pid_file.read_text()), port, place)
    finally:
        if pid_file.exists():
            os.kill(int(pid_file.read_text()), signal.SIGTERM)
        process.wait(20)
