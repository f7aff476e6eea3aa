"""Which workers there are and how they are: written by the supervisor and the workers, read by whoever is asked.

Anonymous shared memory made before the fork. Every number has one writer: the supervisor's half of a row (pid,
ready, restarts) and the worker's own half (connections, of them signed in). A torn read shows one number a moment
too old.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass

_ROW = struct.Struct("<qqqqq")
_SUPERVISORS = struct.Struct("<qqq")
_WORKERS = struct.Struct("<qq")


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """One worker: its pid (0: none now), whether its listeners accept, how often it was replaced, its sessions."""

    pid: int
    ready: bool
    restarts: int
    connections: int
    signed_in: int


class StatusBoard:
    """A row for each worker."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._memory = mmap.mmap(-1, max(1, workers) * _ROW.size)

    def __len__(self) -> int:
        return self._workers

    def note_worker(self, number: int, *, pid: int, ready: bool, restarts: int) -> None:
        """The supervisor's half. With no process its sessions are gone too."""
        _SUPERVISORS.pack_into(self._memory, number * _ROW.size, pid, ready, restarts)
        if pid == 0:
            self.note_sessions(number, 0, 0)

    def note_sessions(self, number: int, connections: int, signed_in: int) -> None:
        """The worker's half."""
        _WORKERS.pack_into(self._memory, number * _ROW.size + _SUPERVISORS.size, connections, signed_in)

    def read(self, number: int) -> WorkerStatus:
        """One worker's row."""
        pid, ready, restarts, connections, signed_in = _ROW.unpack_from(self._memory, number * _ROW.size)
        return WorkerStatus(pid, bool(ready), restarts, connections, signed_in)
