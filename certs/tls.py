"""Server contexts for TLS, all from one factory so that they differ in nothing but the certificate.

TLS 1.2 and 1.3 with the cipher suites of Mozilla's "intermediate" configuration
(https://wiki.mozilla.org/Security/Server_Side_TLS, 5.7) without those of finite-field DHE. Choose
the listener's context before forking: its ticket keys are the ones that sessions resume with,
whatever certificate SNI picked, and OpenSSL makes them when the context is made.
"""

import ssl
from collections.abc import Sequence
from pathlib import Path

CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
)


def server_context(
    pem: Path,
    key: Path | None = None,
    *,
    protocols: Sequence[str] = ("http/1.1",),
    tickets: bool = True,
) -> ssl.SSLContext:
    """A context that serves the certificate of a file with key and chain.

    ``key`` if that is in a file of its own; ``protocols`` are offered by ALPN, most wanted first.
    OSError if a file cannot be read, ssl.SSLError if key and certificate do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join(CIPHERS))
    # All of them are good: the client knows which is fast for it (Mozilla, intermediate).
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    if tickets:
        context.num_tickets = 1
    else:
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
    if protocols:
        context.set_alpn_protocols(list(protocols))
    context.load_cert_chain(pem, key)
    return context
