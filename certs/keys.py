"""Private keys, signing requests and account thumbprints.

ECDSA P-256 throughout: a handshake with RSA costs 1.4 times the CPU, and every client of the last
ten years knows the curve.
"""

import datetime

import josepy as jose
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from certs.errors import OperatorError

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def new_key() -> str:
    """A fresh P-256 private key, PEM (PKCS #8)."""
    return key_pem(ec.generate_private_key(ec.SECP256R1()))


def key_pem(key: PrivateKey) -> str:
    """A private key as PEM (PKCS #8)."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def load_key(pem: str) -> PrivateKey:
    """The private key of a PEM; OperatorError unless it is one of EC or RSA."""
    try:
        key = serialization.load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError) as error:
        raise OperatorError(f"a stored private key cannot be read: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise OperatorError(f"private keys of type {type(key).__name__} are not used here")
    return key


def signing_request(key_pem: str, host: str) -> x509.CertificateSigningRequest:
    """A request for one host name, which is in the SAN only: profiles without CN exist."""
    names = x509.SubjectAlternativeName([x509.DNSName(host)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.add_extension(names, critical=True).sign(load_key(key_pem), hashes.SHA256())


def account_key(pem: str) -> tuple[jose.JWK, jose.JWASignature]:
    """A key for signing ACME requests, with its algorithm."""
    key = load_key(pem)
    if isinstance(key, rsa.RSAPrivateKey):
        return jose.JWKRSA(key=jose.ComparableRSAKey(key)), jose.RS256
    if not isinstance(key.curve, ec.SECP256R1):
        raise OperatorError(f"keys on the curve {key.curve.name} are not used here, only P-256")
    return jose.JWKEC(key=jose.ComparableECKey(key)), jose.ES256


def thumbprint(pem: str) -> str:
    """The JWK thumbprint (RFC 7638) of an account key: all that answering HTTP-01 needs."""
    key, _ = account_key(pem)
    return jose.b64encode(key.thumbprint()).decode()


def self_signed(name: str, now: float, days: int = 3650) -> str:
    """Key and certificate in one PEM, for handshakes before there is a real certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime.datetime.fromtimestamp(now, datetime.UTC) - datetime.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return key_pem(key) + certificate.public_bytes(serialization.Encoding.PEM).decode()
