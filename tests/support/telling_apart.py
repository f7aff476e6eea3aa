"""Whether somebody who measures times could tell one kind of thing from another.

Two kinds are told apart if both is so: the one takes longer than the other so often that chance does not explain it
(the rank sum of Mann and Whitney, beyond five standard deviations: once in 1.7 million comparisons of what is alike),
and the middle ones differ by more than a bound that a test names. Ranks and medians do not care how late the latest
was, so other work on the machine moves neither; and all kinds are measured in turn, in another order each time, so
that it meets all alike.
"""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import median

SIGMAS = 5.0


@dataclass(frozen=True)
class Comparison:
    """sigmas: of the rank sum from what chance expects. ratio: of the medians, the longer to the shorter."""

    sigmas: float
    ratio: float

    def is_told_apart(self, bound: float) -> bool:
        """bound: the ratio up to which it does not matter."""
        return self.sigmas > SIGMAS and self.ratio > bound


def compared(one: Sequence[float], other: Sequence[float]) -> Comparison:
    """Two kinds, each by many values."""
    ordered = sorted(other)
    wins = sum(bisect_left(ordered, value) + bisect_right(ordered, value) for value in one) / 2
    pairs = len(one) * len(other)
    spread = sqrt(pairs * (len(one) + len(other) + 1) / 12)
    shorter, longer = sorted((median(one), median(other)))
    return Comparison(abs(wins - pairs / 2) / spread, longer / shorter)


def told_apart(measured: Mapping[str, Sequence[float]], bound: float) -> list[str]:
    """Which kinds can be told from the first one."""
    first, *others = measured
    found = ((name, compared(measured[first], measured[name])) for name in others)
    return [f"{name} from {first}: {told}" for name, told in found if told.is_told_apart(bound)]


async def in_turn(
    kinds: Mapping[str, Callable[[int], Awaitable[float]]], rounds: int
) -> dict[str, list[float]]:
    """Measure all kinds `rounds` times; each is told the number of the round."""
    chance, measured = random.Random(7), {name: list[float]() for name in kinds}
    for number in range(rounds):
        for name in chance.sample(list(kinds), len(kinds)):
            measured[name].append(await kinds[name](number))
    return measured
