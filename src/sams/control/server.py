"""The service's end of a control socket.

Each connection is one task that reads a line, answers it and reads the next: requests of one connection never
overtake each other, and other work has its turn between two of them. Who may give no commands waits for a turn among
all such peers (`pace.py`). Whatever goes wrong in a handler becomes an answer, and the connection goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from structlog.typing import FilteringBoundLogger

from sams.control import sockets, wire
from sams.control.messages import ROLE_FOR, Failure, Request, Response, Role, Trouble
from sams.control.pace import LONGEST_LINE, PER_SECOND, Pace
from sams.control.peers import Peer, Roles, peer_of
from sams.core.errors import OperatorError, SamsError
from sams.core.ids import new_reference

Handler = Callable[[Any, Peer], Awaitable[Response]]
"""Answers requests of the one type that it stands under in the table, for the peer that asks.

It raises OperatorError for what the caller can put right: the text goes to the caller.
"""
Handlers = Mapping[type[Request], Handler]

MAX_CONNECTIONS = 32
STRANGERS_PART = 4
"""Peers without any role get this part of the connections: one in so many."""
PAGES_PART = 0.75
"""The web process gets this part of them: whatever visitors do, commands find a place."""
_UNLOGGED = frozenset({Role.READ, Role.PAGES})
"""What changes nothing; sign-ins at the pages stand in the journal."""
IDLE_SECONDS = 60.0
"""How long a connection may wait with its next request, and for the peer to take an answer."""
_PAUSE_SECONDS = 1.0
"""How long nothing is accepted after the system had no descriptor left."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A connection. of_pages: it may ask what the pages ask, alone. commands: it may ask other things."""

    connection: socket.socket
    of_pages: bool
    commands: bool

    @property
    def longest(self) -> int:
        """Octets of a request."""
        return wire.MAX_LINE if self.commands else LONGEST_LINE


class ControlServer:
    """Listens at `path` and answers by the table of handlers.

    Args:
        path: of the socket; see `sockets.service_path` and `sockets.worker_path`.
        handlers: by type of request. A type that has none is answered with `Trouble.UNKNOWN`.
        roles: who may ask what, with `ROLE_FOR`.
        log: what is changed is logged, and bugs; it must not show the values of a traceback's variables.
        max_connections: further ones are told that it is busy.
        idle_seconds: see `IDLE_SECONDS`.
        per_second: requests of who may give no commands.
    """

    def __init__(
        self,
        path: Path,
        handlers: Handlers,
        roles: Roles,
        *,
        log: FilteringBoundLogger,
        max_connections: int = MAX_CONNECTIONS,
        idle_seconds: float = IDLE_SECONDS,
        per_second: float = PER_SECOND,
    ) -> None:
        self._path = path
        self._handlers = handlers
        self._roles = roles
        self._log = log
        self._max_connections = max_connections
        self._idle_seconds = idle_seconds
        self._per_second = per_second
        self._pace: Pace | None = None
        self._listener: socket.socket | None = None
        self._open: dict[asyncio.Task[None], _Place] = {}
        self._inode = 0

    async def start(self) -> None:
        """Begin to listen.

        Raises:
            OperatorError: another service listens there already.
            OSError: the socket cannot be made.
        """
        self._pace = Pace(self._per_second)
        self._listener = sockets.listen(self._path, self._max_connections)
        self._inode = self._path.stat().st_ino
        self._watch(self._listener)

    def replace(self, handlers: Handlers, roles: Roles) -> None:
        """Answer by another table from the next request on: after a reload."""
        self._handlers = handlers
        self._roles = roles

    async def close(self) -> None:
        """Stop listening, end every connection, and take the socket's name away."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        asyncio.get_running_loop().remove_reader(listener)
        listener.close()
        self._remove_own_socket()
        connections = dict(self._open)
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        for place in connections.values():  # a task that had not begun has closed nothing
            place.connection.close()

    def _remove_own_socket(self) -> None:
        """A service that was started meanwhile may have its own socket under this name."""
        with contextlib.suppress(FileNotFoundError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()

    def _watch(self, listener: socket.socket) -> None:
        if listener is self._listener:
            asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        """asyncio.Server would do, but loses what it has accepted when it is closed in the same turn."""
        loop = asyncio.get_running_loop()
        try:
            connection, _ = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            self._log.warning("no control connection can be taken now", why=error.strerror)
            loop.remove_reader(listener)
            loop.call_later(_PAUSE_SECONDS, self._watch, listener)
            return
        connection.setblocking(False)
        place = self._place_for(connection)
        if place is None:
            _turn_away(connection)
            return
        task = loop.create_task(self._serve(place))
        self._open[task] = place
        task.add_done_callback(self._open.pop)

    def _place_for(self, connection: socket.socket) -> _Place | None:
        """Who may ask nothing is told so, but cannot take the places of those who may; nor can the pages."""
        try:
            roles = self._roles.of(peer_of(connection))
        except OSError:
            return None
        of_pages = roles == {Role.PAGES}
        taken = len(self._open)
        most = self._max_connections if roles else max(1, self._max_connections // STRANGERS_PART)
        if of_pages:
            taken = sum(place.of_pages for place in self._open.values())
            most = int(self._max_connections * PAGES_PART)
        has_room = taken < most and len(self._open) < self._max_connections
        return _Place(connection, of_pages, bool(roles - {Role.PAGES})) if has_room else None

    async def _serve(self, place: _Place) -> None:
        connection = place.connection
        try:
            peer = peer_of(connection)
            reader, writer = await asyncio.open_unix_connection(sock=connection, limit=place.longest)
        except OSError as error:
            connection.close()
            self._log.debug("control connection ended early", path=str(self._path), why=error.strerror)
            return
        try:
            await self._converse(reader, writer, peer, place)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: Peer, place: _Place
    ) -> None:
        try:
            while line := await self._read_line(reader, place.longest):
                await self._turn(place)
                await self._send(writer, await self._answer(line, peer))
        except wire.WireError as error:
            await self._send(writer, Failure(error.trouble, error.text))
        except (OSError, TimeoutError):
            self._log.debug("control connection ended early", path=str(self._path), pid=peer.pid)

    async def _turn(self, place: _Place) -> None:
        """Other work goes first: a whole buffer of requests may have come at once."""
        if place.commands or self._pace is None:
            await asyncio.sleep(0)
        else:
            await self._pace.turn()

    async def _read_line(self, reader: asyncio.StreamReader, longest: int) -> bytes:
        """The next line, empty at the end.

        Raises:
            WireError: it is too long.
        """
        async with asyncio.timeout(self._idle_seconds):
            try:
                return await reader.readline()
            except ValueError:
                text = f"a request has at most {longest} octets"
                raise wire.WireError(Trouble.MALFORMED, text) from None

    async def _answer(self, line: bytes, peer: Peer) -> Response:
        try:
            request = wire.decode_request(line)
        except wire.WireError as error:
            return Failure(error.trouble, error.text)
        return self._refusal(request, peer) or await self._handle(request, peer)

    def _refusal(self, request: Request, peer: Peer) -> Failure | None:
        needed = ROLE_FOR[type(request)]
        if needed in self._roles.of(peer):
            return None
        self._log.warning(
            "control request refused", request=type(request).__name__, uid=peer.uid, pid=peer.pid
        )
        return Failure(Trouble.FORBIDDEN, f"your user may not do this: it needs the role `{needed.value}`")

    async def _handle(self, request: Request, peer: Peer) -> Response:
        name = type(request).__name__
        handler = self._handlers.get(type(request))
        if handler is None:
            return Failure(Trouble.UNKNOWN, f"this part of the service does not answer {name}")
        if ROLE_FOR[type(request)] not in _UNLOGGED:
            self._log.info("control request", request=name, uid=peer.uid, pid=peer.pid)
        try:
            return await handler(request, peer)
        except OperatorError as error:
            return Failure(Trouble.REFUSED, str(error))
        except SamsError as error:
            self._log.warning("control request failed", request=name, why=str(error))
            return Failure(Trouble.REFUSED, f"{error.reply.lines[0]} ({error})")
        except Exception:  # noqa: BLE001 - a bug in one handler must not harm the service; it is logged whole
            reference = new_reference()
            self._log.exception("control request failed", request=name, ref=reference)
            return Failure(Trouble.BUG, f"the service failed to do this; its log says why (ref {reference})")

    async def _send(self, writer: asyncio.StreamWriter, response: Response) -> None:
        try:
            line = wire.encode(response)
        except wire.WireError as error:
            line = wire.encode(Failure(Trouble.BUG, f"the answer does not fit: {error.text}"))
        async with asyncio.timeout(self._idle_seconds):
            writer.write(line)
            await writer.drain()


def _turn_away(connection: socket.socket) -> None:
    """A socket that was just opened has room for one line."""
    with connection, contextlib.suppress(OSError):
        connection.send(wire.encode(Failure(Trouble.BUSY, "too many commands at once: try again")))
