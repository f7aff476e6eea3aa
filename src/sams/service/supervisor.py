"""The supervisor: opens what is scarce, forks workers, replaces the ones that die, and passes signals on.

Theory of operation
-------------------
It has one thread and no event loop, because it forks: a fork copies neither threads nor a loop's inner state
in any useful form. It sleeps in one `select` over a pipe that signals write to and the channels of its workers.
It parses nothing that comes from a network, which is why it may stay root.

Everything a worker needs is made before the fork and inherited: listening sockets, TLS contexts with their ticket
keys, shared memory. A worker that dies is forked anew from here and inherits the same; it takes its predecessor's
shards, whose locks the kernel freed with the process. A worker that keeps dying is restarted ever more slowly.

A worker whose channel breaks stops by itself: no worker outlives its supervisor.
"""

from __future__ import annotations

import os
import selectors
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from structlog.typing import FilteringBoundLogger

from sams.core.errors import OperatorError
from sams.service.board import StatusBoard
from sams.service.channel import Channel, Word, parse_word
from sams.service.material import Material, encode
from sams.service.notify import ServiceManager

RunWorker = Callable[[int, Channel], int]
"""Runs worker N in this (already forked) process until it ends; its exit status."""

_SHORT_LIFE = 10.0
_FREE_DEATHS = 2
"""So many short lives in a row are followed by a successor at once; then each pause is twice as long."""
_LONGEST_PAUSE = 30.0
_PATIENCE = 25.0
"""Seconds beyond the grace: alarms, reports and results that a slow disk did not take yet have waits of their own."""
_TICK = 1.0


@dataclass(slots=True)
class _Slot:
    """One worker's place: who sits there now, and how it went with those before."""

    index: int
    pid: int = 0
    channel: Channel | None = None
    ready: bool = False
    began: float = 0.0
    short_lives: int = 0
    restarts: int = 0
    restart_at: float | None = None


@dataclass(slots=True)
class Supervisor:
    """Runs `workers` processes until it is told to stop.

    reload: reads and checks everything anew, renews what the supervisor itself holds, and returns the material
        for the workers; raises OperatorError and changes nothing when anything is wrong.
    died: clears what a worker that is gone held in shared memory.
    grace: seconds that a worker may take to stop.
    """

    workers: int
    run_worker: RunWorker
    reload: Callable[[], Material]
    grace: float
    manager: ServiceManager
    board: StatusBoard
    died: Callable[[int], None]
    log: FilteringBoundLogger
    _slots: list[_Slot] = field(default_factory=list, init=False)
    _stopping: float | None = field(default=None, init=False)
    _announced: bool = field(default=False, init=False)
    _status: int = field(default=0, init=False)
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector, init=False)
    _pending: list[int] = field(default_factory=list, init=False)

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; the exit status: 0, or 1 when the service could not start."""
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, lambda received, _frame: self._pending.append(received))
        self._selector.register(reader, selectors.EVENT_READ)
        self._slots = [_Slot(index) for index in range(self.workers)]
        for slot in self._slots:
            self._start(slot)
        while not (self._stopping is not None and all(slot.pid == 0 for slot in self._slots)):
            self._turn(reader)
        return self._status

    def _turn(self, reader: int) -> None:
        for key, _ in self._selector.select(_TICK):
            if key.fd == reader:
                os.read(reader, 512)
            else:
                self._listen(key.data)
        while self._pending:
            self._act(signal.Signals(self._pending.pop(0)))
        self._restart_due()
        self._end_stragglers()
        if self.manager.watchdog is not None:
            self.manager.alive()

    def _act(self, number: signal.Signals) -> None:
        if number is signal.SIGCHLD:
            self._reap()
        elif number is signal.SIGHUP:
            self._reload()
        else:
            self._stop(0)

    # --- workers come and go

    def _start(self, slot: _Slot) -> None:
        ours, theirs = Channel.pair()
        pid = os.fork()
        if pid == 0:
            self._become_worker(slot.index, ours, theirs)
        theirs.close()
        slot.pid, slot.channel, slot.ready = pid, ours, False
        slot.began, slot.restart_at = time.monotonic(), None
        self._selector.register(ours, selectors.EVENT_READ, slot)
        self._note(slot)

    def _note(self, slot: _Slot) -> None:
        self.board.note_worker(slot.index, pid=slot.pid, ready=slot.ready, restarts=slot.restarts)

    def _become_worker(self, index: int, ours: Channel, theirs: Channel) -> None:
        status = 70
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a terminal that goes tells the whole group
            self._selector.close()
            ours.close()
            for slot in self._slots:
                if slot.channel is not None:
                    slot.channel.close()
            status = self.run_worker(index, theirs)
        except BaseException:
            self.log.exception("worker failed", worker=index)
        finally:
            sys.stderr.flush()
            os._exit(status)

    def _reap(self) -> None:
        while True:
            try:
                pid, wait_status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            slot = next((slot for slot in self._slots if slot.pid == pid), None)
            if slot is not None:
                self._ended(slot, os.waitstatus_to_exitcode(wait_status))

    def _ended(self, slot: _Slot, status: int) -> None:
        was_ready = slot.ready
        self._hang_up(slot)
        slot.pid, slot.ready, slot.restarts = 0, False, slot.restarts + 1
        self._note(slot)
        self.died(slot.index)
        if self._stopping is not None:
            return
        if not was_ready and not self._announced:
            self._stop(1)
            return
        slot.short_lives = slot.short_lives + 1 if time.monotonic() - slot.began < _SHORT_LIFE else 0
        pause = (
            min(2.0 ** (slot.short_lives - _FREE_DEATHS), _LONGEST_PAUSE)
            if slot.short_lives > _FREE_DEATHS
            else 0
        )
        slot.restart_at = time.monotonic() + pause
        self.log.error("a worker ended and is replaced", worker=slot.index, status=status, pause=pause)

    def _restart_due(self) -> None:
        now = time.monotonic()
        for slot in self._slots:
            if slot.restart_at is not None and slot.restart_at <= now and self._stopping is None:
                self._start(slot)

    def _end_stragglers(self) -> None:
        if self._stopping is None or time.monotonic() < self._stopping + self.grace + _PATIENCE:
            return
        for slot in self._slots:
            if slot.pid:
                self.log.error("a worker did not stop in time and is killed", worker=slot.index)
                os.kill(slot.pid, signal.SIGKILL)
        self._stopping = time.monotonic()

    # --- what workers say

    def _listen(self, slot: _Slot) -> None:
        messages = slot.channel.receive() if slot.channel is not None else None
        for message in messages or ():
            word, detail = parse_word(message)
            if word is Word.READY:
                self._is_ready(slot)
            elif word is Word.RELOAD:
                self._reload()
            elif word is Word.FAILED:
                self.log.error("a worker could not take the new configuration", worker=slot.index, why=detail)
        if messages is None:
            self._hang_up(slot)

    def _hang_up(self, slot: _Slot) -> None:
        if slot.channel is not None:
            self._selector.unregister(slot.channel)
            slot.channel.close()
            slot.channel = None

    def _is_ready(self, slot: _Slot) -> None:
        slot.ready = True
        self._note(slot)
        if not self._announced and all(slot.ready for slot in self._slots):
            self._announced = True
            self.log.info("ready", pid=os.getpid(), workers=self.workers)
            self.manager.ready()

    # --- what signals ask

    def _reload(self) -> None:
        self.manager.reloading(time.monotonic())
        try:
            data = encode(self.reload())
        except OperatorError as error:
            self.log.error("the new configuration is not used; the old one goes on", why=str(error))
        else:
            for slot in self._slots:
                self._hand_on(slot, data)
            self.log.info("reloaded")
        self.manager.ready()

    def _hand_on(self, slot: _Slot, data: bytes) -> None:
        if slot.channel is None:
            return
        try:
            slot.channel.send(data)
        except (
            OSError
        ):  # it is dying or stuck: without its channel it stops, and its successor inherits what is new
            self.log.error("a worker did not take the new configuration and is replaced", worker=slot.index)
            self._hang_up(slot)

    def _stop(self, status: int) -> None:
        if self._stopping is not None:
            return
        self._stopping, self._status = time.monotonic(), status
        self.manager.stopping()
        for slot in self._slots:
            slot.restart_at = None
            if slot.pid:
                os.kill(slot.pid, signal.SIGTERM)
