"""Helpers: programs beside the workers for what must not run in them, started with the supervisor's rights.

A helper that ends is started anew, ever more slowly where it keeps ending; the service goes on without it meanwhile.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from sams.service.slots import Slot

_PATIENCE = 2.0
"""Seconds that a helper may take to end."""
_LOOK_EVERY = 0.02


@dataclass(frozen=True, slots=True)
class Helper:
    """One kind of helper.

    spawn: starts it; its pid. let_go: closes, in a worker that was just forked, what is for the helper alone.
    """

    name: str
    spawn: Callable[[], int]
    let_go: Callable[[], None]


class Helpers:
    """All helpers of a supervisor, which calls these methods."""

    def __init__(self, helpers: Iterable[Helper], log: FilteringBoundLogger) -> None:
        self._places = [(helper, Slot(index)) for index, helper in enumerate(helpers)]
        self._log = log

    def start(self) -> None:
        """Start them all."""
        for helper, slot in self._places:
            self._begin(helper, slot)

    def restart_due(self, now: float) -> None:
        """Start those whose pause is over. now: monotonic seconds."""
        for helper, slot in self._places:
            if slot.restart_at is not None and slot.restart_at <= now:
                self._begin(helper, slot)

    def ended(self, pid: int, status: int, *, is_over: bool) -> None:
        """A child of the supervisor ended that is no worker. is_over: the service stops, and needs no successor."""
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
        for _, slot in self._places:
            if slot.pid:
                os.kill(slot.pid, signal.SIGTERM)
        until = time.monotonic() + _PATIENCE
        for _, slot in self._places:
            _await_end(slot.pid, until)
            slot.pid = 0

    def _begin(self, helper: Helper, slot: Slot) -> None:
        try:
            slot.begin(helper.spawn(), None)
        except OSError as error:
            slot.began = time.monotonic()
            pause = slot.plan_successor()
            self._log.error("a helper cannot be started", helper=helper.name, why=str(error), pause=pause)


def _await_end(pid: int, until: float) -> None:
    """Until the process is gone; from `until` on it is killed."""
    with suppress(ChildProcessError, ProcessLookupError):
        while pid and os.waitpid(pid, os.WNOHANG)[0] == 0:
            if time.monotonic() > until:
                os.kill(pid, signal.SIGKILL)
            time.sleep(_LOOK_EVERY)
