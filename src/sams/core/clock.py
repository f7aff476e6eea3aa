"""Time, as something that is handed in: what waits can be tested without waiting."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Two kinds of time. Never compare one with the other."""

    def now(self) -> float:
        """Wall clock, UNIX seconds; may jump."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back and mean something only in this process."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Wall clock, UNIX seconds."""
        return time.time()

    def monotonic(self) -> float:
        """The system's monotonic clock, seconds."""
        return time.monotonic()
