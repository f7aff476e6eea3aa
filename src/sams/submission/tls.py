"""TLS on the server's side, as a filter of bytes.

Theory of operation
-------------------
`ssl` is driven through two memory BIOs, so that TLS has no socket, no loop and no waiting of its own: ciphertext
goes into `receive` and plain text comes out; plain text goes into `send`; what is to be written to the peer
gathers until `take_outgoing`. Whoever owns the socket decides when to write. Three things follow that matter
here:

* The switch from plain text to TLS is one assignment in the connection. There is no stream whose buffers could
  hold a command from before the handshake (docs/security.md decision 2): the engine refuses what stands behind
  STARTTLS, and what comes later reaches OpenSSL and nothing else.
* The last flight of the handshake, the session ticket and the first reply leave in one write.
* A piece of ciphertext is read to its end at once. `read` is asked again only while OpenSSL says that there is
  more, which spares an exception (`SSLWantReadError`) for each piece.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass

_READ_SIZE = 65_536


class TlsError(Exception):
    """The handshake or a record failed. The message is OpenSSL's reason, for the journal."""


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """What a handshake agreed on.

    version: as OpenSSL writes it, `TLSv1.3`.
    cipher: the suite's name.
    server_name: what the client asked for by SNI, if it did.
    resumed: the session came from a ticket.
    """

    version: str
    cipher: str
    server_name: str | None
    resumed: bool


class NamedSession(ssl.SSLObject):
    """An SSLObject that remembers what the client asked for by SNI; set by the context's callback."""

    requested_name: str | None = None


class ServerTls:
    """One TLS session of a server."""

    __slots__ = ("_incoming", "_object", "_outgoing", "established", "peer_closed")

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.established = False
        self.peer_closed = False

    def receive(self, ciphertext: bytes | memoryview) -> list[bytes]:
        """Take what the peer sent and give the plain text that it completes.

        Raises:
            TlsError: the peer's bytes are no TLS that the context accepts. What `take_outgoing` then holds is
                the alert that tells the peer so.
        """
        self._incoming.write(ciphertext)
        try:
            if not self.established:
                self._object.do_handshake()
                self.established = True
            return self._read()
        except ssl.SSLWantReadError:
            return []
        except ssl.SSLError as error:
            raise TlsError(error.reason or str(error)) from None

    def send(self, plaintext: bytes) -> None:
        """Encrypt for the peer. Only after the handshake."""
        self._object.write(plaintext)

    def take_outgoing(self) -> bytes:
        """All ciphertext that waits to be written."""
        return self._outgoing.read() if self._outgoing.pending else b""

    def close(self) -> None:
        """Queue the close_notify that tells a cut connection from a finished one."""
        try:
            self._object.unwrap()
        except ssl.SSLError:
            return  # the peer's own close_notify is not waited for (RFC 8446 section 6.1)

    def facts(self) -> TlsFacts:
        """What was agreed on. Only after the handshake."""
        cipher = self._object.cipher()
        version = self._object.version() or "unknown"
        server_name = self._object.requested_name if isinstance(self._object, NamedSession) else None
        return TlsFacts(
            version, cipher[0] if cipher else "unknown", server_name, bool(self._object.session_reused)
        )

    def _read(self) -> list[bytes]:
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
        return pieces
