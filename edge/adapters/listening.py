"""Listening sockets and the TLS context, made once by the supervisor and inherited by children.

A socket that outlives its worker keeps its queue of connections: the next worker takes them. A
context made before the fork gives every worker the same ticket keys, so sessions resume on any.
"""

import errno
import socket
import ssl
from pathlib import Path
from typing import Final, NamedTuple

from certs import groups
from certs.tls import server_context
from edge.clock import Clock
from edge.model.errors import OperatorError
from edge.setting_types import Bind
from edge.settings import Settings
from edge.store.embedded import pause

BACKLOG: Final = 1024
PATIENCE: Final = 12.0
"""Seconds to wait for an address that a killed predecessor's children still hold: they drain
within 10 s."""


def bind(name: str, address: Bind, clock: Clock, patience: float) -> list[socket.socket]:
    """Listening sockets for one setting: one for each address that its host stands for.

    ``[::]`` takes IPv4 too. Waits up to ``patience`` seconds for an address in use.
    Raises :class:`~edge.model.errors.OperatorError` naming the setting.
    """
    try:
        found = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except socket.gaierror as error:
        raise OperatorError(f"{name}: {address.host} is not an address here: {error}") from None
    deadline = clock.monotonic() + patience
    sockets: list[socket.socket] = []
    for family, place in dict.fromkeys((entry[0], entry[4]) for entry in found):
        while True:
            try:
                sockets.append(_listen(family, place))
                break
            except OSError as error:
                if error.errno == errno.EADDRINUSE and clock.monotonic() < deadline:
                    pause(0.1)
                    continue
                for one in sockets:
                    one.close()
                raise OperatorError(f"{name}: cannot listen on {address}: {_why(error)}") from None
    return sockets


def _listen(family: int, place: tuple[object, ...]) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(place[0] != "::"))
        listener.setblocking(False)
        listener.bind(place)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _why(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another program has it; stop that, or choose another port"
    if error.errno == errno.EACCES:
        return "ports below 1024 need root or CAP_NET_BIND_SERVICE"
    return str(error.strerror or error)


def port_of(listener: socket.socket) -> int:
    """The port that the kernel gave."""
    port: int = listener.getsockname()[1]
    return port


def tls_context(
    certificate: Path, key: Path, setting: str = "EDGE_TLS", *, http: bool = True
) -> ssl.SSLContext:
    """A listener's context as :mod:`certs.tls` makes them.

    ``setting`` is how the names of the two settings begin. Not ``http``: no protocol name in the
    handshake, so that a browser's request never ends up at a mail server, and no tickets.
    Raises :class:`~edge.model.errors.OperatorError` for files that are no certificate and its key.
    """
    try:
        protocols = ("http/1.1",) if http else ()
        context = server_context(certificate, key, protocols=protocols, tickets=http)
    except (OSError, ssl.SSLError) as error:
        raise OperatorError(
            f"{setting}_CERT_FILE {certificate} and {setting}_KEY_FILE {key} are not a PEM chain "
            f"and its private key: {error}"
        ) from None
    groups.narrow(context)
    return context


class Contexts(NamedTuple):
    """The contexts of control, SMTP and the panel; None where no certificate is given."""

    control: ssl.SSLContext | None
    smtp: ssl.SSLContext | None
    panel: ssl.SSLContext | None


def contexts(settings: Settings) -> Contexts:
    """The contexts that the settings ask for. SMTP's certificate is tracking's unless it has its
    own.

    Raises as :func:`tls_context`.
    """
    control = None
    certificate, key, setting = settings.tls_cert_file, settings.tls_key_file, "EDGE_TLS"
    if settings.control_tls_cert_file is not None and settings.control_tls_key_file is not None:
        control = tls_context(
            settings.control_tls_cert_file, settings.control_tls_key_file, "EDGE_CONTROL_TLS"
        )
    panel = None
    if settings.panel_tls_cert_file is not None and settings.panel_tls_key_file is not None:
        panel = tls_context(
            settings.panel_tls_cert_file, settings.panel_tls_key_file, "EDGE_PANEL_TLS"
        )
    if settings.smtp_tls_cert_file is not None and settings.smtp_tls_key_file is not None:
        certificate, key = settings.smtp_tls_cert_file, settings.smtp_tls_key_file
        setting = "EDGE_SMTP_TLS"
    smtp = None
    if certificate is not None and key is not None:
        smtp = tls_context(certificate, key, setting, http=False)
    return Contexts(control, smtp, panel)
