"""How many messages go to a next hop at once on one connection.

Handed over together, messages cost one write, one round trip and one read; but they share a connection, and a hop
that thinks about each of them works on one at a time. So it begins with one and doubles while groups are answered
soon; where they are not, messages go side by side on connections of their own, as to any hop. A hop that goes away
in the middle of a group may be one that cannot do it: it is given messages one by one for a while.
"""

from __future__ import annotations

MOST = 16
"""Messages."""
MOST_OCTETS = 131_072
"""Of messages; the last may go beyond it."""
PATIENCE = 0.05
"""Seconds within which a group is answered soon."""
ALONE = 600.0
"""Seconds without groups after one that broke."""


class GroupSize:
    """What one hop is given. `now`: messages at once, at least 1."""

    __slots__ = ("_alone_until", "now")

    def __init__(self) -> None:
        self.now = 1
        self._alone_until = 0.0

    def answered(self, count: int, seconds: float, monotonic: float) -> None:
        """So many messages at once were answered within so many seconds, well or not."""
        if seconds > PATIENCE:
            self.now = max(1, self.now // 2)
        elif count >= self.now < MOST and monotonic >= self._alone_until:
            self.now *= 2

    def broke(self, count: int, monotonic: float, *, said_why: bool) -> None:
        """The conversation broke with so many said at once. `said_why`: with a 421, as it may at any time."""
        if said_why:
            self.now = max(1, self.now // 2)
            return
        self.now = 1
        if count > 1:
            self._alone_until = monotonic + ALONE
