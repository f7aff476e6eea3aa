"""Whether large mail gives way to small mail now, which a person waits for.

Cores and the disk are everybody's, so a small message in one worker is given way to in all. What is shared is one
number in anonymous memory made before the fork; the last who writes it is right.
"""

from __future__ import annotations

import mmap
import time
from collections.abc import Callable

SECONDS = 1.0
"""For so long a small message is given way to: more of them may follow."""
_OCTETS = 8


class Courtesy:
    """now: seconds, monotonic, the same in all processes, and finer than a round of the loop."""

    __slots__ = ("_until", "now")

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self._until = memoryview(mmap.mmap(-1, _OCTETS)).cast("d")

    def small_mail_came(self) -> None:
        """There is small mail."""
        self._until[0] = self.now() + SECONDS

    @property
    def is_due(self) -> bool:
        """Whether there was some a moment ago."""
        return self.now() < self._until[0]
