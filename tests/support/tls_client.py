"""A TLS client without a socket, for what is between it and `ServerTls`."""

from __future__ import annotations

import contextlib
import ssl

from sams.submission.tls import ServerTls, TlsFacts
from tests.support.certificates import Authority


class Client:
    """A TLS client over memory."""

    def __init__(
        self,
        authority: Authority,
        name: str,
        session: ssl.SSLSession | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.context = context or ssl.create_default_context()
        if context is None:
            authority.ca.configure_trust(self.context)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = self.context.wrap_bio(self.incoming, self.outgoing, server_hostname=name, session=session)

    def shake_hands(self, server: ServerTls) -> TlsFacts:
        facts: TlsFacts | None = None
        for _ in range(4):
            with contextlib.suppress(ssl.SSLWantReadError):
                self.tls.do_handshake()
            if facts is None:
                facts = server.shake_hands(self.outgoing.read())
            self.incoming.write(server.take_outgoing())
        self.tls.do_handshake()
        assert facts is not None
        return facts

    def session_after(self, server: ServerTls) -> ssl.SSLSession:
        """What to resume: TLS 1.3 tells of it with the first octets after the handshake."""
        self.incoming.write(server.encrypt(b"x"))
        self.tls.read(1)
        session = self.tls.session
        assert session is not None
        return session

    def names(self) -> set[str]:
        certificate = self.tls.getpeercert() or {}
        return {str(name[1]) for name in certificate.get("subjectAltName", ())}
