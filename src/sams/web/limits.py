"""How much one network may ask: a bucket of tokens for each, so that nobody takes the pages from the others."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

_MOST_NETWORKS = 20_000


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class Buckets:
    """Buckets of tokens by key.

    size: tokens that a full one has. per_second: what comes back. clock: monotonic seconds.
    The keys that were seen longest ago are forgotten, which gives them a full bucket again.
    """

    def __init__(self, size: float, per_second: float, clock: Callable[[], float]) -> None:
        self._size = size
        self._per_second = per_second
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, key: str, tokens: float = 1.0) -> float:
        """Take so many. 0: they were there; else the seconds until they are, and none is taken."""
        now = self._clock()
        bucket = self._buckets.setdefault(key, _Bucket(self._size, now))
        self._buckets.move_to_end(key)
        if len(self._buckets) > _MOST_NETWORKS:
            self._buckets.popitem(last=False)
        bucket.left = min(self._size, bucket.left + (now - bucket.at) * self._per_second)
        bucket.at = now
        if bucket.left >= tokens:
            bucket.left -= tokens
            return 0.0
        return (tokens - bucket.left) / self._per_second
