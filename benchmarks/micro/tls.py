"""TLS sessions: the server's side of handshake, first reply and a message, against a client in memory."""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Callable

from benchmarks.micro.samples import CONTENT
from sams.service.tls_contexts import ListenerTls
from sams.submission.tls import ServerTls
from tests.support.certificates import Authority


class _Client:
    """A client; its time is not counted."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    def shake(self) -> bytes:
        """What is to be said next."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self.outgoing.read()

    def write(self, plain: bytes) -> bytes:
        """The records of it."""
        self.tls.write(plain)
        return self.outgoing.read()


def _one_session(server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> float:
    """Seconds of the server."""
    client = _Client(client_context)
    hello = client.shake()
    began = time.perf_counter()
    server = ServerTls(server_context)
    server.shake_hands(hello)
    flight = server.take_outgoing()
    spent = time.perf_counter() - began
    client.incoming.write(flight)
    finished, message = client.shake(), client.write(CONTENT)
    began = time.perf_counter()
    server.shake_hands(finished)
    server.encrypt(b"220 smtp.example.org ESMTP\r\n")
    assert server.decrypt(message)
    return spent + time.perf_counter() - began


def sessions(loops: int) -> float:
    """Full handshakes with ECDSA P-256, one reply out and 4 KiB in."""
    authority = Authority.make()
    server = ListenerTls((authority.host("localhost"),)).context
    client = ssl.create_default_context()
    authority.ca.configure_trust(client)
    return sum(_one_session(server, client) for _ in range(loops))


PARTS: dict[str, Callable[[int], float]] = {"TLS session, server's side": sessions}
