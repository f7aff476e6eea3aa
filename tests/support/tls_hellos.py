"""ClientHellos put together by hand, and what real libraries send."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterable

GREASE = 0x4A4A


def vector(width: int, content: bytes) -> bytes:
    """With its length before it, as a number of so many octets."""
    return len(content).to_bytes(width) + content


def numbers(values: Iterable[int]) -> bytes:
    """Each as two octets."""
    return b"".join(value.to_bytes(2) for value in values)


def extension(kind: int, content: bytes) -> bytes:
    """One extension."""
    return kind.to_bytes(2) + vector(2, content)


def name(host: bytes) -> bytes:
    """SNI."""
    return extension(0, vector(2, b"\0" + vector(2, host)))


def alpn(*protocols: bytes) -> bytes:
    """The protocols inside TLS."""
    return extension(16, vector(2, b"".join(vector(1, one) for one in protocols)))


def groups(*values: int) -> bytes:
    """For the key exchange."""
    return extension(10, vector(2, numbers(values)))


def signatures(*values: int) -> bytes:
    """The algorithms of signatures."""
    return extension(13, vector(2, numbers(values)))


def versions(*values: int) -> bytes:
    """supported_versions."""
    return extension(43, vector(1, numbers(values)))


def hello(version: int, suites: Iterable[int], extensions: bytes | None = b"") -> bytes:
    """The handshake message. extensions: None: it ends before them."""
    body = version.to_bytes(2) + bytes(range(32)) + vector(1, b"\7" * 32)
    body += vector(2, numbers(suites)) + vector(1, b"\0")
    if extensions is not None:
        body += vector(2, extensions)
    return b"\1" + vector(3, body)


def records(message: bytes, size: int = 16_384, version: int = 0x0301) -> bytes:
    """The message in records of at most so many octets."""
    pieces = (message[at : at + size] for at in range(0, len(message), size))
    return b"".join(b"\x16" + version.to_bytes(2) + vector(2, piece) for piece in pieces)


def ssl2_hello(version: int, suites: Iterable[int]) -> bytes:
    """That of SSLv2, or of a program that speaks a later version and asks as SSLv2 did."""
    listed = b"".join(suite.to_bytes(3) for suite in suites)
    body = b"\1" + version.to_bytes(2) + numbers((len(listed), 0, 16)) + listed + bytes(16)
    return (0x8000 | len(body)).to_bytes(2) + body


def of_openssl(context: ssl.SSLContext, host: str = "mail.example.org") -> bytes:
    """What this context begins with."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname=host).do_handshake()
    return outgoing.read()
