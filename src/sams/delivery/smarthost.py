"""A smarthost as the scheduler's next hop.

Where a connection is idle, works go out in a group at once; all else is an attempt that waits for what it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sams.core.clock import Clock
from sams.delivery.attempt import Attempt
from sams.delivery.group import GroupAttempt
from sams.delivery.group_size import GroupSize
from sams.delivery.interface import AttemptResult, Landed
from sams.delivery.pool import HopPool
from sams.spool.interface import Content, Work


class Smarthost:
    """Implements `NextHop`."""

    is_final = False

    def __init__(self, pool: HopPool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._group_size = GroupSize()

    @property
    def connections(self) -> int:
        """How many attempts may be under way at once."""
        return self._pool.connections

    @property
    def open_connections(self) -> int:
        """How many connections stand."""
        return self._pool.open_connections

    def resize(self, connections: int) -> None:
        """This worker's share of the route's connections changed."""
        self._pool.resize(connections)

    @property
    def group_size(self) -> int:
        """How many messages at once the hop takes well."""
        return self._group_size.now

    @property
    def has_idle_connection(self) -> bool:
        """Whether a message can be sent without a wait."""
        return self._pool.has_idle

    def deliver_group(
        self,
        parcels: Sequence[tuple[Work, Content]],
        landed: Landed,
        over: Callable[[Exception | None], None],
    ) -> GroupAttempt | None:
        """Send as many of the first as go at once. See `NextHop.deliver_group`."""
        connection = self._pool.acquire_idle()
        if connection is None:
            return None
        if connection.takes_groups:
            group = GroupAttempt(self._pool, self._clock, self._group_size, connection, parcels)
            if group.begin(landed, over):
                return group
        self._pool.release(connection)
        return None

    async def deliver(self, work: Work, content: Content) -> AttemptResult:
        """Try all recipients of the work once. See `NextHop.deliver`."""
        return await Attempt(self._pool, self._clock, work, content).run()

    async def close(self) -> None:
        """Say goodbye on idle connections."""
        self._pool.close()
