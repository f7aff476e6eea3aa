"""The dialogue of a session with constant replies, and nothing else: what Python's TLS and loop take at least.

No grammar, no accounts, no spool, no log; a message is thrown away. What SAMS takes beyond it is SAMS's own.

    python -m benchmarks.targets.floor.dialogue PORT IMPLICIT_PORT CERTIFICATE KEY
"""

from __future__ import annotations

import asyncio
import gc
import sys
from functools import partial
from pathlib import Path
from ssl import SSLContext
from typing import cast

import uvloop

from sams.service.tls_contexts import HostCertificates, KeyPair, ListenerTls
from sams.submission.reception import BACKLOG
from sams.submission.tls import ServerTls

_GREETING = b"220 mail.bench.test ESMTP ready\r\n"
_GO_ON = b"220 2.0.0 Begin TLS\r\n"
_STORED = b"250 2.0.0 Message accepted\r\n"
_END = b"\r\n.\r\n"
_REPLIES = {
    b"EHLO": b"250-mail.bench.test\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-AUTH PLAIN LOGIN\r\n"
    b"250-ENHANCEDSTATUSCODES\r\n250-STARTTLS\r\n250 8BITMIME\r\n",
    b"AUTH": b"235 2.7.0 You are signed in\r\n",
    b"MAIL": b"250 2.1.0 Sender accepted\r\n",
    b"RCPT": b"250 2.1.5 Recipient accepted\r\n",
    b"DATA": b"354 End with a dot\r\n",
    b"QUIT": b"221 2.0.0 Goodbye\r\n",
}


class Dialogue(asyncio.BufferedProtocol):
    """One connection."""

    def __init__(self, context: SSLContext, buffer: memoryview, *, implicit: bool) -> None:
        self._context = context
        self._buffer = buffer
        self._tls = ServerTls(context) if implicit else None
        self._body: bytes | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet, where TLS does not come first."""
        self._transport = cast("asyncio.Transport", transport)
        if self._tls is None:
            self._transport.write(_GREETING)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the loop's interface
        """One for all."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Answer."""
        octets = self._buffer[:nbytes]
        if self._tls is None:
            self._answer_in_clear(bytes(octets))
        elif self._tls.established:
            self._answer(self._tls, self._tls.decrypt(octets))
        elif self._tls.shake_hands(octets) is None:
            self._transport.write(self._tls.take_outgoing())
        else:
            self._answer(self._tls, self._tls.decrypt(b""))

    def _answer_in_clear(self, octets: bytes) -> None:
        if octets.startswith(b"STARTTLS"):
            self._tls = ServerTls(self._context)
            self._transport.write(_GO_ON)
        else:
            self._transport.write(_REPLIES[octets[:4]])

    def _answer(self, tls: ServerTls, octets: bytes) -> None:
        if self._body is not None:
            self._take(tls, octets)
        elif octets:
            verbs = [line[:4] for line in octets.split(b"\r\n")[:-1]]
            answer = b"".join([_REPLIES[verb] for verb in verbs])
            if verbs[-1] == b"QUIT":
                self._transport.write(tls.close(answer))
                self._transport.close()
                return
            self._body = b"" if verbs[-1] == b"DATA" else None
            self._transport.write(tls.encrypt(answer))

    def _take(self, tls: ServerTls, octets: bytes) -> None:
        self._body = (self._body or b"") + octets
        if self._body.endswith(_END):
            self._body = None
            self._transport.write(tls.encrypt(_STORED))


async def serve(ports: tuple[int, int], pair: KeyPair) -> None:
    """Until it is ended. ports: for STARTTLS and for implicit TLS."""
    context, buffer = ListenerTls((HostCertificates("", (pair,)),)).context, memoryview(bytearray(1 << 17))
    loop = asyncio.get_running_loop()
    for port, implicit in zip(ports, (False, True), strict=True):
        made = partial(Dialogue, context, buffer, implicit=implicit)
        await loop.create_server(made, "127.0.0.1", port, backlog=BACKLOG)
    gc.freeze()
    await loop.create_future()


if __name__ == "__main__":
    chain, key = (Path(name).read_bytes() for name in sys.argv[3:5])
    uvloop.run(serve((int(sys.argv[1]), int(sys.argv[2])), KeyPair(chain, key)))
