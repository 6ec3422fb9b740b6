"""A private authority for the tests: makes chains, good ones and those that must be refused."""

import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs.keys import load_key, new_key

NOW = 1_800_000_000.0
DAY = 86_400.0
HOST = "email.brand.example"


def _time(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class TestAuthority:
    """A root and an intermediate that issue whatever a test asks for."""

    __test__ = False

    def __init__(self, name: str = "Test Root") -> None:
        self._root_key = ec.generate_private_key(ec.SECP256R1())
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.root = self._sign(_name(name), _name(name), self._root_key, self._root_key, ca=True)
        self._issuer = _name(f"{name} Intermediate")
        self.intermediate = self._sign(
            self._issuer, _name(name), self._key, self._root_key, ca=True
        )

    @staticmethod
    def _sign(
        subject: x509.Name, issuer: x509.Name, key: Any, by: Any, *, ca: bool
    ) -> x509.Certificate:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(_time(NOW - 1000 * DAY))
            .not_valid_after(_time(NOW + 1000 * DAY))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .sign(by, hashes.SHA256())
        )

    def leaf(
        self,
        key: Any,
        names: tuple[str, ...] = (HOST,),
        *,
        starts: float = NOW - 3600,
        ends: float = NOW + 90 * DAY,
        ca: bool | None = None,
        usage: x509.ObjectIdentifier | None = ExtendedKeyUsageOID.SERVER_AUTH,
        serial: int | None = None,
    ) -> x509.Certificate:
        """A certificate for a key (private PEM or public) and names, by the intermediate."""
        public = load_key(key).public_key() if isinstance(key, str) else key
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self._issuer)
            .public_key(public)
            .serial_number(serial or x509.random_serial_number())
            .not_valid_before(_time(starts))
            .not_valid_after(_time(ends))
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), False
            )
        )
        if names:
            san = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
            builder = builder.add_extension(san, critical=True)
        if usage is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if ca is not None:
            builder = builder.add_extension(x509.BasicConstraints(ca, None), critical=True)
        return builder.sign(self._key, hashes.SHA256())

    def chain(self, key_pem: str, *names: str, **changes: Any) -> str:
        """Leaf and intermediate as PEM, as an authority sends them."""
        return pem(self.leaf(key_pem, names or (HOST,), **changes), self.intermediate)

    def file(self, *names: str, **changes: Any) -> str:
        """Key and chain as PEM, as a server loads them."""
        key = new_key()
        return key + self.chain(key, *names, **changes)


def pem(*certificates: x509.Certificate) -> str:
    """Certificates as one PEM."""
    return "".join(one.public_bytes(serialization.Encoding.PEM).decode() for one in certificates)
