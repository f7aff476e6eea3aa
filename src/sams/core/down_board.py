"""What is down, as each worker finds: next hops, or sources of accounts. Read by whoever is asked for metrics.

Anonymous shared memory made before the fork: a row for each worker, which alone writes it, with an octet for each
of them by its place in the configuration. While a reload goes round, one may for a second be taken for another.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence

PLACES = 4_096
"""Of how many it can tell; more of them count as up."""


class DownBoard:
    """A row for each worker."""

    def __init__(self, workers: int) -> None:
        self._memory = mmap.mmap(-1, max(1, workers) * PLACES)

    def note(self, worker: int, down: Sequence[bool]) -> None:
        """Whether this worker finds each of them, by its place, to be down."""
        start = worker * PLACES
        self._memory[start : start + PLACES] = bytes(down[:PLACES]).ljust(PLACES, b"\0")

    def forget(self, worker: int) -> None:
        """A worker has died: what it had found is not known any more."""
        self.note(worker, ())

    def is_down(self, place: int) -> bool:
        """Whether any worker finds the one at this place to be down."""
        return place < PLACES and any(self._memory[place::PLACES])
