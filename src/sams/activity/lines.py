"""Where lines of the log go: whole lines to a descriptor, at once or gathered.

Theory of operation. Without a thread every line is written at once, by who tells it: so do the supervisor, which
forks, and a process that starts or ends. A reader that stands still is waited for once, for `PATIENCE`; then
lines are lost until it reads again, for who waits for the log cannot stop or replace a worker. A process that
serves starts a thread, and from then on no caller waits for the reader of the log: lines are kept, and the thread
writes what comes within 100 ms together, or at once when one of them is urgent. One write holds no more than a
pipe takes in one piece, and whole lines, so that what several processes write to one pipe does not mix.

A reader that stands still holds up the thread alone. Beyond `MAX_OCTETS` lines are lost and counted, as they
are when the reader has gone; the count is told when lines go out again. A killed process loses the lines of its
last 100 ms, and those that were not made yet (`recorder.py`).
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections.abc import Iterator, Sequence

GATHER = 0.1
PATIENCE = 1.0
"""Seconds that a reader has to take a line, where no thread waits for it."""
MAX_OCTETS = 2**20
_PIECE = select.PIPE_BUF


class Lines:
    """Writes lines. `msg` and `later` may be called on any thread.

    lost: lines that did not go out.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.lost = 0
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._waiting: list[bytes] = []
        self._octets = 0
        self._thread: threading.Thread | None = None
        self._is_urgent = self._is_closing = self._is_stuck = False

    @contextlib.contextmanager
    def gathered(self, within: float = 2.0) -> Iterator[None]:
        """In this block nobody who tells something waits; at its end, so many seconds for what is left.

        Not to be held over a fork.
        """
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()
        try:
            yield
        finally:
            thread, self._thread = self._thread, None
            with self._changed:
                self._is_closing = True
                self._changed.notify()
            thread.join(within)

    def msg(self, line: bytes) -> None:
        """Write one line soon."""
        self.later(line, urgent=True)

    debug = info = warning = error = critical = msg

    def later(self, line: bytes, *, urgent: bool = False) -> None:
        """Write one line with others."""
        if self._thread is None:
            self._write_at_once(line)
            return
        with self._lock:
            octets = self._octets + len(line) + 1
            if octets > MAX_OCTETS:
                self.lost += 1
                self._is_stuck = True
                return
            self._octets = octets
            if urgent or not self._waiting:
                self._is_urgent = self._is_urgent or urgent
                self._changed.notify()
            self._waiting.append(line)

    def take_lost(self) -> int:
        """How many lines were lost since the last call; 0 while nothing goes out that could tell of it."""
        with self._changed:
            if self._is_stuck:
                return 0
            lost, self.lost = self.lost, 0
        return lost

    def _run(self) -> None:
        while not self._is_closing or self._waiting:
            for piece in _pieces(self._taken()):
                self._write(piece)
            with self._changed:
                self._octets = sum(map(len, self._waiting)) + len(self._waiting)

    def _taken(self) -> list[bytes]:
        """Wait for the first line, then a moment for more, and take them; they count until they are written."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closing)
            self._changed.wait_for(lambda: self._is_urgent or self._is_closing, GATHER)
            self._is_urgent = False
            lines, self._waiting = self._waiting, []
        return lines

    def _write_at_once(self, line: bytes) -> None:
        writable = select.poll()
        writable.register(self._descriptor, select.POLLOUT)
        if writable.poll(0 if self._is_stuck else PATIENCE * 1_000):
            self._write((line,))
            return
        with self._changed:
            self.lost += 1
            self._is_stuck = True

    def _write(self, lines: Sequence[bytes]) -> None:
        rest = memoryview(b"\n".join((*lines, b"")))
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            with self._changed:
                self.lost += len(lines)
                self._is_stuck = True
        else:
            self._is_stuck = False


def _pieces(lines: list[bytes]) -> Iterator[list[bytes]]:
    """The lines in groups that a pipe takes in one piece; a longer line is a group of its own."""
    piece: list[bytes] = []
    octets = 0
    for line in lines:
        octets += len(line) + 1
        if octets > _PIECE and piece:
            yield piece
            piece, octets = [], len(line) + 1
        piece.append(line)
    if piece:
        yield piece
