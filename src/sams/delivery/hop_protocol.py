"""The driver of a conversation: one asyncio protocol that resumes its dialogue when what it waits for has come.

Theory of operation
-------------------
A dialogue advances in the callbacks of the loop, not in a task of its own: a reply that arrives resumes the
generator at once, and what that queues is written before the callback returns. Who asked for the dialogue hears
of its end: by a call (`start`), or as a task that wakes once (`run`). A message that is read piece by piece wakes
the task for each piece, since only a task can wait for the disk.

There is one timer for a connection. A wait sets a deadline, which is an assignment; the timer is armed anew only
when a deadline comes sooner than it would ring, and when it rings too early it goes back to sleep. A deadline
counts from the last reply (or the last piece that was taken), never from the last octet: who trickles is late.
"""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import TypeVar, cast

from sams.core.reply import reply
from sams.delivery.hop_tls import HopTls, HopTlsError
from sams.protocol.smtp.client import SmtpClient
from sams.protocol.smtp.client_waits import (
    ConversationEnded,
    Dialogue,
    ForPiece,
    ForReply,
    ForRoom,
    ForTls,
    Stage,
    Wait,
    lost,
    too_slow,
)

_T = TypeVar("_T")
_WRITE_BUFFER = 262_144


class HopProtocol(asyncio.Protocol):
    """Drives the dialogues of one `SmtpClient` over one connection, one at a time.

    is_lost: the connection is gone, or was given up.
    tls: the session, once there is one.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        client: SmtpClient,
        make_tls: Callable[[], HopTls],
        *,
        verified: bool,
        tls_first: bool = False,
    ) -> None:
        """Prepare to drive `client`.

        tls_first: the handshake begins with the connection; no octet in clear is ever heard.

        verified: a handshake of `make_tls`'s sessions only succeeds where the hop proves its name.
        """
        self._loop = loop
        self._client = client
        self._make_tls = make_tls
        self._verified = verified
        self._tls_first = tls_first
        self._transport: asyncio.Transport | None = None
        self._dialogue: Dialogue[object] | None = None
        self._waiting: Wait | None = None
        self._wake: asyncio.Future[None] | None = None
        self._result: object = None
        self._failure: Exception | None = None
        self._over: Callable[[Exception | None], None] | None = None
        self._is_full = False
        self._was_opened = False
        self._cause = ""
        self._tls_fault = ""
        self._deadline = self._end = math.inf
        self._rings = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._source: AsyncIterator[bytes] | None = None
        self.is_lost = False
        self.tls: HopTls | None = None

    async def run(self, dialogue: Dialogue[_T], limit: float) -> _T:
        """Drive a dialogue to its end.

        limit: seconds that all of it may take.

        Raises:
            Whatever the dialogue, or a message's source of pieces, raises. The connection is cut then, as it is
            when the task is cancelled.
        """
        assert self._dialogue is None, "one dialogue at a time"
        self._dialogue = dialogue
        self._result = self._failure = None
        self._end = self._loop.time() + limit
        try:
            self._advance()
            while self._is_busy:
                await self._sleep()
        except BaseException:
            self.abort()
            raise
        finally:
            await self._leave(dialogue)
        return cast("_T", self._outcome())

    def start(self, dialogue: Dialogue[None], limit: float, over: Callable[[Exception | None], None]) -> None:
        """Drive a dialogue that never waits for a piece of a message. The connection stands.

        over: called at its end, in the callback that brought it; with what the dialogue raised a moment later: then
            the connection is cut.
        """
        assert self._dialogue is None, "one dialogue at a time"
        self._dialogue, self._over = dialogue, over
        self._end = self._loop.time() + limit
        self._advance()

    def drop(self) -> None:
        """Cut the connection under what `start` began; nobody is told of its end."""
        self.abort()
        dialogue, self._dialogue = self._dialogue, None
        self._waiting = self._over = None
        if dialogue is not None:
            dialogue.close()

    @property
    def _is_busy(self) -> bool:
        return self._dialogue is not None

    def _outcome(self) -> object:
        if self._failure is not None:
            self.abort()
            raise self._failure
        return self._result

    def close(self) -> None:
        """Say goodbye, as far as the conversation allows, and close when that is written."""
        if self._transport is None or self.is_lost:
            return
        self._client.quit()
        self._flush()
        if self.tls is not None and self.tls.established:
            self.tls.close()
            self._transport.write(self.tls.take_outgoing())
        self._transport.close()
        self._give_up()

    def abort(self) -> None:
        """Cut the connection: what is not written yet is dropped."""
        if self._transport is not None:
            self._transport.abort()
        self._give_up()

    # ---- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_WRITE_BUFFER)
        sock = self._transport.get_extra_info("socket")
        if self._tls_first:
            self._begin_tls()
        if sock is not None and sock.family in {socket.AF_INET, socket.AF_INET6}:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        """Octets came."""
        if self.is_lost:
            return
        if self.tls is not None:
            self._receive_tls(self.tls, data)
        elif self._client.receive(data):
            self._heard()

    def pause_writing(self) -> None:
        """The hop takes less than we write."""
        self._is_full = True

    def resume_writing(self) -> None:
        """It caught up."""
        self._is_full = False
        self._go_on(ForRoom)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, by whoever's doing."""
        self._cause = self._cause or (str(exc) if exc is not None else "the next hop closed it")
        self._give_up()
        if self._waiting is not None and not isinstance(self._waiting, ForPiece):
            self._advance(error=self._loss(self._waiting.stage))

    # ---- the dialogue

    def _advance(self, piece: bytes | None = None, error: ConversationEnded | None = None) -> None:
        """Resume the dialogue, until it has to wait for something that has not come."""
        dialogue, self._waiting = self._dialogue, None
        if dialogue is None:
            return
        try:
            wait = dialogue.send(piece) if error is None else dialogue.throw(error)
            while self.is_lost or self._has_come(wait):
                wait = dialogue.throw(self._loss(wait.stage)) if self.is_lost else dialogue.send(None)
        except StopIteration as stop:
            self._finish(stop.value, None)
        except Exception as failure:  # noqa: BLE001 - `run` raises it where someone can tell what it means
            self._finish(None, failure)
        else:
            self._waiting = wait
            self._set_deadline(wait)
            if isinstance(wait, ForPiece):
                self._rouse()

    def _has_come(self, wait: Wait) -> bool:
        """Begin a wait; whether it is over already."""
        if isinstance(wait, ForTls):
            return self._is_secure(self.tls or self._begin_tls())
        if not isinstance(wait, ForPiece):
            self._flush()
        return isinstance(wait, ForRoom) and not self._is_full

    def _heard(self) -> None:
        """A reply has come, or a fault; between dialogues either ends the conversation."""
        if self._dialogue is None and self._was_opened:
            self._cause = "the next hop spoke unasked"
            self.abort()
        else:
            self._go_on(ForReply, ForRoom)

    def _go_on(self, *kinds: type[Wait]) -> None:
        if isinstance(self._waiting, kinds):
            self._advance()

    def _finish(self, result: object, failure: Exception | None) -> None:
        self._dialogue, self._result, self._failure = None, result, failure
        self._was_opened = True
        self._deadline = math.inf
        over, self._over = self._over, None
        if over is None:
            self._rouse()
            return
        if failure is None:
            over(None)
        else:  # it may be raised at once, and who began it must have begun before it is over
            self.abort()
            self._loop.call_soon(over, failure)

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def _sleep(self) -> None:
        """Wait for the end of the dialogue, or bring the piece of the message that it asks for."""
        if isinstance(self._waiting, ForPiece):
            self._source = self._waiting.source
            self._advance(await anext(self._source, b""))
            return
        self._wake = self._loop.create_future()
        try:
            await self._wake
        finally:
            self._wake = None

    async def _leave(self, dialogue: Dialogue[_T]) -> None:
        self._dialogue = self._waiting = None
        self._deadline = math.inf
        dialogue.close()
        source, self._source = self._source, None
        if isinstance(source, AsyncGenerator):
            await source.aclose()

    # ---- the octets

    def _receive_tls(self, tls: HopTls, data: bytes) -> None:
        """Plain text is taken before the handshake is called done: a hop that speaks unasked is found out."""
        try:
            plain = tls.receive(data)
        except HopTlsError as error:
            self._tls_failed(tls, str(error))
            return
        came = bool(plain) and self._client.receive(plain)
        if isinstance(self._waiting, ForTls):
            if self._is_secure(tls):
                self._advance()
        elif came:
            self._heard()
        self._write(tls.take_outgoing())
        if tls.peer_closed and self._transport is not None:
            self._transport.close()

    def _tls_failed(self, tls: HopTls, reason: str) -> None:
        self._write(tls.take_outgoing())
        self._cause = self._tls_fault = reason
        if self._transport is not None:
            self._transport.close()
        self._give_up()
        if self._waiting is not None and not isinstance(self._waiting, ForPiece):
            self._advance(error=self._loss(self._waiting.stage))

    def _begin_tls(self) -> HopTls:
        self.tls = self._make_tls()
        self.tls.begin()
        self._write(self.tls.take_outgoing())
        return self.tls

    def _is_secure(self, tls: HopTls) -> bool:
        if tls.established:
            self._client.secured(verified=self._verified)
        return tls.established

    def _loss(self, stage: Stage) -> ConversationEnded:
        """Why the conversation ends: a handshake that failed tells more than the connection that went with it."""
        if stage is Stage.HANDSHAKE and self._tls_fault:
            text = f"TLS with the next hop failed: {self._tls_fault}"
            return ConversationEnded(stage, reply(451, "4.7.5", text), self._tls_fault)
        return lost(stage, self._cause)

    def _flush(self) -> None:
        """Write all that the dialogue queued, in one piece."""
        pieces = self._client.take_outgoing()
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if self.tls is not None:
            if data:
                self.tls.send(data)
            data = self.tls.take_outgoing()
        self._write(data)

    def _write(self, data: bytes) -> None:
        if data and self._transport is not None and not self.is_lost:
            self._transport.write(data)

    def _give_up(self) -> None:
        self.is_lost = True
        self._deadline = math.inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # ---- the timer

    def _set_deadline(self, wait: Wait) -> None:
        """A piece of the message is ours to bring: only the whole transaction's time runs meanwhile."""
        seconds = math.inf if isinstance(wait, ForPiece) else wait.seconds
        self._deadline = min(self._loop.time() + seconds, self._end)
        if self._timer is None or self._deadline < self._rings:
            self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings = self._deadline
        self._timer = self._loop.call_at(self._rings, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._loop.time() < self._deadline < math.inf:
            self._arm()
        elif self._deadline < math.inf and self._waiting is not None:
            self._cause = "too slow"
            self._advance(error=too_slow(self._waiting.stage))
