"""Threads whose work stands back: who wakes up has the core at once, and yet the work comes to its end.

Theory of operation. Where Linux counts by slices (EEVDF, since 6.6), who wakes up waits until a batch job of low
priority has used its own: the loop lost up to 4 ms each time. Work of the class "idle" gives way at once. But beside
loops that never rest it gets a 300th of a core, which would make seconds of a hash. So each job tells what part of a
core it got. After one that got hardly any, jobs are batch jobs of low priority, to which a tenth of a core is left,
until one of them finds the machine at ease.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

_STARVED = 0.1
_AT_EASE = 0.5
"""Parts of a core that a job got, below and above which the next are run in the other way."""


class Effort:
    """What a thread gets of a core while it works. Made on that thread, and asked there."""

    __slots__ = ("_cpu", "_wall")

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.thread_time()

    def share(self) -> float:
        """Of a core, since this was made."""
        return (time.thread_time() - self._cpu) / max(1e-9, time.perf_counter() - self._wall)


class GentleThreads:
    """Runs jobs, at most so many at once, on threads that stand back. Used on one thread.

    niceness: above the service's, where a job cannot be left to idle cores.
    """

    __slots__ = ("_batch", "_idle", "_is_crowded")

    def __init__(self, at_once: int, niceness: int) -> None:
        self._idle = ThreadPoolExecutor(at_once, "hash", initializer=_use_idle_cores)
        self._batch = ThreadPoolExecutor(at_once, "hash", initializer=_lower_priority, initargs=(niceness,))
        self._is_crowded = False

    def submit(self, job: Callable[[], None]) -> None:
        """Run a job; the caller gives no more at once than there are threads."""
        (self._batch if self._is_crowded else self._idle).submit(job)

    def note(self, share: float) -> None:
        """A job got so much of a core."""
        self._is_crowded = share < (_AT_EASE if self._is_crowded else _STARVED)

    def close(self) -> None:
        """Wait for what was submitted."""
        self._idle.shutdown(wait=True)
        self._batch.shutdown(wait=True)


def _use_idle_cores() -> None:
    """Linux gives a thread a priority of its own."""
    if sys.platform == "linux":
        os.sched_setscheduler(threading.get_native_id(), os.SCHED_IDLE, os.sched_param(0))


def _lower_priority(niceness: int) -> None:
    """As a batch job it never interrupts a loop that has just woken up."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        service = os.getpriority(os.PRIO_PROCESS, thread)  # to ask for less than that would need a right
        os.setpriority(os.PRIO_PROCESS, thread, min(service + niceness, 19))
        os.sched_setscheduler(thread, os.SCHED_BATCH, os.sched_param(0))
