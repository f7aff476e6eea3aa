"""TLS on the server's side, as a filter of bytes.

Theory of operation
-------------------
`ssl` is driven through two memory BIOs, so that TLS has no socket, no loop and no waiting of its own: ciphertext
goes into `shake_hands` and `decrypt`, plain text comes out; plain text goes into `encrypt`; what is to be written
to the peer besides gathers until `take_outgoing`. Whoever owns the socket decides when to write. Six things
follow that matter here:

* The switch from plain text to TLS is one assignment in the connection. There is no stream whose buffers could
  hold a command from before the handshake (docs/security.md rule 2): the engine refuses what stands behind
  STARTTLS, and what comes later reaches OpenSSL and nothing else.
* Nobody waits for a session ticket of TLS 1.3, so that it leaves in one write with the first reply. What else a
  handshake has to say goes at once.
* One call of `read` gives one record. It is called again only while ciphertext is left, which spares an exception
  (`SSLWantReadError`) for each piece; and as it asks for the largest record, OpenSSL keeps no rest of one.
* A handshake is short. OpenSSL looks through all groups that a client names for each of its key shares, so that a
  ClientHello of the 64 KiB that it may have (RFC 8446 section 4) is a quarter of a second of work.
* The peer's first octets are kept until the handshake is done, as OpenSSL uses them up: where it fails they tell what
  the peer offered (`failures.py`). They are copied once and looked at only then.
* A memory BIO never gives back what it once held. A large read is therefore passed through it in pieces, so that
  who sent a large message and then waits does not keep room for it.
"""

from __future__ import annotations

import ssl

import msgspec

from sams.protocol.tls_hello import FIRST_OCTETS

_RECORD = 16_384
"""Octets of plain text that a record holds at most (RFC 8446 section 5.1)."""
HANDSHAKE_OCTETS = 12_288
"""What a peer may send until the handshake is done. A ClientHello with every extension has 3,000."""
CERTIFICATE_OCTETS = 16_384
"""What it may send besides where its certificate is asked for: a chain of four RSA keys of 4,096 bits has 8,000."""
_EXPORTER = "tls-exporter"
HAS_EXPORTER = _EXPORTER in ssl.CHANNEL_BINDING_TYPES
"""Whether this Python tells the channel binding of RFC 9266."""
_PIECE = 32_768
"""Octets of ciphertext given to OpenSSL at once."""


_SHORTEST_CERTIFICATE = 400
"""Octets: an answer with a certificate has more; one that resumes a session, or asks to begin again, has fewer."""
TOO_LONG = "HANDSHAKE_TOO_LONG"
CLOSED = "CLOSED_BY_PEER"
"""close_notify in place of what the handshake needs."""


class TlsError(Exception):
    """The handshake or a record failed. The message is OpenSSL's reason, for the journal."""


class ClientCertificateError(TlsError):
    """The peer's certificate is not one that the listener's authority issued, or is revoked or out of date."""


class TlsFacts(msgspec.Struct, frozen=True, gc=False):
    """What a handshake agreed on.

    version: as OpenSSL writes it, `TLSv1.3`.
    cipher: the suite's name.
    server_name: what the client asked for by SNI, if it did.
    resumed: the session came from a ticket.
    certificate: the peer's (DER), verified by the listener's authority; None: it showed none.
    """

    version: str
    cipher: str
    server_name: str | None
    resumed: bool
    certificate: bytes | None = None


class NamedSession(ssl.SSLObject):
    """An SSLObject that remembers what the client asked for by SNI; set by the context's callback."""

    requested_name: str | None = None


class ServerTls:
    """One TLS session of a server.

    first: the first octets of the peer, as far as they tell what it offers; empty once the handshake is done.
    established: the handshake is done.
    peer_closed: the peer has said that it sends no more (close_notify).
    """

    __slots__ = (
        "_answered",
        "_heard",
        "_incoming",
        "_object",
        "_outgoing",
        "established",
        "first",
        "peer_closed",
    )

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._heard = self._answered = 0
        self.first = b""
        self.established = False
        self.peer_closed = False

    def shake_hands(self, ciphertext: bytes | memoryview) -> TlsFacts | None:
        """Take what the peer sent; what was agreed on, once it is.

        Data may stand behind the handshake: `decrypt(b"")` gives it. `take_outgoing` has what is to be said.

        Raises:
            TlsError: the peer's bytes are no TLS that the context accepts. What `take_outgoing` then holds is
                the alert that tells the peer so.
        """
        self._heard += len(ciphertext)
        if not self._answered:
            self.first += ciphertext[: FIRST_OCTETS - len(self.first)]
        if self._heard > HANDSHAKE_OCTETS and self._heard > self._most():
            raise TlsError(TOO_LONG)
        self._incoming.write(ciphertext)
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            self._answered += self._outgoing.pending
            return None
        except ssl.SSLZeroReturnError:
            raise TlsError(CLOSED) from None
        except ssl.SSLCertVerificationError as error:
            raise ClientCertificateError(
                f"the client certificate was not accepted: {error.verify_message}"
            ) from None
        except ssl.SSLError as error:
            raise TlsError(error.reason or str(error)) from None
        self.established = True
        self.first = b""
        secured, cipher = self._object, self._object.cipher()
        name = secured.requested_name if isinstance(secured, NamedSession) else None
        version, suite = secured.version() or "unknown", cipher[0] if cipher else "unknown"
        certificate = secured.getpeercert(binary_form=True)
        return TlsFacts(version, suite, name, bool(secured.session_reused), certificate)

    @property
    def minimum(self) -> int:
        """The oldest version that is taken, by its number in TLS."""
        return int(self._object.context.minimum_version)

    @property
    def has_shown_certificate(self) -> bool:
        """Whether our certificate was sent; in a session that is resumed it need not be."""
        return self.established or self._answered > _SHORTEST_CERTIFICATE

    def exporter(self) -> bytes | None:
        """`tls-exporter` (RFC 9266) of this connection; None: Python cannot tell, or it is older than TLS 1.3."""
        if not HAS_EXPORTER or self._object.version() != "TLSv1.3":
            return None
        return self._object.get_channel_binding(_EXPORTER)

    def decrypt(self, ciphertext: bytes | memoryview) -> bytes:
        """Take what the peer sent and give the plain text that it completes; empty for none. After the handshake.

        Raises:
            TlsError: as `shake_hands`.
        """
        if len(ciphertext) > _PIECE:
            return self._decrypt_much(ciphertext)
        incoming = self._incoming
        incoming.write(ciphertext)
        if not incoming.pending:
            return b""
        plaintext = self._read()
        if not incoming.pending or not plaintext:
            return plaintext
        pieces = [plaintext]
        self._read_on(pieces)
        return b"".join(pieces)

    def encrypt(self, plaintext: bytes) -> bytes:
        """What the peer is to be sent for this, not empty, and with it all that waits. After the handshake."""
        self._object.write(plaintext)
        return self._outgoing.read()

    def take_outgoing(self) -> bytes:
        """All ciphertext that waits to be written."""
        return self._outgoing.read()

    def close(self, plaintext: bytes) -> bytes:
        """The last to be sent: what is still to be said, then the close_notify that tells an end from a cut."""
        if plaintext:
            self._object.write(plaintext)
        try:  # noqa: SIM105 - at the end of each connection, where `suppress` would be four calls
            self._object.unwrap()
        except ssl.SSLError:
            pass  # the peer's own close_notify is not waited for (RFC 8446 section 6.1)
        return self._outgoing.read()

    def _most(self) -> int:
        """If the ClientHello was answered, what follows may be a chain of certificates, where we asked for one."""
        asked = self._answered and self._object.context.verify_mode is not ssl.CERT_NONE
        return HANDSHAKE_OCTETS + CERTIFICATE_OCTETS if asked else HANDSHAKE_OCTETS

    def _decrypt_much(self, ciphertext: bytes | memoryview) -> bytes:
        pieces: list[bytes] = []
        for start in range(0, len(ciphertext), _PIECE):
            self._incoming.write(ciphertext[start : start + _PIECE])
            self._read_on(pieces)
        return b"".join(pieces)

    def _read_on(self, pieces: list[bytes]) -> None:
        """Every record that is here."""
        while self._incoming.pending:
            piece = self._read()
            if not piece:
                return
            pieces.append(piece)

    def _read(self) -> bytes:
        """The next record; empty where its rest is still on its way, or where none will follow."""
        try:
            plaintext = self._object.read(_RECORD)
        except ssl.SSLWantReadError:
            return b""
        except ssl.SSLZeroReturnError:
            plaintext = b""
        except ssl.SSLError as error:
            raise TlsError(error.reason or str(error)) from None
        if not plaintext:
            self.peer_closed = True
        return plaintext
