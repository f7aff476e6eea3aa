"""A worker's life: a loop, the parts that serve, signals, and the channel to the supervisor.

With `workers = 0` there is no supervisor and no channel: the same code runs in the one process there is, and
SIGHUP reads the configuration here.
"""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import uvloop
from structlog.typing import FilteringBoundLogger

from sams.core.errors import OperatorError
from sams.service.channel import Channel, Word
from sams.service.material import Material, decode
from sams.service.notify import ServiceManager


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


@dataclass(slots=True)
class WorkerProcess:
    """Runs the parts of one worker until it is told to stop.

    build: makes the parts; called inside the running loop.
    channel: to the supervisor, or None without one.
    reload_here: without a supervisor, reads the material anew; raises OperatorError.
    """

    build: Callable[[], Parts]
    grace: float
    log: FilteringBoundLogger
    channel: Channel | None = None
    reload_here: Callable[[], Material] | None = None
    manager: ServiceManager = field(default_factory=ServiceManager)
    _stop: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _parts: Parts | None = field(default=None, init=False)
    _is_ready: bool = field(default=False, init=False)
    _is_reload_due: bool = field(default=False, init=False)

    def run(self) -> int:
        """Serve; the process's exit status."""
        gc.freeze()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(self._serve())

    def ask_for_reload(self) -> None:
        """Somebody asked through the control socket."""
        if self.channel is not None:
            self.channel.say(Word.RELOAD)
        elif self._parts is not None:
            self._reload_alone(self._parts)

    async def _serve(self) -> int:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._unexpected)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._hung_up)
        try:
            parts = self._parts = self.build()
            await parts.start()
        except OperatorError as error:
            self.log.error("cannot start", why=str(error))
            return 1
        self._listen(loop, parts)
        self._say_ready()
        await self._stop.wait()
        self.manager.stopping()
        await parts.stop(self.grace)
        return 0

    def _unexpected(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An exception that nobody caught: a bug, told whole; the worker goes on."""
        self.log.error("bug", why=str(context.get("message", "")), exc_info=context.get("exception"))

    def _listen(self, loop: asyncio.AbstractEventLoop, parts: Parts) -> None:
        if self.channel is not None:
            loop.add_reader(self.channel.fileno(), self._hear, loop, parts)
        elif self.manager.watchdog is not None:
            self._tell_alive(loop, self.manager.watchdog / 3)
        self._is_ready = True
        if self._is_reload_due:
            self._hung_up()

    def _hung_up(self) -> None:
        """SIGHUP. It may come while the parts are still being started; with a supervisor it is not for us."""
        if self.channel is not None:
            return
        self._is_reload_due = not self._is_ready
        if self._is_ready and self._parts is not None:
            self._reload_alone(self._parts)

    def _say_ready(self) -> None:
        if self.channel is not None:
            self.channel.say(Word.READY)
            return
        self.log.info("ready", workers=0)
        self.manager.ready()

    def _tell_alive(self, loop: asyncio.AbstractEventLoop, interval: float) -> None:
        self.manager.alive()
        loop.call_later(interval, self._tell_alive, loop, interval)

    def _hear(self, loop: asyncio.AbstractEventLoop, parts: Parts) -> None:
        assert self.channel is not None
        messages = self.channel.receive()
        if messages is None:
            self.log.error("the supervisor is gone; this worker stops")
            loop.remove_reader(self.channel.fileno())
            self._stop.set()
            return
        for message in messages:
            self._take(parts, message)

    def _take(self, parts: Parts, message: bytes) -> None:
        assert self.channel is not None
        try:
            parts.reload(decode(message))
        except OperatorError as error:
            self.channel.say(Word.FAILED, str(error))
        else:
            self.channel.say(Word.RELOADED)

    def _reload_alone(self, parts: Parts) -> None:
        assert self.reload_here is not None
        try:
            parts.reload(self.reload_here())
        except OperatorError as error:
            self.log.error("the new configuration is not used; the old one goes on", why=str(error))
        else:
            self.log.info("reloaded")
