"""TLS contexts: made once before the fork, renewed in place.

Every worker inherits the context and with it the keys of its session tickets, so that a session begun in one
worker is resumed in any other. A new certificate therefore goes into the *same* context: a new one would forget
the tickets of all clients. It goes into a scratch context first, so that a broken pair changes nothing.

A context keeps one pair of each kind of key, and OpenSSL cannot take one out again. Where a kind is gone (an RSA key
after an ECDSA one), the scratch context itself is used, or the former certificate would go on being presented. It is
put in place by the SNI callback: tickets belong to the context that a connection began with, which stays.

Where members sign in by client certificates, a context also holds their authority (`ClientAuthority`).
Certificates are asked for and not demanded: who has none goes on; one that the authority did not issue ends the
handshake, because TLS has no way to pass over it. A ticket holds the certificate that was verified when it was made.
So when the authority or its revocation list changes, all contexts are made anew, that with the ticket keys as well:
who comes back with a former ticket shakes hands in full. From then on a ticket is good in the worker that gave it,
until a restart.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

from sams.core.ciphers import CIPHERS
from sams.core.errors import OperatorError
from sams.core.memory_files import as_path
from sams.submission.tls import NamedSession

OLD_CIPHERS = CIPHERS + ":ECDHE+AES:@SECLEVEL=0"
"""For a listener that is told to take TLS 1.0 or 1.1, which know no AEAD and sign with SHA-1."""

_VERSIONS = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}

_REASONS = {
    "KEY_VALUES_MISMATCH": "the key belongs to another certificate",
    "EE_KEY_TOO_SMALL": "the key is too short to be safe: make one with ECDSA P-256 or RSA of 2048 bits or more",
    "CA_MD_TOO_WEAK": "it is signed with a hash that is broken",
}


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate chain and its private key, both PEM; where they came from, for messages."""

    chain: bytes
    key: bytes = field(repr=False)
    source: str = ""


@dataclass(frozen=True, slots=True)
class ClientAuthority:
    """Whose client certificates a listener takes; all PEM.

    issuers: the authority's certificates; none of the world's authorities is trusted besides.
    revoked: its revocation list; empty: none is looked at. With one that is out of date no certificate is taken.
    source: where they came from, for messages.
    """

    issuers: bytes
    revoked: bytes = b""
    source: str = ""


@dataclass(frozen=True, slots=True)
class HostCertificates:
    """What one server name presents: usually one pair, or an ECDSA and an RSA pair side by side.

    name: the exact name of SNI; empty for the default.
    """

    name: str
    pairs: tuple[KeyPair, ...]


@dataclass(frozen=True, slots=True)
class _Presented:
    """What is presented under one name: the context, and the kinds of its keys."""

    context: ssl.SSLContext
    kinds: frozenset[str]


@dataclass(frozen=True, slots=True)
class Renewal:
    """Certificates that a listener can use, each with a context that has them; made by `ListenerTls.prepare`."""

    hosts: tuple[tuple[HostCertificates, _Presented], ...]
    clients: ClientAuthority | None
    end_points: frozenset[bytes]


class ListenerTls:
    """The contexts of one listener: the default's and one for each further name.

    context: that of new connections.
    end_points: `tls-server-end-point` of all certificates; empty where it is not defined for one of them.
    former_end_points: of those that were there before the last change.
    """

    def __init__(
        self,
        hosts: Sequence[HostCertificates],
        minimum: str = "1.2",
        clients: ClientAuthority | None = None,
    ) -> None:
        """Build them.

        Raises:
            OperatorError: a pair or the clients' authority cannot be used; the message names its files.
        """
        self._minimum = minimum
        renewal = self.prepare(hosts, clients)
        self.former_end_points: frozenset[bytes] = frozenset()
        self.end_points = renewal.end_points
        self._clients = clients
        self._presented: dict[str, _Presented] = {}
        self._begin_anew(renewal)

    def prepare(self, hosts: Sequence[HostCertificates], clients: ClientAuthority | None = None) -> Renewal:
        """Try these certificates; nothing changes yet.

        Raises:
            OperatorError: a pair or the clients' authority cannot be used; the message names its files.
        """
        built = tuple((host, self._build(host, clients)) for host in hosts)
        return Renewal(built, clients, _end_points(hosts))

    def renew(self, renewal: Renewal) -> None:
        """Present what was prepared from now on, where it can be in the contexts that are in use.

        Where the clients' authority changed it cannot be: `context` is another one then.
        """
        if renewal.end_points != self.end_points:
            self.former_end_points, self.end_points = self.end_points, renewal.end_points
        if renewal.clients != self._clients:
            self._clients = renewal.clients
            self._begin_anew(renewal)
            return
        former = self._presented
        self._presented = {
            host.name: _renewed(former.get(host.name), host, one) for host, one in renewal.hosts
        }

    def _begin_anew(self, renewal: Renewal) -> None:
        self._presented = {host.name: one for host, one in renewal.hosts}
        self.context = self._presented[""].context
        self.context.sni_callback = self._choose

    def _build(self, host: HostCertificates, clients: ClientAuthority | None) -> _Presented:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        old = self._minimum in {"1.0", "1.1"}
        context.minimum_version = _VERSIONS[self._minimum]
        context.set_ciphers(OLD_CIPHERS if old else CIPHERS)
        context.options |= (
            ssl.OP_NO_COMPRESSION
            | ssl.OP_NO_RENEGOTIATION
            | ssl.OP_CIPHER_SERVER_PREFERENCE
            | ssl.OP_SINGLE_ECDH_USE
        )
        context.set_alpn_protocols(["smtp"])
        context.num_tickets = 1
        context.sslobject_class = NamedSession
        _load(context, host)
        if clients is not None:
            _ask_for_certificates(context, clients)
        return _Presented(context, frozenset(_kind_of_key(pair) for pair in host.pairs))

    def _choose(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        """SNI: an exact name, else the default; an unknown name is no error (RFC 6066 allows going on)."""
        if isinstance(connection, NamedSession):
            connection.requested_name = name
        presented = self._presented.get((name or "").lower()) or self._presented[""]
        if presented.context is not self.context:
            connection.context = presented.context


def _renewed(former: _Presented | None, host: HostCertificates, fresh: _Presented) -> _Presented:
    if former is None or not former.kinds <= fresh.kinds:
        return fresh
    _load(former.context, host)
    return _Presented(former.context, fresh.kinds)


def _kind_of_key(pair: KeyPair) -> str:
    return type(_certificate(pair).public_key()).__name__


def _certificate(pair: KeyPair) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificates(pair.chain)[0]
    except ValueError as error:
        raise OperatorError(f"{pair.source}: this certificate cannot be read: {error}") from None


def _end_points(hosts: Sequence[HostCertificates]) -> frozenset[bytes]:
    """RFC 5929 section 4.1, for all pairs: which of them a client is shown follows from what it offers.

    For a certificate that is signed without a hash of its own (Ed25519) it is not defined. Whoever is shown that one
    cannot bind, so that there is no use in offering it.
    """
    found = [_end_point(_certificate(pair)) for host in hosts for pair in host.pairs]
    return frozenset() if None in found else frozenset(one for one in found if one is not None)


def _end_point(certificate: x509.Certificate) -> bytes | None:
    try:
        signed_with = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return None
    if signed_with is None:
        return None
    used = hashes.SHA256() if signed_with.name in {"md5", "sha1"} else signed_with
    return certificate.fingerprint(used)


def _ask_for_certificates(context: ssl.SSLContext, clients: ClientAuthority) -> None:
    context.verify_mode = ssl.CERT_OPTIONAL
    with as_path(clients.issuers + b"\n" + clients.revoked) as path:
        try:
            context.load_verify_locations(path)
        except (ssl.SSLError, OSError) as error:
            raise OperatorError(
                f"{clients.source}: this cannot be used to check client certificates: {_reason(error)}. "
                "It holds the certificate of the authority that issued them (and a revocation list), PEM."
            ) from None
    if not context.cert_store_stats()["x509_ca"]:
        raise OperatorError(f"{clients.source}: there is no certificate of an authority (CA) in it")
    if clients.revoked:
        if not context.cert_store_stats()["crl"]:
            raise OperatorError(f"{clients.source}: there is no revocation list in it")
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF


def _load(context: ssl.SSLContext, host: HostCertificates) -> None:
    for pair in host.pairs:
        with as_path(pair.chain) as chain, as_path(pair.key) as key:
            try:
                context.load_cert_chain(chain, key, password=_no_passphrase)
            except (ssl.SSLError, OSError, ValueError) as error:
                raise OperatorError(
                    f"{pair.source}: this certificate and key cannot be used together: {_reason(error)}. "
                    "The certificate file holds the server's certificate first, then the intermediate ones, "
                    "and the key file its unencrypted private key, both PEM."
                ) from None


def _no_passphrase() -> str:
    raise ValueError("the private key is encrypted")


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    if reason is None and isinstance(error, ssl.SSLError):
        return "one of them is not what it should be, or the two are swapped"
    return _REASONS.get(reason or "", reason) or str(error)
