"""Transfer encodings as streams: pieces in, pieces out, memory bounded (RFC 2045 sections 6.7 and 6.8)."""

from __future__ import annotations

import binascii
import re
from typing import Protocol

_PIECE = 64 * 1024
"""A line that has no end after so many octets is encoded in pieces."""
_BASE64_LINE = 57
_NO_BASE64 = bytes(
    octet
    for octet in range(256)
    if octet not in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
)
_BARE_CR = re.compile(rb"\r(?!\n)")
_BARE_LF = re.compile(rb"(?<!\r)\n")
_UNSAFE = frozenset([0, *range(0x80, 0x100)])
_QUOTED_PIECES = re.compile(rb"(?>(?:=[0-9A-Fa-f]{2}|[^\r\n]){1,70})(?=[^\r\n])")
_MASKED = bytes(octet if 0 < octet < 0x80 else 0x3F for octet in range(256))


class Transform(Protocol):
    """Changes the octets of one part while they stream past."""

    def feed(self, piece: bytes) -> bytes:
        """Take octets of the part, give what is ready."""
        ...

    def finish(self) -> bytes:
        """The part has ended: give the rest. No line end is added behind it."""
        ...


class Base64:
    """Anything as base64, in lines of 76."""

    def __init__(self) -> None:
        self._rest = b""
        self._break = b""

    def feed(self, piece: bytes) -> bytes:
        """Take octets, give whole lines."""
        data = self._rest + piece
        whole = len(data) - len(data) % _BASE64_LINE
        self._rest = data[whole:]
        return self._lines(data, whole)

    def finish(self) -> bytes:
        """The last line."""
        rest, self._rest = self._rest, b""
        return self._lines(rest, len(rest))

    def _lines(self, data: bytes, end: int) -> bytes:
        if not end:
            return b""
        encode = binascii.b2a_base64
        starts = range(0, end, _BASE64_LINE)
        lines = [encode(data[at : min(at + _BASE64_LINE, end)], newline=False) for at in starts]
        text = self._break + b"\r\n".join(lines)
        self._break = b"\r\n"
        return text


class Rewrapped:
    """Base64 that has lines too long or octets that are none of it: the same in lines of 76."""

    def __init__(self) -> None:
        self._rest = b""
        self._break = b""

    def feed(self, piece: bytes) -> bytes:
        """Take octets, give whole lines."""
        data = self._rest + piece.translate(None, _NO_BASE64)
        whole = len(data) - len(data) % 76
        self._rest = data[whole:]
        return self._lines(data[:whole])

    def finish(self) -> bytes:
        """The last line."""
        rest, self._rest = self._rest, b""
        return self._lines(rest)

    def _lines(self, data: bytes) -> bytes:
        if not data:
            return b""
        text = self._break + b"\r\n".join([data[at : at + 76] for at in range(0, len(data), 76)])
        self._break = b"\r\n"
        return text


class QuotedPrintable:
    """Text whose only line end is CRLF as quoted-printable."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> bytes:
        """Take octets, give whole lines."""
        data = self._rest + piece
        end = data.rfind(b"\r\n") + 2
        if end >= 2:
            self._rest = data[end:]
            return binascii.b2a_qp(data[:end], istext=True)
        if len(data) <= _PIECE:
            self._rest = data
            return b""
        self._rest = data[-1:]  # perhaps the CR of a line end
        return _open_line(data[:-1]) + b"=\r\n"

    def finish(self) -> bytes:
        """The last line, where it had no end."""
        rest, self._rest = self._rest, b""
        return _open_line(rest)


class Repaired:
    """What says that it is quoted-printable and has octets or lines that may not stand in it."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> bytes:
        """Take octets, give whole lines."""
        data = self._rest + piece
        end = data.rfind(b"\r\n") + 2
        if end >= 2:
            self._rest = data[end:]
            return _repaired(data[:end])
        if len(data) <= _PIECE:
            self._rest = data
            return b""
        cut = len(data) - 3 + data[-3:].find(b"=") if b"=" in data[-3:] else len(data) - 1
        self._rest = data[cut:]
        return _repaired(data[:cut]) + b"=\r\n"

    def finish(self) -> bytes:
        """The last line, where it had no end."""
        rest, self._rest = self._rest, b""
        return _repaired(rest)


class Masked:
    """Text that nobody is shown (before and behind the parts of a multipart): `?` for what is not ASCII."""

    def feed(self, piece: bytes) -> bytes:
        """The same number of octets."""
        return piece.translate(_MASKED)

    def finish(self) -> bytes:
        """Nothing."""
        return b""


def _open_line(text: bytes) -> bytes:
    """`b2a_qp` breaks lines as the text does; without an end of line in it, by LF alone."""
    return binascii.b2a_qp(text, istext=True).replace(b"=\n", b"=\r\n")


def _repaired(text: bytes) -> bytes:
    text = _BARE_LF.sub(b"=0A", _BARE_CR.sub(b"=0D", text))
    for octet in _UNSAFE.intersection(text):  # a hundred searches cost less than a call for each octet
        text = text.replace(bytes([octet]), b"=%02X" % octet)
    return _QUOTED_PIECES.sub(rb"\g<0>=\r\n", text)
