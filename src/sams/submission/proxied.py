"""Connections that come through a load balancer, which says by the PROXY protocol whose they are.

Theory of operation
-------------------
A listener with `proxy_protocol` serves nobody before a header came, and believes one only from the networks that
its configuration names: otherwise anybody could choose the address that counts for guard, caps and journal. A
`HeaderGate` is the transport's first protocol there. It reads the header and nothing else, within a time of its own,
and then sets a `Connection` in its place, whose door (`_ProxiedDoor`) enters it with the client's address. So
the connection, its session and all behind them know one address, and other listeners know nothing of this file.

While it waits, a gate holds one of the worker's places, but counts for no address: every client's connection comes
from the balancer's. Where all places are taken, it may have to give way like any stranger.

A header may name nobody, as that of a health check does (LOCAL, UNKNOWN). The specification wants such a connection
accepted under its real address. It is served with no mechanism to sign in by, so that no mail comes of it, and
counts for no address, so that checks of a balancer never fail for their number.

What is wrong closes the connection without a reply, as soon as it is known.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from sams.activity.events import Proxied
from sams.core.reply import Reply
from sams.protocol.proxy import MAX_HEADER, HeaderReader, ProxyError, ProxyHeader
from sams.protocol.smtp.server import ServerEngine
from sams.submission.connection import peer_address

if TYPE_CHECKING:
    from sams.submission.connection import Connection
    from sams.submission.reception import ListenerDoor, Reception
    from sams.submission.session import Session

NOT_NAMED = "it is not from a network that proxy_from names"
ENDED = "it ended before its header did"
GAVE_WAY = "all connections were taken, and its header was not there yet"


@dataclass(frozen=True, slots=True)
class Proxies:
    """Whom a listener believes.

    named: whether an address is that of a load balancer.
    patience: seconds within which the header must be there.
    """

    named: Callable[[str], bool]
    patience: float


class HeaderGate(asyncio.BufferedProtocol):
    """Stands before a connection until its header was read. address: the load balancer's."""

    __slots__ = (
        "_door",
        "_holds_place",
        "_proxies",
        "_reader",
        "_reception",
        "_transport",
        "_why",
        "address",
        "wheel_slot",
    )

    _transport: asyncio.Transport

    def __init__(self, door: ListenerDoor, proxies: Proxies, reception: Reception) -> None:
        self._door = door
        self._proxies = proxies
        self._reception = reception
        self._reader = HeaderReader()
        self._holds_place = False
        self._why = ""
        self.address = ""
        self.wheel_slot: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the header, if it is a load balancer that connects."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are none by their class
        self.address = peer_address(transport)
        if not self.address:
            self._refuse(ENDED)  # it is gone already, and the system no longer knows who it was
        elif not self._proxies.named(self.address):
            self._door.refuse_stranger(self.address, NOT_NAMED)
            self._refuse(NOT_NAMED)
        elif not self._reception.hold(self):
            self._refuse(GAVE_WAY)
        else:
            self._holds_place = True
            wheel = self._reception.wheel
            wheel.watch(self, wheel.now() + self._proxies.patience)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the loop's interface
        """Of the worker's as much as a header may have: what comes behind it is no more than a connection reads."""
        return self._reception.buffer[:MAX_HEADER]

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes arrived."""
        if self._why:
            return
        try:
            found = self._reader.receive(bytes(self._reception.buffer[:nbytes]))
        except ProxyError as error:
            self._refuse(str(error))
        else:
            if found is not None:
                self._open(*found)

    def eof_received(self) -> None:
        """Nothing more will come."""
        self._refuse(ENDED)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the loop's interface
        """It is over, and nobody came in."""
        if self._holds_place:
            self._leave()
            self._door.refused(self.address, self._why or ENDED)

    def look(self, now: float) -> None:  # noqa: ARG002 - the wheel's interface
        """The wheel asks, once: time is up."""
        self._refuse(f"no whole header came within {self._proxies.patience:g} s")

    def give_way(self) -> None:
        """All connections are taken."""
        self._refuse(GAVE_WAY)

    def cut(self) -> None:
        """The service stops."""
        self._refuse("the service stopped before its header was there")

    def _refuse(self, why: str) -> None:
        """Close without a reply. The place is free when the connection is gone, as that of a session."""
        if not self._why:
            self._why = why
            self._transport.abort()

    def _leave(self) -> None:
        self._holds_place = False
        self._reception.wheel.forget(self)
        self._reception.let_go(self)

    def _open(self, header: ProxyHeader, rest: bytes) -> None:
        """Let the client in, with all that came behind the header."""
        self._leave()
        transport = self._transport
        connection = self._reception.connection(_ProxiedDoor(self._door, self.address, header))
        transport.set_protocol(connection)
        connection.connection_made(transport)
        if rest:
            connection.get_buffer(len(rest))[: len(rest)] = rest
            connection.buffer_updated(len(rest))


class _ProxiedDoor:
    """The listener's door for one connection that a load balancer has told of (`interface.Door`)."""

    __slots__ = ("_door", "_header", "_proxy")

    def __init__(self, door: ListenerDoor, proxy: str, header: ProxyHeader) -> None:
        self._door = door
        self._proxy = proxy
        self._header = header

    @property
    def context(self) -> ssl.SSLContext:
        """The listener's TLS."""
        return self._door.context

    @property
    def implicit(self) -> bool:
        """TLS from the first octet behind the header."""
        return self._door.implicit

    def enter(
        self,
        connection: Connection,
        address: str,  # noqa: ARG002 - the connection's own is the balancer's
    ) -> tuple[ServerEngine, Session] | Reply:
        """As the client that the header names, or as the balancer itself."""
        client = self._header.client
        if client is not None:
            entered = self._door.enter(connection, client.address)
        else:
            entered = self._door.enter(connection, self._proxy, own=True)
        if not isinstance(entered, Reply):
            entered[1].proxied(Proxied(self._proxy, self._header.version, client is None))
        return entered
