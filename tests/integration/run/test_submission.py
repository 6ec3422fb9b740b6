"""A message over SMTP through a real ``edge serve``: accepted, instrumented, kept in the outbox."""

import re
import smtplib
from email import message_from_string, policy
from email.message import EmailMessage

from tests.integration.run.serving import Edge, command, finish, place, until
from tests.integration.sending.submitting import unverified
from tests.unit.adapters.test_listening import certificate


def test_a_message_goes_in_over_smtp() -> None:
    """STARTTLS, a login, 250; accepted, and what would leave is instrumented, signed and tagged."""
    with place() as base:
        cert, private = certificate(base)
        for path in (cert, private):
            path.chmod(0o644)
        one = Edge(
            base, EDGE_SMTP_TLS_CERT_FILE=str(cert), EDGE_SMTP_TLS_KEY_FILE=str(private)
        ).start()
        try:
            one.ready()
            (serving,) = one.events("serving")
            port = int(serving["smtp"].rpartition(":")[2])
            made = command(one, "credential", "add", "sandbox.localhost", "ann")
            assert made.returncode == 0, made.stderr
            password = made.stdout.split()[-1]
            message = EmailMessage()
            message["From"], message["To"] = "ann@sandbox.localhost", "bob@example.net"
            message["Subject"], message["X-Mailgun-Tag"] = "hello", "spring"
            message.set_content("Hello")
            message.add_alternative("<p><a href='https://example.com/'>x</a></p>", subtype="html")
            until("the sending child", lambda: one.events("sending"))
            with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
                client.starttls(context=unverified())
                client.login("ann@sandbox.localhost", password)
                assert not client.send_message(message)

            def accepted() -> bool:
                told = command(one, "events", "search", "--domain", "sandbox.localhost")
                return "accepted" in told.stdout and "bob@example.net" in told.stdout

            until("the event", accepted)
            listed = re.compile(r'"id":(\d+)')

            def kept() -> re.Match[str] | None:
                told = command(one, "outbox", "list", "sandbox.localhost", "--json")
                return listed.search(told.stdout)

            until("the outbox", kept)
            number = kept()
            assert number is not None
            shown = command(one, "outbox", "show", "sandbox.localhost", number[1]).stdout
            sent = message_from_string(shown, policy=policy.default)
            assert sent["X-Mailgun-Tag"] is None
            assert sent["DKIM-Signature"]
            part = sent.get_body(("html",))
            assert part is not None
            html = part.get_content()
            assert re.search(r"href='http://email\.sandbox\.localhost:\d+/c/", html)
            assert "/o/" in html
            delivered = command(
                one, "events", "search", "--event", "delivered", "--tag", "spring", "--json"
            )
            assert "bob@example.net" in delivered.stdout
            assert password not in one.output
        finally:
            finish(one)
