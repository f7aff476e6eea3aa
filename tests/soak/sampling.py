"""What the service holds, once a second: memory, descriptors and threads of each process, and what waits."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from sams.control.messages import WorkerHealth
from sams.control.running import RunningService
from sams.core.errors import OperatorError
from tests.soak.ledger import Ledger
from tests.support.service import Service

SUPERVISOR = "supervisor"


class Process(msgspec.Struct, frozen=True):
    """One process. rss, pss: KiB; pss has shared pages by their share."""

    pid: int
    rss: int
    pss: int
    descriptors: int
    threads: int


class Sample(msgspec.Struct, frozen=True):
    """at: UNIX seconds. queued: recipients that wait; None: nobody answered. accepted: messages so far."""

    at: float
    processes: dict[str, Process]
    queued: int | None
    connections: int | None
    signed_in: int | None
    accepted: int


def look_at(pid: int) -> Process | None:
    """None: it is gone."""
    folder = Path(f"/proc/{pid}")
    with suppress(OSError, IndexError, ValueError):
        status = dict(
            line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line
        )
        rolled = (folder / "smaps_rollup").read_text().splitlines()
        pss = next(int(line.split()[1]) for line in rolled if line.startswith("Pss:"))
        descriptors = sum(1 for _ in (folder / "fd").iterdir())
        return Process(pid, int(status["VmRSS"].split()[0]), pss, descriptors, int(status["Threads"]))
    return None


class Sampler(threading.Thread):
    """Takes a sample each second until it is stopped."""

    def __init__(self, service: Service, ledger: Ledger) -> None:
        super().__init__(name="sampler", daemon=True)
        assert service.process is not None
        self._supervisor = service.process.pid
        self._service = RunningService(service.folder / "data")
        self._ledger = ledger
        self._stop_asked = threading.Event()
        self._workers: dict[int, int] = {}
        self.samples: list[Sample] = []

    def run(self) -> None:
        due = time.monotonic()
        while not self._stop_asked.wait(max(0.0, due - time.monotonic())):
            self.samples.append(self.sample())
            due = max(due + 1.0, time.monotonic())

    def stop(self) -> None:
        self._stop_asked.set()
        self.join()

    def worker(self, number: int) -> int | None:
        """Its process, as the status board has it."""
        self._find_workers()
        return self._workers.get(number)

    def queued(self) -> int | None:
        """Recipients that wait; None where a worker does not say."""
        return self.sample().queued

    def sample(self) -> Sample:
        """One, now."""
        workers = self._find_workers()
        found = {SUPERVISOR: look_at(self._supervisor)}
        found |= {f"worker {number}": look_at(pid) for number, pid in sorted(self._workers.items())}
        return Sample(
            time.time(),
            {name: process for name, process in found.items() if process is not None},
            sum(worker.queued for worker in workers) if workers else None,
            sum(worker.connections for worker in workers) if workers else None,
            sum(worker.signed_in for worker in workers) if workers else None,
            len(self._ledger.promises),
        )

    def _find_workers(self) -> tuple[WorkerHealth, ...]:
        try:
            health = self._service.health()
        except OperatorError:
            return ()
        self._workers |= {worker.number: worker.pid for worker in health.workers}
        return () if health.silent or not health.workers else health.workers
