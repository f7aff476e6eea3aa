"""Lanes: a place of work that at most so many threads of the whole machine enter at once.

Theory of operation. A lane is an empty file, and to hold it is to hold its flock. Each entry opens the file
anew, so the lock is between threads as much as between processes, and the kernel gives it back when a
process dies. Before each lane stands a gate, a second file: who waits for a lane waits with the gate closed
behind it, so a thread that just left cannot slip in again before the one that waits; without that a busy
worker would starve the others.
"""

from __future__ import annotations

import fcntl
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class Lanes:
    """At most `count` holders at once, over all processes that use the same folder.

    folder: is made where it is missing.
    """

    __slots__ = ("_count", "_folder")

    def __init__(self, folder: Path, count: int) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._count = count

    @contextmanager
    def hold(self) -> Iterator[int]:
        """Hold a lane, waiting for one where none is free. Blocks: for threads, never for the loop."""
        number, file = self._enter()
        try:
            yield number
        finally:
            os.close(file)

    def _enter(self) -> tuple[int, int]:
        start = random.randrange(self._count)  # noqa: S311 - spreads waiters over lanes, guards nothing
        for step in range(self._count):
            number = (start + step) % self._count
            with suppress(BlockingIOError):
                return number, self._pass(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return start, self._pass(start, fcntl.LOCK_EX)

    def _pass(self, number: int, how: int) -> int:
        gate = self._lock(f"gate-{number}", how)
        try:
            return self._lock(f"lane-{number}", how)
        finally:
            os.close(gate)

    def _lock(self, name: str, how: int) -> int:
        file = os.open(self._folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, how)
        except BaseException:
            os.close(file)
            raise
        return file
