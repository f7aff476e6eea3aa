"""Time, as something that is handed in: what waits can be tested without waiting."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
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
    """The machine's clock: `now` and `monotonic` are the system's own functions, read many times a message."""

    __slots__ = ("monotonic", "now")

    def __init__(self) -> None:
        self.now: Callable[[], float] = time.time
        self.monotonic: Callable[[], float] = time.monotonic


def local_time(at: float) -> str:
    """UNIX seconds in the machine's zone, for people: `2026-03-01 14:05:09`."""
    try:
        return datetime.fromtimestamp(at, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return f"@{at}"
