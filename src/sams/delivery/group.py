"""Works that are sent to a smarthost at once, on one connection that was idle: neither task nor future is made.

What ends as it does nearly always, all recipients taken, is a result at once. Everything else goes on as an attempt
of its own (`attempt`), which knows what is retried and how.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sams.core.clock import Clock
from sams.core.outcome import Outcome, Result
from sams.core.reply import Reply
from sams.delivery.attempt import Attempt, envelope, outgoing
from sams.delivery.connection import HopConnection
from sams.delivery.group_size import MOST_OCTETS, GroupSize
from sams.delivery.interface import AttemptResult, Hop, Landed
from sams.delivery.pool import HopPool
from sams.protocol.smtp.client_result import OutgoingTransaction, TransactionResult
from sams.spool.interface import Content, Work

_CLOSING = 421


class GroupAttempt:
    """Implements `GroupUnderWay`, and `Landing` for the engine."""

    __slots__ = (
        "_began",
        "_clock",
        "_connection",
        "_dsn_aware",
        "_group_size",
        "_is_broken",
        "_is_cut",
        "_landed",
        "_next",
        "_over",
        "_parcels",
        "_pool",
        "_said_why",
        "_sent_before",
        "size",
    )

    def __init__(
        self,
        pool: HopPool,
        clock: Clock,
        group_size: GroupSize,
        connection: HopConnection,
        parcels: Sequence[tuple[Work, Content]],
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._group_size = group_size
        self._connection = connection
        self._parcels = parcels
        self._next = 0
        self._is_broken = self._is_cut = self._said_why = False
        self.size = 0

    def begin(self, landed: Landed, over: Callable[[Exception | None], None]) -> bool:
        """Send as many of the first as go at once; whether there are any. The leased connection is ours then."""
        connection = self._connection
        self._sent_before = connection.sent
        self._dsn_aware = connection.capabilities.dsn
        self._landed, self._over = landed, over
        group = connection.group(self, min(self._group_size.now, self._pool.messages_left(connection)))
        for work, content in self._parcels:
            message = work.message
            said = group.octets < MOST_OCTETS and group.say(
                OutgoingTransaction(envelope(message, work.recipients), outgoing(message, content))
            )
            if not said:
                break
            self.size += 1
        if self.size:
            self._began = self._clock.monotonic()
            connection.send_group(group, self._ended)
        return self.size > 0

    def cut(self) -> None:
        """Cut the connection. See `GroupUnderWay.cut`."""
        self._is_cut = True
        self._connection.drop()
        self._pool.release(self._connection)

    def taken(self, end: Reply) -> None:
        """The hop took the next one, for all its recipients."""
        self._next += 1
        connection = self._connection
        outcome = Outcome(Result.DELIVERED, end, connection.remote, self._clock.now(), self._dsn_aware)
        self._landed(AttemptResult((), Hop.WORKS, None, connection.remote, connection.told_tls, outcome))

    def ended(self, result: TransactionResult) -> None:
        """Something else came of the next one."""
        work, content = self._parcels[self._next]
        self._next += 1
        if result.broke_off is not None and not self._is_broken:
            self._is_broken = True
            self._said_why = result.broke_off.reply.code == _CLOSING
        attempt = Attempt(self._pool, self._clock, work, content)
        attempt.hear(self._connection, result, self._sent_before + self._next)
        self._landed(attempt if attempt.goes_on else attempt.result())

    def _ended(self, failure: Exception | None) -> None:
        if self._is_cut:
            return
        monotonic = self._clock.monotonic()
        try:
            if self._is_broken:
                self._group_size.broke(self.size, monotonic, said_why=self._said_why)
                self._connection.drop()
            else:
                self._group_size.answered(self.size, monotonic - self._began, monotonic)
            self._pool.release(self._connection)
        finally:
            self._over(failure)
