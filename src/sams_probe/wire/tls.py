"""TLS over a `Wire`, driven through memory: so each wait has our deadline, and we see the octets themselves."""

from __future__ import annotations

import contextlib
import ssl
from typing import NamedTuple

from sams_probe.wire.deadline import Deadline
from sams_probe.wire.first_octets import Speech, what_is
from sams_probe.wire.line import Broken, Ending, Wire
from sams_probe.wire.tls_records import Flight, read_flight

_TAPE = 65_536
_PART = 16_384


class HandshakeFailed(Exception):
    """No TLS came about.

    ending: the other side went away; None: it answered, and the answer will not do. detail: the library's words.
    verify_code: of X509_verify_cert_error_string(3) where it was about the certificate, or 0.
    """

    def __init__(self, detail: str, ending: Ending | None = None, verify_code: int = 0) -> None:
        super().__init__(detail)
        self.detail = detail
        self.ending = ending
        self.verify_code = verify_code


class Agreed(NamedTuple):
    """What was agreed on. leaf: the server's own certificate, DER."""

    version: str
    cipher: str
    leaf: bytes


class TlsWire:
    """The inside of a TLS connection. host: for the name in the handshake, and in the certificate where it counts."""

    def __init__(self, wire: Wire, context: ssl.SSLContext, host: str) -> None:
        self._wire = wire
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._tape = b""

    @property
    def spoken(self) -> Speech:
        """What the server's first octets were, TLS or another thing."""
        return what_is(self._tape)

    @property
    def tape(self) -> bytes:
        """The server's octets in the handshake, the first 64 KiB."""
        return self._tape

    @property
    def flight(self) -> Flight:
        """What the server said before it was encrypted."""
        return read_flight(self._tape)

    def shake_hands(self, deadline: Deadline) -> Agreed:
        """The handshake.

        Raises:
            HandshakeFailed: whatever went wrong.
        """
        try:
            while not self._is_done():
                self._more(deadline)
            self._flush(deadline)
        except ssl.SSLCertVerificationError as error:
            self._last_words(deadline)
            raise HandshakeFailed(error.verify_message, verify_code=error.verify_code) from error
        except ssl.SSLError as error:
            self._last_words(deadline)
            raise HandshakeFailed(error.reason or str(error)) from error
        except Broken as error:
            raise HandshakeFailed(error.detail, ending=error.ending) from error
        return self._agreed()

    def chain(self) -> tuple[bytes, ...]:
        """The certificates that the server sent, DER; none where neither the octets nor this Python tell."""
        if self.flight.certificates:
            return self.flight.certificates
        reader = getattr(self._tls, "get_unverified_chain", None)  # since Python 3.13
        return tuple(reader() or ()) if reader is not None else ()

    def send(self, data: bytes, deadline: Deadline) -> None:
        """Send all of it.

        Raises:
            Broken: it cannot be sent.
        """
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            raise Broken(Ending.FAILED, error.reason or str(error)) from error
        self._flush(deadline)

    def receive(self, deadline: Deadline) -> bytes:
        """What comes next, at least one octet.

        Raises:
            Broken: nothing comes, or no more, or no TLS.
        """
        try:
            while (data := self._read()) is None:
                self._flush(deadline)
                self._incoming.write(self._wire.receive(deadline))
        except ssl.SSLZeroReturnError as error:
            raise Broken(Ending.CLOSED) from error
        except ssl.SSLError as error:
            raise Broken(Ending.FAILED, error.reason or str(error)) from error
        if not data:
            raise Broken(Ending.CLOSED)
        return data

    def _is_done(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def _read(self) -> bytes | None:
        """What is there; None: nothing yet."""
        try:
            return self._tls.read(_PART)
        except ssl.SSLWantReadError:
            return None

    def _agreed(self) -> Agreed:
        cipher = self._tls.cipher()
        return Agreed(
            self._tls.version() or "",
            cipher[0] if cipher else "",
            self._tls.getpeercert(binary_form=True) or b"",
        )

    def _more(self, deadline: Deadline) -> None:
        with contextlib.suppress(Broken):  # it may have said why before it went
            self._flush(deadline)
        data = self._wire.receive(deadline)
        self._tape = (self._tape + data)[:_TAPE]
        self._incoming.write(data)

    def _flush(self, deadline: Deadline) -> None:
        data = self._outgoing.read()
        if data:
            self._wire.send(data, deadline)

    def _last_words(self, deadline: Deadline) -> None:
        """Our alert, so that the server's log says why."""
        with contextlib.suppress(Broken):
            self._flush(deadline)
