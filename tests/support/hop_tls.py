"""TLS of a next hop for tests: certificates that are right and wrong, and the server's side on memory BIOs."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import ssl
import tempfile
import warnings
from pathlib import Path

import trustme

WEEK = dt.timedelta(days=7)


class Authority:
    """A certificate authority for tests, with certificates that are right and wrong."""

    def __init__(self) -> None:
        self._ca = trustme.CA()

    def server(self, *names: str, expired: bool = False, not_yet: bool = False) -> ssl.SSLContext:
        """A server's context with a certificate for `names` (default: localhost and 127.0.0.1)."""
        names = names or ("localhost", "127.0.0.1")
        now = dt.datetime.now(dt.UTC)
        if expired:
            leaf = self._ca.issue_cert(*names, not_before=now - 2 * WEEK, not_after=now - WEEK)
        elif not_yet:
            leaf = self._ca.issue_cert(*names, not_before=now + WEEK, not_after=now + 2 * WEEK)
        else:
            leaf = self._ca.issue_cert(*names)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        leaf.configure_cert(context)
        return context

    def old(self) -> ssl.SSLContext:
        """A right certificate, and no TLS newer than 1.1."""
        context = self.server()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        return context

    def ca_file(self, folder: Path) -> str:
        """A file with the authority's certificate, for clients that shall trust it."""
        path = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(str(path))
        return str(path)


@functools.cache
def self_signed() -> ssl.SSLContext:
    """A server's context with a certificate for localhost that nobody vouches for but itself."""
    from tests.support.certificates import rsa_pair  # noqa: PLC0415 - it needs the service's rooms

    pair = rsa_pair("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(pair.chain + pair.key)
        file.flush()
        context.load_cert_chain(file.name)
    return context


class ServerTls:
    """TLS of the server's side on memory BIOs."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._in, self._out, server_side=True)
        self.established = False

    def decrypt(self, data: bytes) -> bytes:
        """The plain text in what came."""
        self._in.write(data)
        plain = b""
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            if not self.established:
                self._object.do_handshake()
                self.established = True
            while piece := self._object.read(65_536):
                plain += piece
        return plain

    def encrypt(self, data: bytes) -> bytes:
        """What is to be sent for this plain text."""
        self._object.write(data)
        return self._out.read()

    def outgoing(self) -> bytes:
        """What the handshake has to say."""
        return self._out.read()
