"""Room on the disk: when new mail is refused, and what is given up so that queued mail can still leave."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path

from sams.core.clock import Clock
from sams.spool.failures import DiskFull
from sams.spool.layout import FILE_MODE

_LOOK_EVERY = 1.0


class Room:
    """Looks at the free space at most once a second. Unused pages of the database count as free."""

    def __init__(
        self,
        ballast: Path,
        *,
        min_free: int,
        ballast_size: int,
        clock: Clock,
        unused: Callable[[], int],
        pool: Executor,
    ) -> None:
        """Keep the numbers; nothing is looked at yet.

        Args:
            ballast: the preallocated file; the space of its file system is what counts.
            min_free: octets.
            ballast_size: octets.
            clock: its monotonic time.
            unused: octets in the database that hold nothing.
            pool: for making the ballast again.
        """
        self._ballast = ballast
        self._min_free = min_free
        self._ballast_size = ballast_size
        self._clock = clock
        self._unused = unused
        self._pool = pool
        self._looked_at = float("-inf")
        self._refusal = ""
        self._is_given_up = False
        self._has_ballast = ballast.exists()

    def check(self) -> None:
        """Pass where there is room for new mail.

        Raises:
            DiskFull: there is less than `min_free`.
        """
        now = self._clock.monotonic()
        if now - self._looked_at >= _LOOK_EVERY:
            self._looked_at = now
            self._look()
        if self._refusal:
            raise DiskFull(self._refusal)

    def give_up_ballast(self) -> None:
        """Make room for what takes mail out. New mail is refused until there is room for the ballast again."""
        self._looked_at = float("-inf")
        self._is_given_up = True
        self._has_ballast = False
        self._ballast.unlink(missing_ok=True)

    def _look(self) -> None:
        found = os.statvfs(self._ballast.parent)
        free = found.f_bavail * found.f_frsize
        usable = free + self._unused()
        wanted = self._min_free + (self._ballast_size if self._is_given_up else 0)
        self._refusal = f"{usable} octets are free, {wanted} are wanted (min_free)" if usable < wanted else ""
        if not self._refusal:
            self._is_given_up = False
        if not self._has_ballast and not self._refusal and free > self._min_free + self._ballast_size:
            self._has_ballast = True
            self._pool.submit(self._take_ballast)

    def _take_ballast(self) -> None:
        """In a thread. A disk that is full again by now only means that there is no ballast yet."""
        try:
            descriptor = os.open(self._ballast, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
            try:
                os.posix_fallocate(descriptor, 0, self._ballast_size)
            finally:
                os.close(descriptor)
        except OSError:
            self._ballast.unlink(missing_ok=True)
            self._has_ballast = False
