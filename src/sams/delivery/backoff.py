"""How long to wait: before a recipient is tried again, and before a dead next hop is probed again."""

from __future__ import annotations

from dataclasses import dataclass

JITTER = 0.2
"""Each wait is drawn from ±20 % around its length, so that what failed together does not come back together."""
_MAX_DOUBLINGS = 40


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The `[retry]` settings, in seconds, and how often a dead next hop is probed.

    first: before the second attempt; each later wait is twice as long, up to `longest`.
    expire: so long after its arrival a message that cannot be delivered is given up.
    delay_notice: so long after its arrival the sender is told that a message still waits; 0: never.
    probe_first, probe_longest: the same growth for a next hop that is down. Shorter than a recipient's, for a
        probe costs one connection however much waits behind it.
    """

    first: float = 60.0
    longest: float = 3_600.0
    expire: float = 5 * 86_400.0
    delay_notice: float = 4 * 3_600.0
    probe_first: float = 10.0
    probe_longest: float = 300.0

    def __post_init__(self) -> None:
        if not 0 < self.first <= self.longest:
            raise ValueError("the first wait is above 0 and at most the longest")
        if not 0 < self.probe_first <= self.probe_longest:
            raise ValueError("the first probe's wait is above 0 and at most the longest")
        if self.expire <= 0 or self.delay_notice < 0:
            raise ValueError("expiry is above 0 seconds, and no time is below 0")

    @property
    def horizon(self) -> float:
        """Seconds: no recipient is given a later time than this from now, as long as the clock is right."""
        return self.longest * (1 + JITTER)


def interval(first: float, longest: float, failures: int, chance: float) -> float:
    """Seconds to wait after this many failures in a row before (0: it is the first failure).

    chance: a random number from 0 up to 1, so that what failed together does not come back together.
    """
    length = min(longest, first * 2.0 ** min(failures, _MAX_DOUBLINGS))
    return length * (1 - JITTER + 2 * JITTER * chance)
