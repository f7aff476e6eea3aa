"""One connection: where bytes, TLS, the engine and time meet. What the events mean is the session's business.

Theory of operation
-------------------
Everything happens in callbacks of the loop; there is no task and no timer of a connection's own. Bytes arrive in
`buffer_updated`, pass TLS where it is on, and go into the engine. `_pump` then takes events from the engine and
hands each to the session, until the engine wants bytes or an answer, and writes all replies at once.

When the session cannot answer at once (a password is being hashed, a commit is under way, the disk lags behind)
it calls `wait_for` with a future. The engine holds the commands that were pipelined behind, at most the rest of one
read, for the socket is paused until the answer is there. So a peer that ends its side meanwhile is heard of after
its answer. Reading is paused as well while the peer does not take our replies.

The receive buffer belongs to the worker, not to the connection: a read fills it and the same callback empties it,
so that an idle connection holds no buffer at all. A body is read in larger pieces than commands are. Who sends much
of it at once stands in line before the next read (`core/turns.py`), and who sends many commands does with those that
are not answered yet. So does a handshake that would be one too many in this round of the loop; what the peer sent
for it is kept meanwhile.

Connection and session know each other. The connection lets go of the session at its end, so that both, the engine
and what OpenSSL holds are freed there and then, and not by the collector of cycles when it happens to come by.

This is the path of every octet and every command: a piece of work that only hands on is not a function of its own,
and what a wake-up needs of the clock is read once.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, TypeVar, cast

from sams.core.errors import SamsError
from sams.core.reply import Reply, reply
from sams.core.turns import Share, Turns
from sams.protocol.smtp.events import Need
from sams.protocol.smtp.server import ServerEngine
from sams.submission.deadlines import DeadlineWheel, Late, Progress, TimeLimits, judge
from sams.submission.interface import Door, EventHandler
from sams.submission.tls import ServerTls, TlsError

_T = TypeVar("_T")

RECEIVE_BUFFER = 131_072
COMMANDS_BUFFER = 20_480
"""What of it is used but for a body, a TLS record and more: so much may be kept while an answer is worked on."""
Buffers = tuple[memoryview, memoryview]
"""A worker's receive buffer, and so much of it as is used but for a body."""
LARGE_READ = 32_768
"""Octets: who sends more of a body at once stands in line before the next read."""
MANY_COMMANDS = 4_096
"""The same of all else. It is some hundred commands; a program that pipelines a hundred recipients sends less."""
EVENTS_AT_ONCE = 64
"""Who sends more in one read stands in line with the rest: a command costs up to half a millisecond."""
LINGER = 30.0
"""Seconds that a peer has to take the last replies."""
BUG = reply(451, "4.3.0", "Something went wrong here; try again later")


class Connection(asyncio.BufferedProtocol):
    """One peer's connection to a listener.

    limits: how long the peer may take. buffers: the worker's. turns: the worker's, of those who send much at once.
        handshakes: how many of them a round of the worker's loop has.
    """

    __slots__ = (
        "_buffer",
        "_buffer_of_commands",
        "_closing",
        "_door",
        "_ended_by_peer",
        "_engine",
        "_farewell",
        "_handler",
        "_handshakes",
        "_has_turn",
        "_limits",
        "_lingers_until",
        "_now",
        "_paused",
        "_peer_reads",
        "_then",
        "_tls",
        "_transport",
        "_turns",
        "_wheel",
        "progress",
        "wheel_slot",
    )

    _engine: ServerEngine
    _handler: EventHandler

    def __init__(
        self,
        door: Door,
        limits: TimeLimits,
        wheel: DeadlineWheel,
        buffers: Buffers,
        *,
        turns: Turns,
        handshakes: Share,
    ) -> None:
        self._door = door
        self._limits = limits
        self._wheel = wheel
        self._now = wheel.now
        self._buffer, self._buffer_of_commands = buffers
        self._turns = turns
        self._handshakes = handshakes
        self._tls: ServerTls | None = None
        self._transport: asyncio.Transport | None = None
        self._then: Callable[[Any], None] | None = None
        self._farewell: Reply | None = None
        self._closing = self._ended_by_peer = self._paused = False
        self._peer_reads = self._has_turn = True
        self._lingers_until = 0.0
        now = self._now()
        self.progress = Progress(now, now)
        self.wheel_slot: int | None = None

    # --- the loop's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet, or wait for the ClientHello where the listener begins with TLS."""
        self._transport = transport = cast("asyncio.Transport", transport)  # uvloop's are none by their class
        entered = self._door.enter(self, peer_address(transport))
        if isinstance(entered, Reply):
            self._turn_away(transport, entered)
            return
        self._engine, self._handler = entered
        try:
            if self._door.implicit:
                self._begin_tls()
            else:
                self._engine.greet()
                self._say_in_clear()
        except Exception as error:  # noqa: BLE001 - a bug ends the session, never the server
            self._break(error)
        self._wheel.watch(self, self.progress.opened + self._limits.first)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the loop's interface
        """The worker's one buffer: it is emptied before the loop reads again."""
        return self._buffer_of_commands if self.progress.body_began is None else self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes arrived."""
        if self._closing:
            return
        progress, tls, octets = self.progress, self._tls, self._buffer[:nbytes]
        progress.last_heard = self._now()
        if tls is not None and not tls.established:
            self._await_handshake(tls, octets)
            return
        was_in_body = progress.body_began is not None
        try:
            if tls is None:
                self._engine.receive(bytes(octets))
            else:
                plaintext = tls.decrypt(octets)
                progress.body_octets += len(plaintext)
                self._engine.receive(plaintext)
            self._pump()
            if tls is not None and tls.peer_closed:
                self._ended_by_peer = True
                self._close_if_ended()
        except TlsError as error:
            self._fail_tls(error)
        except Exception as error:  # noqa: BLE001 - a bug ends the session, never the server
            self._break(error)
        if was_in_body and progress.body_began is not None:
            self._ask_for_more(nbytes)
        elif nbytes > (LARGE_READ if was_in_body else MANY_COMMANDS):
            self._stand_in_line()
        if self._then is not None:
            self._balance_reading()

    def eof_received(self) -> bool:
        """The peer sends no more. What it waits for, or has in line, is still answered."""
        self._ended_by_peer = True
        return (self._then is not None or not self._has_turn) and self._tls is None

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
        self._transport = None
        self._wheel.forget(self)
        if turned_away:
            return
        if self.progress.handshake_began is not None:
            self._leave_handshake(late=False)
        self._handler.closed()
        if self._then is None:
            del self._handler

    def look(self, now: float) -> float | None:
        """The wheel asks: is this session late?"""
        if self._closing:
            return self._look_at_closing(now)
        verdict = judge(self.progress, self._limits, now, pressure=self._wheel.pressure)
        if not isinstance(verdict, Late):
            return verdict
        if verdict.reply is None:
            self._leave_handshake(late=True)
            self.abort()
        else:
            self.end(self._handler.late(verdict.reply))
        return None

    def _look_at_closing(self, now: float) -> float | None:
        if now < self._lingers_until:
            return self._lingers_until
        self.abort()  # the peer does not take our last words
        return None

    # --- for the session

    def wait_for(self, future: asyncio.Future[_T], then: Callable[[_T], None]) -> None:
        """Take no further event until the future is done; then go on with its result.

        An expected failure (SamsError) of the future answers the event that waits with its reply.
        `then` is called even if the connection is gone by then: what was stored must go on its way.
        """
        self._then = then
        self.progress.waits_for_us = True
        future.add_done_callback(self._resume)

    def start_tls(self) -> None:
        """Say what is queued, in clear, and shake hands: the answer to StartTls."""
        self._say_in_clear()
        self._begin_tls()
        self._wheel.bring_forward(self, self._now() + self._limits.handshake)

    def tls_exporter(self) -> bytes | None:
        """What `tls.ServerTls.exporter` says of this connection."""
        return self._tls.exporter() if self._tls is not None else None

    def close(self) -> None:
        """Say what is queued and close: the answer to Closed."""
        output = self._engine.take_output()
        self._closing = True
        if self._transport is None:
            return
        if self._tls is not None and self._tls.established:
            output = self._tls.close(output)
        if output:
            self._transport.write(output)
        self._hang_up(self._transport)

    def end(self, answer: Reply) -> None:
        """Say a last reply and close; where an event waits for its answer, after that answer."""
        if self._then is not None:
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
    def is_over_its_time(self) -> bool:
        """Whether the session has lasted as long as it may, so that no transaction begins any more."""
        return self.progress.last_heard - self.progress.opened >= self._limits.session

    def look_again(self) -> None:
        """There is less time than there was: look at it at once."""
        self._wheel.bring_forward(self, self._now())

    @property
    def is_idle(self) -> bool:
        """Between transactions, with nothing to answer: may be ended with nothing lost."""
        return self._then is None and not self.progress.in_transaction

    # --- inside

    def _pump(self) -> None:
        """Hand the session one event after another, then say all that it answered in one write."""
        engine, session = self._engine, self._handler
        handlers, left = session.handlers, EVENTS_AT_ONCE
        while self._then is None and not self._closing:
            event = engine.next_event()
            if event.__class__ is Need:
                break
            handlers[event.__class__](session, event)
            left -= 1
            if not left:
                self._stand_in_line()
                break
        output = engine.take_output()
        if output and self._transport is not None:
            self._transport.write(output if self._tls is None else self._tls.encrypt(output))

    def _say_in_clear(self) -> None:
        """What comes before TLS."""
        assert self._tls is None, "there is no way back from TLS"
        if self._transport is not None:
            self._transport.write(self._engine.take_output())

    def _begin_tls(self) -> None:
        self._tls = ServerTls(self._door.context)
        self.progress.handshake_began = self._now()

    def _await_handshake(self, tls: ServerTls, octets: memoryview) -> None:
        """Go on with the handshake, in one of the next rounds of the loop if this one has had its part of them."""
        if self._handshakes.take():
            self._go_on_with_handshake(tls, octets)
            return
        kept = bytes(octets)
        self._has_turn = False
        self._balance_reading()
        self._handshakes.stand_in_line(lambda: self._take_handshakes_turn(tls, kept))

    def _take_handshakes_turn(self, tls: ServerTls, octets: bytes) -> None:
        self._has_turn = True
        self._balance_reading()
        if not self._closing:
            self._go_on_with_handshake(tls, octets)

    def _go_on_with_handshake(self, tls: ServerTls, octets: memoryview | bytes) -> None:
        try:
            if self._shake_hands(tls, octets):
                self._pump()
                if tls.peer_closed:
                    self._ended_by_peer = True
                    self._close_if_ended()
        except TlsError as error:
            self._fail_tls(error)
        except Exception as error:  # noqa: BLE001 - a bug ends the session, never the server
            self._break(error)
        if self._then is not None:
            self._balance_reading()

    def _shake_hands(self, tls: ServerTls, octets: memoryview | bytes) -> bool:
        """Whether the handshake is done now."""
        facts = tls.shake_hands(octets)
        if (facts is None or facts.version != "TLSv1.3") and self._transport is not None:
            flight = tls.take_outgoing()
            if flight:
                self._transport.write(flight)
        if facts is None:
            return False
        self.progress.handshake_began = None
        self._handler.tls_established(facts)
        if self._door.implicit:
            self._engine.greet()
        else:
            self._engine.tls_established()
        self._engine.receive(tls.decrypt(b""))
        return True

    def _leave_handshake(self, *, late: bool) -> None:
        tls, began = self._tls, self.progress.handshake_began
        assert tls is not None
        assert began is not None
        self._handler.tls_unfinished(tls, waited=self._now() - began, late=late)

    def _fail_tls(self, error: TlsError) -> None:
        tls = self._tls
        assert tls is not None, "who raised it"
        self._handler.tls_failed(error, tls)
        alert = tls.take_outgoing()
        self._closing = True
        if self._transport is not None:
            if alert:
                self._transport.write(alert)
            self._hang_up(self._transport)

    def _resume(self, done: asyncio.Future[Any]) -> None:
        then, self._then = self._then, None
        assert then is not None, "who waits has said what follows"
        self.progress.waits_for_us = False
        self.progress.last_heard = self._now()
        try:
            self._finish_wait(done, then)
            self._pump()
            if self._farewell is not None and self._then is None:
                self.end(self._farewell)
            if self._ended_by_peer:
                self._close_if_ended()
        except Exception as error:  # noqa: BLE001 - a bug ends the session, never the server
            self._break(error)
        if self._transport is None:
            if self._then is None:
                del self._handler
        elif self._paused or self._then is not None:
            self._balance_reading()

    def _finish_wait(self, done: asyncio.Future[Any], then: Callable[[Any], None]) -> None:
        try:
            result = done.result()
        except SamsError as error:
            self._handler.failed(error)
        except asyncio.CancelledError:
            self._handler.given_up()
            self.abort()
        else:
            then(result)

    def _ask_for_more(self, came: int) -> None:
        """The body goes on."""
        if came > LARGE_READ:
            self._stand_in_line()
        if came < RECEIVE_BUFFER:
            self._acknowledge_at_once()

    def _stand_in_line(self) -> None:
        if self._has_turn:
            self._has_turn = False
            self._balance_reading()
            self._turns.stand_in_line(self._take_turn)

    def _take_turn(self) -> None:
        """Those who stood in line before have had theirs."""
        self._has_turn = True
        if self._closing:
            return
        try:
            if self._then is None:
                self._pump()
            self._close_if_ended()
        except Exception as error:  # noqa: BLE001 - a bug ends the session, never the server
            self._break(error)
        self._balance_reading()

    def _balance_reading(self) -> None:
        must_pause = self._then is not None or not self._peer_reads or not self._has_turn
        if self._transport is None or self._closing or self._paused == must_pause:
            return
        self._paused = must_pause
        if must_pause:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _acknowledge_at_once(self) -> None:
        """A client that lets its last segment wait for our acknowledgement (RFC 896) must not wait 40 ms for it.

        A socket that answers command by command delays acknowledgements; the system forgets this with each answer.
        """
        if self._transport is not None and not self._closing:
            connected = self._transport.get_extra_info("socket")
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _turn_away(self, transport: asyncio.Transport, answer: Reply) -> None:
        self._closing = True
        if not self._door.implicit:
            transport.write(f"{answer.code} {answer.status or ''} {answer.lines[0]}\r\n".encode())
        transport.close()

    def _close_if_ended(self) -> None:
        if self._ended_by_peer and self._then is None and self._has_turn and not self._closing:
            self.close()

    def _hang_up(self, transport: asyncio.Transport) -> None:
        """Close when all is sent, or after a while when the peer takes nothing more."""
        transport.close()
        if transport.get_write_buffer_size():
            self._lingers_until = self._now() + LINGER
            self._wheel.bring_forward(self, self._lingers_until)

    def _break(self, error: Exception) -> None:
        """A bug ends the session, never the server."""
        answer = self._handler.bug(error)
        if self._tls is not None and not self._tls.established:
            self.abort()
            return
        try:
            self._engine.close(answer)
            self.close()
        except Exception as second:  # noqa: BLE001 - the engine itself may be what broke
            self._handler.bug(second)
            self.abort()


def peer_address(transport: asyncio.BaseTransport) -> str:
    """The peer's address as text. An IPv4 client is an IPv4 address everywhere, never `::ffff:…`."""
    name = transport.get_extra_info("peername") or ("",)
    address = str(name[0])
    return address.removeprefix("::ffff:") if "." in address else address.partition("%")[0]
