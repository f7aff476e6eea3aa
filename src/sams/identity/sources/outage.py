"""Whether a directory is down: a circuit breaker, so that nobody waits for what will not answer.

Some failures in a row open it. While it is open everybody is told at once, but for one question now and then, which
closes it again when it is answered.
"""

from __future__ import annotations

from collections.abc import Callable

from sams.core.clock import Clock

FAILURES = 3
"""In a row. One of them may be a question that was too heavy."""
FIRST_PROBE = 1.0
LONGEST_PROBE = 30.0
FORGOTTEN_AFTER = 60.0
"""Seconds after the last failure: it counts as up again where nothing can ask it on its own account."""


class Outage:
    """The state of one directory, as one worker finds it.

    tell: told when it is down, with why, and with an empty text when it is up again.
    """

    __slots__ = ("_clock", "_failed_at", "_failures", "_next_probe", "_tell", "_wait", "since", "why")

    def __init__(self, clock: Clock, tell: Callable[[str], None]) -> None:
        self._clock = clock
        self._tell = tell
        self._failures = 0
        self._wait = FIRST_PROBE
        self._next_probe = 0.0
        self._failed_at = 0.0
        self.since: float | None = None
        """UNIX seconds; None: it is up."""
        self.why = ""

    @property
    def lets_through(self) -> bool:
        """Whether a question may be asked now; if it is down, that is the next probe."""
        if self.since is None:
            return True
        now = self._clock.monotonic()
        if now < self._next_probe:
            return False
        self._next_probe = now + self._wait
        return True

    @property
    def is_forgotten(self) -> bool:
        """Whether it is down, and nobody has asked for so long that this is not known any more."""
        return self.since is not None and self._clock.monotonic() - self._failed_at >= FORGOTTEN_AFTER

    @property
    def is_due(self) -> bool:
        """Whether it is down, and the next probe may be made."""
        return self.since is not None and self._clock.monotonic() >= self._next_probe

    def failed(self, why: str) -> None:
        """A question was not answered."""
        self.why = why
        self._failures += 1
        self._failed_at = self._clock.monotonic()
        if self.since is not None:
            self._wait = min(2 * self._wait, LONGEST_PROBE)
            self._next_probe = self._clock.monotonic() + self._wait
        elif self._failures >= FAILURES:
            self.since, self._wait = self._clock.now(), FIRST_PROBE
            self._next_probe = self._clock.monotonic() + self._wait
            self._tell(why)

    def answered(self) -> None:
        """A question was answered, whatever it said."""
        self._failures = 0
        if self.since is not None:
            self.since, self.why = None, ""
            self._tell("")
