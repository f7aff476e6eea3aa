r"""A message on its way in: where DATA ends, and what is wrong with the content.

Two readers stand one behind the other. `DotReader` finds the end of DATA and takes the dot-stuffing away;
`ContentScanner`, which BDAT uses too, counts, looks for NUL, for CR and LF that stand alone, and for endless lines.
NUL is refused like they are: some servers drop it, and would see an end of DATA in CRLF NUL . CRLF.

Both work on whatever pieces arrive, with a handful of searches for each piece and none for each line. Their
outcome does not depend on the cuts. `DotReader` holds back what may be the begin of CRLF.CRLF, at most four
octets, and begins with a CRLF that is not part of the message: the one of the DATA command, for a message may
be empty or begin with a dot. `ContentScanner` holds back a CR at the end of a piece.

Which flaw is told when there are several depends on nothing but the octets: size, then newlines, then lines.
"""

from __future__ import annotations

import io
import re

from sams.core.reply import Reply
from sams.protocol.smtp import replies
from sams.protocol.smtp.settings import BareNewlines, ServerSettings

_DOT = b"\r\n."
_END = b"\r\n.\r\n"
_BEGINS = (b"\r\n.\r", b"\r\n.", b"\r\n", b"\r")
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


class DotReader:
    """DATA on the wire: content ended by CRLF.CRLF, lines that begin with a dot have one more."""

    __slots__ = ("_held", "_started")

    def __init__(self) -> None:
        self._held = b"\r\n"
        self._started = False

    def feed(self, data: bytes) -> tuple[bytes, int]:
        """Take octets of the wire.

        Returns:
            The content that they complete, and how many octets stand behind the end; -1 before the end.
        """
        data = self._held + data
        dot = data.find(b".")  # a quick search, which spares base64 the slow one
        first_dot = data.find(_DOT, max(0, dot - 2)) if dot >= 0 else -1
        end = data.find(_END, first_dot) if first_dot >= 0 else -1
        if end >= 0:
            return self._content(data[: end + 2], first_dot < end), len(data) - end - len(_END)
        cut = len(data) - _begun_end(data)
        self._held = data[cut:]
        return self._content(data[:cut], 0 <= first_dot < cut), -1

    def _content(self, data: bytes, stuffed: bool) -> bytes:  # noqa: FBT001 - two facts about one piece
        if stuffed:
            data = data.replace(_DOT, b"\r\n")
        if self._started or not data:
            return data
        self._started = True
        return data[2:]


class ContentScanner:
    """What comes in of one message, checked piece by piece.

    binary: BODY=BINARYMIME: every octet stands for itself, and there are no lines.
    """

    __slots__ = ("_bare", "_binary", "_cr", "_line", "_long", "_settings", "size")

    def __init__(self, settings: ServerSettings, *, binary: bool) -> None:
        self._settings = settings
        self._binary = binary
        self._cr = b""
        self._line = 0
        self._bare = False
        self._long = False
        self.size = 0

    @property
    def flaw(self) -> Reply | None:
        """Why the message is refused, as far as it is known."""
        if self.size > self._settings.message_size:
            return replies.message_too_large(self._settings.message_size)
        if self._bare:
            return replies.BARE_NEWLINE
        return replies.line_too_long(self._settings.data_line) if self._long else None

    def feed(self, piece: bytes) -> bytes:
        """Take a piece; return what is to be stored of it: nothing when the message will be refused."""
        if self.size > self._settings.message_size:
            return b""
        return self._count(piece if self._binary else self._lines(self._with_held_cr(piece)))

    def finish(self) -> bytes:
        """Take the end of the message; return what is to be stored besides."""
        held, self._cr = self._cr, b""
        return self._count(self._lines(held)) if held else b""

    def expect(self, octets: int) -> None:
        """Refuse at once what is declared to come and would be too large."""
        if self.size + octets > self._settings.message_size:
            self.size = self._settings.message_size + 1

    def _count(self, piece: bytes) -> bytes:
        self.size += len(piece)
        refused = self._bare or self._long or self.size > self._settings.message_size
        return b"" if refused else piece

    def _with_held_cr(self, piece: bytes) -> bytes:
        piece = self._cr + piece
        if not piece.endswith(b"\r"):
            self._cr = b""
            return piece
        self._cr = b"\r"
        return piece[:-1]

    def _lines(self, piece: bytes) -> bytes:
        if _has_bare_newline(piece):
            if self._settings.bare_newlines is BareNewlines.NORMALISE:
                piece = _BARE.sub(b"\r\n", piece)
            else:
                self._bare = True
        self._bare = self._bare or b"\0" in piece
        self._long = self._long or self._has_long_line(piece)
        return piece

    def _has_long_line(self, piece: bytes) -> bool:
        """Jump from the last CRLF within reach to the next, so that a line costs nothing by itself."""
        limit, position, line = self._settings.data_line, 0, self._line
        while len(piece) - position > limit - line:
            end = piece.rfind(b"\r\n", position, position + limit - line)
            if end < 0:
                return True
            position, line = end + 2, 0
        end = piece.rfind(b"\r\n", position)
        self._line = line + len(piece) - position if end < 0 else len(piece) - end - 2
        return False


def _has_bare_newline(piece: bytes) -> bool:
    """Python's reader of text files tells which ends of lines it met: the fastest look at each of them."""
    reader = io.IncrementalNewlineDecoder(None, translate=False)
    reader.decode(piece.decode("latin-1"), final=True)
    return reader.newlines not in {None, "\r\n"}


def _begun_end(data: bytes) -> int:
    """How many octets at the end may be the begin of CRLF.CRLF."""
    for begin in _BEGINS:
        if data.endswith(begin):
            return len(begin)
    return 0
