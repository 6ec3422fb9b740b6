"""A real authority for the tests: Pebble, its DNS server, and a host that answers challenges.

Everything listens on the loopback and lives inside ``async with``. Pebble keeps its state in
memory: restarting it is how an authority loses our account.
"""

import asyncio
import contextlib
import json
import os
import shutil
import ssl
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from certs import challenges
from certs.keys import self_signed
from edge.model import probe
from edge.model.vault import Vault
from tests.ports import free_port

VALIDITY = 6 * 86_400


class Responder:
    """The customers' hosts: answers HTTP-01 without any state, but for the ``silent`` ones.

    ``thumbprints`` are those of hosts whose account is another than that of ``thumbprint``. With
    a ``vault`` it answers an edge's own probes, too.
    """

    def __init__(self) -> None:
        self.thumbprint = ""
        self.thumbprints: dict[str, str] = {}
        self.silent: set[str] = set()
        self.asked: list[str] = []
        self.vault: Vault | None = None

    def _probe(self, path: str) -> bytes | None:
        nonce = probe.nonce_of(path)
        if nonce is None or self.vault is None:
            return None
        return probe.probe_answer(probe.probe_secret(self.vault), nonce).encode()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(10):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            lines = head.split("\r\n")
            path = lines[0].split(" ")[1]
            host = next(line[6:].split(":")[0] for line in lines if line.startswith("Host: "))
            mine = self._probe(path)
            if mine is None:
                self.asked.append(host)
            thumbprint = self.thumbprints.get(host, self.thumbprint)
            body = mine or (None if host in self.silent else challenges.answer(path, thumbprint))
            status = b"404 Not Found" if body is None else b"200 OK"
            body = body or b""
            writer.write(
                b"HTTP/1.1 %s\r\nContent-Type: application/octet-stream\r\n"
                b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(body), body)
            )
            await writer.drain()
        except (OSError, EOFError, TimeoutError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


class Pebble:
    """One running Pebble."""

    def __init__(self, place: Path, config: Mapping[str, Any], environment: dict[str, str]) -> None:
        self.place = place
        self.port = free_port()
        self.management = free_port()
        self.http_port = free_port()
        self.dns_port = free_port()
        self.dns_management = free_port()
        self.directory = f"https://localhost:{self.port}/dir"
        self.ca_file = str(place / "ca.pem")
        self.responder = Responder()
        self._config = config
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        key, _, certificate = self_signed("localhost", time.time()).partition("-----BEGIN CERT")
        (place / "key.pem").write_text(key)
        (place / "ca.pem").write_text("-----BEGIN CERT" + certificate)

    async def start(self) -> None:
        """Start it with fresh state; waits until it answers."""
        options = {
            "listenAddress": f"127.0.0.1:{self.port}",
            "managementListenAddress": f"127.0.0.1:{self.management}",
            "certificate": self.ca_file,
            "privateKey": str(self.place / "key.pem"),
            "httpPort": self.http_port,
            "tlsPort": free_port(),
            "ocspResponderURL": "",
            "externalAccountBindingRequired": False,
            "domainBlocklist": ["blocked-domain.example"],
            "certificateValidityPeriod": VALIDITY,
            **self._config,
        }
        (self.place / "config.json").write_text(json.dumps({"pebble": options}))
        environment = {
            **os.environ,
            "PEBBLE_VA_NOSLEEP": "1",
            "PEBBLE_AUTHZREUSE": "0",
            "PEBBLE_ALTERNATE_ROOTS": "1",
            **self._environment,
        }
        dns = f"127.0.0.1:{self.dns_port}"
        with (self.place / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["pebble", "-config", "config.json", "-dnsserver", dns, "-strict"],
                cwd=self.place,
                env=environment,
                stdout=log,
                stderr=log,
            )
        for _ in range(200):
            if self._process.poll() is not None:
                raise RuntimeError((self.place / "log").read_text()[-2000:])
            try:
                await self.get(self.directory)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                return
        raise RuntimeError("pebble did not answer")

    async def get(self, url: str) -> bytes:
        """GET something of Pebble's."""
        context = ssl.create_default_context(cafile=self.ca_file)

        def fetch() -> bytes:
            with urllib.request.urlopen(url, context=context, timeout=5) as answer:
                body: bytes = answer.read()
                return body

        return await asyncio.to_thread(fetch)

    async def root(self) -> str:
        """The root that this start issues from."""
        return (await self.get(f"https://localhost:{self.management}/roots/0")).decode()

    def stop(self) -> None:
        """End it, and all it knows."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def log(self) -> str:
        """What it wrote."""
        return (self.place / "log").read_text(errors="replace")

    async def dns(self, path: str, **body: Any) -> None:
        """Tell its DNS server something (``add-a``, ``set-cname``, ``set-servfail`` …)."""
        url = f"http://127.0.0.1:{self.dns_management}/{path}"
        data = json.dumps(body).encode()
        request = urllib.request.Request(url, data=data)
        await asyncio.to_thread(lambda: urllib.request.urlopen(request, timeout=5).close())


@asynccontextmanager
async def pebble(
    *,
    reject: int = 5,
    config: Mapping[str, Any] | None = None,
    responding: bool = True,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Pebble]:
    """Pebble with its DNS server, in which every name is ours; and the responder.

    ``reject`` is the share of good nonces that it refuses, in per cent. Without ``responding`` the
    test itself serves the hosts' port 80, which is ``http_port``.
    """
    if shutil.which("pebble") is None or shutil.which("pebble-challtestsrv") is None:
        pytest.skip("no pebble: install Debian's package of that name")
    place = Path(tempfile.mkdtemp(prefix="pebble-"))
    variables = {"PEBBLE_WFE_NONCEREJECT": str(reject), **(environment or {})}
    running = Pebble(place, config or {}, variables)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, place, ignore_errors=True)
        dns = _dns_server(running)
        stack.callback(dns.wait, 10)
        stack.callback(dns.terminate)
        if responding:
            handle = running.responder.handle
            server = await asyncio.start_server(handle, "127.0.0.1", running.http_port)
            stack.push_async_callback(server.wait_closed)
            stack.callback(server.close)
        stack.callback(running.stop)
        await running.start()
        yield running


def _dns_server(running: Pebble) -> subprocess.Popen[bytes]:
    off = [argument for name in ("http01", "https01", "tlsalpn01") for argument in (f"-{name}", "")]
    with (running.place / "dns.log").open("wb") as log:
        return subprocess.Popen(
            [
                "pebble-challtestsrv",
                *("-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""),
                *("-dns01", f"127.0.0.1:{running.dns_port}", *off),
                *("-management", f"127.0.0.1:{running.dns_management}"),
            ],
            stdout=log,
            stderr=log,
        )
