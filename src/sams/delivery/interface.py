"""What the scheduler asks of a route's next hop, and how a route shows itself to the doctor.

A next hop takes one piece of work with a call of `deliver`, or several small ones with one of `deliver_group` where
it can do that, and answers for their recipients. It knows connections, protocols and folders; it knows nothing of
queues, times and reports. A smarthost and a Maildir are two of them.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from sams.core.outcome import Outcome
from sams.spool.interface import Content, Work


class Hop(enum.Enum):
    """What an attempt told about the next hop itself, apart from its recipients.

    WORKS: it spoke and took or refused recipients as its protocol says.
    SUSPECT: it broke off in the middle of a transaction: perhaps this message is to blame, perhaps the hop.
    DOWN: nothing could be tried: no connection, no greeting, no TLS, no sign-in. No recipient is to blame.
    """

    WORKS = "works"
    SUSPECT = "suspect"
    DOWN = "down"


class AttemptResult(msgspec.Struct, frozen=True):
    """What one attempt brought.

    outcomes: by recipient number. When the hop is DOWN, who is missing was not tried and stays as it was;
        otherwise nobody may be missing.
    hop: what is to be thought of the next hop after it.
    trouble: why the hop is SUSPECT or DOWN, as an outcome that a person can read; None while it WORKS.
    remote: `host:port` that was spoken to; empty when none was reached or there is none.
    tls: version and cipher towards it; empty without TLS.
    for_all: the outcome of every recipient, where it was delivered to all of them; `outcomes` is empty then.
    """

    outcomes: Sequence[tuple[int, Outcome]]
    hop: Hop = Hop.WORKS
    trouble: Outcome | None = None
    remote: str = ""
    tls: str = ""
    for_all: Outcome | None = None


class Unfinished(Protocol):
    """An attempt that was begun in a group and has to wait for something before it can go on.

    is_untouched: the conversation broke before the hop had said a word of it: it begins anew when the hop's health
        lets it, and not at once with all others of its group.
    """

    @property
    def is_untouched(self) -> bool:
        """See above."""
        ...

    def run(self) -> Coroutine[Any, Any, AttemptResult]:
        """Go on, as `NextHop.deliver` does."""
        ...

    def stopped(self) -> AttemptResult:
        """What it brought, where it is not to go on: who has no outcome was not tried, so the hop counts as DOWN."""
        ...


Landed = Callable[[AttemptResult | Unfinished], None]
"""Hears of the next work of a group: what its attempt brought, or how to go on with it."""


class GroupUnderWay(Protocol):
    """Works that were handed to a next hop at once. `size`: how many."""

    size: int

    def cut(self) -> None:
        """Cut the connection: nothing is known of those that have not landed, and nobody is called any more."""
        ...


class NextHop(Protocol):
    """Where the mail of one route goes."""

    @property
    def connections(self) -> int:
        """How many attempts may be under way at once, at least 1: this worker's share of the route's total."""
        ...

    @property
    def is_final(self) -> bool:
        """Whether it stores into mailboxes, so that a success is `delivered` and not `relayed` (RFC 3464)."""
        ...

    @property
    def open_connections(self) -> int:
        """How many are open now, for `sams health`."""
        ...

    async def deliver(self, work: Work, content: Content) -> AttemptResult:
        """Try all recipients of the work once.

        Expected failures are in the result. An exception is a bug (the scheduler defers the recipients and
        raises an alarm), except `CancelledError`: the connection is cut and nothing is known of the attempt. Where
        it is cancelled when some have their outcome already, these are the result, of a hop that is DOWN: who was
        delivered to must not be sent to again.
        """
        ...

    @property
    def group_size(self) -> int:
        """How many works it takes well at once, at least 1."""
        ...

    @property
    def has_idle_connection(self) -> bool:
        """Whether `deliver_group` may take something now."""
        ...

    def deliver_group(
        self,
        parcels: Sequence[tuple[Work, Content]],
        landed: Landed,
        over: Callable[[Exception | None], None],
    ) -> GroupUnderWay | None:
        """Send the first of these at once, as many as need no wait: None, or `size` tells how many.

        `landed` is called for each of them, in order, and then `over`; neither before this returns. With an
        exception (a bug) `over` is called earlier: nothing is known then of those that have not landed.
        """
        ...

    async def close(self) -> None:
        """Say goodbye on idle connections. No `deliver` is under way any more."""
        ...


@dataclass(frozen=True, slots=True)
class RouteStatus:
    """A route as `sams health` and the doctor show it.

    is_up: mail is sent as it comes; otherwise one message probes when `retry_in` is over.
    since: when it was first found to be down, UNIX seconds; None while it is up, or where it has no next hop.
    retry_in: seconds to the next probe; 0 while it is up.
    trouble: the last thing that was wrong with the hop while it is not up, or None.
    waiting, sending, settling: messages in the window, by what is done with them now.
    connections: open now; `allowed`: attempts that may be under way at once now.
    """

    route: str
    is_up: bool
    since: float | None
    retry_in: float
    trouble: Outcome | None
    waiting: int
    sending: int
    settling: int
    connections: int
    allowed: int
