"""A message over SMTP through a real ``edge serve``: accepted, instrumented, kept in the outbox."""

import smtplib
from email.message import EmailMessage

from tests.integration.run.serving import Edge, command, finish, place, until
from tests.integration.sending.submitting import unverified
from tests.unit.adapters.test_listening import certificate


def test_a_message_goes_in_over_smtp() -> None:
    """STARTTLS, a login made on the command line, 250; and it is an event of its domain."""
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
            until("the sending child", lambda: one.events("sending"))
            with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
                client.starttls(context=unverified())
                client.login("ann@sandbox.localhost", password)
                assert not client.send_message(message)

            def accepted() -> bool:
                told = command(one, "events", "search", "--domain", "sandbox.localhost")
                return "accepted" in told.stdout and "bob@example.net" in told.stdout

            until("the event", accepted)
            assert password not in one.output
        finally:
            finish(one)
