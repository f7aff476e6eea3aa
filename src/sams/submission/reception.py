"""A worker's door to the network: which connections come in, who serves them, and how all of them are ended."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from sams.activity.events import ProxyRefused
from sams.core.courtesy import Courtesy
from sams.core.reply import Reply, reply
from sams.core.turns import Share, Turns
from sams.protocol.smtp.server import ServerEngine
from sams.submission.connection import COMMANDS_BUFFER, RECEIVE_BUFFER, Connection
from sams.submission.crowd import Crowd
from sams.submission.deadlines import DeadlineWheel, TimeLimits
from sams.submission.entrance import Entrance
from sams.submission.interface import Door
from sams.submission.proxied import HeaderGate, Proxies
from sams.submission.services import Services
from sams.submission.session import Peer, Session

SHUTTING_DOWN = reply(421, "4.3.2", "The service is restarting; try again in a minute")
BACKLOG = 2_048
"""Connections that may wait to be accepted: all members who come back at once after an outage."""
HANDSHAKES = 4
"""TLS handshakes computed in one round of the loop, of half a millisecond to two each."""
_POLL = 0.05


@dataclass(frozen=True, slots=True)
class House:
    """What new sessions are made with; a reload hands in another one."""

    services: Services
    limits: TimeLimits


class ListenerDoor:
    """One listener's door, kept while the service runs; the house behind it may change.

    entrance: of the next sessions. context: the listener's TLS. implicit: TLS from the first octet, always.
    proxies: the load balancers through which the next connections come; None: clients connect themselves.
    """

    def __init__(
        self,
        reception: Reception,
        port: int,
        context: ssl.SSLContext,
        entrance: Entrance,
        proxies: Proxies | None = None,
    ) -> None:
        self._reception = reception
        self._port = port
        self.entrance = entrance
        self.proxies = proxies
        self.context = context
        self.implicit = not entrance.settings.starttls

    def enter(
        self, connection: Connection, address: str, *, own: bool = False
    ) -> tuple[ServerEngine, Session] | Reply:
        """Engine and session for a new connection, or the reply that turns it away.

        own: it is a load balancer's own, in which nobody may sign in.
        """
        services, settings = self._reception.house.services, self.entrance.settings
        if own:
            services = replace(services, admission=services.admission.without_caps())
            settings = replace(settings, mechanisms=())
        refusal = services.admission.connected(address, self._reception.make_room)
        if refusal is not None:
            return refusal
        engine = ServerEngine(settings, tls=self.implicit, reference=services.reference)
        peer = Peer(address, self._port, self.implicit)
        lobby = None if own else self
        session = Session(services, connection, engine, peer, self._reception, lobby=lobby)
        self._reception.came(session)
        return engine, session

    def refuse_stranger(self, address: str, why: str) -> None:
        """Who may not connect here did; it is told as often as it might connect elsewhere, and no oftener."""
        admission = self._reception.house.services.admission
        if admission.connected(address) is None:
            self.refused(address, why)
            admission.disconnected(address, None)

    def refused(self, address: str, why: str) -> None:
        """Tell of a connection from this address that was closed for want of a header."""
        services = self._reception.house.services
        session = services.session_ids.next()
        log = services.activity.session(session, address, self._port, implicit=self.implicit)
        log.tell(ProxyRefused(why))
        log.end("proxy")

    def new_connection(self) -> Connection | HeaderGate:
        """For the loop: a protocol for the next connection."""
        reception = self._reception
        if self.proxies is not None:
            return HeaderGate(self, self.proxies, reception)
        return reception.connection(self)


class Reception:
    """All sessions of one worker."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        house: House,
        on_bug: Callable[[Exception], None],
        courtesy: Courtesy | None = None,
    ) -> None:
        """courtesy: to small mail, shared by all workers; None: this one alone knows of it."""
        self._loop = loop
        self.house = house
        self.wheel = DeadlineWheel(loop, on_bug)
        self.buffer = memoryview(bytearray(RECEIVE_BUFFER))
        self._buffers = self.buffer, self.buffer[:COMMANDS_BUFFER]
        self._turns = Turns(loop, courtesy or Courtesy())
        self._handshakes = Share(loop, HANDSHAKES)
        self.sessions: set[Session] = set()
        self._gates: set[HeaderGate] = set()
        self._strangers: Crowd[Session | HeaderGate] = Crowd()
        self._servers: list[asyncio.Server] = []
        self._is_hurried = False

    async def listen(self, listeners: Iterable[tuple[ListenerDoor, socket.socket]]) -> None:
        """Begin to accept on sockets that listen already."""
        for door, listening in listeners:
            server = await self._loop.create_server(door.new_connection, sock=listening, backlog=BACKLOG)
            self._servers.append(server)

    def connection(self, door: Door) -> Connection:
        """For a connection that comes in at this door."""
        limits, turns, handshakes = self.house.limits, self._turns, self._handshakes
        return Connection(door, limits, self.wheel, self._buffers, turns=turns, handshakes=handshakes)

    def note_pressure(self) -> None:
        """Places are few now, or no longer: to be called about once a second."""
        is_full, was_full = self.house.services.admission.under_pressure, self.wheel.pressure
        self.wheel.pressure = is_full
        if is_full and not was_full:
            for session in self.sessions:
                if session.identity is None:
                    session.look_again()

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

    def hold(self, gate: HeaderGate) -> bool:
        """A place for who comes through a load balancer, until that has said who it is. Whether there is one."""
        if self.house.services.admission.hold(self.make_room) is not None:
            return False
        self._gates.add(gate)
        self._strangers.enter(gate, gate.address)
        return True

    def let_go(self, gate: HeaderGate) -> None:
        """It said so, or is gone."""
        self._gates.discard(gate)
        self._strangers.leave(gate, gate.address)
        self.house.services.admission.release()

    def make_room(self) -> bool:
        """All connections are taken: end that of somebody who has not signed in. Whether there was one."""
        stranger = self._strangers.first_to_go()
        if stranger is None:
            return False
        self._strangers.leave(stranger, stranger.address)
        stranger.give_way()
        return True

    def revoke(self, logins: frozenset[str]) -> int:
        """Accounts changed: end the sessions for which that matters; how many."""
        concerned = [one for one in self.sessions if one.identity and one.identity.login in logins]
        return sum([session.revoke() for session in concerned])

    async def close(self, grace: float) -> None:
        """Accept no more, end what is idle at once and the rest when it is through, at the latest after `grace`.

        What is still under way then is told 421; who waits for an answer is told both. `cut` ends what is left.
        """
        for server in self._servers:
            server.close()
        for gate in list(self._gates):
            gate.cut()
        deadline = self._loop.time() + grace
        while self.sessions and not self._is_hurried and self._loop.time() < deadline:
            for session in list(self.sessions):
                session.shut_down(SHUTTING_DOWN)
            await asyncio.sleep(_POLL)
        for session in list(self.sessions):
            session.dismiss(SHUTTING_DOWN)

    def hurry(self) -> None:
        """The grace is over now."""
        self._is_hurried = True

    def cut(self) -> None:
        """End what is left of the sessions, after `close`: peers that did not take their last words."""
        for session in list(self.sessions):
            session.cut()
        self.wheel.stop()
