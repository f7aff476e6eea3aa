"""The supervisor: opens what is scarce, forks workers, replaces the ones that die or hang, and passes signals on.

Theory of operation
-------------------
It has one thread and no event loop, because it forks: a fork copies neither threads nor a loop's inner state
in any useful form. It sleeps in one `select` over a pipe that signals write to and the channels of its workers.
It parses nothing that comes from a network, which is why it may stay root. A worker may be taken over by an attacker:
what it says on its channel is one of five words, and anything else ends it.

Everything a worker needs is made before the fork and inherited: listening sockets, TLS contexts with their ticket
keys, shared memory. A worker that dies is forked anew from here and inherits the same; it takes its predecessor's
shards, whose locks the kernel freed with the process. A worker that keeps dying is restarted ever more slowly. One
that is silent for `slots.HANG` seconds is killed: a process that was stopped or that spins serves nobody, and holds
its shard. Where the supervisor itself did not run for a while (the machine was suspended, the group frozen), silence
counts from then on.

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

from sams.service.board import StatusBoard
from sams.service.channel import Channel, Order, ReloadOutcome, Word, parse_word
from sams.service.helpers import Helper, Helpers
from sams.service.notify import ServiceManager
from sams.service.reloads import Reloads, Renewal
from sams.service.slots import Slot

RunWorker = Callable[[int, Channel], int]
"""Runs worker N in this (already forked) process until it ends; its exit status."""

_PATIENCE = 25.0
"""Seconds beyond the grace: alarms, reports and results that a slow disk did not take yet have waits of their own."""
_TICK = 1.0
_FROZEN = 10.0
"""Seconds without a turn of its own after which the supervisor did not run."""


@dataclass(slots=True)
class Supervisor:
    """Runs `workers` processes until it is told to stop.

    reload: reads and checks everything anew, renews what the supervisor itself holds, and returns it for the workers;
        raises OperatorError and changes nothing when anything is wrong.
    died: clears what a worker that is gone held in shared memory.
    grace: seconds that a worker may take to stop.
    helpers: programs that run beside the workers; they end after the last worker.
    """

    workers: int
    run_worker: RunWorker
    reload: Callable[[], Renewal]
    grace: float
    manager: ServiceManager
    board: StatusBoard
    died: Callable[[int], None]
    log: FilteringBoundLogger
    helpers: tuple[Helper, ...] = ()
    _helpers: Helpers = field(init=False)
    _slots: list[Slot] = field(default_factory=list, init=False)
    _stopping: bool = field(default=False, init=False)
    _announced: bool = field(default=False, init=False)
    _status: int = field(default=0, init=False)
    _turned: float = field(default=0.0, init=False)
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector, init=False)
    _pending: list[int] = field(default_factory=list, init=False)
    _reloads: Reloads = field(init=False)

    def __post_init__(self) -> None:
        self._helpers = Helpers(self.helpers, self.log)
        self._reloads = Reloads(self.reload, self._hand_on, self._answer, self.manager, self.log)

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; the exit status: 0, or 1 when the service could not start."""
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, lambda received, _frame: self._pending.append(received))
        self._selector.register(reader, selectors.EVENT_READ)
        self._slots = [Slot(index) for index in range(self.workers)]
        self._turned = time.monotonic()
        self._helpers.start()
        for slot in self._slots:
            self._start(slot)
        while not (self._stopping and all(slot.pid == 0 for slot in self._slots)):
            self._turn(reader)
        self._helpers.end()
        self.log.info("stopped", pid=os.getpid())
        return self._status

    def _turn(self, reader: int) -> None:
        for key, _ in self._selector.select(_TICK):
            if key.fd == reader:
                os.read(reader, 512)
            else:
                self._listen(key.data)
        while self._pending:
            self._act(signal.Signals(self._pending.pop(0)))
        now = time.monotonic()
        self._restart_due(now)
        self._end_hanging(now)
        self._end_stragglers(now)
        self._turned = now
        if self.manager.watchdog is not None and not any(slot.hangs(now) for slot in self._slots):
            self.manager.alive()

    def _act(self, number: signal.Signals) -> None:
        if number is signal.SIGCHLD:
            self._reap()
        elif number is signal.SIGHUP:
            self._reloads.ask()
        elif self._stopping:
            self._hurry()
        else:
            self._stop(0)

    # --- workers come and go

    def _start(self, slot: Slot) -> None:
        ours, theirs = Channel.pair()
        pid = os.fork()
        if pid == 0:
            self._become_worker(slot.index, ours, theirs)
        theirs.close()
        slot.begin(pid, ours)
        self._selector.register(ours, selectors.EVENT_READ, slot)
        self._note(slot)

    def _note(self, slot: Slot) -> None:
        self.board.note_worker(slot.index, pid=slot.pid, ready=slot.ready, restarts=slot.restarts)

    def _become_worker(self, index: int, ours: Channel, theirs: Channel) -> None:
        status = 70
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            for number in (
                signal.SIGINT,
                signal.SIGHUP,
            ):  # a terminal tells the whole group, and we our workers
                signal.signal(number, signal.SIG_IGN)
            self._selector.close()
            ours.close()
            self._helpers.let_go()
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
            else:
                status = os.waitstatus_to_exitcode(wait_status)
                self._helpers.ended(pid, status, is_over=self._stopping)

    def _ended(self, slot: Slot, status: int) -> None:
        was_ready = slot.ready
        self._hang_up(slot)
        slot.end()
        self._note(slot)
        self.died(slot.index)
        if self._stopping:
            return
        if not was_ready and not self._announced:
            self._stop(1)
            return
        pause = slot.plan_successor()
        self.log.error("a worker ended and is replaced", worker=slot.index, status=status, pause=pause)

    def _restart_due(self, now: float) -> None:
        for slot in self._slots:
            if slot.restart_at is not None and slot.restart_at <= now and not self._stopping:
                self._start(slot)
        if not self._stopping:
            self._helpers.restart_due(now)

    def _end_hanging(self, now: float) -> None:
        if now - self._turned > _FROZEN:
            for slot in self._slots:
                slot.heard = now
        for slot in self._slots:
            if slot.hangs(now):
                self.log.error(
                    "a worker hangs and is killed", worker=slot.index, silent=round(now - slot.heard)
                )
                os.kill(slot.pid, signal.SIGKILL)

    def _end_stragglers(self, now: float) -> None:
        for slot in self._slots:
            if slot.pid and slot.kill_at is not None and slot.kill_at <= now:
                self.log.error("a worker did not stop in time and is killed", worker=slot.index)
                os.kill(slot.pid, signal.SIGKILL)
                slot.kill_at = now + _PATIENCE

    # --- what workers say

    def _listen(self, slot: Slot) -> None:
        try:
            messages = slot.channel.receive() if slot.channel is not None else None
            for message in messages or ():
                self._hear(slot, *parse_word(message))
        except ValueError:
            self.log.error("a worker says what no worker says and is killed", worker=slot.index)
            os.kill(slot.pid, signal.SIGKILL)
            messages = None
        if messages is None:
            self._hang_up(slot)

    def _hear(self, slot: Slot, word: Word, detail: str) -> None:
        slot.heard = time.monotonic()
        if word is Word.READY:
            self._is_ready(slot)
        elif word is Word.RELOAD:
            self._reloads.ask(slot.index)
        elif word is Word.RELOADED:
            self._reloads.took(slot.index)
        elif word is Word.FAILED:
            self._reloads.failed(slot.index, detail)

    def _hang_up(self, slot: Slot) -> None:
        """Without its channel a worker stops, if it still turns."""
        if slot.channel is None:
            return
        self._selector.unregister(slot.channel)
        slot.channel.close()
        slot.channel = None
        self._give_time(slot, self.grace + _PATIENCE)
        self._reloads.took(slot.index)

    def _give_time(self, slot: Slot, seconds: float) -> None:
        slot.kill_at = min(slot.kill_at or float("inf"), time.monotonic() + seconds)

    def _is_ready(self, slot: Slot) -> None:
        slot.ready = True
        self._note(slot)
        if not self._announced and all(slot.ready for slot in self._slots):
            self._announced = True
            self.log.info("ready", pid=os.getpid(), workers=self.workers)
            self.manager.ready()

    # --- reloads

    def _hand_on(self, octets: bytes) -> set[int]:
        """Give new material to every worker; those that serve will say whether they took it."""
        self._helpers.renew()
        taking = set()
        for slot in self._slots:
            if self._order(slot, Order.MATERIAL, octets) and slot.ready:
                taking.add(slot.index)
        return taking

    def _answer(self, worker: int, outcome: ReloadOutcome) -> None:
        self._order(self._slots[worker], Order.OUTCOME, outcome.encoded())

    def _order(self, slot: Slot, order: Order, content: bytes = b"") -> bool:
        """Whether the worker has it. One that is stuck loses its channel, and its successor inherits what is new."""
        if slot.channel is None:
            return False
        try:
            slot.channel.order(order, content)
        except OSError:
            self.log.error("a worker takes no orders and is replaced", worker=slot.index, order=order.name)
            self._hang_up(slot)
            return False
        return True

    # --- the end

    def _stop(self, status: int) -> None:
        self._stopping, self._status = True, status
        self.manager.stopping()
        for slot in self._slots:
            slot.restart_at = None
            if slot.pid:
                self._give_time(slot, self.grace + _PATIENCE)
                os.kill(slot.pid, signal.SIGTERM)

    def _hurry(self) -> None:
        """Told a second time: nothing more is waited for, but what is known is still stored."""
        self.log.warning("told to stop again: what is under way is cut")
        for slot in self._slots:
            if slot.pid:
                self._order(slot, Order.HURRY)
                self._give_time(slot, _PATIENCE)
