"""The message that is handed to a next hop, and the dots that DATA adds to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

import msgspec

PIECE = 65_536
"""Octets of a message that are handed over at once."""
FILE_PIECE = 4 * PIECE
"""The same where each piece has to be waited for."""


class OutgoingBody(Protocol):
    """The octets behind the header. A spool's stored body is one."""

    @property
    def size(self) -> int:
        """Octets."""
        ...

    def in_memory(self) -> bytes | None:
        """All of it where it is held in memory anyway, else None: read it by `chunks`."""
        ...

    def chunks(self, size: int = PIECE) -> AsyncIterator[bytes]:
        """Read it from the start, in pieces of at most `size`."""
        ...


class OutgoingMessage(msgspec.Struct, frozen=True):
    """A message as it is to be sent, with what the choice of parameters needs to know.

    head: the header with the empty line behind it.
    needs_smtputf8: the header holds UTF-8. (The envelope's addresses are looked at by the dialogue itself.)
    has_8bit: octets above 127 in the body.
    is_binary: NUL, or CR or LF alone in the body: it can be sent by BDAT alone.
    longest_line: octets of the longest line in the body where it is above 998, else 0.
    """

    head: bytes
    body: OutgoingBody
    needs_smtputf8: bool = False
    has_8bit: bool = False
    is_binary: bool = False
    longest_line: int = 0

    @property
    def size(self) -> int:
        """Octets, as SIZE counts them (RFC 1870 section 5)."""
        return len(self.head) + self.body.size


class DotStuffer:
    """Doubles the dot at the start of a line (RFC 5321 section 4.5.2), however the message is cut.

    Most pieces have none and are passed on as they are, without a copy.
    """

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = b"\r\n"

    def stuff(self, piece: bytes) -> bytes:
        """The next piece as it is sent."""
        tail = self._tail
        self._tail = piece[-2:] if len(piece) > 1 else (tail + piece)[-2:]
        if b"." not in piece:
            return piece
        if b"\r\n." in tail + piece[:2]:
            return (tail + piece).replace(b"\r\n.", b"\r\n..")[len(tail) :]
        return piece.replace(b"\r\n.", b"\r\n..")

    def end(self) -> bytes:
        """What ends the message: the dot, on a line of its own."""
        return b".\r\n" if self._tail == b"\r\n" else b"\r\n.\r\n"
