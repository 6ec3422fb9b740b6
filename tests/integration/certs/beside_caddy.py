"""A process in namespaces of its own, with Caddy's authority; ``unshare`` starts it.

Caddy looks names up in the machine's way and fetches answers from port 80, always. So the process
has a loopback and an ``/etc/hosts`` of its own, in which the customers' names lead to it.

It prints one JSON object: what the tests look at.
"""

import asyncio
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from certs.authority import Authority, Terms
from certs.clock import SystemClock
from certs.manager import Manager
from certs.memory_storage import MemoryStorage
from tests.integration.certs.pebble import Responder
from tests.integration.certs.worlds import OPTIONS

NAMES = ("email.brand.example", "click.other.example", "silent.brand.example")
URL = "https://localhost:9443/acme/local/directory"
CONFIG = """{
    admin off
    http_port 9080
    https_port 9443
    local_certs
    skip_install_trust
    storage file_system %s
}
localhost:9443 {
    bind 127.0.0.1
    acme_server
}
"""


def raise_loopback() -> None:
    """A new network namespace has its loopback down (netdevice(7))."""
    up = 0x1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", up)
        fcntl.ioctl(any_socket, 0x8914, request)  # SIOCSIFFLAGS


def name_hosts(place: Path) -> None:
    """The customers' names lead to the loopback, in this mount namespace only."""
    hosts = place / "hosts"
    hosts.write_text("".join(f"127.0.0.1 {name}\n" for name in ("localhost", *NAMES)))
    subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)


async def step(manager: Manager) -> None:
    """Do one thing, or wait a moment."""
    if not await manager.step():
        await asyncio.sleep(0.05)


async def work(place: Path) -> dict[str, Any]:
    """Have certificates issued and renewed; one host never answers."""
    root = place / "caddy" / "pki" / "authorities" / "local" / "root.crt"
    storage, clock, responder = MemoryStorage(), SystemClock(), Responder()
    responder.silent.add(NAMES[2])
    server = await asyncio.start_server(responder.handle, "127.0.0.1", 80)
    authority = Authority(Terms(URL, agree_terms=True, ca_file=str(root)), storage, clock)
    manager = Manager(storage, authority, clock, "beside caddy", options=OPTIONS)
    try:
        responder.thumbprint = await authority.thumbprint()
        for name in NAMES:
            await storage.add(name)
        async with asyncio.timeout(60):
            while len(storage.certificates) < 2 or storage.hosts[NAMES[2]].failures < 2:
                await step(manager)
            first = dict(storage.certificates)
            for name in NAMES[:2]:
                host = storage.hosts[name]
                assert host.validity is not None
                validity = replace(host.validity, renew_at=0.0)
                storage.hosts[name] = replace(host, due=0.0, validity=validity)
            while any(storage.certificates[name] == first[name] for name in first):
                await step(manager)
    finally:
        authority.close()
        server.close()
        await server.wait_closed()
    failure = storage.hosts[NAMES[2]].failure
    assert failure is not None
    return {
        "root": root.read_text(),
        "certificates": {name: asdict(one) for name, one in storage.certificates.items()},
        "failure": asdict(failure),
    }


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    """Caddy makes its root when it starts, and answers a moment later."""
    for _ in range(300):
        if process.poll() is not None:
            raise RuntimeError("caddy ended")
        if path.exists():
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", 9443)) == 0:
                    return
        time.sleep(0.1)
    raise RuntimeError("caddy did not start")


def main() -> None:
    """Set everything up, work, print."""
    place = Path(sys.argv[1])
    raise_loopback()
    name_hosts(place)
    (place / "Caddyfile").write_text(CONFIG % (place / "caddy"))
    with (place / "caddy.log").open("wb") as log:
        caddy = subprocess.Popen(
            [sys.argv[2], "run", "--adapter", "caddyfile", "--config", place / "Caddyfile"],
            stdout=log,
            stderr=log,
            env={"HOME": str(place), "PATH": os.defpath},
        )
    try:
        wait_for(place / "caddy" / "pki" / "authorities" / "local" / "root.crt", caddy)
        print(json.dumps(asyncio.run(work(place))))
    finally:
        caddy.terminate()
        caddy.wait(10)


if __name__ == "__main__":
    main()
