"""A worker's door to the network: which connections come in, who serves them, and how all of them are ended."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sams.core.reply import Reply, reply
from sams.core.turns import Turns
from sams.protocol.smtp.server import ServerEngine
from sams.protocol.smtp.settings import ServerSettings
from sams.submission.connection import RECEIVE_BUFFER, Connection
from sams.submission.crowd import Crowd
from sams.submission.deadlines import DeadlineWheel, TimeLimits
from sams.submission.services import Services
from sams.submission.session import Peer, Session

SHUTTING_DOWN = reply(421, "4.3.2", "The service is restarting; try again in a minute")
BACKLOG = 2_048
"""Connections that may wait to be accepted: all members who come back at once after an outage."""
_POLL = 0.05


@dataclass(frozen=True, slots=True)
class House:
    """What new sessions are made with; a reload hands in another one."""

    services: Services
    limits: TimeLimits


class ListenerDoor:
    """One listener's door, kept while the service runs; the house behind it may change.

    settings: of the next engines. context: the listener's TLS. implicit: TLS from the first octet, always.
    """

    def __init__(
        self, reception: Reception, port: int, context: ssl.SSLContext, settings: ServerSettings
    ) -> None:
        self._reception = reception
        self._port = port
        self.settings = settings
        self.context = context
        self.implicit = not settings.starttls

    def enter(self, connection: Connection, address: str) -> tuple[ServerEngine, Session] | Reply:
        """Engine and session for a new connection, or the reply that turns it away."""
        services = self._reception.house.services
        refusal = services.admission.connected(address, self._reception.make_room)
        if refusal is not None:
            return refusal
        engine = ServerEngine(self.settings, tls=self.implicit, reference=services.reference)
        peer = Peer(address, self._port, self.implicit)
        session = Session(services, connection, engine, peer, self._reception)
        self._reception.came(session)
        return engine, session

    def new_connection(self) -> Connection:
        """For the loop: a protocol for the next connection."""
        reception = self._reception
        return Connection(self, reception.house.limits, reception.wheel, reception.buffer, reception.turns)


class Reception:
    """All sessions of one worker."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, house: House, on_bug: Callable[[Exception], None]
    ) -> None:
        self._loop = loop
        self.house = house
        self.wheel = DeadlineWheel(loop, on_bug)
        self.buffer = memoryview(bytearray(RECEIVE_BUFFER))
        self.turns = Turns(loop)
        self.sessions: set[Session] = set()
        self._strangers: Crowd[Session] = Crowd()
        self._servers: list[asyncio.Server] = []

    async def listen(self, listeners: Iterable[tuple[ListenerDoor, socket.socket]]) -> None:
        """Begin to accept on sockets that listen already."""
        for door, listening in listeners:
            server = await self._loop.create_server(door.new_connection, sock=listening, backlog=BACKLOG)
            self._servers.append(server)

    def came(self, session: Session) -> None:
        """A session began."""
        self.sessions.add(session)
        self._strangers.enter(session, session.address)

    def signed_in(self, session: Session) -> None:
        """A session is a member's now: it never gives way."""
        self._strangers.leave(session, session.address)

    def gone(self, session: Session) -> None:
        """A session ended."""
        self.sessions.discard(session)
        if session.identity is None:
            self._strangers.leave(session, session.address)

    def make_room(self) -> bool:
        """All connections are taken: end that of somebody who has not signed in. Whether there was one."""
        session = self._strangers.first_to_go()
        if session is None:
            return False
        self._strangers.leave(session, session.address)
        session.give_way()
        return True

    def revoke(self, logins: frozenset[str]) -> int:
        """Accounts changed: end the sessions for which that matters; how many."""
        concerned = [one for one in self.sessions if one.identity and one.identity.login in logins]
        return sum([session.revoke() for session in concerned])

    async def close(self, grace: float) -> None:
        """Accept no more, end what is idle at once and the rest when it is through, at the latest after `grace`."""
        for server in self._servers:
            server.close()
        deadline = self._loop.time() + grace
        while self.sessions and self._loop.time() < deadline:
            for session in list(self.sessions):
                session.shut_down(SHUTTING_DOWN)
            await asyncio.sleep(_POLL)
        for session in list(self.sessions):
            session.cut()
        self.wheel.stop()
