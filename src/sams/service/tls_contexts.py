"""TLS contexts: made once before the fork, renewed in place.

Every worker inherits the context and with it the keys of its session tickets, so that a session begun in one
worker is resumed in any other. A new certificate therefore goes into the *same* context: a new one would forget
the tickets of all clients. It goes into a scratch context first, so that a broken pair changes nothing.

A context keeps one pair of each kind of key, and OpenSSL cannot take one out again. Where a kind is gone (an RSA key
after an ECDSA one), the scratch context itself is used, or the former certificate would go on being presented. It is
put in place by the SNI callback: tickets belong to the context that a connection began with, which stays.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from cryptography import x509

from sams.core.errors import OperatorError
from sams.submission.tls import NamedSession

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""TLS 1.2: forward secrecy and AEAD only. TLS 1.3 has nothing else."""

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


class ListenerTls:
    """The contexts of one listener: the default's and one for each further name."""

    def __init__(self, hosts: Sequence[HostCertificates], minimum: str = "1.2") -> None:
        """Build them.

        Raises:
            OperatorError: a pair cannot be used; the message names its files.
        """
        self._minimum = minimum
        self._presented = {host.name: one for host, one in self.prepare(hosts).hosts}
        self.context = self._presented[""].context
        self.context.sni_callback = self._choose

    def prepare(self, hosts: Sequence[HostCertificates]) -> Renewal:
        """Try these certificates; nothing changes yet.

        Raises:
            OperatorError: a pair cannot be used; the message names its files.
        """
        return Renewal(tuple((host, self._build(host)) for host in hosts))

    def renew(self, renewal: Renewal) -> None:
        """Present what was prepared from now on, where it can be in the contexts that are in use."""
        former = self._presented
        self._presented = {
            host.name: _renewed(former.get(host.name), host, one) for host, one in renewal.hosts
        }

    def _build(self, host: HostCertificates) -> _Presented:
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
    try:
        return type(x509.load_pem_x509_certificates(pair.chain)[0].public_key()).__name__
    except ValueError as error:
        raise OperatorError(f"{pair.source}: this certificate cannot be read: {error}") from None


def _load(context: ssl.SSLContext, host: HostCertificates) -> None:
    for pair in host.pairs:
        with _as_file(pair.chain) as chain, _as_file(pair.key) as key:
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


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """`ssl` loads only from a path. A worker may no longer read the file, and a key must not touch a disk."""
    descriptor = os.memfd_create("sams-tls", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
