"""The work of one route: what is in the window, what a claim brings next, and the state of its next hop."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sams.delivery.backoff import RetryPolicy
from sams.delivery.health import Health
from sams.delivery.interface import NextHop, RouteStatus
from sams.delivery.window import LoginTurns
from sams.spool.interface import Cursor, Spool


@dataclass(slots=True)
class Pass:
    """How far claims have read what one spool holds for one route.

    A pass begins at the front and goes on page by page to the end of what is due. What becomes due behind its
    cursor (a message let go, a row whose result could not be stored) is found by the pass after it.

    is_due: there may be more to claim at the cursor.
    again: begin at the front once more when this pass is over.
    next_due: wall clock, UNIX seconds, when the next recipient becomes due; None: none waits.
    """

    spool: Spool
    cursor: Cursor | None = None
    is_due: bool = True
    again: bool = False
    next_due: float | None = None

    def look_again(self) -> None:
        """Something is due that this pass may have passed already."""
        if self.is_due and self.cursor is not None:
            self.again = True
        self.is_due = True

    def restart(self) -> None:
        """Begin at the front."""
        self.cursor, self.is_due, self.again = None, True, False

    def expect(self, due: float) -> None:
        """A recipient was given this time."""
        if self.next_due is None or due < self.next_due:
            self.next_due = due

    def over(self, next_due: float | None) -> None:
        """The end was reached."""
        self.cursor, self.next_due = None, next_due
        self.is_due, self.again = self.again, False

    def wake(self, now: float) -> bool:
        """Whether a claim may bring something now."""
        if not self.is_due and self.next_due is not None and self.next_due <= now:
            self.restart()
        return self.is_due


class Lane:
    """One route. Without a next hop (the route is gone from the configuration) its mail waits and is expired.

    attempts: how many are under way (a group is one); sending: how many jobs they have. `begin`, `split`, `landed`
    and `over` keep both. settling: how many jobs wait for the spool; `Conclusions` keeps it.
    began: when the last of them began, monotonic.
    ended: how many attempts and settlements are over; who compares it knows whether what was read is still so.
    is_called, patience: it will be looked at, at the end of this moment, or when its jobs have waited.
    """

    def __init__(
        self,
        name: str,
        hop: NextHop | None,
        policy: RetryPolicy,
        spools: Iterable[Spool],
        draw: Callable[[], float],
    ) -> None:
        self.name = name
        self.hop = hop
        self.turns = LoginTurns()
        self.attempts = 0
        self.began = 0.0
        self.is_called = False
        self.patience: asyncio.TimerHandle | None = None
        self.sending = 0
        self.settling = 0
        self.ended = 0
        self.passes = {spool: Pass(spool) for spool in spools}
        self.health = Health(policy, hop.connections if hop else 1, draw)
        self._policy = policy
        self._draw = draw

    @property
    def count(self) -> int:
        """Its jobs in the window."""
        return self.turns.count + self.sending + self.settling

    @property
    def has_work(self) -> bool:
        """Whether it needs a share of the window."""
        return bool(self.count) or (self.health.is_up and self.wants_more)

    @property
    def wants_more(self) -> bool:
        """Whether a claim may bring more at once."""
        for one in self.passes.values():  # noqa: SIM110 - asked for every message: `any` costs twice as much
            if one.is_due:
                return True
        return False

    def look_again(self) -> None:
        """Work went back to disk: claims must find it."""
        for one in self.passes.values():
            one.look_again()

    def restart(self) -> None:
        """Let claims begin at the front."""
        for one in self.passes.values():
            one.restart()

    def add_spool(self, spool: Spool) -> None:
        """Claims read this spool too."""
        self.passes[spool] = Pass(spool)

    def next_look(self, now: float, monotonic: float) -> float:
        """Seconds until a probe or a due time; infinite where only an event can change something."""
        if not self.health.is_up and monotonic < self.health.probe_at:
            return self.health.probe_at - monotonic
        dues = [one.next_due for one in self.passes.values() if one.next_due is not None and not one.is_due]
        return max(0.001, min(dues) - now) if dues else math.inf

    def begin(self, jobs: int, monotonic: float) -> None:
        """An attempt begins, with so many jobs of its own."""
        self.began = monotonic
        self.attempts += 1
        self.sending += jobs
        self.health.begin()

    def split(self) -> None:
        """A job of a group goes on as an attempt of its own."""
        self.attempts += 1

    def landed(self, jobs: int = 1) -> None:
        """So many jobs are no longer on the way; the attempt that had them may go on with others."""
        self.sending -= jobs

    def over(self) -> None:
        """An attempt is over."""
        self.attempts -= 1

    def replace_hop(self, hop: NextHop | None) -> None:
        """Its settings changed: what was known of the old hop is forgotten."""
        self.hop = hop
        self.health = Health(self._policy, hop.connections if hop else 1, self._draw)

    def may_begin(self, monotonic: float) -> bool:
        """Whether a further attempt may begin now."""
        return self.hop is not None and self.attempts < self.health.allowed(monotonic)

    def status(self, now: float, monotonic: float) -> RouteStatus:
        """For `sams health`."""
        health, allowed = self.health, self.health.allowed(monotonic) if self.hop else 0
        since = health.down_since
        is_up = self.hop is not None and health.is_up
        return RouteStatus(
            route=self.name,
            is_up=is_up,
            since=None if since is None else now - (monotonic - since),
            retry_in=0.0 if is_up else max(0.0, health.probe_at - monotonic),
            trouble=health.trouble,
            waiting=self.turns.count,
            sending=self.sending,
            settling=self.settling,
            connections=self.hop.open_connections if self.hop else 0,
            allowed=allowed,
        )
