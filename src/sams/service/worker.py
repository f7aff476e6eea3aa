"""A worker's life: a loop, the parts that serve, signals, and the channel to the supervisor.

With `workers = 0` there is no supervisor and no channel: the same code runs in the one process there is, and
SIGHUP reads the configuration here.

SIGTERM begins the end. In the one process a second one, or SIGINT, cuts it short; with a supervisor its word does,
for a service manager may send SIGTERM to every process of the service at once.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import uvloop
from structlog.typing import FilteringBoundLogger

from sams.core.errors import OperatorError
from sams.service.channel import Channel, Order, ReloadOutcome, Word, parse_order
from sams.service.material import Material, decode
from sams.service.notify import ServiceManager
from sams.service.reloads import REFUSED, tell_outcome

ALIVE_EVERY = 5.0
"""Seconds between two words to the supervisor that the loop turns."""
_GONE = "the service ends: ask again when it is back"


class Parts(Protocol):
    """The object graph of one worker, as `app` builds it."""

    async def start(self) -> None:
        """Open the spool, listen, begin to deliver. Returns when every listener accepts."""
        ...

    def reload(self, material: Material) -> None:
        """Use it for new sessions. Raises OperatorError, and changes nothing, when it cannot."""
        ...

    async def stop(self, grace: float) -> None:
        """Take nothing new, finish what is under way within `grace` seconds, and let go of everything."""
        ...

    def hurry(self) -> None:
        """The grace is over at once: cut what is under way, but store what is known."""
        ...


@dataclass(slots=True)
class WorkerProcess:
    """Runs the parts of one worker until it is told to stop.

    build: makes the parts; called inside the running loop.
    channel: to the supervisor, or None without one.
    reload_here: without a supervisor, reads the material anew, with notes for who asked; raises OperatorError.
    reloaded: told when what was read is in force.
    """

    build: Callable[[], Parts]
    grace: float
    log: FilteringBoundLogger
    channel: Channel | None = None
    reload_here: Callable[[], tuple[Material, tuple[str, ...]]] | None = None
    reloaded: Callable[[], None] | None = None
    manager: ServiceManager = field(default_factory=ServiceManager)
    _stop: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _parts: Parts | None = field(default=None, init=False)
    _is_ready: bool = field(default=False, init=False)
    _is_reload_due: bool = field(default=False, init=False)
    _askers: deque[asyncio.Future[ReloadOutcome]] = field(default_factory=deque, init=False)

    def run(self) -> int:
        """Serve; the process's exit status."""
        gc.freeze()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(self._serve())

    async def ask_for_reload(self) -> tuple[str, ...]:
        """Somebody asked through the control socket; notes on what it needs besides.

        Raises:
            OperatorError: the old configuration goes on; says why.
        """
        outcome = await self._asked()
        if outcome.refused is not None:
            raise OperatorError(outcome.refused)
        return outcome.notes

    async def _asked(self) -> ReloadOutcome:
        if self.channel is None:
            return self._reload_alone()
        answer: asyncio.Future[ReloadOutcome] = asyncio.get_running_loop().create_future()
        self._askers.append(answer)
        try:
            self.channel.say(Word.RELOAD)
        except OSError:
            self._let_down()
        return await answer

    async def _serve(self) -> int:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._unexpected)
        loop.add_signal_handler(signal.SIGTERM, self._told_to_stop)
        if self.channel is None:  # else a terminal's SIGINT is the supervisor's
            loop.add_signal_handler(signal.SIGINT, self._told_to_stop)
        loop.add_signal_handler(signal.SIGHUP, self._hung_up)
        try:
            parts = self._parts = self.build()
            await parts.start()
        except OperatorError as error:
            self.log.error("cannot start", why=str(error))
            return 1
        self._listen(loop)
        self._say_ready()
        await self._stop.wait()
        self.manager.stopping()
        await parts.stop(self.grace)
        if self.channel is None:  # else the supervisor says it, when the last worker is gone
            self.log.info("stopped")
        return 0

    def _told_to_stop(self) -> None:
        if self._stop.is_set() and self.channel is None:
            self._hurry()
        self._stop.set()

    def _hurry(self) -> None:
        """Nothing more is waited for."""
        self.log.warning("told to stop again: what is under way is cut")
        self._stop.set()
        if self._parts is not None:
            self._parts.hurry()

    def _unexpected(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An exception that nobody caught: a bug, told whole; the worker goes on."""
        self.log.error("bug", why=str(context.get("message", "")), exc_info=context.get("exception"))

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        if self.channel is not None:
            loop.add_reader(self.channel.fileno(), self._hear, loop, self.channel)
        elif self.manager.watchdog is not None:
            self._tell_alive(loop, self.manager.alive, self.manager.watchdog / 3)
        self._is_ready = True
        if self._is_reload_due:
            self._hung_up()

    def _hung_up(self) -> None:
        """SIGHUP. It may come while the parts are still being started; with a supervisor it is not for us."""
        if self.channel is not None:
            return
        self._is_reload_due = not self._is_ready
        if self._is_ready:
            self._reload_alone()

    def _say_ready(self) -> None:
        if self.channel is not None:
            self.channel.say(Word.READY)
            self._tell_alive(asyncio.get_running_loop(), self.channel.beat, ALIVE_EVERY)
            return
        self.log.info("ready", workers=0)
        self.manager.ready()

    def _tell_alive(self, loop: asyncio.AbstractEventLoop, tell: Callable[[], None], interval: float) -> None:
        tell()
        loop.call_later(interval, self._tell_alive, loop, tell, interval)

    # --- what the supervisor says

    def _hear(self, loop: asyncio.AbstractEventLoop, channel: Channel) -> None:
        orders = channel.receive()
        if orders is None:
            self.log.error("the supervisor is gone; this worker stops")
            loop.remove_reader(channel.fileno())
            self._let_down()
            self._stop.set()
            return
        for order in orders:
            self._obey(channel, *parse_order(order))

    def _obey(self, channel: Channel, order: Order, content: bytes) -> None:
        if order is Order.MATERIAL:
            self._take(channel, content)
        elif order is Order.HURRY:
            self._hurry()
        elif self._askers:  # who asked first is answered first
            _answer(self._askers.popleft(), ReloadOutcome.decoded(content))

    def _let_down(self) -> None:
        """Nobody is there to answer who asked."""
        while self._askers:
            _answer(self._askers.popleft(), ReloadOutcome(_GONE))

    def _take(self, channel: Channel, content: bytes) -> None:
        trouble = self._renew(lambda: decode(content))
        if trouble is None:
            channel.say(Word.RELOADED)
        else:
            channel.say(Word.FAILED, trouble)

    def _renew(self, read: Callable[[], Material]) -> str | None:
        """Use new material; why it cannot be used, None: it is in force."""
        assert self._parts is not None, "what is not built yet is not told of new material"
        try:
            self._parts.reload(read())
        except OperatorError as error:
            return str(error)
        except Exception as error:
            self.log.exception("taking the new configuration failed in an unexpected way")
            return f"an unexpected {type(error).__name__}; the log has its trace"
        if self.reloaded is not None:
            self.reloaded()
        return None

    def _reload_alone(self) -> ReloadOutcome:
        """Without a supervisor."""
        assert self.reload_here is not None
        read, notes = self.reload_here, list[str]()

        def material() -> Material:
            found, noted = read()
            notes.extend(noted)
            return found

        self.manager.reloading(time.monotonic())
        outcome = ReloadOutcome(self._renew(material), tuple(notes))
        tell_outcome(outcome, self.manager, self.log, REFUSED)
        return outcome


def _answer(waiting: asyncio.Future[ReloadOutcome], outcome: ReloadOutcome) -> None:
    """Who asked may have hung up."""
    if not waiting.done():
        waiting.set_result(outcome)
