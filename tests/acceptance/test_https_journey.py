"""The five steps to https of Mailgun's page, as a customer takes them, then a renewal on the way.

Real parts throughout: ``edge serve`` itself answers the authority's challenges and its own gate's
probe on its port for http; Pebble issues; Chromium trusts Pebble's root as a user would import it.
"""

import asyncio
import json
import os
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

from tests.acceptance.browsing import READER, chromium, reading
from tests.integration.certs.edges import OURS
from tests.integration.certs.pebble import Pebble, pebble
from tests.integration.run.calling import Client
from tests.integration.run.serving import Edge, command, finish, place, until

DOMAIN, HOST = "mg.brand.example", "email.mg.brand.example"
HTML = "<html><body><h1>News</h1><a id='leave' href='%unsubscribe_url%'>Leave</a></body></html>"
PAUSE = 0.02


def _environment(ca: Pebble) -> dict[str, str]:
    return {
        "EDGE_PUBLIC_HOST": OURS,
        "EDGE_ACME_DIRECTORY": ca.directory,
        "EDGE_ACME_AGREE_TOS": "yes",
        "EDGE_ACME_CA_FILE": ca.ca_file,
        "EDGE_ACME_HTTP_PORT": str(ca.http_port),
        "EDGE_RESOLVERS": f"127.0.0.1:{ca.dns_port}",
        "EDGE_WORKERS": "2",
    }


def _activate(client: Client) -> None:
    """Ask for the certificate, and poll what the answer names until it is there."""
    status, body = client("POST", f"/v2/x509/{HOST}")
    assert status == 202, body
    assert body["message"] == "Initiated x509 key pair generation"

    def active() -> bool:
        status, answered = client("GET", body["location"])
        assert (status, answered["status"]) in {(200, "processing"), (200, "active")}, json.dumps(
            answered
        )
        return bool(answered["status"] == "active")

    until("active", active, 60)


def _send(client: Client) -> None:
    form = f"from=news@{DOMAIN}&to={READER}&subject=Over+https&html={quote(HTML)}"
    status, body = client("POST", f"/v3/{DOMAIN}/messages", form)
    assert (status, body["message"]) == (200, "Queued. Thank you.")


def _kept(one: Edge) -> str:
    """The HTML of the one message in the outbox."""

    def number() -> str:
        found = re.search(r'"id":(\d+)', command(one, "outbox", "list", DOMAIN, "--json").stdout)
        return found[1] if found else ""

    kept = until("the message is kept", number)
    return command(one, "outbox", "show", DOMAIN, kept, "--html").stdout


@dataclass
class Visitors:
    """Readers who never stop: one connection that stays, and a new one again and again."""

    port: int
    path: str
    context: ssl.SSLContext
    answers: int = 0
    faults: list[str] = field(default_factory=list)
    serials: list[str] = field(default_factory=list)
    """Serial numbers of the certificates that new connections met, each once, in order."""
    over: threading.Event = field(default_factory=threading.Event)

    def _connect(self) -> ssl.SSLSocket:
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        return self.context.wrap_socket(raw, server_hostname=HOST)

    def _open(self, link: ssl.SSLSocket) -> None:
        link.sendall(f"GET {self.path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        answer = link.recv(65536)
        if answer.startswith(b"HTTP/1.1 200 OK") and b"PNG" in answer:
            self.answers += 1
        else:
            self.faults.append(repr(answer[:200]))

    def _visit(self) -> None:
        with self._connect() as link:
            about = link.getpeercert()
            assert about is not None
            serial = str(about["serialNumber"])
            if serial not in self.serials:
                self.serials.append(serial)
            self._open(link)

    def run(self) -> None:
        """Visit until it is over; every fault is noted."""
        try:
            with self._connect() as kept:
                while not self.over.wait(PAUSE):
                    self._open(kept)
                    self._visit()
        except OSError as error:
            self.faults.append(repr(error))


@contextmanager
def _visiting(one: Edge, path: str, root: str) -> Iterator[Visitors]:
    context = ssl.create_default_context(cadata=root)
    visitors = Visitors(one.https, path, context)
    thread = threading.Thread(target=visitors.run)
    thread.start()
    try:
        yield visitors
    finally:
        visitors.over.set()
        thread.join(30)
    assert not thread.is_alive()


def _renew(one: Edge, ca: Pebble, path: str, root: str) -> None:
    """A forced renewal: every reader is answered, and soon all see the new certificate."""
    with _visiting(one, path, root) as visitors:
        until("the first visits", lambda: visitors.answers >= 10)
        (before,) = visitors.serials
        ordered = command(one, "cert", "renew", HOST, **_environment(ca))
        assert ordered.returncode == 0, ordered.stderr
        until("the new certificate", lambda: len(visitors.serials) == 2)
        answered = visitors.answers
        until("more visits", lambda: visitors.answers >= answered + 20)
    assert visitors.faults == []
    assert visitors.serials[0] == before
    assert len(visitors.serials) == 2


def _read(one: Edge, root: str, base: Path, message: str) -> str:
    """The message in the browser, over https and nothing else; the pixel's path."""
    page, home = base / "message.html", base / "home"
    page.write_text(message)
    with (
        chromium(HOST, trusting=(home, root)) as browser,
        reading(browser) as reader,
    ):
        with reader.page.expect_response(lambda answer: "/o/" in answer.url) as pixel:
            reader.page.goto(page.as_uri())
        opened = pixel.value
        assert opened.status == 200
        assert opened.url.startswith(f"https://{HOST}:{one.https}/o/")
        security = opened.security_details()
        assert security is not None
        assert security["protocol"] == "TLS 1.3"
        assert opened.headers["strict-transport-security"] == "max-age=300"
        reader.page.click("#leave")
        reader.page.wait_for_selector("text=Unsubscribe?")
        reader.photograph("https-journey")
        assert reader.complaints == []
        # The browser has taken HSTS to heart: it goes to https by itself, asking nobody.
        reader.page.goto(f"http://{HOST}:{one.https}/")
        assert reader.page.url == f"https://{HOST}:{one.https}/"
    return urlsplit(opened.url).path


def _journey(one: Edge, ca: Pebble, root: str) -> None:
    client = Client(one)
    assert client("POST", "/v4/domains", f"name={DOMAIN}")[0] == 200
    for kind in ("open", "unsubscribe"):
        assert client("PUT", f"/v3/domains/{DOMAIN}/tracking/{kind}", "active=yes")[0] == 200
    _activate(client)
    status, changed = client("PUT", f"/v4/domains/{DOMAIN}", "web_scheme=https")
    assert (status, "warning" in changed) == (200, False)
    until("HSTS", lambda: _hsts(one, root))
    _send(client)
    path = _read(one, root, one.base, _kept(one))
    _renew(one, ca, path, root)


def _hsts(one: Edge, root: str) -> bool:
    """Whether answers of the host carry it: within seconds, first the key and then the roster."""
    context = ssl.create_default_context(cadata=root)
    with socket.create_connection(("127.0.0.1", one.https), timeout=10) as raw:
        try:
            link = context.wrap_socket(raw, server_hostname=HOST)
        except ssl.SSLError:  # no certificate for the host on this worker yet
            return False
        with link:
            link.sendall(f"GET /o/x HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            return b"strict-transport-security" in link.recv(65536).lower()


async def test_a_customer_goes_to_https_and_nobody_notices_the_renewal() -> None:
    """Domain, CNAME, certificate, web_scheme, a message read over https, HSTS; then a renewal."""
    async with pebble(reject=0, responding=False) as ca:
        os.chmod(ca.place, 0o755)  # the edge's children, another user, read its CA file
        await ca.dns("set-default-ipv4", ip="")
        await ca.dns("add-a", host=OURS, addresses=["127.0.0.1"])
        await ca.dns("set-cname", host=HOST, target=OURS)
        with place() as base:
            one = Edge(base, **_environment(ca))
            one.http = ca.http_port
            try:
                await asyncio.to_thread(one.start().ready)
                await asyncio.to_thread(_journey, one, ca, await ca.root())
            finally:
                await asyncio.to_thread(finish, one)
