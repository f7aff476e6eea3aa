"""What is told of the octets of a body without parts: most messages of people are such."""

from __future__ import annotations

LINE_LIMIT = 998
"""Octets of a line without its CRLF (RFC 5322 section 2.1.1)."""
_WINDOW = LINE_LIMIT + 2


class PlainScanner:
    """Measures a body without structure as it arrives. The result is the same however it is cut.

    What it says is what a `StructureScanner` says of the same body, where every line ends in CRLF and there is no
    NUL: the engine lets nothing else through but by BINARYMIME.
    """

    __slots__ = ("_line", "has_8bit_body", "longest_line")

    is_binary = False

    def __init__(self) -> None:
        self._line = 0  # octets of the line at hand
        self.has_8bit_body = False
        self.longest_line = 0

    def feed(self, chunk: bytes) -> None:
        """Take a piece of the body."""
        if not (chunk.isascii() or self.has_8bit_body):
            self.has_8bit_body = True
        self._line, longest = measure_lines(chunk, self._line)
        if longest:
            self.longest_line = max(self.longest_line, longest)

    def finish(self) -> PlainScanner:
        """The body has ended: what was measured."""
        if self._line > LINE_LIMIT and self._line > self.longest_line:
            self.longest_line = self._line
        return self


def measure_lines(piece: bytes, line: int) -> tuple[int, int]:
    """Measure the lines of one more piece, behind `line` octets of a line that goes on in it.

    Leaps from the last LF of each window of 1,000 octets to the next: no line in it is too long.

    Returns:
        Octets of the line that goes on behind the piece, and of the longest that ended in it, without its CRLF,
        where that is above 998, else 0.
    """
    at, size, longest = 0, len(piece), 0
    if line:
        at = piece.find(b"\n") + 1
        if not at:
            return line + size, 0
        if line + at > _WINDOW:
            longest = line + at - 2
    while size - at > _WINDOW:
        end = piece.rfind(b"\n", at, at + _WINDOW)
        if end < 0:
            end = piece.find(b"\n", at + _WINDOW)
            if end < 0:
                break
            longest = max(longest, end - at - 1)
        at = end + 1
    return size - max(at, piece.rfind(b"\n", at) + 1), longest
