"""What the spool tells the rest of the house: counters and alarms, as callables handed in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


def _nothing(*_told: object) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Hooks:
    """All are called on the loop.

    committed: (members of the batch, seconds from staging to on disk), after each commit.
    failed: (shard, detail), once, when a shard must not be written any more.
    damaged: (message id, reason), when an entry was set aside.
    orphans: (number), when body files that belong to no message were removed.
    troubled: (detail), when something could not be done that costs no mail, but that a person should know.
    drained: (shard, folder), when nothing waits any more in a shard that failed.
    """

    committed: Callable[[int, float], None] = _nothing
    failed: Callable[[int, str], None] = _nothing
    damaged: Callable[[str, str], None] = _nothing
    orphans: Callable[[int], None] = _nothing
    troubled: Callable[[str], None] = _nothing
    drained: Callable[[int, str], None] = _nothing
