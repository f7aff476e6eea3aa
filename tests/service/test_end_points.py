"""`tls-server-end-point` (RFC 5929 section 4), as a client computes it from the certificate that it was shown."""

from __future__ import annotations

import datetime as dt
import hashlib
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import NameOID

from sams.service.tls_contexts import HostCertificates, KeyPair, ListenerTls
from sams.submission import tls
from sams.submission.tls import ServerTls
from tests.support.certificates import Authority, rsa_pair
from tests.support.tls_client import Client

NAME = "smtp.example.org"
NOW = dt.datetime.now(dt.UTC)
ECDSA = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def signed(
    key: Key, algorithm: hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None, *, pss: bool = False
) -> KeyPair:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    pad = padding.PSS(padding.MGF1(hashes.SHA384()), padding.PSS.DIGEST_LENGTH) if pss else None
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - dt.timedelta(days=1))
        .not_valid_after(NOW + dt.timedelta(days=30))
        .sign(key, algorithm, rsa_padding=pad)
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return KeyPair(certificate.public_bytes(serialization.Encoding.PEM), pem, NAME)


def shown_by(listener: ListenerTls, authority: Authority) -> bytes:
    """The certificate, as a client gets it (DER)."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client = Client(authority, NAME, context=context)
    client.shake_hands(ServerTls(listener.context))
    return client.tls.getpeercert(binary_form=True) or b""


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.make()


@pytest.mark.parametrize(
    ("pair", "hash_name"),
    [
        (signed(ECDSA, hashes.SHA256()), "sha256"),
        (signed(ECDSA, hashes.SHA384()), "sha384"),
        (signed(ECDSA, hashes.SHA512()), "sha512"),
        (signed(RSA, hashes.SHA256()), "sha256"),
        (signed(RSA, hashes.SHA384(), pss=True), "sha384"),
    ],
)
def test_it_is_the_hash_of_the_certificates_signature(
    authority: Authority, pair: KeyPair, hash_name: str
) -> None:
    listener = ListenerTls([HostCertificates("", (pair,))])
    expected = hashlib.new(hash_name, shown_by(listener, authority)).digest()
    assert listener.end_points == {expected}


def test_all_that_may_be_shown_are_known(authority: Authority) -> None:
    default = HostCertificates("", (*authority.host(NAME).pairs, rsa_pair(NAME)))
    listener = ListenerTls([default, authority.host("mail.example.net", sni="mail.example.net")])
    assert len(listener.end_points) == 3


def test_it_is_not_defined_for_a_signature_without_a_hash_and_then_nobody_can_rely_on_it(
    authority: Authority,
) -> None:
    unhashed = HostCertificates("", (signed(ed25519.Ed25519PrivateKey.generate(), None),))
    assert ListenerTls([unhashed]).end_points == frozenset()
    host = authority.host("mail.example.net", sni="mail.example.net")
    assert ListenerTls([unhashed, host]).end_points == frozenset()


def test_a_reload_keeps_those_of_before_for_who_resumes(authority: Authority) -> None:
    listener = ListenerTls([authority.host(NAME)])
    before = listener.end_points
    assert listener.former_end_points == frozenset()
    listener.renew(listener.prepare([authority.host(NAME)]))
    assert listener.former_end_points == before
    assert listener.end_points.isdisjoint(before)
    same = listener.end_points
    listener.renew(listener.prepare([authority.host(NAME)]))
    assert listener.former_end_points == same


def test_a_reload_of_the_same_certificates_changes_nothing(authority: Authority) -> None:
    host = authority.host(NAME)
    listener = ListenerTls([host])
    before = listener.end_points
    listener.renew(listener.prepare([host]))
    assert (listener.end_points, listener.former_end_points) == (before, frozenset())


def test_the_exporter_is_asked_for_where_python_has_it_and_of_tls_1_3_alone(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No Python has it yet: what it will be asked is held here, and that nothing is made up today."""

    class Exporting(ssl.SSLObject):
        def get_channel_binding(self, cb_type: str = "") -> bytes:
            return f"{cb_type} of this connection".encode()

    listener = ListenerTls([authority.host(NAME)])
    listener.context.sslobject_class = Exporting
    for version, told in (
        (ssl.TLSVersion.TLSv1_3, b"tls-exporter of this connection"),
        (ssl.TLSVersion.TLSv1_2, None),
    ):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.maximum_version = version
        server = ServerTls(listener.context)
        Client(authority, NAME, context=context).shake_hands(server)
        monkeypatch.setattr(tls, "HAS_EXPORTER", True)
        assert server.exporter() == told
        monkeypatch.setattr(tls, "HAS_EXPORTER", False)
        assert server.exporter() is None
