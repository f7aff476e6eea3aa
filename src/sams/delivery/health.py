"""Whether a route's next hop is up, and how many attempts at once it is given.

Theory of operation. A dead next hop is one state here and touches no recipient: while it is DOWN nothing is sent
but, when its wait is over, one probe (PROBING). Waits grow with each failed probe.

              DOWN result, no other attempt under way / third SUSPECT in a row
           ┌──────────────────────────────────────────────────────────┐
          UP ◀── probe WORKS ── PROBING ── probe DOWN or SUSPECT ──▶ DOWN
                                   ▲                                  │
                                   └──────── wait over, a job ────────┘

A hop that refuses a further connection while others work (a limit on its side) is not down: it gets fewer at once
for a while. `allowed` starts small, grows by one with every attempt that worked, halves with one that broke off.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

from sams.core.outcome import Outcome
from sams.delivery.backoff import RetryPolicy, interval
from sams.delivery.interface import Hop

STRIKES = 3
"""So many transactions in a row broken off by the hop, and it is DOWN."""
FIRST_ALLOWED = 4
CEILING_SECONDS = 60.0
"""So long a hop that refused a further connection gets no more than it had."""


class State(enum.Enum):
    """See the drawing above."""

    UP = "up"
    DOWN = "down"
    PROBING = "probing"


class Health:
    """One route's state, as this worker sees it. Times are monotonic seconds.

    is_steady: it is UP and at its most: one more success tells nothing new.
    down_since: when it was first found DOWN; None while it is UP.
    """

    def __init__(self, policy: RetryPolicy, connections: int, draw: Callable[[], float]) -> None:
        self.state = State.UP
        self.is_steady = False
        self.trouble: Outcome | None = None
        self.probe_at = 0.0
        self.connections = connections
        self._policy = policy
        self._draw = draw
        self._ramp = FIRST_ALLOWED
        self._ceiling = connections
        self._ceiling_until = 0.0
        self._strikes = 0
        self._failures = 0
        self.down_since: float | None = None
        self._is_alarmed = False

    @property
    def is_up(self) -> bool:
        """Whether mail goes as it comes."""
        return self.state is State.UP

    def allowed(self, monotonic: float) -> int:
        """How many attempts may be under way at once now."""
        if self.state is State.UP:
            most = self._ceiling if monotonic < self._ceiling_until else self.connections
            return max(1, min(self._ramp, most, self.connections))
        if self.state is State.DOWN and monotonic >= self.probe_at:
            return 1
        return 0

    def begin(self) -> None:
        """An attempt begins; while the hop is DOWN it is the probe."""
        if self.state is State.DOWN:
            self.state = State.PROBING

    def abandon(self) -> None:
        """An attempt ended without telling anything of the hop; a probe may come again at once."""
        if self.state is State.PROBING:
            self.state = State.DOWN

    def note(self, hop: Hop, trouble: Outcome | None, others: int, monotonic: float) -> State:
        """Take in an attempt's result, with so many others under way, and return the state that follows."""
        self.is_steady = False
        if hop is Hop.WORKS:
            self._worked()
        elif self.state is not State.UP:
            self._fail(trouble, monotonic)
        elif hop is Hop.SUSPECT:
            self._suspect(trouble, monotonic)
        elif others:
            self._ceiling, self._ceiling_until = others, monotonic + CEILING_SECONDS
            self._ramp = max(1, min(self._ramp, others))
        else:
            self._fail(trouble, monotonic)
        return self.state

    def is_long_down(self, monotonic: float, seconds: float) -> bool:
        """Whether it has been down for so long; true once for each outage."""
        since = self.down_since
        if since is None or self._is_alarmed or monotonic - since < seconds:
            return False
        self._is_alarmed = True
        return True

    def retry_now(self) -> None:
        """Somebody asks for it: the next probe need not wait."""
        self.probe_at = 0.0

    def _worked(self) -> None:
        """Grow; the first success after a failure starts again from one."""
        if self.state is not State.UP:
            self.state, self.trouble, self._ramp, self._failures = State.UP, None, 1, 0
            self.down_since, self._is_alarmed = None, False
        self._strikes = 0
        self._ramp = min(self._ramp + 1, self.connections)
        self.is_steady = self._ramp == self.connections

    def _suspect(self, trouble: Outcome | None, monotonic: float) -> None:
        self._strikes += 1
        self._ramp = max(1, self._ramp // 2)
        if self._strikes >= STRIKES:
            self._fail(trouble, monotonic)

    def _fail(self, trouble: Outcome | None, monotonic: float) -> None:
        """A late failure of an attempt that began before the hop was DOWN changes only what is known of it."""
        if self.state is State.DOWN:
            self.trouble = trouble or self.trouble
            return
        policy = self._policy
        wait = interval(policy.probe_first, policy.probe_longest, self._failures, self._draw())
        self.state, self.trouble, self.probe_at = State.DOWN, trouble, monotonic + wait
        self._failures += 1
        self._strikes = 0
        self._ceiling_until = 0.0  # what looked like a limit on its side was the outage
        if self.down_since is None:
            self.down_since = monotonic
