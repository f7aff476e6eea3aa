"""Proof of linear cost by a ratio within one run, with margins that a busy machine does not reach."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

GROWTH = 8


def growth(work: Callable[[bytes], object], make: Callable[[int], bytes], size: int) -> float:
    """By how much the CPU time grows when the input grows by `GROWTH`: about 8 when linear, 64 when quadratic."""
    small, large = make(size), make(size * GROWTH)
    return min(cost(work, large) for _ in range(2)) / max(min(cost(work, small) for _ in range(4)), 1e-4)


def cost(work: Callable[[bytes], object], value: bytes) -> float:
    """CPU seconds, without what collecting the garbage of thousands of tests before takes."""
    gc.disable()
    try:
        start = time.process_time()
        work(value)
        return time.process_time() - start
    finally:
        gc.enable()


LINEAR = GROWTH * 4
