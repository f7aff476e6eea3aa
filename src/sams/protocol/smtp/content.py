r"""The octets of a message: where DATA ends, and which newlines are none.

All works on whatever pieces arrive, with a handful of searches for each piece and none for each line, and its
outcome does not depend on the cuts. `DotReader` holds back what may be the begin of CRLF.CRLF, at most four octets,
and begins with a CRLF that is not part of the message: the one of the DATA command, for a message may be empty or
begin with a dot.
"""

from __future__ import annotations

import re
from io import IncrementalNewlineDecoder

_DOT = b"\r\n."
_END = b"\r\n.\r\n"
_END_OCTETS = len(_END)
_BEGINS = (b"\r\n.\r", b"\r\n.", b"\r\n", b"\r")
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


class DotReader:
    """DATA on the wire: content ended by CRLF.CRLF, lines that begin with a dot have one more."""

    __slots__ = ("_held", "_skip")

    def __init__(self) -> None:
        self._held = b"\r\n"
        self._skip = 2

    def feed(self, data: bytes) -> tuple[bytes, int]:
        """Take octets of the wire.

        Returns:
            The content that they complete, and how many octets stand behind the end; -1 before the end.
        """
        data = self._held + data
        dot = data.find(b".")  # by far the quickest search, and much of what is long has none
        first = data.find(_DOT, dot - 2 if dot > 2 else 0) if dot >= 0 else -1
        end = data.find(_END, first) if first >= 0 else -1
        if end >= 0:
            cut, behind = end + 2, len(data) - end - _END_OCTETS
        else:
            cut, behind = len(data) - _begun_end(data), -1
            self._held = data[cut:]
            if not cut:
                return b"", behind
        skip, self._skip = self._skip, 0
        if 0 <= first < cut - 2:
            return data[:cut].replace(_DOT, b"\r\n")[skip:], behind
        return data[skip:cut], behind


def has_bare_newline(piece: bytes) -> bool:
    """Whether a CR or LF stands alone: one look, by the scanner with which Python reads text files."""
    scanner = IncrementalNewlineDecoder(None, translate=False)
    scanner.decode(piece.decode("latin-1"), final=True)
    return scanner.newlines not in {None, "\r\n"}


def normalised(piece: bytes) -> bytes:
    """The piece with CRLF for every CR or LF that stands alone."""
    return _BARE.sub(b"\r\n", piece)


def _begun_end(data: bytes) -> int:
    """How many octets at the end may be the begin of CRLF.CRLF."""
    if data.endswith(_BEGINS):
        for begin in _BEGINS:
            if data.endswith(begin):
                return len(begin)
    return 0
