"""Certificates of an authority that lives as long as a test."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from sams.service.tls_contexts import HostCertificates, KeyPair


@dataclass(frozen=True)
class Authority:
    """A certificate authority that clients in tests trust."""

    ca: trustme.CA

    @classmethod
    def make(cls) -> Authority:
        return cls(trustme.CA())

    def host(self, *names: str, sni: str = "") -> HostCertificates:
        """An ECDSA pair for these names."""
        issued = self.ca.issue_cert(*names)
        chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        return HostCertificates(sni, (KeyPair(chain, issued.private_key_pem.bytes(), names[0]),))


def rsa_pair(name: str) -> KeyPair:
    """A self-signed RSA pair."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return KeyPair(certificate.public_bytes(serialization.Encoding.PEM), pem, name)
