"""Connections to Dovecot's authentication service: one to a socket, with all questions of a worker on it.

Theory of operation. Answers are told apart by their numbers. A connection that breaks fails the questions on it; each
is asked once more on a fresh one, as after a restart of Dovecot. A question that is cancelled is forgotten, and its
answer passed over. If nothing at all was heard since it was asked, the connection is not used again: whoever is stuck
there would be asked for ever. Nor is one of more than a minute: Dovecot's process of before a reload lives on, with
the configuration of before, until its clients leave.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import cast

from sams.config.source_checks import dovecot_socket
from sams.core.errors import TemporaryFailure
from sams.identity.sources.interface import down, unanswerable
from sams.protocol.dovecot import Answer, DovecotEngine, DovecotError, Socket

_MAX_UNANSWERED = 1_000
"""Cancelled questions on a connection whose answers are still to come."""
LONGEST_USE = 60.0
"""Seconds for which questions are asked on one connection."""
_CPID_BITS = 31


class _BrokenError(Exception):
    """The connection is over; the message says why."""


class DovecotChannel:
    """A socket of Dovecot, and the connection to it as long as there is one."""

    __slots__ = ("_address", "_is_closed", "_kind", "_link", "_opening", "_patience", "_where")

    def __init__(self, address: str, kind: Socket, patience: float) -> None:
        """A socket. patience: seconds for a connection and its handshake."""
        self._where = address
        self._address = dovecot_socket(address)
        self._kind = kind
        self._patience = patience
        self._link: _Link | None = None
        self._opening = asyncio.Lock()
        self._is_closed = False

    async def ask(self, verb: str, *parameters: str) -> Answer:
        """Ask, once more on a fresh connection if this one breaks.

        Raises:
            TemporaryFailure: no connection, or a second one that broke.
        """
        try:
            return await (await self._connected()).ask(verb, parameters)
        except _BrokenError:
            pass
        try:
            return await (await self._connected()).ask(verb, parameters)
        except _BrokenError as error:
            raise self.down(str(error)) from None

    def close(self) -> None:
        """Hang up."""
        self._is_closed = True
        if self._link is not None:
            self._link.leave("closed here")

    def down(self, what: str) -> TemporaryFailure:
        """A failure of this socket. what: in words for administrators."""
        return down(f"Dovecot at {self._where}: {what}")

    def unanswerable(self, what: str) -> TemporaryFailure:
        """It is up, and has no answer to this one question."""
        return unanswerable(f"Dovecot at {self._where}: {what}")

    async def _connected(self) -> _Link:
        if self._link is not None and self._link.is_usable:
            return self._link
        async with self._opening:
            if self._link is not None and self._link.is_usable:
                return self._link
            if self._link is not None:
                self._link.leave_when_done()
            self._link = await self._connect()
            return self._link

    async def _connect(self) -> _Link:
        if self._is_closed:
            raise self.down("closed here")
        link: _Link | None = None
        try:
            async with asyncio.timeout(self._patience):
                link = await self._dial()
                await link.until_ready()
        except TimeoutError:
            raise self.down(
                f"no handshake within {self._patience:g} s: is it overloaded or stopped?"
            ) from None
        except OSError as error:
            raise self.down(_why(error)) from None
        except _BrokenError as error:
            raise self.down(str(error)) from None
        finally:
            if link is not None and not link.is_ready:
                link.leave("no handshake")
        return link

    async def _dial(self) -> _Link:
        loop = asyncio.get_running_loop()
        engine = DovecotEngine(self._kind, 1 + secrets.randbits(_CPID_BITS))
        if isinstance(self._address, str):
            _, link = await loop.create_unix_connection(lambda: _Link(engine), self._address)
        else:
            _, link = await loop.create_connection(lambda: _Link(engine), *self._address)
        return link


class _Link(asyncio.Protocol):
    """One connection. Every question is a future by its number."""

    def __init__(self, engine: DovecotEngine) -> None:
        self._engine = engine
        self._transport: asyncio.Transport | None = None
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting = dict[int, asyncio.Future[Answer]]()
        self._unanswered = set[int]()
        self._began = asyncio.get_running_loop().time()
        self._heard = 0
        self._why_over = ""
        self._is_leaving = False

    @property
    def is_ready(self) -> bool:
        """The handshake is over, and the connection is not."""
        return self._engine.is_ready and not self._why_over

    @property
    def is_usable(self) -> bool:
        """A question may be asked."""
        is_young = asyncio.get_running_loop().time() - self._began < LONGEST_USE
        return self.is_ready and not self._is_leaving and is_young

    async def until_ready(self) -> None:
        """Wait for the handshake.

        Raises:
            _BrokenError: there will be none.
        """
        await self._ready

    async def ask(self, verb: str, parameters: tuple[str, ...]) -> Answer:
        """One question.

        Raises:
            _BrokenError: the connection was over before the answer.
        """
        number = self._send(verb, parameters)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        heard = self._heard
        try:
            told: Answer = await answer
        except asyncio.CancelledError:
            self._forget(number, is_stuck=heard == self._heard)
            raise
        return told

    def leave(self, why: str) -> None:
        """Close; whoever waits hears why."""
        if self._transport is not None:
            self._transport.abort()
        self._end(why)

    def leave_when_done(self) -> None:
        """Close when all questions are answered; no more are asked."""
        self._is_leaving = True
        self._leave_if_done()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say hello."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._engine.opening())

    def data_received(self, data: bytes) -> None:
        """Give answers to those who asked."""
        self._heard += 1
        answers = self._engine.receive(data)
        if self._engine.is_ready and not self._ready.done():
            self._ready.set_result(None)
        for answer in answers:
            self._hand_over(answer)
        if self._engine.failure:
            self.leave(self._engine.failure)

    def connection_lost(self, exc: Exception | None) -> None:
        """Dovecot hung up, or the connection broke."""
        self._end("it closed the connection" if exc is None else _why(exc))

    def _send(self, verb: str, parameters: tuple[str, ...]) -> int:
        if self._transport is None or self._is_leaving or not self.is_ready:
            raise _BrokenError(self._why_over or "the connection is not used any more")
        try:
            number, octets = self._engine.ask(verb, *parameters)
        except DovecotError as error:
            self._is_leaving = True
            raise _BrokenError(str(error)) from None
        self._transport.write(octets)
        return number

    def _hand_over(self, answer: Answer) -> None:
        waiting = self._waiting.pop(answer.number, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)
        elif waiting is None and answer.number not in self._unanswered:
            self.leave("it answered a question twice")
        self._unanswered.discard(answer.number)
        self._leave_if_done()

    def _forget(self, number: int, *, is_stuck: bool) -> None:
        """A question was cancelled."""
        if self._waiting.pop(number, None) is not None:
            self._unanswered.add(number)
        self._is_leaving = self._is_leaving or is_stuck or len(self._unanswered) > _MAX_UNANSWERED
        self._leave_if_done()

    def _leave_if_done(self) -> None:
        if self._is_leaving and not self._waiting:
            self.leave("it gave no answer")

    def _end(self, why: str) -> None:
        if self._why_over:
            return
        self._why_over = why
        waiting: list[asyncio.Future[None] | asyncio.Future[Answer]] = [self._ready, *self._waiting.values()]
        for future in waiting:
            if not future.done():
                future.set_exception(_BrokenError(why))
        self._waiting.clear()
        if not self._ready.cancelled():
            self._ready.exception()  # looked at, for nobody may be waiting for it any more


def _why(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) else ""
    return f"no connection ({text or type(error).__name__}): does it run, and may this user open the socket?"
