"""Helpers: programs beside the workers for what must not run in them, started with the supervisor's rights.

A helper that ends is started anew, ever more slowly where it keeps ending; the service goes on without it meanwhile.
One that is to be told something new is replaced: its successor starts beside it, and has some seconds to get ready.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from sams.service.slots import Slot

_PATIENCE = 2.0
"""Seconds that a helper may take to end."""
OVERLAP = 2.0
"""Seconds that a helper goes on beside its successor."""
LAST_SECONDS = 15.0
"""How long it may then take to end."""


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Helper:
    """One kind of helper.

    spawn: starts it; its pid. let_go: closes, in a worker that was just forked, what is for the helper alone.
    is_stale: whether the one that runs does not know what is in force since a reload.
    """

    name: str
    spawn: Callable[[], int]
    let_go: Callable[[], None]
    is_stale: Callable[[], bool] = _never


@dataclass(slots=True)
class _Leaving:
    """A helper that has a successor. Times are monotonic seconds."""

    name: str
    told_at: float
    is_told: bool = False

    def look(self, pid: int, now: float) -> None:
        """Tell it to end when its successor has had time, and kill it when it does not."""
        if now >= self.told_at + LAST_SECONDS:
            os.kill(pid, signal.SIGKILL)
        elif now >= self.told_at and not self.is_told:
            self.is_told = True
            os.kill(pid, signal.SIGTERM)


class Helpers:
    """All helpers of a supervisor, which calls these methods."""

    def __init__(self, helpers: Iterable[Helper], log: FilteringBoundLogger) -> None:
        self._places = [(helper, Slot(index)) for index, helper in enumerate(helpers)]
        self._leaving: dict[int, _Leaving] = {}
        self._log = log

    def start(self) -> None:
        """Start them all."""
        for helper, slot in self._places:
            self._begin(helper, slot)

    def renew(self) -> None:
        """After a reload: start successors of those that are stale; the others go on."""
        for helper, slot in self._places:
            if slot.pid and helper.is_stale():
                self._log.info("a helper is replaced, for what it is told has changed", helper=helper.name)
                self._begin(helper, slot)

    def restart_due(self, now: float) -> None:
        """Start those whose pause is over, and end those whose successor is there. now: monotonic seconds."""
        for pid, leaving in self._leaving.items():
            leaving.look(pid, now)
        for helper, slot in self._places:
            if slot.restart_at is not None and slot.restart_at <= now:
                self._begin(helper, slot)

    def ended(self, pid: int, status: int, *, is_over: bool) -> None:
        """A child of the supervisor ended that is no worker. is_over: the service stops, and needs no successor."""
        if self._leaving.pop(pid, None) is not None:
            return
        for helper, slot in self._places:
            if slot.pid == pid:
                slot.end()
                if not is_over:
                    pause, name = slot.plan_successor(), helper.name
                    self._log.error("a helper ended and is replaced", helper=name, status=status, pause=pause)

    def let_go(self) -> None:
        """In a worker: close what is for helpers alone."""
        for helper, _ in self._places:
            helper.let_go()

    def end(self) -> None:
        """End them all: the service is over."""
        running = [*(slot.pid for _, slot in self._places if slot.pid), *self._leaving]
        for pid in running:
            os.kill(pid, signal.SIGTERM)
        until = time.monotonic() + _PATIENCE
        for pid in running:
            _await_end(pid, until)
        self._leaving.clear()
        for _, slot in self._places:
            slot.pid = 0

    def _begin(self, helper: Helper, slot: Slot) -> None:
        """One that still runs has a successor now."""
        former = slot.pid
        try:
            slot.begin(helper.spawn(), None)
            if former:
                self._leaving[former] = _Leaving(helper.name, slot.began + OVERLAP)
        except OSError as error:
            slot.began = time.monotonic()
            pause = slot.plan_successor()
            self._log.error("a helper cannot be started", helper=helper.name, why=str(error), pause=pause)


def _await_end(pid: int, until: float) -> None:
    """Until the process is gone; at `until` it is killed."""
    with suppress(ChildProcessError, ProcessLookupError):
        if os.waitpid(pid, os.WNOHANG)[0]:
            return
        handle, look = os.pidfd_open(pid), select.poll()
        try:
            look.register(handle, select.POLLIN)
            if not look.poll(1_000 * max(0.0, until - time.monotonic())):
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        finally:
            os.close(handle)
