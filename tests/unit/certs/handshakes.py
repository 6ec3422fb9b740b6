"""TLS handshakes in memory: a client and a server that exchange bytes, without sockets."""

import ssl
from dataclasses import dataclass

from cryptography import x509


@dataclass
class Shaken:
    """What the client saw. ``session`` can be handed to the next handshake."""

    certificate: x509.Certificate
    version: str | None
    cipher: str
    alpn: str | None
    resumed: bool
    session: ssl.SSLSession | None


def client_context() -> ssl.SSLContext:
    """A client that looks at certificates but checks none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def shake(
    listener: ssl.SSLContext,
    name: str | None,
    *,
    client: ssl.SSLContext | None = None,
    session: ssl.SSLSession | None = None,
) -> Shaken:
    """Shake hands for a host name; ssl.SSLError, on whichever side, if it fails."""
    client = client or client_context()
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname=name, session=session)
    far = listener.wrap_bio(to_server, to_client, server_side=True)
    done = [False, False]
    for _ in range(10):
        for number, side in enumerate((near, far)):
            if not done[number]:
                try:
                    side.do_handshake()
                    done[number] = True
                except ssl.SSLWantReadError:
                    pass
    assert all(done)
    # TLS 1.3 sends its tickets after the handshake; reading takes them in.
    far.write(b"hello")
    assert near.read(5) == b"hello"
    certificate = near.getpeercert(binary_form=True)
    cipher = near.cipher()
    assert certificate is not None
    assert cipher is not None
    return Shaken(
        x509.load_der_x509_certificate(certificate),
        near.version(),
        cipher[0],
        near.selected_alpn_protocol(),
        bool(near.session_reused),
        near.session,
    )
