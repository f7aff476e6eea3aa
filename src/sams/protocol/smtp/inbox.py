r"""What the peer said and nobody has looked at yet, and the one reader of command lines.

A line ends in CRLF and in nothing else (docs/security.md rule 1). A bare CR, a bare LF or a NUL is told as soon
as it is seen, once, and then all up to the next CRLF is dropped: who types into a terminal sees why, and one
line never becomes two commands. A line above its limit is told and dropped in the same way, so that a line in
progress never takes more memory than its limit.

The outcome never depends on how the octets were cut: a window of `limit` octets from the line's first is looked
at. CRLF in it ends the line; else a bad octet in it is `Flaw.BARE`; else, once it is full, `Flaw.LONG`. A CR at
the end of what has arrived decides nothing yet.

Received pieces are gathered only when the octets before them are used up or no full line: a peer that sends
octets one by one costs a copy of at most one line each, whoever sends much costs one copy of it in all. What is
used up is let go when there is nothing more to read, so that an idle session holds no buffer.
"""

from __future__ import annotations

import enum
import re

_NUL, _LF, _CR = b"\0\n\r"  # numbers, for which `in` is many times quicker than for bytes


class Flaw(enum.Enum):
    """Why a line is none."""

    BARE = "bare"
    """It has a CR or LF that stands alone, or a NUL."""
    LONG = "long"
    """It is longer than its limit."""


class Inbox:
    """Octets in the order of their arrival.

    data: where the next ones are, with those of it that are taken already; empty: nothing has arrived.
    """

    __slots__ = ("_dropping", "_pieces", "_shut", "_start", "data")

    def __init__(self) -> None:
        self.data = b""
        self._start = 0
        self._pieces: list[bytes] = []
        self._dropping = False
        self._shut = False

    def feed(self, data: bytes) -> None:
        """Add what arrived, if anything is read still."""
        if not self.data:
            self.data = b"" if self._shut else data
        elif data:
            self._pieces.append(data)

    @property
    def size(self) -> int:
        """Octets not taken yet."""
        size = len(self.data) - self._start
        return size + sum(map(len, self._pieces)) if self._pieces else size

    def clear(self) -> None:
        """Forget all."""
        self.data, self._start, self._dropping = b"", 0, False
        self._pieces.clear()

    def shut(self) -> None:
        """Forget all, and whatever may come."""
        self.clear()
        self._shut = True

    def peek(self, count: int) -> bytes:
        """The first octets of the next line, fewer where fewer have arrived."""
        if self._dropping:
            self._drop()
        if self._pieces and len(self.data) - self._start < count:
            self._gather()
        return b"" if self._dropping else self.data[self._start : self._start + count]

    def line(self, limit: int) -> bytes | Flaw | None:
        """The next line without its CRLF; None while it is incomplete. limit: octets with the CRLF."""
        if self._dropping and not self._drop():
            return None
        line = self._complete_line(limit)
        if line is None and self._pieces:
            self._gather()
            line = self._complete_line(limit)
        if line is None:
            return self._judge_partial(limit)
        return Flaw.BARE if _LF in line or _CR in line or _NUL in line else line

    def match(self, line: re.Pattern[bytes], limit: int) -> re.Match[bytes] | None:
        """The next line, where it is there in one piece and is such a one; else None, and `line` tells what there is.

        line: ends in CRLF, and has no other CR or LF and no NUL. limit: octets with the CRLF.
        """
        if self._dropping:
            return None
        data = self.data
        match = line.match(data, self._start, self._start + limit)
        if match is not None:
            end = match.end()
            if end < len(data) or self._pieces:
                self._start = end
            else:
                self.data, self._start = b"", 0
        return match

    def is_used_up(self) -> bool:
        """Whether nothing is left to read; then nothing is held any more."""
        if self._pieces or self._start < len(self.data):
            return False
        self.data, self._start = b"", 0
        return True

    def take(self, most: int) -> bytes:
        """The next octets, at most so many of them; empty when none have arrived."""
        if self._pieces:
            self._gather()
        octets = self.data[self._start : self._start + most]
        if octets:
            self._start += len(octets)
        else:
            self.data, self._start = b"", 0
        return octets

    def take_all(self) -> bytes:
        """All octets that have arrived."""
        if self._pieces:
            self._gather()
        octets = self.data[self._start :]
        self.data, self._start = b"", 0
        return octets

    def give_back(self, octets: bytes) -> None:
        """Take back the last octets that were taken."""
        if self.data:
            self._start -= len(octets)
        else:
            self.data = octets

    def _complete_line(self, limit: int) -> bytes | None:
        start = self._start
        end = self.data.find(b"\r\n", start, start + limit)
        if end < 0:
            return None
        self._start = end + 2
        return self.data[start:end]

    def _judge_partial(self, limit: int) -> Flaw | None:
        self.data, self._start = self.data[self._start :], 0
        window = self.data[:limit]
        if _LF in window or _NUL in window or _CR in window[:-1]:
            flaw = Flaw.BARE
        elif len(window) == limit:
            flaw = Flaw.LONG
        else:
            return None
        self._dropping = True
        return flaw

    def _drop(self) -> bool:
        """Whether the line that is dropped has come to its end."""
        self._gather()
        end = self.data.find(b"\r\n", self._start)
        if end < 0:
            self.data, self._start = self.data[-1:] if self.data.endswith(b"\r") else b"", 0
            return False
        self._start, self._dropping = end + 2, False
        return True

    def _gather(self) -> None:
        if self._pieces:
            self.data = b"".join([self.data[self._start :], *self._pieces])
            self._start = 0
            self._pieces.clear()
