"""The connections of one route: which host to connect to, how many at once, and which to use again.

Theory of operation
-------------------
Who sends a message leases a connection. Leased, idle and opening connections together never exceed the limit;
who finds no room waits, and is served in the order of asking. An idle connection goes to the first who waits;
without one who waits it is kept for `idle` seconds, the one used last on top, so that those not needed grow old.

Hosts are tried in the order of the configuration. One that cannot be used is avoided for a time that doubles
with each failure: it comes behind the others, but is tried when they fail too. When that time is over one attempt
finds out whether it works again, which may take minutes where it only hangs, and all others still avoid it. So
`RouteDown` means that every host was tried just now. It says nothing about a message: whoever catches it backs off
for the route as a whole. Those who wait hear of it at once where no connection is left that they could be given.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sams.core.clock import Clock
from sams.core.errors import TemporaryFailure
from sams.delivery.connection import HopConnection
from sams.delivery.hop_settings import HopAddress, RouteSettings
from sams.protocol.smtp.client_waits import ConversationEnded

AVOID_FIRST = 30.0
AVOID_LONGEST = 600.0


class RouteDown(TemporaryFailure):
    """No host of the route can be used now.

    failures: each host with what was wrong, in the order they were tried.
    """

    def __init__(self, failures: Sequence[tuple[HopAddress, ConversationEnded]]) -> None:
        host, last = failures[-1]
        told = "; ".join(f"{each}: {why.detail or why.reply}" for each, why in failures)
        super().__init__(last.reply, told)
        self.failures = tuple(failures)
        self.remote = str(host) if last.by_peer else ""


class Connects(Protocol):
    """What opens connections: `Connector`, or a stand-in."""

    def connect(self, host: HopAddress, distrusted: frozenset[str] = ...) -> Awaitable[HopConnection]:
        """Open a conversation, or raise ConversationEnded."""
        ...


@dataclass(slots=True)
class _Host:
    """What is remembered of a host. `avoid_until` is monotonic."""

    address: HopAddress
    failures: int = 0
    avoid_until: float = 0.0
    distrusted: frozenset[str] = frozenset()


class HopPool:
    """Leases the connections of one route.

    connections: how many there may be at once; may be changed at any time, at least 1.
    """

    def __init__(self, settings: RouteSettings, connector: Connects, clock: Clock) -> None:
        self._settings = settings
        self._connector = connector
        self._clock = clock
        self._hosts = [_Host(address) for address in settings.hosts]
        self._idle: list[tuple[HopConnection, float]] = []
        self._waiting: deque[asyncio.Future[HopConnection | None]] = deque()
        self._leased = 0
        self._opening = 0
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False
        self.connections = settings.connections

    @property
    def open_connections(self) -> int:
        """Connections that stand, in use or idle."""
        return self._leased + len(self._idle)

    @property
    def has_idle(self) -> bool:
        """Whether a connection stands that nobody uses or waits for."""
        return bool(self._idle) and not self._waiting

    async def acquire(self) -> HopConnection:
        """Lease a connection: an idle one, a new one, or the next that is released.

        Raises:
            RouteDown: no host can be used.
        """
        idle = self.acquire_idle()
        if idle is not None:
            return idle
        if self._waiting or not self._may_open():
            granted = await self._turn()
            if granted is not None:
                return granted
        else:
            self._opening += 1
        return await self._open()

    def acquire_idle(self) -> HopConnection | None:
        """Lease an idle connection; None: there is none, or others wait for one."""
        idle = None if self._waiting else self._take_idle()
        if idle is not None:
            self._leased += 1
        return idle

    def messages_left(self, connection: HopConnection) -> int:
        """How many more transactions a connection may be used for."""
        return self._settings.messages - connection.sent

    def release(self, connection: HopConnection) -> None:
        """Give a lease back, in whatever state the connection is."""
        self._leased -= 1
        fits = self.open_connections + self._opening < self.connections
        if (
            connection.is_usable
            and connection.sent < self._settings.messages
            and fits
            and not self._is_closed
        ):
            self._idle.append((connection, self._clock.monotonic()))
        else:
            connection.close()
        self._grant()
        self._watch()

    def distrust(self, address: HopAddress, keywords: frozenset[str]) -> None:
        """Connections to this host do without extensions that it offers and does not know: idle ones are closed."""
        for host in self._hosts:
            if host.address == address:
                host.distrusted |= keywords
        kept = [(each, since) for each, since in self._idle if each.host != address]
        for each, _ in self._idle:
            if each.host == address:
                each.close()
        self._idle = kept

    def resize(self, connections: int) -> None:
        """Another share of the route's connections is ours now; at least 1. Leases that stand are kept."""
        self.connections = max(1, connections)
        while self._idle and self.open_connections > self.connections:
            self._idle.pop(0)[0].close()
        self._grant()

    def prune(self) -> None:
        """Close connections that were idle too long or that the hop closed."""
        oldest = self._clock.monotonic() - self._settings.idle
        kept = [(each, since) for each, since in self._idle if each.is_usable and since > oldest]
        keep = {id(each) for each, _ in kept}
        for connection, _ in self._idle:
            if id(connection) not in keep:
                connection.close()
        self._idle = kept

    def close(self) -> None:
        """Say goodbye on idle connections; those in use close when they are released."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._idle:
            self._idle.pop()[0].close()

    # ---- who may have one

    def _take_idle(self) -> HopConnection | None:
        oldest = self._clock.monotonic() - self._settings.idle
        while self._idle:
            connection, since = self._idle.pop()
            if connection.is_usable and since > oldest:
                return connection
            connection.close()
        return None

    def _may_open(self) -> bool:
        """Where every host was found unusable while others of our connections stand, those must do."""
        if self.open_connections + self._opening >= self.connections:
            return False
        now = self._clock.monotonic()
        return not self._leased or any(host.avoid_until <= now for host in self._hosts)

    async def _turn(self) -> HopConnection | None:
        """Wait for a connection, or for the right to open one (None)."""
        future: asyncio.Future[HopConnection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        try:
            return await future
        except asyncio.CancelledError:
            self._give_up_turn(future)
            raise

    def _give_up_turn(self, future: asyncio.Future[HopConnection | None]) -> None:
        """Who was cancelled with a grant in hand passes it on."""
        if future.cancelled() or not future.done():
            if future in self._waiting:
                self._waiting.remove(future)
        elif future.exception() is None:
            granted = future.result()
            if granted is not None:
                self.release(granted)
            else:
                self._opening -= 1
                self._grant()

    def _grant(self) -> None:
        """Serve those who wait, the first first, with what there is."""
        while self._waiting:
            if self._waiting[0].done():
                self._waiting.popleft()
            elif (idle := self._take_idle()) is not None:
                self._leased += 1
                self._waiting.popleft().set_result(idle)
            elif self._may_open():
                self._opening += 1
                self._waiting.popleft().set_result(None)
            else:
                return

    # ---- opening

    async def _open(self) -> HopConnection:
        """Open one on the right to do so."""
        try:
            connection = await self._try_hosts()
        except BaseException as error:
            self._opening -= 1
            if isinstance(error, RouteDown) and not self._leased:
                self._tell_waiting(error)
            self._grant()
            raise
        self._opening -= 1
        self._leased += 1
        return connection

    async def _try_hosts(self) -> HopConnection:
        failures = []
        now = self._clock.monotonic()
        for host in sorted(self._hosts, key=lambda host: max(0.0, host.avoid_until - now)):
            if host.failures:
                soon = self._clock.monotonic() + _avoided(host.failures)
                host.avoid_until = max(host.avoid_until, soon)
            try:
                connection = await self._connector.connect(host.address, host.distrusted)
            except ConversationEnded as ended:
                self._avoid(host)
                failures.append((host.address, ended))
            else:
                host.failures, host.avoid_until = 0, 0.0
                return connection
        raise RouteDown(failures)

    def _avoid(self, host: _Host) -> None:
        host.avoid_until = self._clock.monotonic() + _avoided(host.failures)
        host.failures += 1

    def _tell_waiting(self, down: RouteDown) -> None:
        """Nobody has a connection that could be passed on: it would be the same for all of them."""
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_exception(RouteDown(down.failures))

    # ---- idle ones

    def _watch(self) -> None:
        """One timer looks after idle connections, and only while there are any."""
        if self._timer is None and self._idle and not self._is_closed:
            self._timer = asyncio.get_running_loop().call_later(self._settings.idle, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self.prune()
        self._watch()


def _avoided(failures: int) -> float:
    """Seconds for which a host is avoided after a failure, with so many before it."""
    return min(AVOID_LONGEST, AVOID_FIRST * 2.0 ** min(failures, 10))
