"""Certificates for many hosts: each a P-256 key, a leaf and the certificate that signed it."""

import datetime
import os
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from certs.keys import key_pem


class Issuer:
    """Signs leaves as an authority's intermediate does."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Benchmark E1")])
        self._start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
        self._pem = self._sign(self._name, self._key, x509.BasicConstraints(True, 0))

    def _sign(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType
    ) -> str:
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._start)
            .not_valid_after(self._start + datetime.timedelta(days=90))
            .add_extension(extension, critical=True)
        )
        made = builder.sign(self._key, hashes.SHA256())
        return made.public_bytes(Encoding.PEM).decode()

    def file(self, host: str) -> str:
        """Key and chain of a host."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        return key_pem(key) + self._sign(x509.Name([]), key, names) + self._pem


def write(directory: Path, hosts: Iterable[str]) -> None:
    """A file for each host, 0600, with the directory's own owner; a plain rename each."""
    issuer, owner = Issuer(), directory.stat()
    new = directory / ".new"
    for host in hosts:
        new.touch(mode=0o600)
        new.write_text(issuer.file(host))
        os.chown(new, owner.st_uid, owner.st_gid)
        new.rename(directory / f"{host}.pem")
