"""One connection: where bytes, TLS, the engine and time meet. What the events mean is the session's business.

Theory of operation
-------------------
Everything happens in callbacks of the loop; there is no task and no timer of a connection's own. Bytes arrive in
`buffer_updated`, pass TLS where it is on, and go into the engine. `_pump` then takes events from the engine and
hands each to the session, until the engine wants bytes or an answer, and writes all replies at once.

When the session cannot answer at once (a password is being hashed, a commit is under way, the disk lags behind)
it calls `wait_for` with a future. The engine holds the commands that were pipelined behind. Reading goes on until
the peer sends anything more: that one read (64 KiB) is kept, and only then is the socket paused, so that a peer
that waits for its answer, as nearly all do, costs no change of what the loop watches. Reading is paused as well
while the peer does not take our replies.

The receive buffer belongs to the worker, not to the connection: a read fills it and the same callback empties it,
so that an idle connection holds no buffer at all.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Protocol, TypeVar, cast

from sams.core.errors import SamsError
from sams.core.reply import Reply, reply
from sams.protocol.smtp.events import Closed, Event, Need, StartTls
from sams.protocol.smtp.server import ServerEngine
from sams.submission.deadlines import DeadlineWheel, Late, Progress, TimeLimits, judge
from sams.submission.tls import ServerTls, TlsError, TlsFacts

_T = TypeVar("_T")

RECEIVE_BUFFER = 65_536
WRITE_HIGH_WATER = 65_536
LINGER = 30.0
"""Seconds that a peer has to take the last replies."""
BUG = reply(451, "4.3.0", "Something went wrong here; try again later")


class EventHandler(Protocol):
    """The session behind a connection."""

    def handle(self, event: Event) -> None:
        """Act on an event; answer it through the engine now, or later from `Connection.wait_for`."""
        ...

    def tls_established(self, facts: TlsFacts) -> None:
        """TLS is on."""
        ...

    def tls_failed(self, reason: str) -> None:
        """The handshake or a record failed; the connection ends."""
        ...

    def bug(self, error: Exception) -> Reply:
        """An exception that nobody expected ends the session; the reply carries its reference."""
        ...

    def failed(self, error: SamsError) -> None:
        """What the session waited for failed as can be expected: answer the event that waits."""
        ...

    def late(self, answer: Reply | None) -> Reply | None:
        """The session is over its time; the reply with its reference."""
        ...

    def closed(self) -> None:
        """The connection is gone. Called once, whatever ended it."""
        ...


class Door(Protocol):
    """Decides who comes in at a listener, and makes what serves them."""

    @property
    def context(self) -> ssl.SSLContext:
        """The listener's TLS."""
        ...

    @property
    def implicit(self) -> bool:
        """TLS from the first octet."""
        ...

    @property
    def limits(self) -> TimeLimits:
        """How long a peer may take."""
        ...

    def enter(self, connection: Connection, address: str) -> tuple[ServerEngine, EventHandler] | Reply:
        """Engine and session for a new connection, or the reply that turns it away."""
        ...


class Connection(asyncio.BufferedProtocol):
    """One peer's connection to a listener.

    buffer: the worker's receive buffer.
    """

    __slots__ = (
        "_buffer",
        "_closing",
        "_door",
        "_ended_by_peer",
        "_engine",
        "_farewell",
        "_handler",
        "_limits",
        "_paused",
        "_peer_reads",
        "_socket",
        "_tls",
        "_transport",
        "_waiting",
        "_wheel",
        "progress",
        "wheel_slot",
    )

    _engine: ServerEngine
    _handler: EventHandler

    def __init__(self, door: Door, wheel: DeadlineWheel, buffer: memoryview) -> None:
        self._door = door
        self._limits = door.limits
        self._wheel = wheel
        self._buffer = buffer
        self._tls: ServerTls | None = None
        self._transport: asyncio.Transport | None = None
        self._socket: socket.socket | None = None
        self._closing = False
        self._waiting = False
        self._ended_by_peer = False
        self._farewell: Reply | None = None
        self._paused = False
        self._peer_reads = True
        now = wheel.now()
        self.progress = Progress(opened=now, last_heard=now)
        self.wheel_slot: int | None = None

    # --- the loop's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet, or wait for the ClientHello where the listener begins with TLS."""
        self._accept(cast("asyncio.Transport", transport))  # uvloop's are none by their class

    def _accept(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._socket = transport.get_extra_info("socket")
        entered = self._door.enter(self, peer_address(transport))
        if isinstance(entered, Reply):
            self._turn_away(transport, entered)
            return
        self._engine, self._handler = entered
        transport.set_write_buffer_limits(high=WRITE_HIGH_WATER)
        if self._door.implicit:
            self._begin_tls()
        else:
            self._guarded(self._greet)
        self._wheel.watch(self, self.progress.opened + min(self._limits.handshake, self._limits.sign_in))

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the loop's interface
        """The worker's one buffer: it is emptied before the loop reads again."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes arrived."""
        if self._closing:
            return
        self.progress.last_heard = self._wheel.now()
        self._guarded(self._received, nbytes)
        if self.progress.body_began is not None:
            self._acknowledge_at_once()
        if self._waiting:
            self._balance_reading()

    def eof_received(self) -> bool:
        """The peer sends no more. An answer that it waits for is still given to it."""
        self._ended_by_peer = True
        return self._waiting and self._tls is None

    def pause_writing(self) -> None:
        """The peer does not take our replies: take no more of its commands."""
        self._peer_reads = False
        self._balance_reading()

    def resume_writing(self) -> None:
        """It reads again."""
        self._peer_reads = True
        self._balance_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the loop's interface
        """Whatever ended the connection, the session hears of it once."""
        turned_away = self._closing and not hasattr(self, "_handler")
        self._closing = True
        self._transport = self._socket = None
        self._wheel.forget(self)
        if not turned_away:
            self._handler.closed()

    def look(self, now: float) -> float | None:
        """The wheel asks: is this session late?"""
        if self._closing:
            self.abort()  # the peer does not take our last words
            return None
        verdict = judge(self.progress, self._limits, now, pressure=self._wheel.pressure)
        if not isinstance(verdict, Late):
            return verdict
        answer = self._handler.late(verdict.reply)
        if answer is None:
            self.abort()
        else:
            self.end(answer)
        return None

    # --- for the session

    def wait_for(self, future: asyncio.Future[_T], then: Callable[[_T], None]) -> None:
        """Take no further event until the future is done; then go on with its result.

        An expected failure (SamsError) of the future answers the event that waits with its reply.
        `then` is called even if the connection is gone by then: what was stored must go on its way.
        """
        self._waiting = self.progress.waits_for_us = True
        future.add_done_callback(lambda done: self._resume(done, then))

    def end(self, answer: Reply) -> None:
        """Say a last reply and close; where an event waits for its answer, after that answer."""
        if self._waiting:
            self._farewell = answer
        elif self._tls is not None and not self._tls.established:
            self.abort()
        elif not self._closing:
            self._engine.close(answer)
            self._pump()

    def abort(self) -> None:
        """Cut the connection without a word."""
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    @property
    def is_idle(self) -> bool:
        """Between transactions, with nothing to answer: may be ended with nothing lost."""
        return not self._waiting and not self.progress.in_transaction

    # --- inside

    def _acknowledge_at_once(self) -> None:
        """A client that lets its last segment wait for our acknowledgement (RFC 896) must not wait 40 ms for it.

        A socket that answers command by command delays acknowledgements; the system forgets this with each answer.
        """
        if self._socket is not None and not self._closing:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _turn_away(self, transport: asyncio.Transport, answer: Reply) -> None:
        self._closing = True
        if not self._door.implicit:
            transport.write(f"{answer.code} {answer.status or ''} {answer.lines[0]}\r\n".encode())
        transport.close()

    def _greet(self) -> None:
        self._engine.greet()
        self._pump()

    def _received(self, nbytes: int) -> None:
        if self._tls is None:
            self._engine.receive(bytes(self._buffer[:nbytes]))
            self._pump()
        else:
            self._received_tls(self._tls, nbytes)

    def _received_tls(self, tls: ServerTls, nbytes: int) -> None:
        was_established = tls.established
        try:
            pieces = tls.receive(self._buffer[:nbytes])
        except TlsError as error:
            self._fail_tls(tls, error)
            return
        if tls.established and not was_established:
            self._secured(tls)
        for piece in pieces:
            self._engine.receive(piece)
        self._pump()
        self._ended_by_peer = self._ended_by_peer or tls.peer_closed
        self._close_if_ended()

    def _begin_tls(self) -> None:
        self._tls = ServerTls(self._door.context)
        self.progress.handshake_began = self._wheel.now()

    def _secured(self, tls: ServerTls) -> None:
        self.progress.handshake_began = None
        self._handler.tls_established(tls.facts())
        if self._door.implicit:
            self._engine.greet()
        else:
            self._engine.tls_established()

    def _fail_tls(self, tls: ServerTls, error: TlsError) -> None:
        self._handler.tls_failed(str(error))
        alert = tls.take_outgoing()
        self._closing = True
        if self._transport is not None:
            if alert:
                self._transport.write(alert)
            self._hang_up(self._transport)

    def _pump(self) -> None:
        while not self._waiting and not self._closing:
            event = self._engine.next_event()
            if isinstance(event, Need):
                break
            if isinstance(event, StartTls):
                self._handler.handle(event)
                self._flush()
                self._begin_tls()
                return
            if isinstance(event, Closed):
                self._handler.handle(event)
                self._close()
                return
            self._handler.handle(event)
        self._flush()

    def _flush(self) -> None:
        output = self._engine.take_output()
        tls = self._tls
        if tls is not None:
            if output:
                tls.send(output)
            output = tls.take_outgoing()
        if output and self._transport is not None:
            self._transport.write(output)

    def _close(self) -> None:
        self._flush()
        self._closing = True
        if self._transport is None:
            return
        if self._tls is not None and self._tls.established:
            self._tls.close()
            self._transport.write(self._tls.take_outgoing())
        self._hang_up(self._transport)

    def _hang_up(self, transport: asyncio.Transport) -> None:
        """Close when all is sent, or after a while when the peer takes nothing more."""
        transport.close()
        if transport.get_write_buffer_size():
            self._wheel.forget(self)
            self._wheel.watch(self, self._wheel.now() + LINGER)

    def _resume(self, done: asyncio.Future[_T], then: Callable[[_T], None]) -> None:
        self._waiting = self.progress.waits_for_us = False
        self.progress.last_heard = self._wheel.now()
        self._guarded(self._finish_wait, done, then)
        self._balance_reading()

    def _finish_wait(self, done: asyncio.Future[_T], then: Callable[[_T], None]) -> None:
        try:
            result = done.result()
        except SamsError as error:
            self._handler.failed(error)
        except asyncio.CancelledError:
            self.abort()
        else:
            then(result)
        self._pump()
        if self._farewell is not None and not self._waiting:
            self.end(self._farewell)
        self._close_if_ended()

    def _close_if_ended(self) -> None:
        if self._ended_by_peer and not self._waiting and not self._closing:
            self._close()

    def _balance_reading(self) -> None:
        wanted = not self._waiting and self._peer_reads
        if self._transport is None or self._closing or wanted != self._paused:
            return
        self._paused = not wanted
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _guarded(self, step: Callable[..., None], *arguments: object) -> None:
        """A bug ends the session, never the server."""
        try:
            step(*arguments)
        except Exception as error:  # noqa: BLE001 - the one place where a session's bug is caught and told
            answer = self._handler.bug(error)
            self._say_goodbye(answer)

    def _say_goodbye(self, answer: Reply) -> None:
        try:
            self._engine.close(answer)
            self._close()
        except Exception as error:  # noqa: BLE001 - the engine itself may be what broke
            self._handler.bug(error)
            self.abort()


def peer_address(transport: asyncio.BaseTransport) -> str:
    """The peer's address as text. An IPv4 client is an IPv4 address everywhere, never `::ffff:…`."""
    name = transport.get_extra_info("peername") or ("",)
    address = str(name[0])
    return address.removeprefix("::ffff:") if "." in address else address.partition("%")[0]
