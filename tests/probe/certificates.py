"""Certificates with something wrong, and contexts that show them."""

from __future__ import annotations

import datetime as dt
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

HOST = "smtp.example.org"
DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Issuer:
    """An authority, as deep as it is."""

    name: x509.Name
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


@dataclass(frozen=True)
class Made:
    """A certificate with its key; chain: what is sent behind it."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def context(self, *, newest: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        """A server's. newest: the newest version that it speaks, however old."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if newest is not None:
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            context.maximum_version = newest
        blobs = [pem(one) for one in (self.certificate, *self.chain)]
        blobs.append(
            self.key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "pair.pem"
            path.write_bytes(b"".join(blobs))
            context.load_cert_chain(path)
        return context


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def named(common: str, organisation: str = "") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)] if organisation else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def authority(
    common: str = "Test Root", organisation: str = "Test Trust", by: Issuer | None = None
) -> Issuer:
    """A root, or one that another one signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = named(common, organisation)
    signer = by or Issuer(name, key, None)  # type: ignore[arg-type]  # its own certificate is being made
    now = dt.datetime.now(dt.UTC)
    builder = _builder(name, signer, key, now - 300 * DAY, now + 300 * DAY)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return Issuer(name, key, builder.sign(signer.key, hashes.SHA256()))


def issue(
    by: Issuer | None,
    *names: str,
    begins: dt.timedelta = -10 * DAY,
    ends: dt.timedelta = 90 * DAY,
    chain: tuple[Issuer, ...] = (),
    public: bool = False,
) -> Made:
    """A server's certificate. by: None: it signs itself. begins, ends: from now. public: it tells of its issuer's."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = named((names or (HOST,))[0])
    signer = by or Issuer(subject, key, None)  # type: ignore[arg-type]  # the same
    now = dt.datetime.now(dt.UTC)
    builder = _builder(subject, signer, key, now + begins, now + ends)
    alternatives = [x509.DNSName(name) for name in names or (HOST,)]
    builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    if public:
        place = x509.UniformResourceIdentifier("http://ca.example.net/issuer.crt")
        access = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, place)
        builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
    return Made(builder.sign(signer.key, hashes.SHA256()), key, tuple(one.certificate for one in chain))


def _builder(
    subject: x509.Name,
    signer: Issuer,
    key: ec.EllipticCurvePrivateKey,
    begins: dt.datetime,
    ends: dt.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer.name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), critical=False
        )
    )
