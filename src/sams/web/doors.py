"""Takes connections in: counted by network before anything is paid for them; where all is full, idle ones end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from sams.core.ip_addresses import counted_network
from sams.web.proxies import Proxies

MOST = 1_000
"""Connections at once, handshakes included."""
MOST_OF_A_NETWORK = 100
"""Of one address, or one IPv6 /64; proxies that are believed have no limit of their own."""
HANDSHAKE_SECONDS = 15.0
_PAUSE_SECONDS = 1.0
"""How long nothing is taken in after the system had no descriptor left."""
_AT_ONCE = 50
_GONE = 200
"""Connections that have ended, after which what they left is looked for: asyncio's TLS leaves rings of objects, each
with a buffer of 256 KiB, and Python looks for old rings so rarely that a flood would fill the memory with them.
"""


class Guest(asyncio.BaseProtocol):
    """The protocol of a connection. when_over: called when it is; set before it is made."""

    when_over: Callable[[], None]

    @property
    def is_idle(self) -> bool:
        """Whether it may be ended for the sake of another."""
        raise NotImplementedError

    def cut(self) -> None:
        """End it at once."""
        raise NotImplementedError


@dataclass(eq=False, slots=True)
class _Place:
    """A connection: its network (empty: a proxy's), the socket, and its protocol once there is one."""

    network: str
    connection: socket.socket
    guest: Guest | None = None
    is_given_up: bool = False

    @property
    def can_be_given_up(self) -> bool:
        return not self.is_given_up and (self.guest is None or self.guest.is_idle)

    def give_up(self) -> None:
        """Wake whoever waits for it, the handshake as well."""
        self.is_given_up = True
        if self.guest is not None:
            self.guest.cut()
            return
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


class Doors:
    """The connections of one listening socket (in the place of `asyncio.Server`, as far as uvicorn needs it).

    make: a protocol for each. tls: None: in clear.
    """

    def __init__(
        self,
        listening: socket.socket,
        make: Callable[[], Guest],
        tls: ssl.SSLContext | None,
        proxies: Proxies,
    ) -> None:
        self._listening = listening
        self._make = make
        self._tls = tls
        self._proxies = proxies
        self._loop = asyncio.get_running_loop()
        self._places: dict[asyncio.Task[None], _Place] = {}
        self._networks = Counter[str]()
        self._is_open = True
        self._gone = 0
        self._watch()

    def close(self) -> None:
        """Take nothing more in."""
        if self._is_open:
            self._is_open = False
            self._loop.remove_reader(self._listening)

    async def wait_closed(self) -> None:
        """Nothing is to be waited for: connections are counted by the server."""

    def _watch(self) -> None:
        if self._is_open:
            self._loop.add_reader(self._listening, self._take_in)

    def _take_in(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                connection, peer = self._listening.accept()
            except (BlockingIOError, ConnectionAbortedError, InterruptedError):
                return
            except OSError:
                self._loop.remove_reader(self._listening)
                self._loop.call_later(_PAUSE_SECONDS, self._watch)
                return
            self._admit(connection, str(peer[0]))

    def _admit(self, connection: socket.socket, peer: str) -> None:
        network = "" if self._proxies.include(peer) else counted_network(peer)
        if (network and self._networks[network] >= MOST_OF_A_NETWORK) or not self._has_room():
            connection.close()
            return
        connection.setblocking(False)
        place = _Place(network, connection)
        task = self._loop.create_task(self._greet(place))
        self._places[task] = place
        self._networks[network] += 1
        task.add_done_callback(self._forget)

    def _has_room(self) -> bool:
        """Where all is full, the oldest connection without a request gives its place to a new one."""
        if len(self._places) < MOST:
            return True
        oldest = next((place for place in self._places.values() if place.can_be_given_up), None)
        if oldest is None:
            return False
        oldest.give_up()
        return True

    async def _greet(self, place: _Place) -> None:
        """Shake hands, and stay until the connection is over."""
        over = asyncio.Event()

        def made() -> Guest:
            guest = self._make()
            guest.when_over = over.set
            return guest

        seconds = None if self._tls is None else HANDSHAKE_SECONDS
        try:
            _, guest = await self._loop.connect_accepted_socket(
                made, place.connection, ssl=self._tls, ssl_handshake_timeout=seconds
            )
        except OSError:  # of TLS as well
            place.connection.close()
            return
        place.guest = guest
        await over.wait()

    def _forget(self, task: asyncio.Task[None]) -> None:
        place = self._places.pop(task)
        self._networks[place.network] -= 1
        if not self._networks[place.network]:
            del self._networks[place.network]
        self._gone += 1
        if self._gone >= _GONE:
            self._gone = 0
            self._loop.call_soon(gc.collect)
