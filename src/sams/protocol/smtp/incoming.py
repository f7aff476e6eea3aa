"""The message that comes in, whichever command brings it: counted, checked piece by piece, and passed on."""

from __future__ import annotations

import msgspec

from sams.core.reply import Reply
from sams.protocol.smtp import replies
from sams.protocol.smtp.content import DotReader, has_bare_newline, normalised
from sams.protocol.smtp.settings import BareNewlines, ServerSettings

_NUL = 0


class Chunk(msgspec.Struct, gc=False):
    """A BDAT command: its octets, whether it is the last of its message, and how many octets are still to come."""

    size: int
    last: bool
    left: int


class Incoming:
    """One message, from the positive answer to BodyStart to its verdict.

    It counts, and looks for NUL, for CR and LF that stand alone, and for endless lines. NUL is refused like they
    are: some servers drop it, and would see an end of DATA in CRLF NUL . CRLF. A CR at the end of a piece is held
    back. Which flaw is told when there are several depends on nothing but the octets: size, newlines, lines.

    binary: BODY=BINARYMIME: every octet stands for itself, and there are no lines.
    size: octets that were passed on, or would have been up to the first flaw.
    refusal: set by the session; comes before what is found here.
    """

    __slots__ = (
        "_bare",
        "_binary",
        "_cr",
        "_dots",
        "_line",
        "_long",
        "_seen",
        "_settings",
        "refusal",
        "size",
    )

    def __init__(self, settings: ServerSettings, *, binary: bool) -> None:
        self._settings = settings
        self._binary = binary
        self._dots = DotReader()
        self._seen = 0
        self._cr = b""
        self._line = 0
        self._bare = False
        self._long = False
        self.size = 0
        self.refusal: Reply | None = None

    @property
    def verdict(self) -> Reply | None:
        """Why the message is refused, as far as it is known."""
        settings = self._settings
        if self.refusal is not None:
            return self.refusal
        if self.size > settings.message_size:
            return replies.message_too_large(settings.message_size)
        if self._bare:
            return replies.BARE_NEWLINE
        return replies.line_too_long(settings.data_line) if self._long else None

    @property
    def is_flood(self) -> bool:
        """Whether the peer goes on and on although the message is lost long since."""
        return self._seen > self._settings.message_size + self._settings.discard

    def expect(self, octets: int) -> None:
        """A BDAT declares what will come: what would be too large is refused before it does."""
        if self.size + octets > self._settings.message_size:
            self.size = self._settings.message_size + 1

    def dotted(self, data: bytes) -> tuple[bytes, int]:
        """Octets of DATA: the content to be stored, and how many octets stand behind the end, or -1."""
        content, behind = self._dots.feed(data)
        self._seen += len(content)
        return self._checked(content), behind  # a CR at its end stands alone, else the reader would hold it

    def plain(self, data: bytes) -> bytes:
        """Octets of a chunk: the content to be stored, nothing when the message will be refused."""
        self._seen += len(data)
        if not self._binary and (self._cr or data.endswith(b"\r")):
            data = self._without_last_cr(data)
        return self._checked(data)

    def finish(self) -> bytes:
        """The end: the content to be stored besides."""
        held, self._cr = self._cr, b""
        return self._checked(held) if held else b""

    def _without_last_cr(self, piece: bytes) -> bytes:
        piece, self._cr = self._cr + piece, b""
        if not piece.endswith(b"\r"):
            return piece
        self._cr = b"\r"
        return piece[:-1]

    def _checked(self, piece: bytes) -> bytes:
        """What is stored of a piece, once it is counted; of what is refused, nothing."""
        if self.refusal is not None or self.size > self._settings.message_size:
            return b""
        if not self._binary:
            if has_bare_newline(piece):
                if self._settings.bare_newlines is BareNewlines.NORMALISE:
                    piece = normalised(piece)
                else:
                    self._bare = True
            self._bare = self._bare or _NUL in piece
            self._long = self._long or self._has_long_line(piece)
        self.size += len(piece)
        refused = self._bare or self._long or self.size > self._settings.message_size
        return b"" if refused else piece

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
