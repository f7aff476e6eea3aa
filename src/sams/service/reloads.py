"""Reloads, one at a time: who must take the new material, who asked for it, and what came of it.

A reload is over when every worker that serves has said whether it took the new material. Who asks meanwhile may have
changed the files since they were read: they get a round of their own, all together.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from structlog.typing import FilteringBoundLogger

from sams.core.errors import OperatorError
from sams.service.channel import ReloadOutcome
from sams.service.notify import ServiceManager

REFUSED = "the new configuration is not used; the old one goes on"
_IN_PART = "not every worker took the new configuration"
_BUG = "the configuration could not be read for an unexpected reason; the service's log has the trace"
_NO_CONFIGURATION = "reading the configuration anew failed in an unexpected way"


@dataclass(frozen=True, slots=True)
class Renewal:
    """New material that was checked and is in force in this process, as workers are handed it.

    notes: for who asked, such as what waits for a restart.
    """

    octets: bytes
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Reloads:
    """Carries them out.

    read: reads and checks everything anew, renews what this process holds, and returns it; raises OperatorError and
        changes nothing when anything is wrong.
    hand_on: gives it to the workers; the numbers of those that will say whether they took it.
    answer: tells a worker that asked what came of it.
    """

    read: Callable[[], Renewal]
    hand_on: Callable[[bytes], set[int]]
    answer: Callable[[int, ReloadOutcome], None]
    manager: ServiceManager
    log: FilteringBoundLogger
    _waiting: set[int] = field(default_factory=set, init=False)
    _askers: list[int] = field(default_factory=list, init=False)
    _next: list[int] = field(default_factory=list, init=False)
    _is_wanted: bool = field(default=False, init=False)
    _troubles: list[str] = field(default_factory=list, init=False)
    _notes: tuple[str, ...] = field(default=(), init=False)

    def ask(self, asker: int | None = None) -> None:
        """Somebody wants one; asker: the worker that was asked for it, None: a signal."""
        self._is_wanted = True
        if asker is not None:
            self._next.append(asker)
        self._go_on()

    def took(self, worker: int) -> None:
        """A worker uses the new material, or is gone: its successor will."""
        self._answered(worker)

    def failed(self, worker: int, why: str) -> None:
        """A worker could not use it."""
        if worker in self._waiting:
            self._troubles.append(f"worker {worker} goes on with the old configuration: {why}")
        self._answered(worker)

    def _answered(self, worker: int) -> None:
        if worker in self._waiting:
            self._waiting.discard(worker)
            if not self._waiting:
                outcome = ReloadOutcome("; ".join(self._troubles) or None, self._notes)
                self._finish(outcome, _IN_PART)
                self._go_on()

    def _go_on(self) -> None:
        while self._is_wanted and not self._waiting:
            self._is_wanted = False
            self._askers, self._next = self._next, []
            self._begin()

    def _begin(self) -> None:
        self.manager.reloading(time.monotonic())
        self._troubles, self._notes = [], ()
        try:
            renewal = self.read()
        except OperatorError as error:
            self._finish(ReloadOutcome(str(error)))
        except Exception:
            self.log.exception(_NO_CONFIGURATION)
            self._finish(ReloadOutcome(_BUG))
        else:
            self._notes = renewal.notes
            self._waiting = self.hand_on(renewal.octets)
            if not self._waiting:
                self._finish(ReloadOutcome(None, self._notes))

    def _finish(self, outcome: ReloadOutcome, failed: str = REFUSED) -> None:
        tell_outcome(outcome, self.manager, self.log, failed)
        askers, self._askers = self._askers, []
        for asker in askers:
            self.answer(asker, outcome)


def tell_outcome(
    outcome: ReloadOutcome, manager: ServiceManager, log: FilteringBoundLogger, failed: str = REFUSED
) -> None:
    """Tell the log and the service manager what came of a reload; failed: how the log calls it where it did."""
    if outcome.refused is None:
        log.info("reloaded")
        manager.ready("reloaded")
    else:
        log.error(failed, why=outcome.refused)
        manager.ready(f"{failed}: {outcome.refused}")
