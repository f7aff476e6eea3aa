"""Client certificates: asked for and not demanded, verified by the listener's authority alone, kept by tickets."""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import Callable

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sams.core.errors import OperatorError
from sams.service.tls_contexts import ClientAuthority, ListenerTls
from sams.submission.tls import CERTIFICATE_OCTETS, HANDSHAKE_OCTETS, ServerTls, TlsError, TlsFacts
from tests.support.certificates import Authority
from tests.support.tls_client import Client

NAME, OTHER_NAME = "smtp.example.org", "mail.example.net"
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
NOW = dt.datetime.now(dt.UTC)


@pytest.fixture(scope="module")
def servers() -> Authority:
    return Authority.make()


@pytest.fixture(scope="module")
def members() -> trustme.CA:
    return trustme.CA(organization_name="members")


@pytest.fixture(scope="module")
def strangers() -> trustme.CA:
    return trustme.CA(organization_name="strangers")


def clients_of(*authorities: trustme.CA, revoked: bytes = b"") -> ClientAuthority:
    return ClientAuthority(b"".join(one.cert_pem.bytes() for one in authorities), revoked, "members-ca.pem")


def listener_of(servers: Authority, clients: ClientAuthority | None) -> ListenerTls:
    hosts = [servers.host(NAME), servers.host(OTHER_NAME, sni=OTHER_NAME)]
    return ListenerTls(hosts, clients=clients)


def context_of(
    servers: Authority,
    shown: trustme.LeafCert | None = None,
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
) -> ssl.SSLContext:
    context = ssl.create_default_context()
    servers.ca.configure_trust(context)
    context.maximum_version = version
    if shown is not None:
        shown.configure_cert(context)
    return context


def connect(listener: ListenerTls, client: Client) -> TlsFacts:
    return client.shake_hands(ServerTls(listener.context))


def der_of(leaf: trustme.LeafCert) -> bytes:
    pem = leaf.cert_chain_pems[0].bytes()
    return x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", [NAME, OTHER_NAME])
def test_who_shows_a_certificate_of_the_authority_is_known_by_it(
    servers: Authority, members: trustme.CA, version: ssl.TLSVersion, name: str
) -> None:
    alice = members.issue_cert("alice@example.org")
    listener = listener_of(servers, clients_of(members))
    facts = connect(listener, Client(servers, name, context=context_of(servers, alice, version)))
    assert facts.certificate == der_of(alice)


@pytest.mark.parametrize("version", VERSIONS)
def test_who_shows_none_goes_on(servers: Authority, members: trustme.CA, version: ssl.TLSVersion) -> None:
    listener = listener_of(servers, clients_of(members))
    assert (
        connect(listener, Client(servers, NAME, context=context_of(servers, None, version))).certificate
        is None
    )


def test_without_an_authority_nobody_is_asked(servers: Authority, members: trustme.CA) -> None:
    alice = members.issue_cert("alice@example.org")
    listener = listener_of(servers, None)
    assert connect(listener, Client(servers, NAME, context=context_of(servers, alice))).certificate is None


def issue(authority: trustme.CA, *, not_after: dt.datetime, usage: x509.ObjectIdentifier) -> trustme.LeafCert:
    """A certificate of the authority as trustme makes none."""
    issuer = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    signer = serialization.load_pem_private_key(authority.private_key_pem.bytes(), None)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "alice")]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - dt.timedelta(days=30))
        .not_valid_after(not_after)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=True)
        .sign(signer, hashes.SHA256())  # type: ignore[arg-type]  # of whichever kind trustme's keys are
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return trustme.LeafCert(pem, certificate.public_bytes(serialization.Encoding.PEM), [])


def of_strangers(_members: trustme.CA) -> trustme.LeafCert:
    return trustme.CA(organization_name="strangers").issue_cert("alice@example.org")


def expired(members: trustme.CA) -> trustme.LeafCert:
    return issue(members, not_after=NOW - dt.timedelta(days=1), usage=ExtendedKeyUsageOID.CLIENT_AUTH)


def of_a_server(members: trustme.CA) -> trustme.LeafCert:
    return issue(members, not_after=NOW + dt.timedelta(days=1), usage=ExtendedKeyUsageOID.SERVER_AUTH)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("make", "why"),
    [
        (of_strangers, "unable to get local issuer certificate"),
        (expired, "certificate has expired"),
        (of_a_server, "unsuitable certificate purpose"),
    ],
)
def test_one_that_is_not_right_ends_the_handshake_and_the_journal_hears_why(
    servers: Authority,
    members: trustme.CA,
    version: ssl.TLSVersion,
    make: Callable[[trustme.CA], trustme.LeafCert],
    why: str,
) -> None:
    listener = listener_of(servers, clients_of(members))
    with pytest.raises(TlsError, match=f"the client certificate was not accepted: .*{why}"):
        connect(listener, Client(servers, NAME, context=context_of(servers, make(members), version)))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_ticket_keeps_the_certificate(
    servers: Authority, members: trustme.CA, version: ssl.TLSVersion
) -> None:
    alice = members.issue_cert("alice@example.org")
    listener, context = listener_of(servers, clients_of(members)), context_of(servers, alice, version)
    server, first = ServerTls(listener.context), Client(servers, NAME, context=context)
    first.shake_hands(server)
    facts = connect(listener, Client(servers, NAME, first.session_after(server), context))
    assert facts.resumed
    assert facts.certificate == der_of(alice)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", [NAME, OTHER_NAME])
def test_a_ticket_brings_nobody_in_whose_authority_is_gone(
    servers: Authority,
    members: trustme.CA,
    strangers: trustme.CA,
    version: ssl.TLSVersion,
    name: str,
) -> None:
    alice = members.issue_cert("alice@example.org")
    listener, context = listener_of(servers, clients_of(members)), context_of(servers, alice, version)
    server, first = ServerTls(listener.context), Client(servers, name, context=context)
    first.shake_hands(server)
    session = first.session_after(server)
    hosts = [servers.host(NAME), servers.host(OTHER_NAME, sni=OTHER_NAME)]
    listener.renew(listener.prepare(hosts, clients_of(strangers)))
    with pytest.raises(TlsError, match="the client certificate was not accepted"):
        connect(listener, Client(servers, name, session, context))
    new = context_of(servers, strangers.issue_cert("alice@example.org"), version)
    assert connect(listener, Client(servers, name, context=new)).certificate


def test_new_certificates_of_ours_leave_tickets_and_authority_as_they_are(
    servers: Authority, members: trustme.CA
) -> None:
    alice = members.issue_cert("alice@example.org")
    listener, context = listener_of(servers, clients_of(members)), context_of(servers, alice)
    server, first = ServerTls(listener.context), Client(servers, NAME, context=context)
    first.shake_hands(server)
    session, before = first.session_after(server), listener.context
    listener.renew(listener.prepare([servers.host(NAME)], clients_of(members)))
    assert listener.context is before
    assert connect(listener, Client(servers, NAME, session, context)).resumed


def test_an_authority_may_come_and_go_by_a_reload(servers: Authority, members: trustme.CA) -> None:
    listener, context = (
        listener_of(servers, None),
        context_of(servers, members.issue_cert("alice@example.org")),
    )
    listener.renew(listener.prepare([servers.host(NAME)], clients_of(members)))
    assert connect(listener, Client(servers, NAME, context=context)).certificate
    listener.renew(listener.prepare([servers.host(NAME)]))
    assert connect(listener, Client(servers, NAME, context=context)).certificate is None


def revocation_list(authority: trustme.CA, *revoked: trustme.LeafCert, until: dt.datetime) -> bytes:
    issuer = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    signer = serialization.load_pem_private_key(authority.private_key_pem.bytes(), None)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(NOW - dt.timedelta(days=2))
        .next_update(until)
    )
    for leaf in revoked:
        serial = x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes()).serial_number
        one = x509.RevokedCertificateBuilder().serial_number(serial)
        builder = builder.add_revoked_certificate(one.revocation_date(NOW - dt.timedelta(days=2)).build())
    made = builder.sign(signer, hashes.SHA256())  # type: ignore[arg-type]  # as above
    return made.public_bytes(serialization.Encoding.PEM)


def test_a_revoked_certificate_is_not_accepted_and_others_are(
    servers: Authority, members: trustme.CA
) -> None:
    alice, mallory = members.issue_cert("alice@example.org"), members.issue_cert("mallory@example.org")
    revoked = revocation_list(members, mallory, until=NOW + dt.timedelta(days=1))
    listener = listener_of(servers, clients_of(members, revoked=revoked))
    assert connect(listener, Client(servers, NAME, context=context_of(servers, alice))).certificate
    with pytest.raises(TlsError, match="the client certificate was not accepted: certificate revoked"):
        connect(listener, Client(servers, NAME, context=context_of(servers, mallory)))


def test_a_certificate_that_is_revoked_by_a_reload_comes_in_by_no_ticket(
    servers: Authority, members: trustme.CA
) -> None:
    mallory = members.issue_cert("mallory@example.org")
    context = context_of(servers, mallory)
    until = NOW + dt.timedelta(days=1)
    listener = listener_of(servers, clients_of(members, revoked=revocation_list(members, until=until)))
    server, first = ServerTls(listener.context), Client(servers, NAME, context=context)
    first.shake_hands(server)
    session = first.session_after(server)
    revoked = revocation_list(members, mallory, until=until)
    listener.renew(listener.prepare([servers.host(NAME)], clients_of(members, revoked=revoked)))
    with pytest.raises(TlsError, match="certificate revoked"):
        connect(listener, Client(servers, NAME, session, context))


def test_with_a_revocation_list_that_is_out_of_date_no_certificate_is_taken(
    servers: Authority, members: trustme.CA
) -> None:
    revoked = revocation_list(members, until=NOW - dt.timedelta(days=1))
    listener = listener_of(servers, clients_of(members, revoked=revoked))
    context = context_of(servers, members.issue_cert("alice@example.org"))
    with pytest.raises(TlsError, match="CRL has expired"):
        connect(listener, Client(servers, NAME, context=context))
    assert connect(listener, Client(servers, NAME, context=context_of(servers))).certificate is None


@pytest.mark.parametrize(
    ("clients", "told"),
    [
        (ClientAuthority(b"", source="ca.pem"), "ca.pem: this cannot be used to check client certificates"),
        (ClientAuthority(b"nonsense", source="ca.pem"), "ca.pem: this cannot be used"),
        ("leaf", "members-ca.pem: there is no certificate of an authority"),
        ("no list", "members-ca.pem: there is no revocation list in it"),
    ],
)
def test_what_is_no_authority_is_refused(
    servers: Authority, members: trustme.CA, clients: ClientAuthority | str, told: str
) -> None:
    if clients == "leaf":
        leaf = members.issue_cert("alice@example.org").cert_chain_pems[0].bytes()
        clients = ClientAuthority(leaf, source="members-ca.pem")
    elif clients == "no list":
        clients = clients_of(members, revoked=members.cert_pem.bytes())
    assert isinstance(clients, ClientAuthority)
    with pytest.raises(OperatorError, match=told):
        listener_of(servers, clients)


def with_chain_of(octets: int, members: trustme.CA) -> trustme.LeafCert:
    """Behind the certificate, others: a client sends whatever it was given."""
    alice, more = members.issue_cert("alice@example.org"), members.cert_pem.bytes()
    each = len(x509.load_pem_x509_certificate(more).public_bytes(serialization.Encoding.DER))
    leaf = alice.cert_chain_pems[0].bytes()
    return trustme.LeafCert(alice.private_key_pem.bytes(), leaf, [more] * (octets // each))


def test_a_long_chain_fits_where_one_was_asked_for(servers: Authority, members: trustme.CA) -> None:
    shown = with_chain_of(HANDSHAKE_OCTETS, members)
    server = ServerTls(listener_of(servers, clients_of(members)).context)
    facts = Client(servers, NAME, context=context_of(servers, shown)).shake_hands(server)
    assert facts.certificate == der_of(shown)
    assert server._heard > HANDSHAKE_OCTETS


def test_a_chain_without_end_does_not(servers: Authority, members: trustme.CA) -> None:
    shown = with_chain_of(HANDSHAKE_OCTETS + CERTIFICATE_OCTETS, members)
    listener = listener_of(servers, clients_of(members))
    with pytest.raises(TlsError, match="HANDSHAKE_TOO_LONG"):
        connect(listener, Client(servers, NAME, context=context_of(servers, shown)))


def test_no_certificate_makes_room_for_a_longer_hello(servers: Authority, members: trustme.CA) -> None:
    server = ServerTls(listener_of(servers, clients_of(members)).context)
    with pytest.raises(TlsError, match="HANDSHAKE_TOO_LONG"):
        server.shake_hands(b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc" + bytes(HANDSHAKE_OCTETS))
