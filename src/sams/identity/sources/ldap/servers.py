"""The servers of an LDAP source: which is asked, on which connection, and who is asked next.

Theory of operation. A question (`ask`) is asked of one server from beginning to end. The time of the question is
shared out among the servers that are left, so that one which says nothing leaves time for the others. One that failed
is asked last for a while. Two kinds of connections are kept for each server: those that act as the service, and those
on which members' passwords are tried, which act as whoever was right last, or as nobody (RFC 4511 section 4.2.1:
each bind begins anew). A connection whose question did not come to its end is closed; so is one that was idle for
long, before something on the way forgets it. Where one that was kept breaks, the question is asked once more, on new
ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeVar

from sams.config.ldap_checks import LdapServer
from sams.core.clock import Clock
from sams.core.errors import TemporaryFailure
from sams.core.text import visible
from sams.identity.sources.interface import down
from sams.identity.sources.ldap.connection import LdapConnection, ServerFault

LONGEST_IDLE = 60.0
"""Seconds; firewalls forget connections after some minutes, and a server's idle limit is seldom shorter."""
ASKED_LAST = 30.0
"""Seconds for which a server that failed is asked after the others."""
_GOODBYE = 1.0
_SHARE = 0.95
"""Of the question's time, so that it is told which server did not answer."""

_T = TypeVar("_T")
Dial = Callable[[LdapServer], Awaitable[LdapConnection]]


@dataclass(frozen=True, slots=True)
class ServiceName:
    """As whom to search; empty: anonymously."""

    name: str = ""
    password: str = field(default="", repr=False)


@dataclass(slots=True)
class _Kept:
    """A connection that waits for its next question."""

    connection: LdapConnection
    since: float


class _Server:
    """One server, with the connections to it that wait for a question."""

    def __init__(
        self, server: LdapServer, dial: Dial, service: ServiceName, clock: Clock, most_idle: int
    ) -> None:
        self.text = server.text
        self.failed_until = 0.0
        self.for_service: list[_Kept] = []
        self.for_members: list[_Kept] = []
        self._server = server
        self._dial = dial
        self._service = service
        self._clock = clock
        self._most_idle = most_idle
        self._made: list[LdapConnection] = []

    @property
    def unfinished(self) -> list[LdapConnection]:
        """Every connection that is not at its end, also those that were given up and are still being closed."""
        self._made = [connection for connection in self._made if not connection.closed.is_set()]
        return self._made

    def take(self, home: list[_Kept]) -> LdapConnection | None:
        """The one that was used last; those that waited long are closed. None: there is none."""
        oldest = self._clock.monotonic() - LONGEST_IDLE
        while home and home[0].since < oldest:
            home.pop(0).connection.close()
        while home:
            connection = home.pop().connection
            if connection.is_open:
                return connection
        return None

    def give_back(self, connection: LdapConnection, home: list[_Kept]) -> None:
        """Keep it for the next question."""
        if connection.is_open and connection.is_quiet and len(home) < self._most_idle:
            home.append(_Kept(connection, self._clock.monotonic()))
        else:
            connection.close()

    def drop_idle(self) -> None:
        """Close what waits."""
        dropped = [kept.connection for kept in self.for_service + self.for_members]
        self.for_service.clear()
        self.for_members.clear()
        for connection in dropped:
            connection.close()

    async def new_for_members(self) -> LdapConnection:
        """A new connection.

        Raises:
            ServerFault: there is none.
        """
        return await self._new()

    async def new_for_service(self) -> LdapConnection:
        """A new connection that acts as the service.

        Raises:
            ServerFault: there is none.
        """
        connection = await self._new()
        try:
            await self._bind_service(connection)
        except BaseException:
            connection.abort()
            raise
        return connection

    async def _new(self) -> LdapConnection:
        connection = await self._dial(self._server)
        self.unfinished.append(connection)
        return connection

    async def _bind_service(self, connection: LdapConnection) -> None:
        if not self._service.name:
            return
        result = await connection.bind(self._service.name, self._service.password)
        if result.code:
            told = visible(result.diagnostic, 200)
            raise ServerFault(
                f"{self.text}: bind_dn with bind_password_file is refused (code {result.code}) {told}".rstrip()
            )


class Line:
    """One server, as one question sees it."""

    def __init__(self, server: _Server) -> None:
        self._server = server
        self.has_reused = False

    @asynccontextmanager
    async def as_service(self) -> AsyncIterator[LdapConnection]:
        """A connection that acts as the service.

        Raises:
            ServerFault: there is none.
        """
        home = self._server.for_service
        async with self._leased(self._reused(home) or await self._server.new_for_service(), home) as leased:
            yield leased

    @asynccontextmanager
    async def as_member(self) -> AsyncIterator[LdapConnection]:
        """A connection on which a member's password can be tried.

        Raises:
            ServerFault: there is none.
        """
        home = self._server.for_members
        async with self._leased(self._reused(home) or await self._server.new_for_members(), home) as leased:
            yield leased

    def _reused(self, home: list[_Kept]) -> LdapConnection | None:
        connection = self._server.take(home)
        self.has_reused = self.has_reused or connection is not None
        return connection

    @asynccontextmanager
    async def _leased(self, connection: LdapConnection, home: list[_Kept]) -> AsyncIterator[LdapConnection]:
        try:
            yield connection
        except TemporaryFailure:  # the answer was of no use, and the connection is as good as before
            self._server.give_back(connection, home)
            raise
        except BaseException:
            connection.abort()
            raise
        self._server.give_back(connection, home)


class LdapServers:
    """All servers of one source. timeout: seconds for one question, with all servers that are tried."""

    def __init__(
        self,
        servers: tuple[LdapServer, ...],
        dial: Dial,
        service: ServiceName,
        *,
        clock: Clock,
        timeout: float,
        most_idle: int,
    ) -> None:
        self._servers = tuple(_Server(server, dial, service, clock, most_idle) for server in servers)
        self._clock = clock
        self._timeout = timeout * _SHARE

    async def ask(self, question: Callable[[Line], Awaitable[_T]]) -> _T:
        """The answer of the first server that has one.

        Raises:
            TemporaryFailure: none has (`down`), or the question says so.
        """
        ends = self._clock.monotonic() + self._timeout
        servers, failures = self._in_order(), []
        for at, server in enumerate(servers):
            left = max(ends - self._clock.monotonic(), 0.0) / (len(servers) - at)
            try:
                return await self._ask_one(server, question, left)
            except ServerFault as fault:
                failures.append(fault.detail)
                server.failed_until = self._clock.monotonic() + ASKED_LAST
                server.drop_idle()
        raise down("; ".join(failures))

    async def close(self) -> None:
        """Close all that waits, and give what is not at its end a moment to get there in good order."""
        for server in self._servers:
            server.drop_idle()
        leaving = [connection for server in self._servers for connection in server.unfinished]
        with suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE):
                for connection in leaving:
                    await connection.closed.wait()
        for connection in leaving:
            connection.abort()

    def _in_order(self) -> list[_Server]:
        """As configured, those that failed lately behind the others."""
        now = self._clock.monotonic()
        return sorted(self._servers, key=lambda server: server.failed_until > now)

    async def _ask_one(self, server: _Server, question: Callable[[Line], Awaitable[_T]], time: float) -> _T:
        try:
            async with asyncio.timeout(time):
                return await self._ask_again(server, question)
        except TimeoutError:
            detail = f"{server.text}: no answer within {time:.1f} s: is it overloaded, or cut off?"
            raise ServerFault(detail) from None

    async def _ask_again(self, server: _Server, question: Callable[[Line], Awaitable[_T]]) -> _T:
        line = Line(server)
        try:
            return await question(line)
        except ServerFault as fault:
            if not fault.is_lost or not line.has_reused:
                raise
            server.drop_idle()
            return await question(line)
