"""When a wait ends."""

from __future__ import annotations

import time
from typing import NamedTuple


class TimeIsUp(Exception):
    """A deadline has passed."""


class Deadline(NamedTuple):
    """A moment on the monotonic clock."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """So many seconds from now."""
        return cls(time.monotonic() + seconds)

    @property
    def is_over(self) -> bool:
        """Whether it has passed."""
        return time.monotonic() >= self.at

    def left(self) -> float:
        """Seconds that are left, more than 0.

        Raises:
            TimeIsUp: none.
        """
        seconds = self.at - time.monotonic()
        if seconds <= 0:
            raise TimeIsUp
        return seconds
