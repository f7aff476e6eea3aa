"""TLS on the client's side, as a filter of octets.

Theory of operation
-------------------
`ssl` works on two memory BIOs and has no socket of its own: ciphertext goes into `receive` and plain text comes
out; plain text goes into `send`; what is to be written gathers until `take_outgoing`. Whoever owns the socket
decides when to write. The switch to TLS is one assignment in the connection, so that nothing read before it can
be taken for something said inside it, and the end of the handshake leaves in one write with the first command.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from sams.core.errors import OperatorError

_READ_SIZE = 65_536


class HopTlsError(Exception):
    """The handshake or a record failed. The message says why, in OpenSSL's words."""


@dataclass(frozen=True, slots=True)
class HopTlsFacts:
    """What a handshake with a hop agreed on.

    version: `TLSv1.3`. cipher: the suite's name. verified: the hop proved its name.
    """

    version: str
    cipher: str
    verified: bool


def make_context(*, verified: bool, ca_file: str | None = None) -> ssl.SSLContext:
    """A context for connections to one route's hosts.

    verified: the chain must be valid and name the host. Without it any certificate will do: what is not
        authenticated is still not readable for who only listens.
    ca_file: certificates that a chain may end in; None: those of the system.

    Raises:
        OperatorError: `ca_file` cannot be read or holds no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    if not verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif ca_file is None:
        context.load_default_certs()
    else:
        _load(context, ca_file)
    return context


class HopTls:
    """One TLS session with a hop.

    established: the handshake is done. peer_closed: the hop ended the session properly.
    """

    __slots__ = ("_incoming", "_object", "_outgoing", "established", "peer_closed")

    def __init__(self, context: ssl.SSLContext, name: str) -> None:
        """Prepare a session with the host `name` (a domain name or an IP address), which is asked for by SNI."""
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self.established = False
        self.peer_closed = False

    def begin(self) -> None:
        """Queue our first message of the handshake."""
        self._shake()

    def receive(self, ciphertext: bytes) -> bytes:
        """Take what the hop sent and give the plain text that it completes.

        Raises:
            HopTlsError: it is no TLS that the context accepts. `take_outgoing` holds the alert that says so.
        """
        self._incoming.write(ciphertext)
        try:
            if not self.established:
                self._shake()
            return self._read() if self.established else b""
        except ssl.SSLCertVerificationError as error:
            raise HopTlsError(f"the certificate is not valid for it: {error.verify_message}") from None
        except ssl.SSLError as error:
            raise HopTlsError(error.reason or str(error)) from None

    def send(self, plaintext: bytes) -> None:
        """Encrypt for the hop. Only after the handshake."""
        if plaintext:
            self._object.write(plaintext)

    def take_outgoing(self) -> bytes:
        """All ciphertext that waits to be written."""
        return self._outgoing.read() if self._outgoing.pending else b""

    def close(self) -> None:
        """Queue the close_notify that tells a finished session from a cut one."""
        try:
            self._object.unwrap()
        except ssl.SSLError:
            return  # the hop's own close_notify is not waited for (RFC 8446 section 6.1)

    def facts(self, *, verified: bool) -> HopTlsFacts:
        """What was agreed on. Only after the handshake."""
        cipher = self._object.cipher()
        return HopTlsFacts(self._object.version() or "unknown", cipher[0] if cipher else "unknown", verified)

    def _shake(self) -> None:
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return
        self.established = True

    def _read(self) -> bytes:
        pieces: list[bytes] = []
        try:
            while self._incoming.pending or self._object.pending():
                piece = self._object.read(_READ_SIZE)
                if not piece:
                    self.peer_closed = True
                    break
                pieces.append(piece)
        except ssl.SSLWantReadError:
            pass  # the rest of a record is still on its way
        except ssl.SSLZeroReturnError:
            self.peer_closed = True
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _load(context: ssl.SSLContext, ca_file: str) -> None:
    try:
        context.load_verify_locations(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise OperatorError(f"ca_file {ca_file!r} cannot be used: {error}") from None
