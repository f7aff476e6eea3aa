"""What the scheduler asks of a route's next hop, and how a route shows itself to the doctor.

A next hop takes one piece of work at a time per call and answers for its recipients. It knows connections,
protocols and folders; it knows nothing of queues, times and reports. A smarthost and a Maildir are two of them.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

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


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """What one attempt brought.

    outcomes: by recipient number. When the hop is DOWN, who is missing was not tried and stays as it was;
        otherwise nobody may be missing.
    hop: what is to be thought of the next hop after it.
    trouble: why the hop is SUSPECT or DOWN, as an outcome that a person can read; None while it WORKS.
    remote: `host:port` that was spoken to; empty when none was reached or there is none.
    tls: version and cipher towards it; empty without TLS.
    """

    outcomes: Sequence[tuple[int, Outcome]]
    hop: Hop = Hop.WORKS
    trouble: Outcome | None = None
    remote: str = ""
    tls: str = ""


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

    async def close(self) -> None:
        """Say goodbye on idle connections. No `deliver` is under way any more."""
        ...


@dataclass(frozen=True, slots=True)
class RouteStatus:
    """A route as `sams health` and the doctor show it.

    is_up: mail is sent as it comes; otherwise one message probes when `retry_in` is over.
    retry_in: seconds to the next probe; 0 while it is up.
    trouble: the last thing that was wrong with the hop while it is not up, or None.
    waiting, sending, settling: messages in the window, by what is done with them now.
    connections: open now; `allowed`: attempts that may be under way at once now.
    """

    route: str
    is_up: bool
    retry_in: float
    trouble: Outcome | None
    waiting: int
    sending: int
    settling: int
    connections: int
    allowed: int
