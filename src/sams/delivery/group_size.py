"""How many messages go to a next hop at once on one connection.

Handed over together, messages cost one write, one round trip and one read; but they share a connection, and a hop
that thinks about each of them works on one at a time. So it begins with one and doubles while groups are answered
soon; where they are not, messages go side by side on connections of their own, as to any hop.

A hop that goes away in the middle of a group may have taken all of it, and gets it twice: so it is given messages
one by one for a while, which doubles with each such break, and then groups of half the size at most. The limit
doubles again with each quiet while.
"""

from __future__ import annotations

MOST = 16
"""Messages."""
MOST_OCTETS = 131_072
"""Of messages; the last may go beyond it."""
PATIENCE = 0.05
"""Seconds within which a group is answered soon."""
ALONE = 600.0
"""Seconds without groups after the first that broke."""
ALONE_LONGEST = 86_400.0


class GroupSize:
    """What one hop is given. `now`: messages at once, at least 1. `most`: what it may become."""

    __slots__ = ("_alone", "_alone_until", "_quiet_from", "most", "now")

    def __init__(self) -> None:
        self.now = 1
        self.most = MOST
        self._alone = ALONE
        self._alone_until = self._quiet_from = 0.0

    def answered(self, count: int, seconds: float, monotonic: float) -> None:
        """So many messages at once were answered within so many seconds, well or not."""
        if seconds > PATIENCE:
            self.now = max(1, self.now // 2)
        elif count >= self.now < MOST and monotonic >= self._alone_until:
            self._forgive(monotonic)
            self.now = min(self.now * 2, self.most)

    def broke(self, count: int, monotonic: float, *, said_why: bool) -> None:
        """The conversation broke with so many said at once. `said_why`: with a 421, as it may at any time."""
        if said_why:
            self.now = max(1, self.now // 2)
            return
        self.now = 1
        if count > 1:
            self.most = max(2, min(self.most, count) // 2)
            self._alone_until = monotonic + self._alone
            self._quiet_from = self._alone_until
            self._alone = min(2 * self._alone, ALONE_LONGEST)

    def _forgive(self, monotonic: float) -> None:
        """After a while of groups without a break the limit is wider; when it is what it was, all is forgotten."""
        if self.most < MOST and monotonic >= self._quiet_from + ALONE:
            self.most = min(2 * self.most, MOST)
            self._quiet_from = monotonic
            if self.most == MOST:
                self._alone = ALONE
