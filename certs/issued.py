"""What an authority issued, verified before anything stores or serves it.

A certificate counts only if its key is ours, its names are exactly the one asked for, each
certificate of the chain is signed by the next, and it is valid by this machine's clock. An
authority (or whoever sits between) that answers with anything else gets a BadAnswer, and what was
served before stays. A certificate that begins in the future by more than the tolerated skew means
that *our* clock is behind: ClockWrong, and the order is kept to be fetched again later.
"""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from certs.errors import BadAnswer, ClockWrong, CustomerError, OperatorError
from certs.keys import PrivateKey, key_pem, load_key
from certs.names import host_name
from certs.renewal_info import certificate_id

SKEW = 3600.0  # seconds; Let's Encrypt dates certificates back by one hour for such clocks
MAX_CHAIN = 10
MAX_PEM = 200_000
KEY = re.compile(
    "-----BEGIN ((?:EC |RSA )?PRIVATE KEY)-----\n[A-Za-z0-9+/=\\s]+-----END \\1-----\\s*"
)
# What cryptography raises for certificates that are none; much is parsed only when it is looked at.
_UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A verified certificate. Times are seconds since the epoch; ``renewal_id`` is RFC 9773's."""

    host: str
    key_pem: str
    chain_pem: str
    not_before: float
    not_after: float
    renewal_id: str | None

    @property
    def pem(self) -> str:
        """Key and chain in one text, as servers load it."""
        return self.key_pem + self.chain_pem


def parse_chain(pem: str) -> list[x509.Certificate]:
    """The certificates of a PEM chain, leaf first; BadAnswer for none, too many or too much."""
    if len(pem) > MAX_PEM:
        raise BadAnswer(f"a chain of {len(pem)} bytes")
    try:
        chain = x509.load_pem_x509_certificates(pem.encode())
    except _UNREADABLE as error:
        raise BadAnswer(f"the chain is not PEM: {error}") from error
    if not 1 <= len(chain) <= MAX_CHAIN:
        raise BadAnswer(f"a chain of {len(chain)} certificates")
    if any(certificate.serial_number <= 0 for certificate in chain):
        raise BadAnswer("a serial number that is not positive (RFC 5280 § 4.1.2.2)")
    return chain


def verify(
    pem: str, key_pem: str, host: str, now: float, *, skew: float = SKEW, alone: bool = True
) -> Certificate:
    """The certificate in ``pem``, if it is the one asked for; BadAnswer or ClockWrong if not.

    ``alone`` wants the host as its only name, as we order them; otherwise it may be one of several,
    or fall under a wildcard.
    """
    chain = parse_chain(pem)
    try:
        _check_leaf(chain[0], load_key(key_pem), host, alone)
        _check_order(chain)
        starts = max(cert.not_valid_before_utc.timestamp() for cert in chain)
        ends = min(cert.not_valid_after_utc.timestamp() for cert in chain)
    except _UNREADABLE as error:
        raise BadAnswer(f"the certificate cannot be read: {error}") from error
    if starts > now + skew:
        raise ClockWrong(f"{host}'s certificate begins {starts - now:.0f} s in the future")
    if ends <= now:
        raise BadAnswer(f"{host}'s certificate or its chain expired {now - ends:.0f} s ago")
    leaf = chain[0]
    return Certificate(
        host,
        key_pem,
        "".join(c.public_bytes(serialization.Encoding.PEM).decode() for c in chain),
        leaf.not_valid_before_utc.timestamp(),
        leaf.not_valid_after_utc.timestamp(),
        certificate_id(leaf),
    )


def imported(pem: str, host: str, now: float) -> Certificate:
    """A certificate that somebody else ordered, from one PEM with its key and its chain.

    CustomerError, with what is wrong, unless it could be served for the host.
    """
    match = KEY.search(pem)
    if match is None:
        raise CustomerError("the PEM holds no private key, or one that needs a password")
    try:
        chain = KEY.sub("", pem)
        return verify(chain, key_pem(load_key(match[0])), host_name(host), now, alone=False)
    except (BadAnswer, OperatorError) as error:
        raise CustomerError(f"this cannot be served: {error}") from error


def _check_leaf(leaf: x509.Certificate, key: PrivateKey, host: str, alone: bool) -> None:
    if leaf.public_key() != key.public_key():
        raise BadAnswer(f"the certificate for {host} is for another key than ours")
    try:
        names = list(leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        names = []
    domains = {str(name.value).lower() for name in names if isinstance(name, x509.DNSName)}
    # RFC 6125 § 6.4.3: a wildcard stands for one label.
    among = not alone and bool(domains & {host, "*." + host.partition(".")[2]})
    if not among and (len(names) != 1 or domains != {host}):
        raise BadAnswer(f"the certificate for {host} has the names {[n.value for n in names]}")
    try:
        if leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            raise BadAnswer(f"the certificate for {host} is an authority's")
    except x509.ExtensionNotFound:
        pass
    try:
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if ExtendedKeyUsageOID.SERVER_AUTH not in usage:
        raise BadAnswer(f"the certificate for {host} is not for servers")


def _check_order(chain: Sequence[x509.Certificate]) -> None:
    # A public authority's leaf is never signed by a root: a leaf alone is a truncated chain.
    if len(chain) == 1:
        raise BadAnswer("the chain is truncated: it holds the leaf alone")
    for number, (subject, issuer) in enumerate(itertools.pairwise(chain)):
        try:
            subject.verify_directly_issued_by(issuer)
        except (InvalidSignature, *_UNREADABLE) as error:
            raise BadAnswer(
                f"certificate {number} of the chain is not signed by the next one"
            ) from error


def choose_chain(chains: Sequence[str], preferred: str | None) -> str:
    """The chain whose topmost issuer's common name is ``preferred``, else the first one.

    As certbot's ``--preferred-chain``: the first is the authority's own choice, the others come
    from ``Link: rel="alternate"`` (RFC 8555 § 7.4.2). One that cannot be read is passed over.
    """
    for pem in chains if preferred else ():
        try:
            top = parse_chain(pem)[-1]
            names = {
                str(part.value)
                for name in (top.issuer, top.subject)
                for part in name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
            }
        except (BadAnswer, *_UNREADABLE):
            continue
        if preferred in names:
            return pem
    return chains[0]
