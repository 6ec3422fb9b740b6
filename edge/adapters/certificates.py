"""What https is served with: the key directory, and a certificate for those who name no host.

Made by the supervisor before it forks, so that every worker has the listener's ticket keys; what
is in the key directory each worker reads by itself, as the service user.
"""

import ssl
from pathlib import Path
from typing import Final

import structlog
from cryptography import x509

from certs.keys import self_signed
from certs.sni import Certificates
from certs.tls import server_context
from edge.adapters import listening
from edge.clock import Clock
from edge.model.errors import OperatorError
from edge.private_files import make_private_directory, write_private
from edge.service_user import ServiceUser
from edge.settings import Settings

log = structlog.get_logger()

DIRECTORY: Final = "certificates"
DEFAULT: Final = "default.pem"
_NOBODY: Final = "edge.invalid"
"""Who the self-signed certificate is for: no name that anybody could reach (RFC 6761)."""


def opened(settings: Settings, user: ServiceUser | None, clock: Clock) -> Certificates | None:
    """The certificates of ``data_dir``, with new ticket keys; None when there can be none.

    Raises :class:`~edge.model.errors.OperatorError` for given files that are no certificate.
    """
    given, names = None, frozenset[str]()
    certificate, key = settings.tls_cert_file, settings.tls_key_file
    if certificate is not None and key is not None:
        given = listening.tls_context(certificate, key)
        names = names_in(certificate)
    owner = user.uid if user is not None else None
    directory = settings.data_dir / DIRECTORY
    try:
        make_private_directory(directory, user)
        default = given or _self_signed(settings.data_dir / DEFAULT, user, clock)
        return Certificates(directory, default, clock, names=names, owner=owner)
    except (OSError, OperatorError) as error:
        log.error("the certificates cannot be used", path=str(directory), error=str(error))
    if given is None:
        return None
    return Certificates(None, given, clock, names=names)


def _self_signed(path: Path, user: ServiceUser | None, clock: Clock) -> Path:
    """The default certificate, made if there is none that can be used."""
    try:
        server_context(path)
    except (OSError, ssl.SSLError):
        write_private(path, self_signed(_NOBODY, clock.now()).encode(), user)
    return path


def names_in(certificate: Path) -> frozenset[str]:
    """The DNS names that a PEM file's first certificate is for, in lower case.

    The common name counts where there are no others (RFC 2818 section 3.1).
    """
    leaf = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return frozenset(name.lower() for name in found.get_values_for_type(x509.DNSName))
    except x509.ExtensionNotFound:
        subject = leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        return frozenset(str(part.value).lower() for part in subject)
