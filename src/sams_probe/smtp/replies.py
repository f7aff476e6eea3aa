"""Reading replies (RFC 5321 section 4.2) from whatever comes, under limits, however it is cut.

A bare LF ends a line as well: it is to be seen what middleboxes write, not to be refused.
"""

from __future__ import annotations

import re
from typing import NamedTuple

LONGEST_LINE = 4_096
MOST_LINES = 200
_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
_STATUS = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |$)", re.ASCII)


class Reply(NamedTuple):
    """code: 200-599. lines: its texts, without code; what is no UTF-8 is escaped."""

    code: int
    lines: tuple[str, ...]

    @property
    def status(self) -> str:
        """The enhanced status (RFC 3463), such as `5.7.8`; empty: there is none."""
        found = _STATUS.match(self.lines[0])
        return found[1] if found else ""

    @property
    def text(self) -> str:
        """All of it on one line, with its code."""
        return f"{self.code} {' '.join(self.lines)}".rstrip()


class NotAReply(Exception):
    """What came is no reply. octets: as it came, the beginning."""

    def __init__(self, octets: bytes) -> None:
        super().__init__("no SMTP reply")
        self.octets = octets[:LONGEST_LINE]


class ReplyReader:
    """Octets in, replies out."""

    def __init__(self) -> None:
        self._buffer = b""
        self._code = 0
        self._lines: list[str] = []

    @property
    def rest(self) -> bytes:
        """What came and was not read yet."""
        return self._buffer

    def feed(self, data: bytes) -> None:
        """Take octets."""
        self._buffer += data

    def take(self) -> Reply | None:
        """The next reply; None: it is not complete yet.

        Raises:
            NotAReply: what came is none, or has no end.
        """
        while True:
            line, end, rest = self._buffer.partition(b"\n")
            if len(line) > LONGEST_LINE:
                raise NotAReply(line)
            if not end:
                return None
            self._buffer = rest
            if self._is_last(line.rstrip(b"\r")):
                reply = Reply(self._code, tuple(self._lines))
                self._code, self._lines = 0, []
                return reply

    def _is_last(self, line: bytes) -> bool:
        found = _LINE.fullmatch(line)
        if found is None or len(self._lines) >= MOST_LINES or (self._code and int(found[1]) != self._code):
            raise NotAReply(line)
        self._code = int(found[1])
        self._lines.append((found[3] or b"").decode("utf-8", "backslashreplace"))
        return found[2] != b"-"
