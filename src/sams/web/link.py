"""What the pages ask of the service, and how they reach it: the only way from a page to the state of SAMS."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from sams.control import sockets, wire
from sams.control.messages import (
    Done,
    Failure,
    PagesSignedIn,
    PagesSignIn,
    PagesSignOut,
    Request,
    Response,
    Stories,
    StoriesOfAddress,
    StoriesOfMember,
    Trouble,
)
from sams.core.translatable import translatable

MAX_AT_ONCE = 8
"""Questions under way: fewer than the service takes from the pages, whatever visitors do."""
MAX_SIGN_INS = 4
"""The same of sign-ins, which have places of their own: a slow directory holds up nothing else."""
MAX_WAITING = 200
"""Questions that wait for one of these to end; further ones fail at once."""
ANSWER_SECONDS = 10.0
SIGN_IN_SECONDS = 45.0
"""Directories may be slow, and a wrong password is answered late on purpose."""

_Expected = TypeVar("_Expected", bound=Response)


class ServiceUnreachable(Exception):
    """The service does not answer.

    text: for the visitor, in English and marked for the catalogues. detail: for the log.
    """

    def __init__(self, text: str, detail: str) -> None:
        super().__init__(detail)
        self.text = text
        self.detail = detail


_DOWN = translatable("The mail service does not answer just now. Please try again in a minute.")
_BUSY = translatable("The mail service has too much to do just now. Please try again in a minute.")


class Link(Protocol):
    """The service, as the pages see it. Everything here may raise `ServiceUnreachable`."""

    async def sign_in(self, login: str, password: str, address: str) -> PagesSignedIn:
        """Check a password for a visitor at an address, as a sign-in of mail is checked."""
        ...

    async def sign_out(self, ticket: str) -> None:
        """Forget a ticket; one that is not known is forgotten already."""
        ...

    async def stories_of_address(self, address: str, since: float) -> Stories:
        """What happened to connections from an address since a time (UNIX seconds), for strangers."""
        ...

    async def stories_of_member(self, ticket: str, since: float) -> Stories:
        """What happened to the connections and messages of a ticket's member since a time (UNIX seconds)."""
        ...


class ControlLink:
    """The service over its control socket (`Link`): a connection for each question, every wait with an end.

    data_dir: of the service.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        answer_seconds: float = ANSWER_SECONDS,
        sign_in_seconds: float = SIGN_IN_SECONDS,
        at_once: int = MAX_AT_ONCE,
        waiting: int = MAX_WAITING,
    ) -> None:
        self._path = sockets.service_path(data_dir)
        self._answer_seconds = answer_seconds
        self._sign_in_seconds = sign_in_seconds
        self._most = waiting
        self._turns = asyncio.Semaphore(at_once)
        self._sign_in_turns = asyncio.Semaphore(MAX_SIGN_INS)
        self._waiting = 0

    async def sign_in(self, login: str, password: str, address: str) -> PagesSignedIn:
        """As `Link`."""
        request = PagesSignIn(login=login, password=password, address=address)
        return await self._ask(request, PagesSignedIn, self._sign_in_seconds, self._sign_in_turns)

    async def sign_out(self, ticket: str) -> None:
        """As `Link`."""
        await self._ask(PagesSignOut(ticket), Done, self._answer_seconds, self._turns)

    async def stories_of_address(self, address: str, since: float) -> Stories:
        """As `Link`."""
        return await self._ask(StoriesOfAddress(address, since), Stories, self._answer_seconds, self._turns)

    async def stories_of_member(self, ticket: str, since: float) -> Stories:
        """As `Link`."""
        return await self._ask(StoriesOfMember(ticket, since), Stories, self._answer_seconds, self._turns)

    async def _ask(
        self, request: Request, expected: type[_Expected], seconds: float, turns: asyncio.Semaphore
    ) -> _Expected:
        try:
            async with asyncio.timeout(seconds), self._turn(turns):
                response = await self._exchange(request)
        except TimeoutError:
            raise ServiceUnreachable(_BUSY, f"no answer within {seconds:g} seconds") from None
        if isinstance(response, Failure):
            text = _BUSY if response.trouble is Trouble.BUSY else _DOWN
            raise ServiceUnreachable(text, f"{response.trouble.value}: {response.text}")
        if not isinstance(response, expected):
            raise ServiceUnreachable(_DOWN, "an answer to another question")
        return response

    @asynccontextmanager
    async def _turn(self, turns: asyncio.Semaphore) -> AsyncIterator[None]:
        if turns.locked() and self._waiting >= self._most:
            raise ServiceUnreachable(_BUSY, f"{self._waiting} questions wait for the service")
        self._waiting += 1
        try:
            await turns.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            turns.release()

    async def _exchange(self, request: Request) -> Response:
        try:
            line = wire.encode(request)
            connection = sockets.connect_at_once(self._path)
            return wire.decode_response(await _asked(connection, line))
        except BlockingIOError:
            raise ServiceUnreachable(_BUSY, "its control socket takes no connection now") from None
        except (OSError, ValueError) as error:
            raise ServiceUnreachable(_DOWN, f"{self._path.name}: {error}") from None
        except wire.WireError as error:
            raise ServiceUnreachable(_DOWN, error.text) from None


async def _asked(connection: socket.socket, line: bytes) -> bytes:
    """The answer's line.

    Raises:
        OSError: the service hung up. ValueError: the line has no end.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(sock=connection, limit=wire.MAX_LINE)
    except BaseException:
        connection.close()
        raise
    try:
        writer.write(line)
        answer = await reader.readline()
    finally:
        writer.transport.abort()
    if not answer.endswith(b"\n"):
        raise ConnectionResetError("it ended before it answered")
    return answer
