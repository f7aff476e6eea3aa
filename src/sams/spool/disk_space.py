"""Room on the disk: when new mail is refused, and what is given up so that queued mail can still leave.

Mail leaves by commits, and commits need the log. On a full disk the log can only be written from its start again,
and only once all of it was copied into the database, which may have to grow for that. So mail that is accepted must
leave the room for that copy: the ballast is that room, or, where the disk is too small for a ballast, as much as the
log has. When new mail begins to be refused the log is copied at once, while the room is still there.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path

from sams.core.clock import Clock
from sams.spool.failures import DiskFull, StorageFailed
from sams.spool.layout import FILE_MODE

_LOOK_EVERY = 1.0
_OVERHEAD = 32 * 1024
"""Octets of pages that a message dirties besides its own."""


class DiskSpace:
    """Looks at the free space once a second, and where what was let in since may have used it up.

    Unused pages of the database count as free.
    """

    def __init__(
        self,
        ballast: Path,
        *,
        min_free: int,
        ballast_size: int,
        clock: Clock,
        unused: Callable[[], int],
        log: Callable[[], int],
        on_low: Callable[[], None],
        pool: Executor,
    ) -> None:
        """Keep the numbers; nothing is looked at yet.

        Args:
            ballast: the preallocated file; the space of its file system is what counts.
            min_free: octets.
            ballast_size: octets.
            clock: its monotonic time.
            unused: octets in the database that hold nothing.
            log: octets of the log.
            on_low: called when new mail begins to be refused: copies the log.
            pool: for making the ballast again.
        """
        self._ballast = ballast
        self._min_free = min_free
        self._ballast_size = ballast_size
        self._clock = clock
        self._unused = unused
        self._log = log
        self._on_low = on_low
        self._pool = pool
        self._looked_at = float("-inf")
        self._left = 0
        self._refusal = ""
        self._is_given_up = False
        self._has_ballast = ballast.exists()

    def check(self, octets: int = 0) -> None:
        """Pass where there is room for new mail, of so many octets, which are stored twice: in the log first.

        Raises:
            DiskFull: there is less than `min_free`.
            StorageFailed: it cannot be seen how much there is.
        """
        taken = 2 * (octets + _OVERHEAD) if octets else 0
        now = self._clock.monotonic()
        if taken > self._left or now - self._looked_at >= _LOOK_EVERY:
            self._looked_at = now
            self._look()
        if self._refusal:
            raise DiskFull(self._refusal)
        self._left -= taken

    def give_up_ballast(self) -> None:
        """Make room for what takes mail out. New mail is refused until there is room for the ballast again."""
        self._looked_at = float("-inf")
        self._is_given_up = self._is_given_up or self._has_ballast
        self._has_ballast = False
        with contextlib.suppress(OSError):  # what waits for the room is tried again in any case
            self._ballast.unlink(missing_ok=True)

    def _look(self) -> None:
        try:
            found = os.statvfs(self._ballast.parent)
        except OSError as error:
            self._looked_at = float("-inf")
            raise StorageFailed(f"the free space of the disk cannot be seen: {error}") from error
        free = found.f_bavail * found.f_frsize
        usable = free + self._unused()
        wanted = self._min_free + self._reserve()
        self._left = usable - wanted
        was_low, is_low = bool(self._refusal), self._left < 0
        self._refusal = f"{usable} octets are free, {wanted} are wanted (min_free)" if is_low else ""
        if is_low and not was_low:
            self._on_low()
        if not is_low:
            self._is_given_up = False
        if not self._has_ballast and not self._refusal and free > self._min_free + self._ballast_size:
            self._has_ballast = True
            self._pool.submit(self._take_ballast)

    def _reserve(self) -> int:
        """What is kept for copying the log, besides a ballast that is there."""
        if self._has_ballast:
            return 0
        return self._ballast_size if self._is_given_up else min(self._ballast_size, self._log())

    def _take_ballast(self) -> None:
        """In a thread. A disk that is full again by now only means that there is no ballast yet."""
        try:
            descriptor = os.open(self._ballast, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
            try:
                os.posix_fallocate(descriptor, 0, self._ballast_size)
            finally:
                os.close(descriptor)
        except OSError:
            self._has_ballast = False
            with contextlib.suppress(OSError):
                self._ballast.unlink(missing_ok=True)
