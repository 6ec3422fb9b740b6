"""What the edge is measured against: nginx, haproxy, and a plain aiohttp route."""

import os
import pwd
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop
from aiohttp import web

from benchmarks.machine import free_port, tool
from benchmarks.processes import end, tree_cpu, wait_until
from edge.tracking.answers import PIXEL, PIXEL_HEADERS


class Rival:
    """A running server; ``cpu`` is that of its whole group."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        self._process = process
        self.port = port
        wait_until(self._listens, 20, f"the server on port {port}")

    def _listens(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"{self._process.args!r} ended with {self._process.returncode}")
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def cpu(self) -> float:
        """Seconds of CPU used so far."""
        return tree_cpu(self._process.pid)


@contextmanager
def nginx(directory: Path) -> Iterator[Rival]:
    """One nginx worker that answers everything with its empty GIF and writes its access log.

    Defaults but for ``keepalive_requests``: neither side closes a connection in the middle.
    """
    place = directory / "nginx"
    place.mkdir(mode=0o755)
    port = free_port()
    as_root = os.geteuid() == 0
    user = f"user {pwd.getpwnam('nobody').pw_name} nogroup;" if as_root else ""
    config = textwrap.dedent(
        f"""
        daemon off;
        worker_processes 1;
        {user}
        pid {place}/pid;
        error_log {place}/error.log;
        events {{ worker_connections 1024; }}
        http {{
            access_log {place}/access.log combined;
            client_body_temp_path {place}/body;
            proxy_temp_path {place}/proxy;
            fastcgi_temp_path {place}/fastcgi;
            uwsgi_temp_path {place}/uwsgi;
            scgi_temp_path {place}/scgi;
            keepalive_requests 1000000000;
            server {{
                listen 127.0.0.1:{port} backlog=511;
                location / {{ empty_gif; }}
            }}
        }}
        """
    )
    path = place / "nginx.conf"
    path.write_text(config)
    process = subprocess.Popen(
        [tool("nginx") or "nginx", "-p", str(place), "-c", str(path), "-e", f"{place}/error.log"],
        stderr=subprocess.DEVNULL,
    )
    try:
        yield Rival(process, port)
    finally:
        end(process)


@contextmanager
def haproxy(directory: Path, certificates: Path) -> Iterator[Rival]:
    """One haproxy thread that ends TLS, picks among these PEM files by SNI, and answers itself.

    With the pixel and its headers, without a log, and otherwise with its defaults.
    """
    place = directory / "haproxy"
    place.mkdir(mode=0o755)
    (place / "pixel.png").write_bytes(PIXEL)
    port = free_port()
    headers = " ".join(
        f'hdr {name} "{value}"' for name, value in PIXEL_HEADERS if name != "Content-Type"
    )
    config = textwrap.dedent(
        f"""
        global
            nbthread 1
            ssl-default-bind-options ssl-min-ver TLSv1.2
        defaults
            mode http
            timeout client 15s
            timeout http-request 15s
        frontend tracking
            bind 127.0.0.1:{port} ssl crt {certificates} alpn http/1.1
            http-request return status 200 content-type image/png file {place}/pixel.png {headers}
        """
    )
    path = place / "haproxy.cfg"
    path.write_text(config)
    process = subprocess.Popen([tool("haproxy") or "haproxy", "-db", "-q", "-f", str(path)])
    try:
        yield Rival(process, port)
    finally:
        end(process)


@contextmanager
def python_module(module: str, *arguments: str) -> Iterator[Rival]:
    """A module of this package as a server of its own, told its port first."""
    port = free_port()
    root = Path(__file__).resolve().parent.parent
    process = subprocess.Popen([sys.executable, "-m", module, str(port), *arguments], cwd=root)
    try:
        yield Rival(process, port)
    finally:
        end(process)


async def _pixel(_: web.Request) -> web.Response:
    return web.Response(body=PIXEL, headers=dict(PIXEL_HEADERS))


def _serve_plain(port: int) -> None:
    app = web.Application()
    app.router.add_get("/o/{token}", _pixel)
    app.router.add_get("/c/{token}", _pixel)
    loop = uvloop.new_event_loop()
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None, loop=loop)


if __name__ == "__main__":
    _serve_plain(int(sys.argv[1]))
