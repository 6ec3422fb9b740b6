"""Somebody's own certificate, looked at before it is stored: key, names, order, validity.

Less strict than what is asked of an authority that we order from: a bought certificate may be for
many names or a wildcard, and an internal one may have no intermediate.
"""

import itertools

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from certs.errors import CertificateError
from certs.issued import parse_chain
from certs.keys import key_pem, load_key
from edge.model.errors import CallerError
from edge.store.certificates import StoredCertificate

_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm, x509.UnsupportedGeneralNameType)


def checked(host: str, chain_pem: str, key: str, now: float) -> StoredCertificate:
    """The certificate, if it can be served for the host now; CallerError says why not."""
    try:
        private = load_key(key)
    except CertificateError as error:
        raise CallerError(f"the key file: {error}") from None
    try:
        chain = parse_chain(chain_pem)
        leaf = chain[0]
        if chain_pem.count("-----BEGIN CERTIFICATE-----") != len(chain):
            raise CallerError("the certificate file: one of its certificates is cut off")
        if leaf.public_key() != private.public_key():
            raise CallerError("the key does not belong to the first certificate of the file")
        names = _names(leaf)
        if not any(_matches(host, name) for name in names):
            raise CallerError(f"the certificate is for {', '.join(names) or 'no host'}, not {host}")
        _check_order(chain)
        starts = max(one.not_valid_before_utc.timestamp() for one in chain)
        ends = min(one.not_valid_after_utc.timestamp() for one in chain)
    except (CertificateError, *_UNREADABLE) as error:
        raise CallerError(f"the certificate file: {error}") from None
    if not starts <= now < ends:
        raise CallerError("the certificate, or one of its chain, is not valid now")
    return StoredCertificate(
        host=host,
        key=key_pem(private),
        chain="".join(one.public_bytes(serialization.Encoding.PEM).decode() for one in chain),
        not_before=leaf.not_valid_before_utc.timestamp(),
        not_after=ends,
        renewal_id=None,
    )


def _names(leaf: x509.Certificate) -> list[str]:
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [name.lower() for name in found.get_values_for_type(x509.DNSName)]


def _matches(host: str, name: str) -> bool:
    """RFC 6125 § 6.4.3: a wildcard is the whole first label, and stands for one."""
    return name in (host, "*." + host.partition(".")[2])


def _check_order(chain: list[x509.Certificate]) -> None:
    for number, (subject, issuer) in enumerate(itertools.pairwise(chain), 1):
        try:
            subject.verify_directly_issued_by(issuer)
        except (InvalidSignature, *_UNREADABLE):
            raise CallerError(
                f"certificate {number} of the file is not signed by the next one: put them in "
                "order, the host's own first"
            ) from None
